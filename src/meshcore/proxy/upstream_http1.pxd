# HTTP/1 upstream connections: UpstreamOps for HTTP/1. Worker thread.
from meshcore.proxy.objects cimport Attempt, Engine, Upstream

cdef Upstream *http1_upstream_new(Engine *engine) noexcept nogil                        # NULL: no memory
cdef void upstream_send_raw(Upstream *base, Attempt *attempt) noexcept nogil            # a terminated CONNECT: no HTTP on it
