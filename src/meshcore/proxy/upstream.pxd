# HTTP/1 upstream connections: requests to bytes, response bytes to attempt events. Made by a pool, freed when its transport has closed.
from libc.stdint cimport uint8_t

from meshcore.base.buffer cimport Buffer
from meshcore.base.span cimport Span
from meshcore.codec.head cimport Head
from meshcore.proxy.objects cimport Attempt, Pool, Upstream

cdef Upstream *upstream_dial(Pool *pool, Span *failure) noexcept nogil        # NULL: refused at once, `failure` says why
cdef void upstream_begin(Upstream *upstream, Attempt *attempt) noexcept nogil
cdef void upstream_send_raw(Upstream *upstream, Attempt *attempt) noexcept nogil
cdef void upstream_send_head(Upstream *upstream, Attempt *attempt, bint end) noexcept nogil
cdef void upstream_send_span(Upstream *upstream, Attempt *attempt, Span data, bint end) noexcept nogil
cdef void upstream_send_buffer(Upstream *upstream, Attempt *attempt, Buffer *data, bint end) noexcept nogil
cdef void upstream_send_trailers(Upstream *upstream, Attempt *attempt, Head *trailers) noexcept nogil
cdef void upstream_abandon(Upstream *upstream) noexcept nogil                 # its attempt gave up: the connection cannot be reused
cdef void upstream_close(Upstream *upstream) noexcept nogil
cdef void upstream_pause(Upstream *upstream) noexcept nogil
cdef void upstream_resume(Upstream *upstream) noexcept nogil
cdef const char *up_state_name(uint8_t state) noexcept nogil
