# The rate limit service (envoy.service.ratelimit.v3): what it is asked of a request, and what it answered. For HTTP and Thrift alike.
#
# Messages are written and read by hand; all that is read lies in the caller's arena. Who calls the service and what follows from the answer
# is the filters' (filter/ratelimit, proxy/thrift/limit). Settings are immutable, in a table. Worker thread.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from meshcore.base.arena cimport Arena
from meshcore.base.random cimport Random
from meshcore.base.runtime cimport RuntimeFraction
from meshcore.base.span cimport Span
from meshcore.codec.head cimport Head
from meshcore.filter.grpc_call cimport GrpcCall, GrpcService
from meshcore.observe.record cimport Record
from meshcore.route.rate_limit cimport RateDescriptor, RateRules

cdef enum RateVerdict:
    RATE_VERDICT_OK
    RATE_VERDICT_OVER_LIMIT
    RATE_VERDICT_ERROR             # the service did not say, or what it said makes no sense

cdef enum:                         # RateCount: cluster.<name>.ratelimit.*
    RATE_COUNT_OK
    RATE_COUNT_ERROR
    RATE_COUNT_OVER_LIMIT
    RATE_COUNT_FAILURE_MODE_ALLOWED

cdef struct RateLimitService:
    GrpcService grpc
    Span domain
    uint32_t timeout_ms            # 0 = none

cdef struct ThriftRateLimit:
    # envoy.filters.thrift.rate_limit.
    RateLimitService service
    uint8_t stage
    bint deny                      # failure_mode_deny
    RuntimeFraction enabled
    RuntimeFraction enforced

cdef struct RateHeader:
    Span name                      # as the service wrote it
    Span value
    RateHeader *next

cdef struct RateStatus:
    # DescriptorStatus, of a descriptor that has a limit.
    Span name
    uint32_t requests_per_unit
    uint32_t unit
    uint32_t remaining
    uint64_t reset_s
    RateStatus *next

cdef struct RateAnswer:
    # RateLimitResponse; lists in the order of the message.
    uint8_t verdict                # RateVerdict
    Span body
    RateHeader *request_headers
    RateHeader *response_headers
    RateStatus *statuses
    Span metadata                  # a google.protobuf.Struct, not read yet

cdef struct RateDescriptors:
    RateDescriptor *items
    uint16_t len
    uint16_t cap

# Rules whose stage this is (stage < 0: all of them) and that are not switched off.
cdef void rate_descriptors_add(RateDescriptors *list, const RateRules *rules, int stage, Random *random, Head *request, Record *record,
                               Arena *arena) noexcept nogil
cdef Span rate_request_write(Span domain, const RateDescriptors *list, Arena *arena) noexcept nogil      # empty: no memory
cdef void rate_call_fill(GrpcCall *call, const RateLimitService *service) noexcept nogil
cdef void rate_answer_read(RateAnswer *answer, int status, Span message, Arena *arena) noexcept nogil
