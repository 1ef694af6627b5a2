"""The gRPC filters: GrpcWeb, which has no settings, and FilterConfig of grpc_stats. Called by native_filter.py."""

from __future__ import annotations

from typing import Any

from mesh.config.fields import Fields
from mesh.config.lowering import Lowering
from meshcore.bind import filter_spec

GRPC_WEB = Fields("envoy.extensions.filters.http.grpc_web.v3.GrpcWeb", set())
STATS = Fields(
    "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig",
    {
        "individual_method_stats_allowlist", "stats_for_all_methods", "enable_upstream_stats",
        "replace_dots_in_grpc_service_name",
    },
)  # fmt: skip


def lower_grpc_web(message: Any, low: Lowering, path: str) -> filter_spec.GrpcWeb:
    GRPC_WEB.check(message, low.report, path)
    return filter_spec.GrpcWeb()


def lower_stats(message: Any, low: Lowering, path: str) -> filter_spec.GrpcStats:
    STATS.check(message, low.report, path)
    services = message.individual_method_stats_allowlist.services
    return filter_spec.GrpcStats(
        every_method=message.stats_for_all_methods.value,
        methods=tuple(dict.fromkeys((one.name, method) for one in services for method in one.method_names)),
        upstream_times=message.enable_upstream_stats,
        replace_dots=message.replace_dots_in_grpc_service_name,
    )
