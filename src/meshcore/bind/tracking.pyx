"""A cluster's further histograms (track_cluster_stats), and how far its connections run ahead (preconnect_policy). See tracking.pxd for the law."""
from libc.stdint cimport uint32_t

from meshcore.bind.matchers cimport take
from meshcore.conf.preconnect cimport Preconnect
from meshcore.conf.tracking cimport Tracking

TIMEOUTS = ("upstream_rq_timeout_budget_percent_used", "upstream_rq_timeout_budget_per_try_percent_used")
SIZES = tuple(f"upstream_{way}_{what}" for way in ("rq", "rs") for what in ("headers_size", "headers_count", "body_size"))


cdef uint32_t histogram(StatsRegistry registry, str name, list owned) except 0:
    cdef uint32_t first = registry.histogram(name)
    owned.append(name)
    return first


cdef int fill_tracking(ClusterConf *conf, object spec, StatsRegistry registry, str prefix, list owned) except -1:
    cdef Tracking *tracking
    cdef Preconnect *preconnect
    if spec.track_timeout_budgets or spec.track_sizes:
        tracking = <Tracking *>take(&conf.arena, sizeof(Tracking))
        conf.tracking = tracking
        if spec.track_timeout_budgets:
            tracking.budget_used, tracking.try_budget_used = [histogram(registry, prefix + name, owned) for name in TIMEOUTS]
        if spec.track_sizes:
            sizes = [histogram(registry, prefix + name, owned) for name in SIZES]
            tracking.rq_headers_size, tracking.rq_headers_count, tracking.rq_body_size = sizes[:3]
            tracking.rs_headers_size, tracking.rs_headers_count, tracking.rs_body_size = sizes[3:]
    if spec.preconnect_per_host > 1:
        preconnect = <Preconnect *>take(&conf.arena, sizeof(Preconnect))
        preconnect.per_host = spec.preconnect_per_host
        conf.preconnect = preconnect
    return 0
