"""Seeding of a worker's xoshiro256** generator (Blackman and Vigna); the step itself is inline in random.pxd."""
from meshcore.base.hash cimport mix64

cdef extern from "<sys/random.h>" nogil:
    ssize_t getrandom(void *buf, size_t n, unsigned int flags) noexcept


cdef void random_seed(Random *random, uint64_t seed) noexcept nogil:
    cdef int i
    for i in range(4):
        seed += <uint64_t>0x9e3779b97f4a7c15
        random.s[i] = mix64(seed)


cdef void random_init(Random *random) noexcept nogil:
    cdef uint64_t seed = 0
    getrandom(&seed, sizeof(seed), 0)
    random_seed(random, seed)
    getrandom(random.s, sizeof(random.s), 0)
