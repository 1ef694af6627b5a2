"""Least request balancing.

Equal weights: `choice_count` hosts are drawn and the least loaded one wins (the first of equals), or all are looked at and equals draw lots.
Different weights, or hosts in slow start: earliest deadline first with weight / (active requests + 1) ^ active_request_bias, as Envoy's
LEAST_REQUEST. Active requests are those of all workers.
"""
from libc.math cimport pow
from libc.stdint cimport int64_t, uint32_t

from meshcore.base.atomics cimport atomic_load
from meshcore.base.random cimport random_u64
from meshcore.base.runtime cimport runtime_number
from meshcore.cluster.balancer cimport Balancer, BalancerOps, Lane, Pick, balancer_schedule, balancer_slow
from meshcore.cluster.edf cimport Edf, edf_put_back, edf_top
from meshcore.cluster.host cimport HOST_RQ_ACTIVE, Host
from meshcore.cluster.host_set cimport HostList


cdef inline int64_t active(const Host *host) noexcept nogil:
    return atomic_load(&host.stats[HOST_RQ_ACTIVE])


cdef double weight(Balancer *balancer, const HostList *list, uint32_t i) noexcept nogil:
    cdef double bias = runtime_number(balancer.conf.bias_cell, balancer.conf.active_request_bias)
    cdef double found = list.weights[i]
    if bias == 1.0:
        found /= active(list.hosts[i]) + 1
    elif bias > 0.0:               # a negative one that a runtime key says counts as none
        found /= pow(active(list.hosts[i]) + 1, bias)
    return balancer_slow(balancer, found, list.hosts[i])


cdef Host *scan(Balancer *balancer, const HostList *list) noexcept nogil:
    cdef Host *best = list.hosts[0]
    cdef int64_t least = active(best)
    cdef int64_t load
    cdef uint32_t equals = 1
    cdef uint32_t i
    for i in range(1, list.len):
        load = active(list.hosts[i])
        if load > least:
            continue
        equals = 1 if load < least else equals + 1
        if load < least or random_u64(balancer.random) % equals == 0:
            best = list.hosts[i]
        least = load
    return best


cdef Host *choose(Balancer *balancer, const HostList *list, Lane *lane, Pick *pick) noexcept nogil:
    cdef Edf *edf = balancer_schedule(balancer, list, lane)
    cdef Host *best
    cdef Host *other
    cdef uint32_t _draw
    cdef uint32_t i
    if edf != NULL:
        i = edf_top(edf)
        edf_put_back(edf, weight(balancer, list, i))
        return list.hosts[i]
    if list.len == 1:
        return list.hosts[0]
    if balancer.conf.full_scan:
        return scan(balancer, list)
    best = list.hosts[random_u64(balancer.random) % list.len]
    for _draw in range(1, balancer.conf.choice_count):
        other = list.hosts[random_u64(balancer.random) % list.len]
        if active(other) < active(best):
            best = other
    return best


cdef BalancerOps ops
ops.choose = choose
ops.weight = weight


cdef const BalancerOps *lb_least_request_ops() noexcept nogil:
    return &ops
