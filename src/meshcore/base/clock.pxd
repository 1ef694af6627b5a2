# Clocks: monotonic nanoseconds for durations and deadlines, wall microseconds for log lines.
#
# A Clock caches both for one loop iteration: clock_stale() is called before the loop sleeps, the first reader after that pays the
# system's vDSO call. Tests set `frozen` and move `now_ns` themselves. Not thread-safe: one per worker.
from libc.stdint cimport int64_t, uint64_t

cdef struct Clock:
    uint64_t now_ns                # monotonic
    int64_t wall_offset_ns         # wall clock minus monotonic, read again every second
    uint64_t offset_read_ns
    bint fresh
    bint frozen

cdef uint64_t monotonic_ns() noexcept nogil
cdef void clock_init(Clock *clock) noexcept nogil
cdef void clock_read(Clock *clock) noexcept nogil

cdef inline void clock_stale(Clock *clock) noexcept nogil:
    clock.fresh = clock.frozen

cdef inline uint64_t clock_ns(Clock *clock) noexcept nogil:
    if not clock.fresh:
        clock_read(clock)
    return clock.now_ns

cdef inline uint64_t clock_ms(Clock *clock) noexcept nogil:
    return clock_ns(clock) // 1000000

cdef inline int64_t clock_wall_us(Clock *clock) noexcept nogil:
    return (<int64_t>clock_ns(clock) + clock.wall_offset_ns) // 1000
