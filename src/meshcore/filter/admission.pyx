"""Admission history; see admission.pxd for the law."""
from libc.math cimport pow

from meshcore.base.spin cimport spin_lock, spin_unlock

cdef enum:
    SECOND = 1000000000
    ACCURACY = 10000               # of the chance


cdef uint32_t admission_slices(uint64_t window_ns) noexcept nogil:
    return <uint32_t>(window_ns // SECOND) + 2


cdef inline AdmissionSlice *at(AdmissionHistory *history, uint32_t i) noexcept nogil:
    return &history.slices[(history.first + i) % history.cap]


cdef void forget_old(AdmissionHistory *history, uint64_t now_ns) noexcept nogil:
    cdef AdmissionSlice *oldest
    while history.len > 0:
        oldest = at(history, 0)
        if now_ns - oldest.since_ns < history.window_ns:
            return
        history.requests -= oldest.requests
        history.successes -= oldest.successes
        history.first = (history.first + 1) % history.cap
        history.len -= 1


cdef AdmissionSlice *newest(AdmissionHistory *history, uint64_t now_ns) noexcept nogil:
    cdef AdmissionSlice *slice
    if history.len > 0:
        slice = at(history, history.len - 1)
        if now_ns - slice.since_ns < SECOND or history.len == history.cap:
            return slice
    slice = at(history, history.len)
    history.len += 1
    slice.since_ns = now_ns
    slice.requests = slice.successes = 0
    return slice


cdef void admission_record(AdmissionHistory *history, bint success, uint64_t now_ns) noexcept nogil:
    cdef AdmissionSlice *slice
    spin_lock(&history.lock)
    forget_old(history, now_ns)
    slice = newest(history, now_ns)
    slice.requests += 1
    history.requests += 1
    if success:
        slice.successes += 1
        history.successes += 1
    spin_unlock(&history.lock)


cdef bint admission_refuses(AdmissionHistory *history, const AdmissionLaw *law, uint64_t random, uint64_t now_ns) noexcept nogil:
    cdef uint64_t requests
    cdef uint64_t successes
    cdef uint64_t seconds = 1
    cdef double chance
    spin_lock(&history.lock)
    forget_old(history, now_ns)
    requests = history.requests
    successes = history.successes
    if history.len > 0:
        seconds = max(<uint64_t>1, (now_ns - at(history, 0).since_ns) // SECOND)
    spin_unlock(&history.lock)
    if requests // seconds < law.least_rps:
        return False
    chance = (requests - successes / law.threshold) / (requests + 1)
    if law.aggression != 1.0 and chance > 0:
        chance = pow(chance, 1.0 / law.aggression)
    return ACCURACY * max(min(chance, law.most), 0.0) > random % ACCURACY
