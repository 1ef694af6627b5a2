"""Bounded-queue least latency balancing.

Every host has a queue of `queue_size` active requests. Of `choice_count` hosts drawn by weight, those with a full queue are passed over and the
one with the lowest latency (latency.pxd) wins. When all that were drawn are full, the next one with room in order is taken; when there is no
room anywhere the answer is no host, because one more request would only wait.
"""
from libc.stdint cimport uint32_t

from meshcore.base.atomics cimport atomic_load
from meshcore.cluster.balancer cimport Balancer, BalancerOps, Lane, Pick
from meshcore.cluster.host cimport HOST_RQ_ACTIVE, Host
from meshcore.cluster.host_set cimport HostList
from meshcore.cluster.latency cimport latency_draw, latency_now, latency_observe


cdef inline bint has_room(Balancer *balancer, const Host *host) noexcept nogil:
    return atomic_load(&host.stats[HOST_RQ_ACTIVE]) < balancer.conf.queue_size


cdef Host *choose(Balancer *balancer, const HostList *list, Lane *lane, Pick *pick) noexcept nogil:
    cdef Host *best = NULL
    cdef Host *host
    cdef double least = 0
    cdef double latency
    cdef uint32_t at = 0
    cdef uint32_t _draw
    cdef uint32_t i
    for _draw in range(balancer.conf.choice_count):
        at = latency_draw(balancer, list)
        host = list.hosts[at]
        if not has_room(balancer, host):
            continue
        latency = latency_now(balancer, host)
        if best == NULL or latency < least:
            best = host
            least = latency
    if best != NULL:
        return best
    for i in range(list.len):
        host = list.hosts[(at + i) % list.len]
        if has_room(balancer, host):
            return host
    return NULL


cdef BalancerOps ops
ops.choose = choose
ops.observe = latency_observe


cdef const BalancerOps *lb_least_latency_ops() noexcept nogil:
    return &ops
