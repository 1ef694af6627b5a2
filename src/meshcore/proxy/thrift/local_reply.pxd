# Thrift local replies: which application exception says that a call failed here, in Envoy's words. No sockets; worker thread.
from libc.stdint cimport int32_t, uint8_t

from meshcore.base.span cimport Span

cdef enum LocalReason:
    REASON_NO_ROUTE                # subject: the method
    REASON_UNKNOWN_CLUSTER         # subject: the cluster, as in the next two
    REASON_MAINTENANCE
    REASON_NO_HEALTHY_UPSTREAM
    REASON_OVERFLOW
    REASON_LOCAL_FAILURE_AT_START  # subject: the host's address, as in the rest; no byte of the reply had come
    REASON_REMOTE_FAILURE_AT_START
    REASON_TIMEOUT_AT_START
    REASON_LOCAL_FAILURE_IN_REPLY  # some bytes had
    REASON_REMOTE_FAILURE_IN_REPLY
    REASON_TIMEOUT_IN_REPLY
    REASON_PROTOCOL_ERROR          # subject: what was wrong
    REASON_OVER_LIMIT              # no subject; the next one too
    REASON_LIMITER_ERROR
    REASONS

cdef enum:
    LOCAL_TEXT_MAX = 512           # longer texts are cut

# Writes the text into `out` (LOCAL_TEXT_MAX bytes) and answers its length; `type` is TApplicationException's number.
cdef size_t thrift_local_text(uint8_t reason, Span subject, char *out, int32_t *type) noexcept nogil
