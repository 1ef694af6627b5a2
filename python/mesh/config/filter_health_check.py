"""envoy.extensions.filters.http.health_check.v3.HealthCheck.

Envoy's rules: pass_through_mode must be said, a cache needs it, and cluster percentages exclude it. A cluster that the
configuration does not define counts as unhealthy, as in Envoy. Called by native_filter.py.
"""

from __future__ import annotations

from typing import Any

from mesh.config import matcher
from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering, each, milliseconds_or
from meshcore.bind import filter_spec

CHECK = Fields(
    "envoy.extensions.filters.http.health_check.v3.HealthCheck",
    {"pass_through_mode", "cache_time", "cluster_min_healthy_percentages", "headers"},
)


def lower(message: Any, low: Lowering, path: str) -> filter_spec.HealthCheck:
    CHECK.check(message, low.report, path)
    passes = message.pass_through_mode.value
    cache_ms = milliseconds_or(message, "cache_time", 0)
    if cache_ms and not passes:
        low.refuse(join(path, "cache_time"), "belongs to pass_through_mode, and that is off")
    if message.cluster_min_healthy_percentages and passes:
        low.refuse(join(path, "cluster_min_healthy_percentages"), "cannot be combined with pass_through_mode")
    return filter_spec.HealthCheck(
        pass_through=passes,
        cache_ms=cache_ms,
        headers=each(message.headers, join(path, "headers"), lambda item, at: matcher.lower_header(item, low, at)),
        clusters=tuple((name, share.value) for name, share in sorted(message.cluster_min_healthy_percentages.items())),
    )
