# Router: the last filter. Chooses the cluster, starts the first try and feeds it the request.
#
# The stream calls router_request_*. A try is in attempt.pyx, what follows a bad one in failure.pyx, its answer in attempt_response.pyx. Worker
# thread; router_end lets go of everything upstream, router_let_go of the cluster when the stream is freed.
from meshcore.base.buffer cimport Buffer
from meshcore.base.span cimport Span
from meshcore.proxy.objects cimport ClusterLocal, Stream
from meshcore.route.table cimport Route

cdef ClusterLocal *router_find_cluster(Stream *stream, Route *route) noexcept nogil    # that the route names; NULL: there is none
cdef void router_request_head(Stream *stream, bint end) noexcept nogil
cdef void router_request_data(Stream *stream, Span data, bint end) noexcept nogil
cdef void router_request_buffer(Stream *stream, Buffer *data, bint end) noexcept nogil        # the caller empties what is left of `data`
cdef void router_request_trailers(Stream *stream) noexcept nogil
cdef ClusterLocal *router_find_cluster(Stream *stream, Route *route) noexcept nogil        # that the route leads to; NULL: there is none
cdef void router_end(Stream *stream) noexcept nogil                           # lets go of everything upstream
cdef void router_let_go(Stream *stream) noexcept nogil                        # of host and cluster, when the stream is freed
cdef void router_request_complete(Stream *stream) noexcept nogil              # the client has sent everything: the route timeout starts
