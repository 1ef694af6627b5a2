# Spans: borrowed byte ranges, and the few text routines that the hot path needs.
#
# A Span owns nothing: whoever hands one out says how long its bytes live (a stream's arena, a table, the worker's scratch buffer
# until the callback returns). Everything here is inline or leaf code, any thread.
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

cdef struct Span:
    const char *at
    uint32_t len

cdef inline Span span(const char *at, size_t n) noexcept nogil:
    cdef Span s
    s.at = at
    s.len = <uint32_t>n
    return s

cdef inline bint span_equal(Span a, Span b) noexcept nogil:
    return a.len == b.len and (a.len == 0 or memcmp(a.at, b.at, a.len) == 0)

cdef inline bint span_is(Span a, const char *text, size_t n) noexcept nogil:
    return a.len == n and (n == 0 or memcmp(a.at, text, n) == 0)

cdef inline char lower(char c) noexcept nogil:
    return c + 32 if c >= 65 and c <= 90 else c

cdef bint span_is_nocase(Span a, const char *lower_text, size_t n) noexcept nogil   # lower_text must be lower case
cdef bint span_equal_nocase(Span a, Span b) noexcept nogil
cdef int64_t span_find(Span a, char c) noexcept nogil                               # index, or -1
cdef Span span_trim(Span a) noexcept nogil                                          # without SP and HTAB at both ends
cdef bint span_next_token(Span *rest, Span *token) noexcept nogil                   # splits a comma list, trims, skips empties
cdef bint list_has(Span list, const char *lower_text, size_t n) noexcept nogil      # a comma list holds the token, case apart
cdef bint span_fits_header(Span a) noexcept nogil                                   # no control characters but HTAB (RFC 9110, 5.5)
cdef bint parse_u64(Span a, uint64_t *out) noexcept nogil                           # digits only; False on overflow or anything else
cdef size_t write_u64(char *out, uint64_t v) noexcept nogil                         # decimal, at most 20 bytes; bytes written
cdef size_t write_hex(char *out, uint64_t v) noexcept nogil                         # lower case, at most 16 bytes
