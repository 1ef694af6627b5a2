# Least request: the host with the fewest active requests, of a few drawn at random or of all; with different weights, by weight over load.
from meshcore.cluster.balancer cimport BalancerOps

cdef const BalancerOps *lb_least_request_ops() noexcept nogil
