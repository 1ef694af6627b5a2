# Balancer: the one interface behind which every load-balancing policy stands.
#
# One value per worker and cluster, no locks. `lb_reset` is called with each new host set, before the next pick. A policy is one file
# with one BalancerOps; it keeps its private state in `state`.
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from meshcore.base.random cimport Random
from meshcore.cluster.host cimport Host, HostSet

cdef enum BalancerKind:
    LB_ROUND_ROBIN
    LB_RANDOM

cdef struct Balancer:
    const BalancerOps *ops
    HostSet *hosts                 # borrowed from the cluster
    Random *random
    double panic_percent           # below this share of healthy hosts all are used; 0 = never
    uint64_t index                 # round robin: next position
    void *state                    # of the policy; NULL: none

cdef struct BalancerOps:
    void (*reset)(Balancer *balancer) noexcept nogil
    Host *(*pick)(Balancer *balancer, uint64_t hash) noexcept nogil       # NULL: no host
    void (*fini)(Balancer *balancer) noexcept nogil

cdef void balancer_init(Balancer *balancer, uint8_t kind, Random *random, double panic_percent) noexcept nogil
cdef void balancer_reset(Balancer *balancer, HostSet *hosts) noexcept nogil
cdef void balancer_fini(Balancer *balancer) noexcept nogil
cdef bint balancer_panics(Balancer *balancer) noexcept nogil

cdef inline Host *balancer_pick(Balancer *balancer, uint64_t hash) noexcept nogil:
    return balancer.ops.pick(balancer, hash)

# What a policy chooses from: the healthy hosts, or all of them in a panic.
cdef Host **balancer_hosts(Balancer *balancer, uint32_t *len, uint32_t **weights) noexcept nogil
