# Zone-aware routing: how much of priority 0 stays in the proxy's own place, and where the rest goes, as Envoy computes it from the hosts of
# the cluster and the hosts of the proxies' own cluster. Computed once per host set (main thread), drawn from per pick (workers).
from libc.stdint cimport uint32_t

from meshcore.cluster.balancer cimport Balancer, LbConf
from meshcore.cluster.host_set cimport HostSet

# `local`: of the proxies' own cluster; NULL: there is none.
cdef void zone_routing_compute(HostSet *hosts, const HostSet *local, const LbConf *conf) noexcept nogil

# The locality of priority 0 that this request goes to; only when hosts.zones.route is not ZONE_OFF.
cdef uint32_t zone_routing_choose(Balancer *balancer, const HostSet *hosts) noexcept nogil
