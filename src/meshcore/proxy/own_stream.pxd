# Streams of the engine's own: requests that no client sent. They have the router's tries and timeout and the cluster's statistics, breakers
# and pools; they have no filters and no log.
#
# A mirrored request is one (mirror), and so is a gRPC call (grpc_call). Who makes one fills its request head and starts its try; what its
# host answers comes here and goes to the call, if it is one. Worker thread. A stream ends with its answer, its timeout, a failure, when its
# maker no longer wants it, or with the engine; it is freed at the end of the iteration, as every stream.
from meshcore.base.span cimport Span
from meshcore.conf.tables cimport HcmConf
from meshcore.proxy.objects cimport ClusterLocal, Engine, ListenerLocal, RouteLocal, Stream

# Its request is not kept for another try. routes NULL: none. NULL: no memory.
cdef Stream *own_stream_new(Engine *engine, ListenerLocal *listener, HcmConf *hcm, RouteLocal *routes, ClusterLocal *cluster) noexcept nogil
cdef void own_stream_end(Stream *stream) noexcept nogil
# The answer, after its statistics.
cdef void own_stream_head(Stream *stream, bint end) noexcept nogil
cdef void own_stream_data(Stream *stream, Span data, bint end) noexcept nogil
cdef void own_stream_trailers(Stream *stream) noexcept nogil
