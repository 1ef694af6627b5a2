# Gradient controller: how many requests may be under way at once, found out from how long they take. No stream, no I/O, no timer.
#
# Now and then only `least` requests are let in until `count` of them were timed: that is the ideal round trip. In between, each sample window
# compares its round trip with the ideal one and moves the limit by the quotient, with room for a burst (the root of the limit). As in
# Envoy's adaptive concurrency. Windows end when somebody looks after their time, which nobody can tell from a timer: a window without samples
# changes nothing. Shared by all workers: limit and outstanding are atomics, the rest is behind a spin lock.
from libc.stdint cimport int64_t, uint32_t, uint64_t

from meshcore.observe.counters cimport HISTOGRAM_BINS

cdef enum GradientGauge:
    GRADIENT_BURST                 # burst_queue_size
    GRADIENT_LIMIT                 # concurrency_limit
    GRADIENT_GRADIENT
    GRADIENT_CALCULATING           # min_rtt_calculation_active
    GRADIENT_MIN_RTT_MS
    GRADIENT_SAMPLE_RTT_MS
    GRADIENT_GAUGES

cdef struct GradientLaw:
    uint64_t interval_ms           # between two measurements of the ideal round trip
    uint64_t sample_ms             # length of a sample window
    double jitter                  # share of the interval that is added at most
    double quantile                # of a window's samples, 0 to 1
    double buffer                  # share that is added to the ideal round trip
    uint32_t most
    uint32_t least
    uint32_t count
    uint64_t fixed_ns              # the ideal round trip; 0 = it is measured

cdef struct Gradient:
    int64_t limit                  # atomic
    int64_t outstanding            # atomic
    int64_t due_ns                 # atomic; when a window ends next
    int64_t lock                   # of everything below
    uint32_t deferred              # the limit from before the measurement under way; 0 = none is
    uint32_t at_least              # windows in a row whose limit was the least
    uint64_t epoch_ns              # what was sent before is not timed
    uint64_t measure_ns            # when the next measurement begins
    uint64_t sample_ns             # when the sample window ends
    uint64_t min_rtt_ns
    uint64_t sample_rtt_ns
    uint32_t samples
    uint32_t bins[HISTOGRAM_BINS]  # microseconds
    int64_t gauges[GRADIENT_GAUGES]
    bint changed                   # gauges were

cdef void gradient_start(Gradient *gradient, const GradientLaw *law, uint64_t now_ns) noexcept nogil
cdef bint gradient_admit(Gradient *gradient, const GradientLaw *law, uint64_t random, uint64_t now_ns) noexcept nogil
cdef void gradient_answered(Gradient *gradient, const GradientLaw *law, uint64_t sent_ns, uint64_t random, uint64_t now_ns) noexcept nogil
cdef void gradient_cancel(Gradient *gradient) noexcept nogil                # a request that was let in has no answer to time
