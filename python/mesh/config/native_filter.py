"""The native HTTP filters: which message configures which filter, in a chain and per route. One line each.

`FILTERS`: message -> (kind, lowering). `PER_ROUTE`: the same for typed_per_filter_config, whose entries are the filter's
own message, one made for routes, or a FilterConfig that switches the filter on or off around either. Called by
http_filter.py and by everything that has a typed_per_filter_config.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mesh.config import (
    filter_adaptive_concurrency,
    filter_admission_control,
    filter_bandwidth_limit,
    filter_buffer,
    filter_compressor,
    filter_cors,
    filter_csrf,
    filter_decompressor,
    filter_fault,
    filter_grpc,
    filter_header_mutation,
    filter_header_to_metadata,
    filter_health_check,
    filter_ip_tagging,
    filter_json_to_metadata,
    filter_local_ratelimit,
    filter_ratelimit,
    filter_rbac,
    filter_set_filter_state,
    filter_set_metadata,
    filter_stateful_session,
)
from mesh.config.errors import join
from mesh.config.fields import Fields, anything
from mesh.config.lowering import Lowering
from meshcore.bind import spec

FILTER_CONFIG = Fields(
    "envoy.config.route.v3.FilterConfig", {"disabled", "config"}, harmless={"is_optional": anything}
)
Lower = Callable[[Any, Lowering, str], Any]
FILTERS: dict[str, tuple[str, Lower]] = {
    filter_buffer.BUFFER.message: ("buffer", filter_buffer.lower),
    filter_fault.FAULT.message: ("fault", filter_fault.lower),
    filter_local_ratelimit.LIMIT.message: ("local_ratelimit", filter_local_ratelimit.lower),
    filter_ratelimit.LIMIT.message: ("ratelimit", filter_ratelimit.lower),
    filter_bandwidth_limit.LIMIT.message: ("bandwidth_limit", filter_bandwidth_limit.lower),
    filter_header_mutation.FILTER.message: ("header_mutation", filter_header_mutation.lower),
    filter_cors.CORS.message: ("cors", filter_cors.lower),
    filter_csrf.POLICY.message: ("csrf", filter_csrf.lower),
    filter_grpc.GRPC_WEB.message: ("grpc_web", filter_grpc.lower_grpc_web),
    filter_grpc.STATS.message: ("grpc_stats", filter_grpc.lower_stats),
    filter_grpc.BRIDGE.message: ("grpc_http1_bridge", filter_grpc.lower_bridge),
    filter_grpc.REVERSE.message: ("grpc_http1_reverse_bridge", filter_grpc.lower_reverse),
    filter_health_check.CHECK.message: ("health_check", filter_health_check.lower),
    filter_set_metadata.CONFIG.message: ("set_metadata", filter_set_metadata.lower),
    filter_set_filter_state.CONFIG.message: ("set_filter_state", filter_set_filter_state.lower),
    filter_admission_control.CONTROL.message: ("admission_control", filter_admission_control.lower),
    filter_adaptive_concurrency.CONCURRENCY.message: ("adaptive_concurrency", filter_adaptive_concurrency.lower),
    filter_compressor.COMPRESSOR.message: ("compressor", filter_compressor.lower),
    filter_stateful_session.SESSION.message: ("stateful_session", filter_stateful_session.lower),
    filter_header_to_metadata.CONFIG.message: ("header_to_metadata", filter_header_to_metadata.lower),
    filter_rbac.FILTER.message: ("rbac", filter_rbac.lower),
    filter_decompressor.DECOMPRESSOR.message: ("decompressor", filter_decompressor.lower),
    filter_ip_tagging.TAGGING.message: ("ip_tagging", filter_ip_tagging.lower),
    filter_json_to_metadata.CONFIG.message: ("json_to_metadata", filter_json_to_metadata.lower),
}
PER_ROUTE: dict[str, tuple[str, Lower]] = {
    filter_buffer.PER_ROUTE.message: ("buffer", filter_buffer.lower_per_route),
    filter_fault.FAULT.message: ("fault", filter_fault.lower),
    filter_local_ratelimit.LIMIT.message: ("local_ratelimit", filter_local_ratelimit.lower_per_route),
    filter_ratelimit.PER_ROUTE.message: ("ratelimit", filter_ratelimit.lower_per_route),
    filter_bandwidth_limit.LIMIT.message: ("bandwidth_limit", filter_bandwidth_limit.lower_per_route),
    filter_header_mutation.PER_ROUTE.message: ("header_mutation", filter_header_mutation.lower_per_route),
    filter_cors.POLICY.message: ("cors", filter_cors.lower_per_route),
    filter_csrf.POLICY.message: ("csrf", filter_csrf.lower),
    filter_grpc.REVERSE_PER_ROUTE.message: ("grpc_http1_reverse_bridge", filter_grpc.lower_reverse_per_route),
    filter_set_filter_state.CONFIG.message: ("set_filter_state", filter_set_filter_state.lower),
    filter_compressor.PER_ROUTE.message: ("compressor", filter_compressor.lower_per_route),
    filter_stateful_session.PER_ROUTE.message: ("stateful_session", filter_stateful_session.lower_per_route),
    filter_header_to_metadata.CONFIG.message: ("header_to_metadata", filter_header_to_metadata.lower),
    filter_rbac.PER_ROUTE.message: ("rbac", filter_rbac.lower_per_route),
    filter_ip_tagging.TAGGING.message: ("ip_tagging", filter_ip_tagging.lower),
    filter_json_to_metadata.CONFIG.message: ("json_to_metadata", filter_json_to_metadata.lower),
}
WRAPPED: dict[str, tuple[str, Lower] | None] = {**PER_ROUTE, FILTER_CONFIG.message: None}


def lower_overrides(configs: Any, low: Lowering, path: str) -> tuple[spec.FilterOverride, ...]:
    """A typed_per_filter_config, in the order of the filters' names."""
    found = (_override(name, configs[name], low, f'{path}["{name}"]') for name in sorted(configs))
    return tuple(one for one in found if one is not None)


def _override(name: str, packed: Any, low: Lowering, path: str) -> spec.FilterOverride | None:
    config, entry = low.unpack(packed, path, WRAPPED, "a setting per route")
    if config is None:
        return None
    if entry is None:
        return _wrapped(name, config, low, path)
    kind, lower = entry
    return spec.FilterOverride(name, kind, lower(config, low, path))


def _wrapped(name: str, config: Any, low: Lowering, path: str) -> spec.FilterOverride | None:
    FILTER_CONFIG.check(config, low.report, path)
    if config.disabled:
        return spec.FilterOverride(name, disabled=True)
    at = join(path, "config")
    if not config.HasField("config"):
        low.refuse(at, "required, and not set; {} leaves the filter's settings as they are and switches it on")
        return None
    if not config.config.type_url:
        return spec.FilterOverride(name)
    inner, entry = low.unpack(config.config, at, dict(PER_ROUTE), "a setting per route")
    if inner is None:
        return None
    kind, lower = entry
    return spec.FilterOverride(name, kind, lower(inner, low, at))
