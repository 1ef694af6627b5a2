# HTTP/2 upstream connections: UpstreamOps for HTTP/2. Many attempts share one connection, a stream each. Worker thread.
from meshcore.conf.tables cimport ClusterConf
from meshcore.proxy.objects cimport Engine, Upstream

cdef Upstream *http2_upstream_new(Engine *engine, ClusterConf *conf) noexcept nogil      # NULL: no memory
