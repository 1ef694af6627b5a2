# Random numbers of one worker: xoshiro256** seeded from the system. Fast, well spread, not for secrets. Not thread-safe.
from libc.stdint cimport uint64_t

cdef struct Random:
    uint64_t s[4]

cdef void random_init(Random *random) noexcept nogil                      # from getrandom(2)
cdef void random_seed(Random *random, uint64_t seed) noexcept nogil       # reproducible, for tests

cdef inline uint64_t random_u64(Random *random) noexcept nogil:
    cdef uint64_t *s = random.s
    cdef uint64_t m = s[1] * 5
    cdef uint64_t out = ((m << 7) | (m >> 57)) * 9
    cdef uint64_t t = s[1] << 17
    s[2] ^= s[0]
    s[3] ^= s[1]
    s[1] ^= s[2]
    s[0] ^= s[3]
    s[2] ^= t
    s[3] = (s[3] << 45) | (s[3] >> 19)
    return out
