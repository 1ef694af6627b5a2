"""Peak EWMA balancing: cost = latency (latency.pxd) x (active requests + 1); the cheaper of two hosts drawn by weight.

A host that has not answered yet counts with default_latency_ms, so it is tried early but not flooded: its active requests raise its cost.
"""
from libc.stdint cimport uint32_t

from meshcore.base.atomics cimport atomic_load
from meshcore.cluster.balancer cimport Balancer, BalancerOps, Lane, Pick
from meshcore.cluster.host cimport HOST_RQ_ACTIVE, Host
from meshcore.cluster.host_set cimport HostList
from meshcore.cluster.latency cimport latency_draw, latency_now, latency_observe


cdef double cost(Balancer *balancer, const HostList *list, uint32_t i) noexcept nogil:
    cdef Host *host = list.hosts[i]
    return latency_now(balancer, host) * (atomic_load(&host.stats[HOST_RQ_ACTIVE]) + 1)


cdef Host *choose(Balancer *balancer, const HostList *list, Lane *lane, Pick *pick) noexcept nogil:
    cdef uint32_t a = latency_draw(balancer, list)
    cdef uint32_t b = latency_draw(balancer, list)
    if a == b and not list.weighted:
        b = (b + 1) % list.len
    return list.hosts[a if cost(balancer, list, a) <= cost(balancer, list, b) else b]


cdef BalancerOps ops
ops.choose = choose
ops.observe = latency_observe


cdef const BalancerOps *lb_peak_ewma_ops() noexcept nogil:
    return &ops
