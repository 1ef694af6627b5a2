"""Latency of a host. See latency.pxd for the law."""
from libc.math cimport exp
from libc.stdint cimport int64_t

from meshcore.base.atomics cimport atomic_load, atomic_store
from meshcore.base.clock cimport clock_ns
from meshcore.base.random cimport random_u64

cdef enum:
    NS_PER_MS = 1000000
    DRAWS_MAX = 16                 # one host of great weight must not keep a choice busy


cdef uint32_t latency_draw(Balancer *balancer, const HostList *list) noexcept nogil:
    cdef uint32_t at = 0
    cdef uint32_t _draw
    for _draw in range(DRAWS_MAX if list.weighted else 1):
        at = <uint32_t>(random_u64(balancer.random) % list.len)
        if not list.weighted or random_u64(balancer.random) % list.heaviest < list.weights[at]:
            break
    return at


cdef double decay(Balancer *balancer, int64_t since_ns, uint64_t now_ns) noexcept nogil:
    cdef double passed = <double>(<int64_t>now_ns - since_ns)
    if passed <= 0:
        return 1.0                 # the clocks of two workers are not read at the same time
    return exp(-passed / (<double>balancer.conf.decay_ms * NS_PER_MS))


cdef void latency_observe(Balancer *balancer, Host *host, uint64_t took_ns) noexcept nogil:
    cdef uint64_t now_ns = clock_ns(balancer.clock)
    cdef int64_t old = atomic_load(&host.latency_ns)
    cdef double kept
    if old > 0 and <int64_t>took_ns < old:
        kept = decay(balancer, atomic_load(&host.latency_at_ns), now_ns)
        took_ns = <uint64_t>(old * kept + took_ns * (1.0 - kept))
    atomic_store(&host.latency_ns, <int64_t>took_ns if took_ns > 0 else 1)
    atomic_store(&host.latency_at_ns, <int64_t>now_ns)


cdef double latency_now(Balancer *balancer, const Host *host) noexcept nogil:
    cdef int64_t seen = atomic_load(&host.latency_ns)
    if seen == 0:
        return <double>balancer.conf.default_latency_ms * NS_PER_MS
    return seen * decay(balancer, atomic_load(&host.latency_at_ns), clock_ns(balancer.clock))
