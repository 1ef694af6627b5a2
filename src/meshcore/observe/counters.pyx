"""The memory of a worker's statistics, and the bins of histograms. See counters.pxd for the law.

Histograms are log-linear: a bin holds the values that agree in their first two decimal digits, which is the circllhist of Envoy, so
quantiles come out the same; a decade is a block. Whoever starts a worker makes its slots and hands the address to the registry; they are
freed after the registry has detached them. Leaf code: one thread writes an array, any thread reads it.
"""
from libc.stdlib cimport calloc, free

from meshcore.base.atomics cimport publish_word

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
    CHUNK_BLOCKS = 32              # 25 KiB


cdef uint64_t *slots_new(size_t n) noexcept nogil:
    cdef void *slots = mmap(NULL, n * sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    return NULL if slots == MAP_FAILED else <uint64_t *>slots


cdef void slots_free(uint64_t *slots, size_t n) noexcept nogil:
    cdef uint64_t *chunk
    if slots == NULL:
        return
    while slots[STAT_CHUNK] != 0:
        chunk = <uint64_t *>slots[STAT_CHUNK]
        slots[STAT_CHUNK] = chunk[0]
        free(chunk)
    munmap(slots, n * sizeof(uint64_t))


cdef uint64_t *block_claim(uint64_t *slots, uint32_t n) noexcept nogil:
    # A chunk is one word, the address of the chunk before it, and then its blocks.
    cdef uint64_t *chunk
    cdef uint64_t *block
    if slots[n] != 0:
        return <uint64_t *>slots[n]
    if slots[STAT_CHUNK_LEFT] == 0:
        chunk = <uint64_t *>calloc(1 + CHUNK_BLOCKS * BLOCK_CELLS, sizeof(uint64_t))
        if chunk == NULL:
            return NULL
        chunk[0] = slots[STAT_CHUNK]
        slots[STAT_CHUNK] = <uint64_t>chunk
        slots[STAT_CHUNK_LEFT] = CHUNK_BLOCKS
    slots[STAT_CHUNK_LEFT] -= 1
    block = <uint64_t *>slots[STAT_CHUNK] + 1 + slots[STAT_CHUNK_LEFT] * BLOCK_CELLS
    publish_word(&slots[n], <uint64_t>block)
    return block


cdef inline uint32_t decade_of(uint64_t value) noexcept nogil:
    # Bits to decimal digits: 1233 / 4096 is a little more than log10(2), and at most one too many.
    cdef uint32_t decade = ((64 - leading_zeros(value)) * 1233) >> 12
    return decade - 1 if value < powers[decade] else decade


cdef uint32_t histogram_bin(uint64_t value) noexcept nogil:
    cdef uint32_t decade
    if value < SINGLES:
        return <uint32_t>value
    decade = decade_of(value)
    if decade >= DECADES:
        return HISTOGRAM_BINS - 1
    return SINGLES + (decade - 1) * 90 + <uint32_t>(value // powers[decade - 1]) - 10


cdef void histogram_record(uint64_t *slots, uint32_t first, uint64_t value) noexcept nogil:
    cdef uint32_t decade
    if value < SINGLES:
        block_add(slots, first, <uint32_t>value, 1)
        return
    decade = decade_of(value)
    if decade >= DECADES:
        block_add(slots, first + DECADES - 1, 89, 1)
    else:
        block_add(slots, first + decade, <uint32_t>(value // powers[decade - 1]) - 10, 1)


cdef uint64_t bin_lower(uint32_t bin) noexcept nogil:
    if bin < SINGLES:
        return bin
    return (10 + (bin - SINGLES) % 90) * powers[(bin - SINGLES) // 90]


cdef uint64_t bin_step(uint32_t bin) noexcept nogil:
    if bin < SINGLES:
        return 0 if bin == 0 else 1
    return powers[(bin - SINGLES) // 90]
