# Attempt: one try of a request at one host, from the choice of the host until the request is on its connection.
#
# The router starts the first, failure.pyx the next ones; the pool calls attempt_ready, or attempt_failed in failure.pyx. It must not judge an
# answer. Worker thread. An attempt ends in drop_attempt, which charges its end and frees it; the stream keeps its host for the log.
from libc.stdint cimport uint8_t

from meshcore.cluster.breaker cimport Breaker
from meshcore.proxy.objects cimport Attempt, Stream, Upstream

cdef enum ResetReason:
    RESET_CONNECT_REFUSED          # remote connection failure
    RESET_CONNECT_TIMEOUT
    RESET_TERMINATION              # connection closed before the response was complete
    RESET_PROTOCOL                 # the upstream sent what is not HTTP
    RESET_OVERFLOW                 # a breaker is open
    RESET_LOCAL                    # we gave up (timeout, memory)
    RESET_HEADERS_TOO_LARGE
    RESET_REMOTE                   # HTTP/2: the upstream reset the stream
    RESET_REFUSED                  # ... before it did anything for it (RFC 9113, 8.7)

cdef inline uint8_t priority_of(Stream *stream) noexcept nogil:
    return 1 if stream.http.route.priority_high else 0

cdef inline Breaker *breaker_of(Stream *stream) noexcept nogil:
    return &stream.cluster.conf.breakers[priority_of(stream)]

# fresh: on a new connection. extra: beside others; then it may silently not come about.
cdef void start_try(Stream *stream, bint fresh, bint extra) noexcept nogil
cdef void no_host(Stream *stream) noexcept nogil                              # nobody can serve it: 503
cdef void arm_try(Attempt *attempt) noexcept nogil                            # its timeouts run from now
cdef void touch_try(Attempt *attempt) noexcept nogil                          # its upstream showed life
cdef void give_up(Attempt *attempt) noexcept nogil                            # before its answer is complete
cdef void give_up_others(Stream *stream, Attempt *chosen) noexcept nogil      # all but this one, which becomes stream.attempt
cdef void drop_attempt(Attempt *attempt) noexcept nogil                       # its connection was given back or closed before
cdef void attempt_ready(Attempt *attempt, Upstream *upstream) noexcept nogil
cdef void attempt_tunnel_opened(Attempt *attempt) noexcept nogil              # its upstream has agreed to one
cdef void attempt_upload_full(Attempt *attempt) noexcept nogil
cdef void attempt_upload_low(Attempt *attempt) noexcept nogil
