# Tracking: histograms that a cluster keeps only if it is asked to (track_cluster_stats). Immutable, in the cluster's table.
from libc.stdint cimport uint32_t

cdef struct Tracking:
    # First slots; 0: not kept.
    uint32_t budget_used           # percent of the route's timeout
    uint32_t try_budget_used       # ... and of that of a try
    uint32_t rq_headers_size
    uint32_t rq_headers_count
    uint32_t rq_body_size
    uint32_t rs_headers_size
    uint32_t rs_headers_count
    uint32_t rs_body_size
