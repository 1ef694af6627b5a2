# A gRPC call of the engine's own, as filters see it: one message to a service of the configuration, one message back.
#
# Who calls owns the GrpcCall and keeps it until `done` was called or the call was cancelled; `done` is called once, perhaps before the call
# has begun. The message of the answer lives until `done` returns. Carried out by proxy/grpc_call; filters get there through StreamOps.
# Worker thread.
from libc.stdint cimport uint16_t, uint32_t

from meshcore.base.buffer cimport Buffer
from meshcore.base.span cimport Span
from meshcore.route.mutation cimport HeaderAdd

cdef enum:                         # GrpcStatus: those that the proxy gives itself
    GRPC_OK = 0
    GRPC_CANCELLED = 1
    GRPC_UNKNOWN = 2
    GRPC_RESOURCE_EXHAUSTED = 8
    GRPC_INTERNAL = 13
    GRPC_UNAVAILABLE = 14

cdef struct GrpcService:
    # GrpcService with envoy_grpc; immutable, in a table.
    uint32_t cluster               # slot in every worker
    Span authority
    Span forwarded_for             # what the call says of where it comes from; empty: nothing (skip_envoy_headers)
    HeaderAdd *metadata            # initial_metadata
    uint16_t metadata_len
    uint32_t most                  # bytes of an answer, 0 = no limit

cdef struct GrpcCall:
    const GrpcService *service
    Span path                      # "/package.Service/Method"
    uint32_t timeout_ms            # 0 = none
    void (*done)(GrpcCall *call, int status, Span message) noexcept nogil        # a status that is not GRPC_OK has no message
    void *owner
    void *stream                   # private to proxy/grpc_call, as is `answer`; NULL: it is not under way
    Buffer answer
