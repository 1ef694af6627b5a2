# Peak EWMA: of two hosts drawn at random, the one whose latency times load is lower (Finagle, Linkerd).
from meshcore.cluster.balancer cimport BalancerOps

cdef const BalancerOps *lb_peak_ewma_ops() noexcept nogil
