"""Gradient controller; see gradient.pxd for the law."""
from libc.math cimport ceil, sqrt
from libc.string cimport memset

from meshcore.base.atomics cimport atomic_add, atomic_load, atomic_store
from meshcore.base.spin cimport spin_lock, spin_unlock
from meshcore.observe.counters cimport bin_lower, bin_step, histogram_bin

cdef enum:
    NS_PER_MS = 1000000
    NS_PER_US = 1000
    AT_LEAST_MAX = 5               # windows at the least limit after which the ideal round trip is doubted

cdef extern from *:
    """
    #define GRADIENT_NEVER INT64_MAX
    """
    const int64_t GRADIENT_NEVER


cdef inline void show(Gradient *gradient, int gauge, int64_t value) noexcept nogil:
    gradient.gauges[gauge] = value
    gradient.changed = True


cdef void clear_samples(Gradient *gradient) noexcept nogil:
    memset(gradient.bins, 0, sizeof(gradient.bins))
    gradient.samples = 0


cdef void set_due(Gradient *gradient) noexcept nogil:
    cdef uint64_t due = gradient.sample_ns
    if gradient.deferred > 0:
        atomic_store(&gradient.due_ns, GRADIENT_NEVER)
        return
    if gradient.measure_ns < due:
        due = gradient.measure_ns
    atomic_store(&gradient.due_ns, <int64_t>due)


cdef void set_limit(Gradient *gradient, const GradientLaw *law, uint32_t limit, uint64_t now_ns) noexcept nogil:
    cdef int64_t old = atomic_load(&gradient.limit)
    atomic_store(&gradient.limit, limit)
    show(gradient, GRADIENT_LIMIT, limit)
    if gradient.deferred == 0 and old == law.least and limit == law.least:
        gradient.at_least += 1
    else:
        gradient.at_least = 0
    if gradient.at_least >= AT_LEAST_MAX and law.fixed_ns == 0:
        gradient.measure_ns = now_ns


cdef void begin_measuring(Gradient *gradient, const GradientLaw *law, uint64_t now_ns) noexcept nogil:
    gradient.deferred = <uint32_t>atomic_load(&gradient.limit)
    show(gradient, GRADIENT_CALCULATING, 1)
    set_limit(gradient, law, law.least, now_ns)
    clear_samples(gradient)
    gradient.epoch_ns = now_ns


cdef uint64_t take_quantile(Gradient *gradient, double quantile) noexcept nogil:
    # As circllhist: linear within the bin that holds it.
    cdef double wanted = quantile * gradient.samples
    cdef double below = 0
    cdef double us = 0
    cdef uint32_t bin
    for bin in range(HISTOGRAM_BINS):
        if gradient.bins[bin] == 0:
            continue
        us = bin_lower(bin)
        if below + gradient.bins[bin] >= wanted:
            us += (wanted - below) / gradient.bins[bin] * bin_step(bin)
            break
        below += gradient.bins[bin]
    clear_samples(gradient)
    return <uint64_t>us * NS_PER_US


