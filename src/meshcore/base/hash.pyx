"""xxHash64, written from the algorithm's specification (Yann Collet, xxHash fast digest algorithm, XXH64)."""
from libc.stdint cimport uint32_t
from libc.string cimport memcpy

cdef enum:
    STRIPE = 32

cdef uint64_t P1 = <uint64_t>0x9E3779B185EBCA87
cdef uint64_t P2 = <uint64_t>0xC2B2AE3D27D4EB4F
cdef uint64_t P3 = <uint64_t>0x165667B19E3779F9
cdef uint64_t P4 = <uint64_t>0x85EBCA77C2B2AE63
cdef uint64_t P5 = <uint64_t>0x27D4EB2F165667C5


cdef inline uint64_t rotate(uint64_t x, int n) noexcept nogil:
    return (x << n) | (x >> (64 - n))


cdef inline uint64_t load64(const char *at) noexcept nogil:
    cdef uint64_t v
    memcpy(&v, at, 8)
    return v


cdef inline uint64_t load32(const char *at) noexcept nogil:
    cdef uint32_t v
    memcpy(&v, at, 4)
    return v


cdef inline uint64_t lane(uint64_t acc, uint64_t word) noexcept nogil:
    return rotate(acc + word * P2, 31) * P1


cdef uint64_t xxhash64(const char *at, size_t n, uint64_t seed) noexcept nogil:
    cdef const char *end = at + n
    cdef uint64_t a, b, c, d
    cdef uint64_t h
    if n >= STRIPE:
        a = seed + P1 + P2
        b = seed + P2
        c = seed
        d = seed - P1
        while end - at >= STRIPE:
            a = lane(a, load64(at))
            b = lane(b, load64(at + 8))
            c = lane(c, load64(at + 16))
            d = lane(d, load64(at + 24))
            at += STRIPE
        h = rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18)
        h = (h ^ lane(0, a)) * P1 + P4
        h = (h ^ lane(0, b)) * P1 + P4
        h = (h ^ lane(0, c)) * P1 + P4
        h = (h ^ lane(0, d)) * P1 + P4
    else:
        h = seed + P5
    h += n
    while end - at >= 8:
        h = rotate(h ^ lane(0, load64(at)), 27) * P1 + P4
        at += 8
    if end - at >= 4:
        h = rotate(h ^ (load32(at) * P1), 23) * P2 + P3
        at += 4
    while at < end:
        h = rotate(h ^ (<uint64_t><unsigned char>at[0] * P5), 11) * P1
        at += 1
    h = (h ^ (h >> 33)) * P2
    h = (h ^ (h >> 29)) * P3
    return h ^ (h >> 32)


# MurmurHash2, 64-bit version (Austin Appleby), with the final mix of the C++ standard library.

cdef uint64_t MURMUR_MUL = <uint64_t>0xc6a4a7935bd1e995


cdef inline uint64_t shift_mix(uint64_t x) noexcept nogil:
    return x ^ (x >> 47)


cdef uint64_t murmurhash2(const char *at, size_t n, uint64_t seed) noexcept nogil:
    cdef const char *end = at + (n & ~<size_t>7)
    cdef uint64_t h = seed ^ (n * MURMUR_MUL)
    cdef uint64_t word = 0
    while at != end:
        h = (h ^ (shift_mix(load64(at) * MURMUR_MUL) * MURMUR_MUL)) * MURMUR_MUL
        at += 8
    if n & 7:
        memcpy(&word, at, n & 7)
        h = (h ^ word) * MURMUR_MUL
    return shift_mix(shift_mix(h) * MURMUR_MUL)
