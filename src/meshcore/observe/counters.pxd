# Counters: the statistics of one worker, a flat array of 64-bit slots that only that worker writes.
#
# The registry (bind/stats, main thread) gives names to slots when configuration loads; on the hot path a statistic is one add to the
# worker's own memory. Readers sum the arrays of all workers without a lock: a slot is one aligned word, so they see an old value or
# a new one. Slots never decrease; a gauge is two of them. Slot 0 belongs to no name and takes what nobody wants to see.
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef enum:
    STAT_SLOTS = 1 << 23           # of one worker: 64 MiB of address space, of which only touched pages cost memory
    STAT_IGNORED = 0
    GAUGE_SLOTS = 2                # how often it rose, how often it fell
    HISTOGRAM_BINS = 1 + 9 + 90 * 10       # 0; 1 to 9; two digits of each decade up to 10^11
    HISTOGRAM_SLOTS = 1 + HISTOGRAM_BINS   # the number of values, then the bins

cdef uint64_t *slots_new(size_t n) noexcept nogil                  # all zero; NULL when there is no address space
cdef void slots_free(uint64_t *slots, size_t n) noexcept nogil
cdef uint32_t histogram_bin(uint64_t value) noexcept nogil         # 0 <= bin < HISTOGRAM_BINS; values from 10^11 on fall into the last
cdef uint64_t bin_lower(uint32_t bin) noexcept nogil               # the smallest value of a bin
cdef uint64_t bin_step(uint32_t bin) noexcept nogil                # distance to the next bin; 0 for the bin of zeros

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

cdef inline void histogram_record(uint64_t *slots, uint32_t first, uint64_t value) noexcept nogil:
    slots[first] += 1
    slots[first + 1 + histogram_bin(value)] += 1
