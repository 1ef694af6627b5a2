# Ring hash: consistent hashing on a ring of points, as Envoy's RING_HASH, so that a key lands on the same host.
from libc.stdint cimport uint64_t

from meshcore.cluster.balancer cimport BalancerOps
from meshcore.cluster.host_set cimport HostSet

cdef const BalancerOps *lb_ring_hash_ops() noexcept nogil
cdef void lb_ring_hash_sizes(const HostSet *hosts, uint64_t *size, uint64_t *least, uint64_t *most) noexcept nogil       # its gauges
