"""Balancer: picks the policy's operations and decides which hosts are eligible. See balancer.pxd for the law."""
from meshcore.base.random cimport random_u64
from meshcore.cluster.lb_random cimport lb_random_ops
from meshcore.cluster.lb_round_robin cimport lb_round_robin_ops


cdef void balancer_init(Balancer *balancer, uint8_t kind, Random *random, double panic_percent) noexcept nogil:
    balancer.ops = lb_random_ops() if kind == LB_RANDOM else lb_round_robin_ops()
    balancer.hosts = NULL
    balancer.random = random
    balancer.panic_percent = panic_percent
    balancer.index = random_u64(random)
    balancer.state = NULL


cdef void balancer_reset(Balancer *balancer, HostSet *hosts) noexcept nogil:
    balancer.hosts = hosts
    balancer.ops.reset(balancer)


cdef void balancer_fini(Balancer *balancer) noexcept nogil:
    balancer.ops.fini(balancer)


cdef bint balancer_panics(Balancer *balancer) noexcept nogil:
    # Envoy's healthy_panic_threshold: too few healthy hosts would be drowned, so all share the load.
    cdef HostSet *hosts = balancer.hosts
    return hosts.healthy_len < hosts.len and 100.0 * hosts.healthy_len < balancer.panic_percent * hosts.len


cdef Host **balancer_hosts(Balancer *balancer, uint32_t *len, uint32_t **weights) noexcept nogil:
    cdef HostSet *hosts = balancer.hosts
    if balancer_panics(balancer):
        len[0] = hosts.len
        weights[0] = hosts.weights
        return hosts.hosts
    len[0] = hosts.healthy_len
    weights[0] = hosts.healthy_weights
    return hosts.healthy
