"""envoy.extensions.filters.http.bandwidth_limit.v3.BandwidthLimit, of a chain or of a route, which must say a limit.

Called by native_filter.py.
"""

from __future__ import annotations

from typing import Any

from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.filter_parts import lower_flag
from mesh.config.lowering import Lowering, milliseconds_or
from meshcore.bind import filter_spec

LIMIT = Fields(
    "envoy.extensions.filters.http.bandwidth_limit.v3.BandwidthLimit",
    {"stat_prefix", "enable_mode", "limit_kbps", "fill_interval", "runtime_enabled"},
)
REQUEST, RESPONSE = 1, 2
FILL_INTERVAL_MS = 50


def lower(message: Any, low: Lowering, path: str) -> filter_spec.BandwidthLimit:
    LIMIT.check(message, low.report, path)
    if message.enable_mode and not message.HasField("limit_kbps"):
        low.refuse(join(path, "limit_kbps"), "required, and not set")
    return filter_spec.BandwidthLimit(
        stat_prefix=message.stat_prefix,
        enabled=lower_flag(message, "runtime_enabled", low, path),
        limit_kbps=message.limit_kbps.value,
        request=bool(message.enable_mode & REQUEST),
        response=bool(message.enable_mode & RESPONSE),
        fill_interval_ms=milliseconds_or(message, "fill_interval", FILL_INTERVAL_MS),
    )


def lower_per_route(message: Any, low: Lowering, path: str) -> filter_spec.BandwidthLimit:
    if not message.HasField("limit_kbps"):
        low.refuse(join(path, "limit_kbps"), "required per route, and not set")
    return lower(message, low, path)
