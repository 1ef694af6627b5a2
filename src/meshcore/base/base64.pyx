"""Base64: decoding. See base64.pxd for the law. The table is filled when the module is imported."""
from libc.stdint cimport uint8_t, uint32_t

ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

cdef enum:
    NONE = 0xff
    PADDING = 61                   # "="

cdef uint8_t values[256]


cdef _fill():
    for i in range(256):
        values[<int>i] = NONE
    for i, letter in enumerate(ALPHABET):
        values[<int>letter] = i


_fill()


cdef size_t base64_decode(const char *at, size_t n, char *out) noexcept nogil:
    cdef size_t padding = 0
    cdef size_t wrote = 0
    cdef uint32_t bits = 0
    cdef uint32_t have = 0
    cdef uint8_t value
    cdef size_t i
    while n > 0 and padding < 2 and at[n - 1] == PADDING:
        n -= 1
        padding += 1
    if n % 4 == 1 or (padding > 0 and (n + padding) % 4 != 0):
        return 0
    for i in range(n):
        value = values[<uint8_t>at[i]]
        if value == NONE:
            return 0
        bits = bits << 6 | value
        have += 6
        if have >= 8:
            have -= 8
            out[wrote] = <char>(bits >> have & 0xff)
            wrote += 1
    # What is left over must say nothing.
    return wrote if bits & ((1 << have) - 1) == 0 else 0
