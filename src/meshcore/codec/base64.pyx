"""Base64. See base64.pxd."""
from libc.stdint cimport int8_t, uint8_t, uint32_t

from meshcore.base.arena cimport Arena, arena_take
from meshcore.base.span cimport Span, span

cdef enum:
    PAD = 61                       # "="

cdef const char *LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
cdef int8_t values[256]


cdef _fill_values():
    cdef int i
    for i in range(256):
        values[i] = -1
    for i in range(64):
        values[<uint8_t>LETTERS[i]] = <int8_t>i


_fill_values()


cdef void base64_encode(const char *at, size_t n, char *out) noexcept nogil:
    cdef const uint8_t *source = <const uint8_t *>at
    cdef uint32_t three
    while n > 0:
        three = <uint32_t>source[0] << 16
        if n > 1:
            three |= <uint32_t>source[1] << 8
        if n > 2:
            three |= source[2]
        out[0] = LETTERS[three >> 18]
        out[1] = LETTERS[three >> 12 & 63]
        out[2] = LETTERS[three >> 6 & 63] if n > 1 else PAD
        out[3] = LETTERS[three & 63] if n > 2 else PAD
        out += 4
        source += 3
        n = n - 3 if n > 3 else 0


cdef long base64_decode(const char *at, size_t n, char *out) noexcept nogil:
    cdef const uint8_t *source = <const uint8_t *>at
    cdef long written = 0
    cdef int more                  # letters of this quantum
    cdef int i
    cdef int8_t value
    cdef uint32_t four
    while n > 0:
        more = 4
        if n == 4 and source[3] == PAD:
            more = 2 if source[2] == PAD else 3
        four = 0
        for i in range(more):
            value = values[source[i]]
            if value < 0:
                return -1
            four |= <uint32_t>value << (18 - 6 * i)
        if (more == 2 and four & 0xffff) or (more == 3 and four & 0xff):
            return -1
        for i in range(more - 1):
            out[written] = <char>(four >> (16 - 8 * i) & 0xff)
            written += 1
        source += 4
        n -= 4
    return written


cdef Span base64_decoded(Arena *arena, Span text) noexcept nogil:
    cdef char *out
    cdef long n
    if text.len == 0 or text.len % 4:
        return span(NULL, 0)
    out = <char *>arena_take(arena, text.len)
    n = -1 if out == NULL else base64_decode(text.at, text.len, out)
    return span(out, <size_t>n) if n > 0 else span(NULL, 0)
