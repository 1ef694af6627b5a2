"""Round robin balancing.

Equal weights: a counter that starts at a random place, so that workers do not all begin with the same host. Different weights: earliest
deadline first (edf.pxd), as Envoy's ROUND_ROBIN; so while hosts are in slow start.
"""
from libc.stdint cimport uint32_t

from meshcore.cluster.balancer cimport Balancer, BalancerOps, Lane, Pick, balancer_schedule, balancer_slow
from meshcore.cluster.edf cimport Edf, edf_put_back, edf_top
from meshcore.cluster.host cimport Host
from meshcore.cluster.host_set cimport HostList


cdef double weight(Balancer *balancer, const HostList *list, uint32_t i) noexcept nogil:
    return balancer_slow(balancer, list.weights[i], list.hosts[i])


cdef Host *choose(Balancer *balancer, const HostList *list, Lane *lane, Pick *pick) noexcept nogil:
    cdef Edf *edf = balancer_schedule(balancer, list, lane)
    cdef uint32_t i
    if edf != NULL:
        i = edf_top(edf)
        edf_put_back(edf, weight(balancer, list, i))
        return list.hosts[i]
    i = <uint32_t>(lane.index % list.len)
    lane.index += 1
    return list.hosts[i]


cdef BalancerOps ops
ops.choose = choose
ops.weight = weight


cdef const BalancerOps *lb_round_robin_ops() noexcept nogil:
    return &ops
