# Timing wheel: all timeouts of a worker, O(1) to arm and to cancel.
#
# Hierarchical, four levels of 256 slots, one millisecond a tick (2^32 ms of range). The owner embeds a Timer and gets `fire` with it;
# a Timer that fires is already unarmed, and may be armed again or freed in `fire`. The wheel never looks at a clock: the worker
# calls wheel_advance(now) and asks wheel_next() how long it may sleep. Deadlines never fire early; they fire at the first advance
# at or after them.
from libc.stdint cimport uint32_t, uint64_t

ctypedef void (*TimerFire)(Timer *timer) noexcept nogil

cdef struct Timer:
    Timer *next
    Timer **link                   # what points to this timer; NULL = not armed
    uint64_t due_ms
    TimerFire fire
    void *owner

cdef struct Wheel:
    uint64_t now_ms                # everything due at or before this has fired
    uint32_t armed
    uint64_t bits[4][4]            # one bit per slot that is not empty
    Timer *slots[4][256]

cdef void wheel_init(Wheel *wheel, uint64_t now_ms) noexcept nogil
cdef void wheel_arm(Wheel *wheel, Timer *timer, uint64_t due_ms) noexcept nogil      # re-arms an armed timer
cdef void wheel_advance(Wheel *wheel, uint64_t now_ms) noexcept nogil
cdef uint64_t wheel_next(Wheel *wheel) noexcept nogil                                # a time at or before the next deadline; 2^64-1: none

cdef inline void timer_init(Timer *timer, TimerFire fire, void *owner) noexcept nogil:
    timer.link = NULL
    timer.fire = fire
    timer.owner = owner

cdef inline bint timer_armed(Timer *timer) noexcept nogil:
    return timer.link != NULL

cdef inline void timer_cancel(Wheel *wheel, Timer *timer) noexcept nogil:
    # The slot's bit may stay set: it costs one empty look.
    if timer.link != NULL:
        timer.link[0] = timer.next
        if timer.next != NULL:
            timer.next.link = timer.link
        timer.link = NULL
        wheel.armed -= 1
