# Overload of a cluster: the share of its requests that is refused before a host is chosen. Runtime says so (upstream.maintenance_mode), or
# whoever sends its endpoints (drop_overloads). Worker thread; called by the router. The first answer ends the request.
from meshcore.proxy.objects cimport ClusterLocal, Stream

cdef bint overload_refuses(Stream *stream, ClusterLocal *cluster) noexcept nogil       # True: it has been answered
