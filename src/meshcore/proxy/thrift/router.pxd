# Thrift router: from the name and the headers of a call to a connection that is its own, or to the exception that says why there is none.
#
# The last filter of each call. Must not write a byte. Worker thread.
from libc.stdint cimport uint8_t, uint64_t

from meshcore.proxy.thrift.objects cimport ThriftCall
from meshcore.route.criteria cimport Criteria

cdef void router_find(ThriftCall *call) noexcept nogil                          # its route and cluster; each NULL when there is none
# Finds both unless that was done. `size`: bytes of the payload, or THRIFT_UNBOUNDED. May free the call (see call_life).
cdef void router_route(ThriftCall *call, uint64_t size) noexcept nogil
cdef bint router_choose_host(ThriftCall *call, const Criteria *criteria) noexcept nogil      # of its cluster, with a pool; False: none
# To its host, for a client that speaks these.
cdef void router_speak(ThriftCall *call, uint8_t transport, uint8_t protocol) noexcept nogil
