# Route head: header mutations, host and path of the request as the route wants them, in Envoy's order (finalizeRequestHeaders). Worker thread.
from meshcore.base.span cimport Span
from meshcore.proxy.objects cimport Stream
from meshcore.route.table cimport Route

cdef void route_head_rewrite(Stream *stream, Route *route) noexcept nogil                    # all of it
cdef void route_head_set_host(Stream *stream, Route *route, Span host) noexcept nogil        # empty: nothing
cdef void route_head_set_path(Stream *stream, Route *route) noexcept nogil
