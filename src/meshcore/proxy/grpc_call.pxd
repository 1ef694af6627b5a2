# gRPC calls of the engine's own (filter/grpc_call): the stream that carries one, and what its answer says.
#
# Reuses all of the upstream side: the cluster's pools, breakers and statistics. Filters and proxy/thrift begin and cancel calls; own_stream
# hands over what comes back. Must not know what is in a message. Worker thread.
from meshcore.base.span cimport Span
from meshcore.codec.head cimport Head
from meshcore.filter.grpc_call cimport GrpcCall
from meshcore.observe.record cimport Record
from meshcore.proxy.objects cimport Engine, ListenerLocal, Stream

# `about`: what the formats of initial_metadata print.
cdef void grpc_call_begin(Engine *engine, ListenerLocal *listener, GrpcCall *call, Span message, Record *about) noexcept nogil
cdef void grpc_call_cancel(GrpcCall *call) noexcept nogil         # `done` is not called; nothing when it has been
# From own_stream.
cdef void grpc_call_data(Stream *stream, Span data) noexcept nogil
cdef void grpc_call_end(Stream *stream, Head *status) noexcept nogil       # complete; `status`: where grpc-status stands
cdef void grpc_call_failed(Stream *stream) noexcept nogil                  # it ended without a status
