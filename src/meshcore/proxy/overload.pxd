# Overload of a cluster: the share of its requests that is refused before a host is chosen. Runtime says so (upstream.maintenance_mode), or
# whoever sends its endpoints (drop_overloads). Worker thread; called by the routers. The first answer ends the request.
from libc.stdint cimport int64_t, uint64_t

from meshcore.base.atomics cimport atomic_load
from meshcore.base.random cimport random_u64
from meshcore.proxy.objects cimport ClusterLocal, Engine, Stream

cdef bint overload_refuses(Stream *stream, ClusterLocal *cluster) noexcept nogil       # True: it has been answered

cdef inline bint overload_maintains(Engine *engine, ClusterLocal *cluster) noexcept nogil:
    # Whether the cluster's maintenance is to refuse this request.
    cdef int64_t percent = atomic_load(&cluster.conf.maintenance)
    return percent > 0 and <int64_t>(random_u64(&engine.loop.random) % 100) < percent
