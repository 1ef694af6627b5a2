# Aggregate: a cluster made of other clusters. Their priorities stand in one line, in the order of the clusters, with a load, a health and a
# panic of their own; a pick takes one priority of that line, and the cluster it belongs to chooses the host there. Worker thread.
#
# The line is made anew when anything has changed in the hosts of any cluster, before the next pick. It holds no reference: what it points to
# is looked at only while the engine's hosts_epoch stands. Attempts, pools and sessions keep the member that they use.
from libc.stdint cimport uint32_t

from meshcore.cluster.balancer cimport Pick
from meshcore.cluster.host_set cimport HostSet
from meshcore.proxy.objects cimport ClusterLocal

cdef bint aggregate_init(ClusterLocal *cluster) noexcept nogil         # False: no memory
cdef void aggregate_fini(ClusterLocal *cluster) noexcept nogil
cdef HostSet *aggregate_hosts(ClusterLocal *cluster) noexcept nogil    # the line, borrowed; NULL: no memory, or no member has hosts
# The member that takes a pick, whose balancer is asked next; pick.load is set to do so. `number`: which priority of the line. NULL: no host.
cdef ClusterLocal *aggregate_choose(ClusterLocal *cluster, Pick *pick, uint32_t *number) noexcept nogil
