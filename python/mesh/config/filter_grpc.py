"""The gRPC filters: GrpcWeb, which has no settings, the two bridges, and FilterConfig of grpc_stats. Called by native_filter.py."""

from __future__ import annotations

from typing import Any

from mesh.config.fields import Fields
from mesh.config.lowering import Lowering
from meshcore.bind import filter_spec

GRPC_WEB = Fields("envoy.extensions.filters.http.grpc_web.v3.GrpcWeb", set())
BRIDGE = Fields(
    "envoy.extensions.filters.http.grpc_http1_bridge.v3.Config", {"upgrade_protobuf_to_grpc", "ignore_query_parameters"}
)
REVERSE = Fields(
    "envoy.extensions.filters.http.grpc_http1_reverse_bridge.v3.FilterConfig",
    {"content_type", "withhold_grpc_frames", "response_size_header"},
)
REVERSE_PER_ROUTE = Fields("envoy.extensions.filters.http.grpc_http1_reverse_bridge.v3.FilterConfigPerRoute", {"disabled"})
STATS = Fields(
    "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig",
    {
        "individual_method_stats_allowlist", "stats_for_all_methods", "enable_upstream_stats",
        "replace_dots_in_grpc_service_name", "emit_filter_state",
    },
)  # fmt: skip


def lower_grpc_web(message: Any, low: Lowering, path: str) -> filter_spec.GrpcWeb:
    GRPC_WEB.check(message, low.report, path)
    return filter_spec.GrpcWeb()


def lower_bridge(message: Any, low: Lowering, path: str) -> filter_spec.GrpcBridge:
    BRIDGE.check(message, low.report, path)
    return filter_spec.GrpcBridge(
        upgrade_protobuf=message.upgrade_protobuf_to_grpc, ignore_query=message.ignore_query_parameters
    )


def lower_reverse(message: Any, low: Lowering, path: str) -> filter_spec.GrpcReverseBridge:
    REVERSE.check(message, low.report, path)
    return filter_spec.GrpcReverseBridge(
        content_type=message.content_type,
        withhold_frames=message.withhold_grpc_frames,
        size_header=message.response_size_header.lower(),
    )


def lower_reverse_per_route(message: Any, low: Lowering, path: str) -> filter_spec.GrpcReverseBridge:
    REVERSE_PER_ROUTE.check(message, low.report, path)
    return filter_spec.GrpcReverseBridge(disabled=message.disabled)


def lower_stats(message: Any, low: Lowering, path: str) -> filter_spec.GrpcStats:
    STATS.check(message, low.report, path)
    services = message.individual_method_stats_allowlist.services
    return filter_spec.GrpcStats(
        every_method=message.stats_for_all_methods.value,
        methods=tuple(dict.fromkeys((one.name, method) for one in services for method in one.method_names)),
        upstream_times=message.enable_upstream_stats,
        replace_dots=message.replace_dots_in_grpc_service_name,
        emit_state=message.emit_filter_state,
    )
