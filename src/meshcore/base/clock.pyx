"""Cached clocks of a worker. See clock.pxd for the law."""
from posix.time cimport CLOCK_MONOTONIC, CLOCK_REALTIME, clock_gettime, timespec

cdef enum:
    SECOND_NS = 1000000000


cdef uint64_t monotonic_ns() noexcept nogil:
    cdef timespec t
    clock_gettime(CLOCK_MONOTONIC, &t)
    return <uint64_t>t.tv_sec * SECOND_NS + <uint64_t>t.tv_nsec


cdef void clock_read(Clock *clock) noexcept nogil:
    cdef timespec wall
    clock.now_ns = monotonic_ns()
    clock.fresh = True
    if clock.offset_read_ns == 0 or clock.now_ns - clock.offset_read_ns > SECOND_NS:
        clock_gettime(CLOCK_REALTIME, &wall)
        clock.wall_offset_ns = wall.tv_sec * SECOND_NS + wall.tv_nsec - <int64_t>clock.now_ns
        clock.offset_read_ns = clock.now_ns


cdef void clock_init(Clock *clock) noexcept nogil:
    clock.offset_read_ns = 0
    clock.wall_offset_ns = 0
    clock.frozen = False
    clock_read(clock)
