"""Python face of the gradient controller and the admission history (meshcore/filter), for tests only: nothing in `mesh` may import it.

Time is given by the caller, in milliseconds from a beginning of its own. Must add no behaviour. With the GIL.
"""
from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from meshcore.base.atomics cimport atomic_load
from meshcore.filter.admission cimport *
from meshcore.filter.gradient cimport *

from meshcore.bind.filter_stats import GRADIENT_GAUGES as GAUGE_NAMES

cdef enum:
    NS_PER_MS = 1000000
    BEGIN_MS = 1000000


cdef inline uint64_t moment(uint64_t ms) noexcept:
    return (BEGIN_MS + ms) * NS_PER_MS


cdef class Controller:
    """A gradient controller that began at 0 ms."""

    cdef Gradient gradient
    cdef GradientLaw law

    def __init__(self, interval_ms=1000, sample_ms=100, jitter=0.0, quantile=0.5, buffer=0.25, most=1000, least=3, count=5, fixed_ms=0):
        self.law.interval_ms = interval_ms
        self.law.sample_ms = sample_ms
        self.law.jitter = jitter
        self.law.quantile = quantile
        self.law.buffer = buffer
        self.law.most = most
        self.law.least = least
        self.law.count = count
        self.law.fixed_ns = fixed_ms * NS_PER_MS
        gradient_start(&self.gradient, &self.law, moment(0))

    @property
    def limit(self):
        return atomic_load(&self.gradient.limit)

    @property
    def outstanding(self):
        return atomic_load(&self.gradient.outstanding)

    def admit(self, uint64_t ms):
        """Whether a request may pass."""
        return bool(gradient_admit(&self.gradient, &self.law, 0, moment(ms)))

    def answered(self, uint64_t sent_ms, uint64_t ms):
        """A request that passed has its answer."""
        gradient_answered(&self.gradient, &self.law, moment(sent_ms), 0, moment(ms))

    def cancel(self):
        """A request that passed ended without."""
        gradient_cancel(&self.gradient)

    def gauges(self):
        """{name: value}."""
        return {name: self.gradient.gauges[i] for i, name in enumerate(GAUGE_NAMES)}


cdef class History:
    """An admission history."""

    cdef AdmissionHistory history

    def __init__(self, window_s):
        memset(&self.history, 0, sizeof(AdmissionHistory))
        self.history.window_ns = window_s * 1000 * NS_PER_MS
        self.history.cap = admission_slices(self.history.window_ns)
        self.history.slices = <AdmissionSlice *>calloc(self.history.cap, sizeof(AdmissionSlice))
        if self.history.slices == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.history.slices)

    def record(self, bint success, uint64_t ms):
        """A request has ended."""
        admission_record(&self.history, success, moment(ms))

    def refuses(self, uint64_t ms, uint64_t random, threshold=0.95, aggression=1.0, most=0.8, least_rps=0):
        """Whether the next one is refused, for a random number of which the last four digits count."""
        cdef AdmissionLaw law
        law.threshold = threshold
        law.aggression = aggression
        law.most = most
        law.least_rps = least_rps
        return bool(admission_refuses(&self.history, &law, random, moment(ms)))
