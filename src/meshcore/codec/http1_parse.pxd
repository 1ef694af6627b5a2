# HTTP/1 heads: start line and field lines in, Head and framing out. The law of the codec is in http1.pxd.
from libc.stdint cimport uint8_t, uint16_t

from meshcore.base.span cimport Span
from meshcore.codec.head cimport Head
from meshcore.codec.http1 cimport Http1Message, Http1Options

# `seen`: bytes that an earlier call, which answered HTTP1_MORE, has already looked at. `head` is initialised by the caller.
cdef int http1_parse_request(const char *at, size_t n, size_t seen, const Http1Options *options, Head *head,
                             Http1Message *message, size_t *used) noexcept nogil
# `head_only`: the request was HEAD; `connect`: it was CONNECT. 1xx heads come back with BODY_NONE.
cdef int http1_parse_response(const char *at, size_t n, size_t seen, const Http1Options *options, bint head_only, bint connect,
                              Head *head, Http1Message *message, size_t *used) noexcept nogil
# A trailer section (field lines up to and with the empty line) into a fresh head.
cdef int http1_parse_trailers(const char *at, size_t n, const Http1Options *options, Head *head, uint8_t *error,
                              size_t *used) noexcept nogil
# Where the block of lines that starts at `at` ends (behind its empty line), 0 when it does not yet; `seen` as above.
cdef size_t http1_block_end(const char *at, size_t n, size_t seen) noexcept nogil
cdef uint16_t http1_error_status(uint8_t error) noexcept nogil
cdef Span http1_error_details(uint8_t error) noexcept nogil                    # Envoy's response-code details
