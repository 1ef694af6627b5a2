# Thrift route table: which route serves a call, by its name and its headers. Compiled once, immutable, shared by all workers.
#
# Built on the main thread by bind/thrift_routes.pyx into the table's own arena and freed with it. `thrift_route_find` gives what Envoy's
# linear first-match walk gives; what it costs grows with the length of the name and with the routes that no name can rule out.
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from meshcore.base.arena cimport Arena
from meshcore.base.runtime cimport RuntimeFraction
from meshcore.base.span cimport Span
from meshcore.codec.head cimport Head
from meshcore.route.criteria cimport Criteria
from meshcore.route.matcher cimport HeaderMatcher
from meshcore.route.rate_limit cimport RateRules
from meshcore.route.regex cimport Regex
from meshcore.route.table cimport ClusterChoice
from meshcore.route.value_index cimport ValueIndex

cdef enum ThriftMatchKind:
    THRIFT_MATCH_METHOD            # the whole name
    THRIFT_MATCH_SERVICE           # what the name begins with, its last colon included

cdef struct ThriftMirror:
    # RequestMirrorPolicy.
    Span cluster
    int32_t index                  # its slot in every worker
    RuntimeFraction fraction

cdef struct ThriftRoute:
    uint32_t order                 # position in the table, first = 0
    uint8_t kind                   # ThriftMatchKind
    bint invert                    # of the name; headers are not inverted
    Span name                      # empty: every call
    const HeaderMatcher *headers
    uint16_t headers_len
    # what to do
    ClusterChoice *choices         # one for `cluster`; empty with cluster_header
    uint16_t choices_len
    uint32_t total_weight
    Span cluster_header            # lower case: names the cluster; a call without it is for another route
    const Criteria *criteria       # subset wanted where no choice says another; NULL: none
    bint strip_service_name
    const ThriftMirror *mirrors
    uint16_t mirrors_len
    RateRules rate_rules

cdef struct ThriftCandidates:
    # Routes that one name leads to, ascending.
    uint32_t *orders
    uint32_t len
    ValueIndex *values             # NULL: no exact header condition among them

cdef struct ThriftSlot:
    uint64_t hash
    const ThriftRoute *route       # the first with this kind and name; NULL = free
    ThriftCandidates candidates

cdef struct ThriftRouteTable:
    Arena arena
    int64_t refs
    Span name
    ThriftRoute *routes            # in configured order
    uint32_t routes_len
    Regex *regexes                 # all that the table owns
    ThriftSlot *slots              # private to thrift_table.pyx, as are the next two
    uint32_t mask
    ThriftCandidates rest          # those of every name, and inverted ones

cdef ThriftRouteTable *thrift_table_new() noexcept nogil                       # one reference; NULL: no memory
cdef bint thrift_table_index(ThriftRouteTable *table) noexcept nogil           # once all routes are there; False: no memory
cdef void thrift_table_unref(ThriftRouteTable *table) noexcept nogil
cdef int64_t thrift_tables_live() noexcept nogil

# The first route that takes the call; NULL: none. `headers` may be empty, not NULL.
cdef const ThriftRoute *thrift_route_find(const ThriftRouteTable *table, Span name, Head *headers) noexcept nogil
# The cluster's name: by weight, or by the header. Empty: the header is not there.
cdef Span thrift_route_cluster(const ThriftRoute *route, Head *headers, uint64_t random, ClusterChoice **choice) noexcept nogil
# The name that goes to the upstream.
cdef Span thrift_route_name(const ThriftRoute *route, Span name) noexcept nogil
