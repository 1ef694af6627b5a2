# Thrift: numbers on the wire, inline for every part of the codec: big-endian words, little-endian doubles, varints and zigzag.
#
# Nothing here looks beyond the bytes it is told of. Leaf code, any thread.
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef extern from * nogil:
    """
    #if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
    #error "the byte swaps of this file are those of a little-endian machine"
    #endif
    """
    uint16_t __builtin_bswap16(uint16_t)
    uint32_t __builtin_bswap32(uint32_t)
    uint64_t __builtin_bswap64(uint64_t)

cdef enum:
    VARINT_MORE = 0                # the number goes on behind the bytes at hand
    VARINT_BAD = -1                # it has more bytes, or more bits, than it may
    VARINT32_MAX = 5

cdef inline uint16_t load_16(const char *at) noexcept nogil:
    cdef uint16_t v
    memcpy(&v, at, 2)
    return __builtin_bswap16(v)

cdef inline uint32_t load_32(const char *at) noexcept nogil:
    cdef uint32_t v
    memcpy(&v, at, 4)
    return __builtin_bswap32(v)

cdef inline uint64_t load_64(const char *at) noexcept nogil:
    cdef uint64_t v
    memcpy(&v, at, 8)
    return __builtin_bswap64(v)

cdef inline uint64_t load_64_little(const char *at) noexcept nogil:
    cdef uint64_t v
    memcpy(&v, at, 8)
    return v

cdef inline void store_16(char *at, uint16_t v) noexcept nogil:
    v = __builtin_bswap16(v)
    memcpy(at, &v, 2)

cdef inline void store_32(char *at, uint32_t v) noexcept nogil:
    v = __builtin_bswap32(v)
    memcpy(at, &v, 4)

cdef inline void store_64(char *at, uint64_t v) noexcept nogil:
    v = __builtin_bswap64(v)
    memcpy(at, &v, 8)

cdef inline int read_varint(const char *at, size_t n, int bits, uint64_t *out) noexcept nogil:
    # Bytes used, VARINT_MORE or VARINT_BAD. `bits` is 32 or 64; a number that needs more of them is bad.
    cdef uint64_t v = 0
    cdef uint64_t part
    cdef int shift = 0
    cdef size_t i = 0
    while i < n:
        part = <uint8_t>at[i] & 0x7f
        if shift + 7 > bits and (part >> (bits - shift)) != 0:
            return VARINT_BAD
        v |= part << shift
        i += 1
        if (<uint8_t>at[i - 1] & 0x80) == 0:
            out[0] = v
            return <int>i
        shift += 7
        if shift >= bits:
            return VARINT_BAD
    return VARINT_MORE

cdef inline size_t write_varint(char *at, uint64_t v) noexcept nogil:
    # At most 10 bytes; how many were written.
    cdef size_t n = 0
    while v >= 0x80:
        at[n] = <char>(v | 0x80)
        v >>= 7
        n += 1
    at[n] = <char>v
    return n + 1

cdef inline int64_t zigzag_of(uint64_t v) noexcept nogil:
    return <int64_t>(v >> 1) ^ -<int64_t>(v & 1)

cdef inline uint64_t to_zigzag(int64_t v) noexcept nogil:
    return (<uint64_t>v << 1) ^ <uint64_t>(v >> 63)
