# Counters: the statistics of one worker, a flat array of 64-bit slots that only that worker writes.
#
# The registry (bind/stats, main thread) gives names to slots when configuration loads; on the hot path a statistic is one add to the
# worker's own memory. What is rare and wide (status codes, bins of histograms) lies in blocks of a hundred cells: the upper half of the
# array holds their addresses, 0 until the worker counts there for the first time. Readers sum the arrays of all workers without a lock: a
# slot is one aligned word, so they see an old value or a new one, and a block is all zero before its address can be seen. Slots never
# decrease; a gauge is two of them. Slot 0 belongs to no name and takes what nobody wants to see.
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef enum:
    STAT_SLOTS = 1 << 24           # of one worker: 128 MiB of address space, of which only touched pages cost memory
    STAT_IGNORED = 0
    STAT_CHUNK = 1                 # the array's own: address of its newest chunk of blocks, and how many of it are free
    STAT_CHUNK_LEFT = 2
    STAT_LATE = 3                  # address of the table of names that come while workers run (late_stats.pxd), or 0
    STAT_FIRST = 4                 # the first slot that a name may have
    GAUGE_SLOTS = 2                # how often it rose, how often it fell
    BLOCK_CELLS = 100
    CODE_BLOCKS = 5                # status codes 100 to 599
    HISTOGRAM_BLOCKS = 11          # 0 to 9, then two digits of each decade up to 10^11
    HISTOGRAM_BINS = 10 + 90 * 10

cdef uint64_t *slots_new(size_t n) noexcept nogil                  # all zero; NULL when there is no address space
cdef void slots_free(uint64_t *slots, size_t n) noexcept nogil     # the blocks too
cdef uint64_t *block_claim(uint64_t *slots, uint32_t n) noexcept nogil     # the block of pointer slot n, made when new; NULL: no memory
cdef uint32_t histogram_bin(uint64_t value) noexcept nogil         # 0 <= bin < HISTOGRAM_BINS; values from 10^11 on fall into the last
cdef uint64_t bin_lower(uint32_t bin) noexcept nogil               # the smallest value of a bin
cdef uint64_t bin_step(uint32_t bin) noexcept nogil                # distance to the next bin; 0 for the bin of zeros
cdef void histogram_record(uint64_t *slots, uint32_t first, uint64_t value) noexcept nogil

cdef inline void stat_inc(uint64_t *slots, uint32_t n) noexcept nogil:
    slots[n] += 1

cdef inline void stat_add(uint64_t *slots, uint32_t n, uint64_t v) noexcept nogil:
    slots[n] += v

cdef inline void gauge_inc(uint64_t *slots, uint32_t n) noexcept nogil:
    slots[n] += 1

cdef inline void gauge_dec(uint64_t *slots, uint32_t n) noexcept nogil:
    slots[n + 1] += 1

cdef inline void gauge_add(uint64_t *slots, uint32_t n, int64_t v) noexcept nogil:
    if v >= 0:
        slots[n] += <uint64_t>v
    else:
        slots[n + 1] += <uint64_t>-v

cdef inline void gauge_set(uint64_t *slots, uint32_t n, uint64_t v) noexcept nogil:
    # What this worker adds to the gauge becomes v.
    gauge_add(slots, n, <int64_t>(v - (slots[n] - slots[n + 1])))

cdef inline void block_add(uint64_t *slots, uint32_t n, uint32_t cell, uint64_t v) noexcept nogil:
    cdef uint64_t *block = <uint64_t *>slots[n]
    if block == NULL:
        block = block_claim(slots, n)
        if block == NULL:
            return
    block[cell] += v

cdef inline void code_inc(uint64_t *slots, uint32_t first, uint32_t status) noexcept nogil:
    # `status`: 100 to 599.
    block_add(slots, first + status // 100 - 1, status % 100, 1)
