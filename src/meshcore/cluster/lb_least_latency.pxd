# Bounded-queue least latency: the fastest of a few hosts drawn at random, none of which gets more than its queue holds.
from meshcore.cluster.balancer cimport BalancerOps

cdef const BalancerOps *lb_least_latency_ops() noexcept nogil
