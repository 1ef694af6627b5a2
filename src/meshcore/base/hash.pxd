# Hashes of bytes: xxHash64 (route and host tables, ring hash) from its published specification, seed 0 unless told; MurmurHash2 of 64 bits
# (ring hash), with the seed of the C++ standard library unless told. Any thread.
from libc.stdint cimport uint64_t

cdef enum:
    MURMUR_SEED = 0xc70f6907

cdef uint64_t xxhash64(const char *at, size_t n, uint64_t seed) noexcept nogil
cdef uint64_t murmurhash2(const char *at, size_t n, uint64_t seed) noexcept nogil

cdef inline uint64_t mix64(uint64_t x) noexcept nogil:
    # The finalizer of SplitMix64: spreads an integer over all bits.
    x = (x ^ (x >> 30)) * <uint64_t>0xbf58476d1ce4e5b9
    x = (x ^ (x >> 27)) * <uint64_t>0x94d049bb133111eb
    return x ^ (x >> 31)
