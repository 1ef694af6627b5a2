# Circuit breakers: how much of a cluster may be in use at once, per priority, counted over all workers.
#
# Counts are relaxed atomics: like Envoy's they may overshoot by what the workers do in the same instant, never drift.
from libc.stdint cimport int64_t, uint8_t

from meshcore.base.atomics cimport atomic_add, atomic_load

cdef enum:
    RESOURCE_CONNECTIONS
    RESOURCE_PENDING
    RESOURCE_REQUESTS
    RESOURCE_RETRIES
    RESOURCES

cdef struct Breaker:
    int64_t limit[RESOURCES]
    int64_t used[RESOURCES]        # atomic

cdef inline bint breaker_allows(Breaker *breaker, int resource) noexcept nogil:
    return atomic_load(&breaker.used[resource]) < breaker.limit[resource]

cdef inline void breaker_take(Breaker *breaker, int resource) noexcept nogil:
    atomic_add(&breaker.used[resource], 1)

cdef inline void breaker_give(Breaker *breaker, int resource) noexcept nogil:
    atomic_add(&breaker.used[resource], -1)
