# Base64 (RFC 4648, 4), with padding. Any thread; owns nothing.
from libc.stddef cimport size_t

from meshcore.base.arena cimport Arena
from meshcore.base.span cimport Span

cdef inline size_t base64_len(size_t n) noexcept nogil:
    return (n + 2) // 3 * 4

cdef void base64_encode(const char *at, size_t n, char *out) noexcept nogil       # fills base64_len(n) bytes
# `n` is a multiple of 4; only the last quantum may be padded, and what its last letter does not use must be zero. How many bytes were
# written; -1: it is no Base64. `out` has room for n // 4 * 3, and may be where `at` is.
cdef long base64_decode(const char *at, size_t n, char *out) noexcept nogil
cdef Span base64_decoded(Arena *arena, Span text) noexcept nogil             # in the arena; empty: nothing in it, or it is no Base64
