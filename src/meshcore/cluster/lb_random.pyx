"""Random balancing: one random number, one index; Envoy's RANDOM ignores weights, and so does this."""
from libc.stdint cimport uint32_t, uint64_t

from meshcore.base.random cimport random_u64
from meshcore.cluster.balancer cimport Balancer, BalancerOps, balancer_hosts
from meshcore.cluster.host cimport Host


cdef void reset(Balancer *balancer) noexcept nogil:
    pass


cdef Host *pick(Balancer *balancer, uint64_t hash) noexcept nogil:
    cdef uint32_t n
    cdef uint32_t *weights
    cdef Host **hosts
    if balancer.hosts == NULL:
        return NULL
    hosts = balancer_hosts(balancer, &n, &weights)
    return NULL if n == 0 else hosts[random_u64(balancer.random) % n]


cdef BalancerOps ops
ops.reset = reset
ops.pick = pick
ops.fini = reset


cdef const BalancerOps *lb_random_ops() noexcept nogil:
    return &ops