cdef void end_measuring(Gradient *gradient, const GradientLaw *law, uint64_t random, uint64_t now_ns) noexcept nogil:
    cdef uint64_t range_ms = <uint64_t>ceil(law.interval_ms * law.jitter)
    cdef uint32_t before = gradient.deferred
    gradient.min_rtt_ns = take_quantile(gradient, law.quantile)
    show(gradient, GRADIENT_MIN_RTT_MS, <int64_t>(gradient.min_rtt_ns // NS_PER_MS))
    set_limit(gradient, law, before, now_ns)
    gradient.deferred = 0
    show(gradient, GRADIENT_CALCULATING, 0)
    gradient.measure_ns = now_ns + law.interval_ms * NS_PER_MS
    if range_ms > 0:
        gradient.measure_ns += random % range_ms * NS_PER_MS
    gradient.sample_ns = now_ns + law.sample_ms * NS_PER_MS


cdef uint32_t new_limit(Gradient *gradient, const GradientLaw *law) noexcept nogil:
    cdef double ratio = (gradient.min_rtt_ns + gradient.min_rtt_ns * law.buffer) / max(gradient.sample_rtt_ns, <uint64_t>1)
    cdef double limit
    cdef double room
    ratio = max(0.5, min(2.0, ratio))
    show(gradient, GRADIENT_GRADIENT, <int64_t>ratio)
    limit = atomic_load(&gradient.limit) * ratio
    room = sqrt(limit)
    show(gradient, GRADIENT_BURST, <int64_t>room)
    return <uint32_t>max(<double>law.least, min(<double>law.most, limit + room))


cdef void end_window(Gradient *gradient, const GradientLaw *law, uint64_t now_ns) noexcept nogil:
    if gradient.samples == 0:
        return
    gradient.sample_rtt_ns = take_quantile(gradient, law.quantile)
    show(gradient, GRADIENT_SAMPLE_RTT_MS, <int64_t>(gradient.sample_rtt_ns // NS_PER_MS))
    set_limit(gradient, law, new_limit(gradient, law), now_ns)


cdef void tick(Gradient *gradient, const GradientLaw *law, uint64_t now_ns) noexcept nogil:
    # What timers would have done until now.
    cdef uint64_t length = max(law.sample_ms * NS_PER_MS, <uint64_t>1)
    if gradient.deferred > 0:
        return
    if gradient.sample_ns <= now_ns and gradient.sample_ns <= gradient.measure_ns:
        end_window(gradient, law, gradient.sample_ns)
        gradient.sample_ns += ((now_ns - gradient.sample_ns) // length + 1) * length
    if gradient.measure_ns <= now_ns:
        begin_measuring(gradient, law, gradient.measure_ns)
    set_due(gradient)


cdef inline void tick_if_due(Gradient *gradient, const GradientLaw *law, uint64_t now_ns) noexcept nogil:
    if <int64_t>now_ns >= atomic_load(&gradient.due_ns):
        spin_lock(&gradient.lock)
        tick(gradient, law, now_ns)
        spin_unlock(&gradient.lock)


cdef void gradient_start(Gradient *gradient, const GradientLaw *law, uint64_t now_ns) noexcept nogil:
    memset(gradient, 0, sizeof(Gradient))
    atomic_store(&gradient.limit, law.least)
    gradient.sample_ns = now_ns + law.sample_ms * NS_PER_MS
    if law.fixed_ns > 0:
        gradient.min_rtt_ns = law.fixed_ns
        gradient.measure_ns = <uint64_t>GRADIENT_NEVER
        show(gradient, GRADIENT_MIN_RTT_MS, <int64_t>(law.fixed_ns // NS_PER_MS))
        set_limit(gradient, law, law.least, now_ns)
    else:
        begin_measuring(gradient, law, now_ns)
    set_due(gradient)


cdef bint gradient_admit(Gradient *gradient, const GradientLaw *law, uint64_t random, uint64_t now_ns) noexcept nogil:
    # Not exact when workers meet: as Envoy's, the limit may be passed by a few.
    tick_if_due(gradient, law, now_ns)
    if atomic_load(&gradient.outstanding) >= atomic_load(&gradient.limit):
        return False
    atomic_add(&gradient.outstanding, 1)
    return True


cdef void gradient_answered(Gradient *gradient, const GradientLaw *law, uint64_t sent_ns, uint64_t random, uint64_t now_ns) noexcept nogil:
    tick_if_due(gradient, law, now_ns)
    atomic_add(&gradient.outstanding, -1)
    spin_lock(&gradient.lock)
    if sent_ns >= gradient.epoch_ns:
        gradient.bins[histogram_bin((now_ns - sent_ns) // NS_PER_US)] += 1
        gradient.samples += 1
        if gradient.deferred > 0 and gradient.samples >= law.count:
            end_measuring(gradient, law, random, now_ns)
            set_due(gradient)
    spin_unlock(&gradient.lock)


cdef void gradient_cancel(Gradient *gradient) noexcept nogil:
    atomic_add(&gradient.outstanding, -1)
