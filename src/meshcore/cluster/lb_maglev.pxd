# Maglev: consistent hashing through a table of prime size, as Envoy's MAGLEV, so that a key lands on the same host.
from libc.stdint cimport uint64_t

from meshcore.cluster.balancer cimport BalancerOps
from meshcore.cluster.host_set cimport HostSet

cdef const BalancerOps *lb_maglev_ops() noexcept nogil
cdef void lb_maglev_sizes(const HostSet *hosts, uint64_t *least, uint64_t *most) noexcept nogil        # its gauges
