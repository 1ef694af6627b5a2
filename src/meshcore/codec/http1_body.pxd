# HTTP/1 bodies: counted, chunked or open-ended bytes in, body spans and trailers out. The law of the codec is in http1.pxd.
from libc.stdint cimport uint8_t

from meshcore.base.span cimport Span
from meshcore.codec.head cimport Head
from meshcore.codec.http1 cimport Http1Body, Http1Message, Http1Options

cdef void http1_body_begin(Http1Body *body, const Http1Message *message) noexcept nogil
# Consumes from *at up to `end`, at most to the end of this body. `trailers` may be NULL (then they are checked and dropped).
# Returns a BodyEvent. A trailer section is consumed whole or not at all, so the caller must keep what is left after EVENT_MORE.
cdef int http1_body_next(Http1Body *body, const char **at, const char *end, const Http1Options *options, Head *trailers,
                         Span *data) noexcept nogil
cdef const char *body_state_name(uint8_t state) noexcept nogil
