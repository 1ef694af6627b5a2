# Router: the last filter. Chooses the cluster and host, tries, retries, replays, and hands the response back to the stream.
#
# The stream calls router_request_*; a pool calls attempt_ready or attempt_failed; an upstream connection calls attempt_*. Worker thread.
from libc.stdint cimport uint8_t, uint64_t

from meshcore.base.span cimport Span
from meshcore.codec.head cimport Head
from meshcore.proxy.objects cimport Attempt, Stream, Upstream

cdef enum ResetReason:
    RESET_CONNECT_REFUSED          # remote connection failure
    RESET_CONNECT_TIMEOUT
    RESET_TERMINATION              # connection closed before the response was complete
    RESET_PROTOCOL                 # the upstream sent what is not HTTP
    RESET_OVERFLOW                 # a breaker is open
    RESET_LOCAL                    # we gave up (timeout, memory)
    RESET_HEADERS_TOO_LARGE

cdef void router_request_head(Stream *stream, bint end) noexcept nogil
cdef void router_request_data(Stream *stream, Span data, bint end) noexcept nogil
cdef void router_request_trailers(Stream *stream) noexcept nogil
cdef void router_end(Stream *stream) noexcept nogil                           # lets go of everything upstream
cdef void router_let_go(Stream *stream) noexcept nogil                        # of host and cluster, when the stream is freed
cdef void router_request_complete(Stream *stream) noexcept nogil              # the client has sent everything: the route timeout starts

cdef void attempt_ready(Attempt *attempt, Upstream *upstream) noexcept nogil
cdef void attempt_failed(Attempt *attempt, uint8_t reason, Span failure) noexcept nogil       # before or after it had a connection
cdef void attempt_interim(Attempt *attempt, Head *head) noexcept nogil
cdef void attempt_response_head(Attempt *attempt, bint end) noexcept nogil    # stream.response is filled
cdef void attempt_response_data(Attempt *attempt, Span data, bint end) noexcept nogil
cdef void attempt_response_trailers(Attempt *attempt) noexcept nogil
cdef void attempt_upload_full(Attempt *attempt) noexcept nogil
cdef void attempt_upload_low(Attempt *attempt) noexcept nogil
