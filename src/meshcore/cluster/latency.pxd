# Latency of a host: a peak-sensitive moving average of its response times, shared by all workers.
#
# A slower answer counts at once and in full, a faster one by how much time has passed (Finagle's Peak EWMA). Relaxed atomics: two workers that
# report in the same instant may lose one of the two samples, never more.
from libc.stdint cimport uint32_t, uint64_t

from meshcore.cluster.balancer cimport Balancer
from meshcore.cluster.host cimport Host
from meshcore.cluster.host_set cimport HostList

# A host at random, with a chance in proportion to its weight; the number of it in the list.
cdef uint32_t latency_draw(Balancer *balancer, const HostList *list) noexcept nogil

cdef void latency_observe(Balancer *balancer, Host *host, uint64_t took_ns) noexcept nogil
cdef double latency_now(Balancer *balancer, const Host *host) noexcept nogil       # ns, decayed to this moment; default_latency_ms if none was seen
