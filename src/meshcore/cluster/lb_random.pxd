# Random: every eligible host with the same chance, whatever its weight, as Envoy's RANDOM.
from meshcore.cluster.balancer cimport BalancerOps

cdef const BalancerOps *lb_random_ops() noexcept nogil
