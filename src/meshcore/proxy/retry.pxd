# Retry decisions: whether a failed try or a response is worth another one, and how long to wait. Worker thread.
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from meshcore.base.span cimport Span
from meshcore.proxy.objects cimport Stream

cdef void retry_prepare(Stream *stream) noexcept nogil              # policy and request headers: fills retry_on and retries_left
cdef bint retry_wants_response(Stream *stream) noexcept nogil       # by status and headers of stream.response
cdef bint retry_wants_reset(Stream *stream, uint8_t reason, bint head_sent) noexcept nogil
cdef uint64_t retry_backoff_ms(Stream *stream) noexcept nogil
cdef uint32_t parse_retry_on(Span list) noexcept nogil              # RetryOn bits of x-envoy-retry-on; unknown words are passed over
cdef uint32_t parse_retry_grpc_on(Span list) noexcept nogil         # ... of x-envoy-retry-grpc-on
cdef bint method_idempotent(Stream *stream) noexcept nogil          # RFC 9110, 9.2.2
cdef bint retries_allowed(Stream *stream) noexcept nogil        # whether runtime lets this one happen (upstream.use_retry)
