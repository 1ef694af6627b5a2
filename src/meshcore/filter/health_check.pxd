# Health check: answers the health checks of whoever sends requests to this proxy, or marks and remembers the upstream's answers. Worker thread.
#
# A remembered answer is shared by all workers.
from libc.stdint cimport int64_t, uint16_t, uint64_t

from meshcore.base.span cimport Span
from meshcore.filter.http cimport HttpFilterOps
from meshcore.route.matcher cimport HeaderMatcher

cdef struct ClusterShare:
    int64_t index                  # the cluster's slot in every worker
    double percent                 # of its hosts that must be healthy or degraded

cdef struct HealthCheckConf:
    bint pass_through
    uint64_t cache_ms              # 0: nothing is remembered
    int64_t cached                 # atomic: status, + 1000 when degraded; 0: nothing yet
    int64_t cached_until_ms        # atomic
    HeaderMatcher *headers
    uint16_t headers_len
    ClusterShare *clusters
    uint16_t clusters_len
    Span node_cluster

cdef const HttpFilterOps *health_check_filter() noexcept nogil
