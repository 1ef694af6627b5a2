"""Random balancing: one random number, one index; Envoy's RANDOM ignores weights, and so does this."""
from meshcore.base.random cimport random_u64
from meshcore.cluster.balancer cimport Balancer, BalancerOps, Lane, Pick
from meshcore.cluster.host cimport Host
from meshcore.cluster.host_set cimport HostList


cdef Host *choose(Balancer *balancer, const HostList *list, Lane *lane, Pick *pick) noexcept nogil:
    return list.hosts[random_u64(balancer.random) % list.len]


cdef BalancerOps ops
ops.choose = choose


cdef const BalancerOps *lb_random_ops() noexcept nogil:
    return &ops
