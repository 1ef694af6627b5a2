# Thrift pool: the connections of one worker to one host. A call gets an idle one (the last used one), or waits while a new one is made.
#
# One call at a time on a connection. The breakers are those of a TCP pool: connections and calls that wait; calls under way are not limited.
# Worker thread. A pool ends when it was retired and its last connection has gone.
from libc.stdint cimport uint8_t, uint32_t

from meshcore.cluster.host cimport Host
from meshcore.proxy.objects cimport ClusterLocal
from meshcore.proxy.thrift.objects cimport ThriftCall, ThriftPool, ThriftUpstream

cdef ThriftPool *pool_of(ClusterLocal *cluster, Host *host) noexcept nogil     # found or made; NULL: no memory
cdef void pool_request(ThriftPool *pool, ThriftCall *call) noexcept nogil      # ends in call_ready, call_overflow or call_connect_failed
cdef void pool_cancel(ThriftCall *call) noexcept nogil                         # takes a waiting call out
cdef void pool_connected(ThriftUpstream *upstream) noexcept nogil              # it may serve
cdef void pool_connect_failed(ThriftUpstream *upstream, uint8_t reason) noexcept nogil      # a LocalReason
cdef void pool_give_back(ThriftUpstream *upstream) noexcept nogil              # its call is over and it may be used again
cdef void pool_forget(ThriftUpstream *upstream) noexcept nogil                 # it closed: out of its list, counts corrected
cdef void pool_let_go(ThriftPool *pool) noexcept nogil                         # frees a retired pool whose last connection is gone
cdef void pools_retire(ClusterLocal *cluster, uint32_t slot, Host *host) noexcept nogil     # of a host that left; NULL: whichever has the slot
