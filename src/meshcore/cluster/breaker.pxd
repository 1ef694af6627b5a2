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
    RESOURCE_POOLS                 # connection pools that have a connection or somebody who waits for one
    RESOURCES

cdef struct Breaker:
    int64_t limit[RESOURCES]
    int64_t used[RESOURCES]        # atomic
    int64_t limit_per_host         # connections to one host
    double budget                  # retries as a share of what is active or waits; below 0: limit[RESOURCE_RETRIES] counts instead
    int64_t budget_least           # ... but never fewer than these

cdef inline bint breaker_allows(Breaker *breaker, int resource) noexcept nogil:
    return atomic_load(&breaker.used[resource]) < breaker.limit[resource]

cdef inline int64_t breaker_most(Breaker *breaker, int resource) noexcept nogil:
    cdef int64_t most = breaker.limit[resource]
    if resource == RESOURCE_RETRIES and breaker.budget >= 0:
        most = <int64_t>(breaker.budget * (atomic_load(&breaker.used[RESOURCE_REQUESTS]) + atomic_load(&breaker.used[RESOURCE_PENDING])))
        return most if most > breaker.budget_least else breaker.budget_least
    return most

cdef inline bint breaker_allows_retry(Breaker *breaker) noexcept nogil:
    return atomic_load(&breaker.used[RESOURCE_RETRIES]) < breaker_most(breaker, RESOURCE_RETRIES)

cdef inline void breaker_take(Breaker *breaker, int resource) noexcept nogil:
    atomic_add(&breaker.used[resource], 1)

cdef inline void breaker_give(Breaker *breaker, int resource) noexcept nogil:
    atomic_add(&breaker.used[resource], -1)
