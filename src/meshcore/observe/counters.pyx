"""The memory of a worker's statistics, and the bins of histograms. See counters.pxd for the law.

Histograms are log-linear: a bin holds the values that agree in their first two decimal digits, which is the circllhist of Envoy, so
quantiles come out the same. Whoever starts a worker makes its slots and hands the address to the registry; they are freed after the
registry has detached them. Leaf code, any thread.
"""

cdef extern from "<sys/mman.h>" nogil:
    void *mmap(void *address, size_t n, int protection, int flags, int fd, long offset)
    int munmap(void *address, size_t n)
    int PROT_READ, PROT_WRITE, MAP_PRIVATE, MAP_ANONYMOUS, MAP_NORESERVE
    void *MAP_FAILED

cdef extern from * nogil:
    int leading_zeros "__builtin_clzll"(unsigned long long v)

cdef uint64_t[20] powers = [
    1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000, 10000000000, 100000000000, 1000000000000,
    10000000000000, 100000000000000, 1000000000000000, 10000000000000000, 100000000000000000, 1000000000000000000,
    10000000000000000000ULL,
]

cdef enum:
    DECADES = 11                   # 10^0 to 10^10
    SINGLES = 10                   # the bins of 0 to 9


cdef uint64_t *slots_new(size_t n) noexcept nogil:
    cdef void *slots = mmap(NULL, n * sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    return NULL if slots == MAP_FAILED else <uint64_t *>slots


cdef void slots_free(uint64_t *slots, size_t n) noexcept nogil:
    if slots != NULL:
        munmap(slots, n * sizeof(uint64_t))


cdef uint32_t histogram_bin(uint64_t value) noexcept nogil:
    cdef uint32_t decade
    if value < SINGLES:
        return <uint32_t>value
    # Bits to decimal digits: 1233 / 4096 is a little more than log10(2), and at most one too many.
    decade = ((64 - leading_zeros(value)) * 1233) >> 12
    if value < powers[decade]:
        decade -= 1
    if decade >= DECADES:
        return HISTOGRAM_BINS - 1
    return SINGLES + (decade - 1) * 90 + <uint32_t>(value // powers[decade - 1]) - 10


cdef uint64_t bin_lower(uint32_t bin) noexcept nogil:
    if bin < SINGLES:
        return bin
    return (10 + (bin - SINGLES) % 90) * powers[(bin - SINGLES) // 90]


cdef uint64_t bin_step(uint32_t bin) noexcept nogil:
    if bin < SINGLES:
        return 0 if bin == 0 else 1
    return powers[(bin - SINGLES) // 90]
