"""Hierarchical timing wheel. See wheel.pxd for the law.

Level 0 holds the next 256 ms, level n holds deadlines that lie 256^n ms ahead; when the hand of a level wraps, the next slot of the
level above is dealt out again. `advance` jumps over empty stretches by means of the slot bits, so an idle hour costs nothing.
"""
from libc.string cimport memset

cdef extern from *:
    """
    static inline int mesh_ctz(unsigned long v) { return __builtin_ctzl(v); }
    """
    int ctz "mesh_ctz"(uint64_t v) noexcept nogil

cdef enum:
    LEVELS = 4

cdef uint64_t NEVER = <uint64_t>-1


cdef void wheel_init(Wheel *wheel, uint64_t now_ms) noexcept nogil:
    memset(wheel, 0, sizeof(Wheel))
    wheel.now_ms = now_ms


cdef inline void place(Wheel *wheel, Timer *timer, uint64_t soonest) noexcept nogil:
    # `soonest` is the first tick whose slot has not fired: the next one, or, while slots are dealt, the present one.
    cdef uint64_t due = timer.due_ms
    cdef uint64_t ahead
    cdef int level = 0
    cdef uint32_t slot
    cdef Timer **head
    if due < soonest:
        due = soonest
    ahead = due - wheel.now_ms
    if ahead >= <uint64_t>1 << 32:
        due = wheel.now_ms + ((<uint64_t>1 << 32) - 1)
        ahead = due - wheel.now_ms
    while ahead >= <uint64_t>256 << (8 * level):
        level += 1
    slot = (due >> (8 * level)) & 255
    head = &wheel.slots[level][slot]
    timer.next = head[0]
    if timer.next != NULL:
        timer.next.link = &timer.next
    timer.link = head
    head[0] = timer
    wheel.bits[level][slot >> 6] |= <uint64_t>1 << (slot & 63)


cdef void wheel_arm(Wheel *wheel, Timer *timer, uint64_t due_ms) noexcept nogil:
    timer_cancel(wheel, timer)
    timer.due_ms = due_ms
    wheel.armed += 1
    place(wheel, timer, wheel.now_ms + 1)


cdef inline Timer *take_slot(Wheel *wheel, int level, uint32_t slot) noexcept nogil:
    cdef Timer *first = wheel.slots[level][slot]
    wheel.slots[level][slot] = NULL
    wheel.bits[level][slot >> 6] &= ~(<uint64_t>1 << (slot & 63))
    return first


cdef void deal(Wheel *wheel, int level, uint32_t slot) noexcept nogil:
    # Places every timer of a slot again, seen from the present; they land on a lower level, or in the slot about to fire.
    cdef Timer *timer = take_slot(wheel, level, slot)
    cdef Timer *next
    while timer != NULL:
        next = timer.next
        place(wheel, timer, wheel.now_ms)
        timer = next


cdef int first_bit(const uint64_t *bits, uint32_t start) noexcept nogil:
    # The distance 0..255 from slot `start` to the next marked slot, going round; -1 when no slot is marked.
    cdef uint32_t i
    cdef uint32_t slot
    cdef uint64_t word
    for i in range(0, 5):
        slot = (start + 64 * i) & 255
        word = bits[slot >> 6]
        if i == 0:
            word &= <uint64_t>-1 << (start & 63)
        else:
            slot &= ~<uint32_t>63
            if i == 4:
                word &= ~(<uint64_t>-1 << (start & 63))
        if word != 0:
            slot = (slot & ~<uint32_t>63) + <uint32_t>ctz(word)
            return <int>((slot - start) & 255)
    return -1


cdef uint64_t wheel_next(Wheel *wheel) noexcept nogil:
    cdef uint64_t best = NEVER
    cdef uint64_t at
    cdef uint64_t base
    cdef int level
    cdef int ahead
    if wheel.armed == 0:
        return NEVER
    for level in range(LEVELS):
        base = (wheel.now_ms >> (8 * level)) + 1
        ahead = first_bit(wheel.bits[level], base & 255)
        if ahead >= 0:
            at = (base + <uint64_t>ahead) << (8 * level)
            if at < best:
                best = at
    return best


cdef void step(Wheel *wheel) noexcept nogil:
    # now_ms has just moved by one tick: deal the upper levels whose hand moved, then fire the slot of this tick.
    cdef uint64_t now = wheel.now_ms
    cdef int level = LEVELS - 1
    cdef Timer *timer
    cdef Timer due
    while level > 0:
        if now & ((<uint64_t>1 << (8 * level)) - 1) == 0:
            deal(wheel, level, (now >> (8 * level)) & 255)
        level -= 1
    # The timers stand in a private list while they fire, so that `fire` may cancel its neighbours and arm anew.
    due.next = take_slot(wheel, 0, now & 255)
    if due.next != NULL:
        due.next.link = &due.next
    while due.next != NULL:
        timer = due.next
        timer_cancel(wheel, timer)
        timer.fire(timer)


cdef void wheel_advance(Wheel *wheel, uint64_t now_ms) noexcept nogil:
    cdef uint64_t next
    while wheel.now_ms < now_ms:
        next = wheel_next(wheel)
        if next > now_ms:
            wheel.now_ms = now_ms
            return
        wheel.now_ms = next
        step(wheel)
