# Round robin: hosts in order; with different weights, earliest deadline first, as Envoy's ROUND_ROBIN.
from meshcore.cluster.balancer cimport BalancerOps

cdef const BalancerOps *lb_round_robin_ops() noexcept nogil
