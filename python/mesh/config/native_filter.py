"""The native HTTP filters: which message configures which filter, in a chain and per route. One line each.

`FILTERS`: message -> (kind, lowering). `PER_ROUTE`: the same for typed_per_filter_config, whose entries are the filter's
own message, one made for routes, or a FilterConfig that switches the filter on or off around either. Called by
http_filter.py and by everything that has a typed_per_filter_config.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from mesh.config.errors import join
from mesh.config.fields import Fields, anything
from mesh.config.lowering import Lowering
from meshcore.bind import spec

FILTER_CONFIG = Fields("envoy.config.route.v3.FilterConfig", {"disabled", "config"}, harmless={"is_optional": anything})
Lower = Callable[[Any, Lowering, str], Any]


def _entry(kind: str, message: str, function: str = "lower", module: str = "") -> tuple[str, tuple[str, Lower]]:
    """A line of the tables. The module is imported when a configuration first has the filter: most have few of them, and a start pays for
    each in time and memory."""

    def lower(config: Any, low: Lowering, path: str) -> Any:
        return getattr(importlib.import_module(f"mesh.config.{module or 'filter_' + kind}"), function)(config, low, path)

    return f"envoy.extensions.filters.http.{kind}.v3.{message}", (kind, lower)


FILTERS: dict[str, tuple[str, Lower]] = dict(
    (
        _entry("buffer", "Buffer"),
        _entry("fault", "HTTPFault"),
        _entry("local_ratelimit", "LocalRateLimit"),
        _entry("ratelimit", "RateLimit"),
        _entry("bandwidth_limit", "BandwidthLimit"),
        _entry("header_mutation", "HeaderMutation"),
        _entry("cors", "Cors"),
        _entry("csrf", "CsrfPolicy"),
        _entry("grpc_web", "GrpcWeb", "lower_grpc_web", "filter_grpc"),
        _entry("grpc_stats", "FilterConfig", "lower_stats", "filter_grpc"),
        _entry("grpc_http1_bridge", "Config", "lower_bridge", "filter_grpc"),
        _entry("grpc_http1_reverse_bridge", "FilterConfig", "lower_reverse", "filter_grpc"),
        _entry("health_check", "HealthCheck"),
        _entry("set_metadata", "Config"),
        _entry("set_filter_state", "Config"),
        _entry("admission_control", "AdmissionControl"),
        _entry("adaptive_concurrency", "AdaptiveConcurrency"),
        _entry("compressor", "Compressor"),
        _entry("stateful_session", "StatefulSession"),
        _entry("header_to_metadata", "Config"),
        _entry("rbac", "RBAC"),
        _entry("decompressor", "Decompressor"),
        _entry("ip_tagging", "IPTagging"),
        _entry("json_to_metadata", "JsonToMetadata"),
    )
)
PER_ROUTE: dict[str, tuple[str, Lower]] = dict(
    (
        _entry("buffer", "BufferPerRoute", "lower_per_route"),
        _entry("fault", "HTTPFault"),
        _entry("local_ratelimit", "LocalRateLimit", "lower_per_route"),
        _entry("ratelimit", "RateLimitPerRoute", "lower_per_route"),
        _entry("bandwidth_limit", "BandwidthLimit", "lower_per_route"),
        _entry("header_mutation", "HeaderMutationPerRoute", "lower_per_route"),
        _entry("cors", "CorsPolicy", "lower_per_route"),
        _entry("csrf", "CsrfPolicy"),
        _entry("grpc_http1_reverse_bridge", "FilterConfigPerRoute", "lower_reverse_per_route", "filter_grpc"),
        _entry("set_filter_state", "Config"),
        _entry("compressor", "CompressorPerRoute", "lower_per_route"),
        _entry("stateful_session", "StatefulSessionPerRoute", "lower_per_route"),
        _entry("header_to_metadata", "Config"),
        _entry("rbac", "RBACPerRoute", "lower_per_route"),
        _entry("ip_tagging", "IPTagging"),
        _entry("json_to_metadata", "JsonToMetadata"),
    )
)
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
