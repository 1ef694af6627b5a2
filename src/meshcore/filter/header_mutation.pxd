# Header mutation: changes to heads, queries and trailers, one after the other, of the filter and of each level of the route. Worker thread.
from libc.stdint cimport uint16_t

from meshcore.filter.http cimport HttpFilterOps
from meshcore.route.matcher cimport StringMatcher
from meshcore.route.mutation cimport Mutation
from meshcore.route.query_change cimport QueryChange

cdef struct HeaderChange:
    Mutation mutation              # one addition or removal, of a request or a response as it stands
    bint removes_matching
    StringMatcher names            # removes_matching: the headers that go

cdef struct Changes:
    HeaderChange *changes
    uint16_t len

cdef struct MutationLevel:
    Changes request
    Changes response
    Changes request_trailers
    Changes response_trailers
    QueryChange *query             # after those of the request's head
    uint16_t query_len

cdef struct HeaderMutationConf:
    # That of the filter itself, and for a route those of the table, the virtual host, the route, the weighted cluster, in the filter's order.
    MutationLevel *levels
    uint16_t levels_len
    bint trailers                  # some level changes trailers

cdef const HttpFilterOps *header_mutation_filter() noexcept nogil
