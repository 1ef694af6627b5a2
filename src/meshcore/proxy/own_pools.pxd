# Own pools: those of connections that were made in a client's name (proxy/origin), found by that name and their host.
#
# A pool is here while it has a connection or somebody waits in it, then it ends. Worker thread.
from libc.stdint cimport uint8_t, uint32_t

from meshcore.cluster.host cimport Host
from meshcore.proxy.objects cimport ClusterLocal, Connection, Pool, Stream
from meshcore.proxy.origin cimport Origin

# What of a client's connection and request hosts of a cluster are to see. False: nothing, any connection serves it. `connection` NULL: the
# proxy's own try; `stream` NULL: no request.
cdef bint own_origin(ClusterLocal *cluster, const Host *host, Connection *connection, Stream *stream, Origin *out) noexcept nogil
cdef Pool *own_pool_of(ClusterLocal *cluster, Host *host, uint8_t priority, bint http2, const Origin *origin) noexcept nogil   # found or made
cdef void own_pool_remove(Pool *pool) noexcept nogil
cdef void own_pools_retire(ClusterLocal *cluster) noexcept nogil
cdef void own_pools_retire_at(ClusterLocal *cluster, uint32_t slot, Host *host) noexcept nogil         # host NULL: whichever has the slot
cdef void own_pools_fini(ClusterLocal *cluster) noexcept nogil
