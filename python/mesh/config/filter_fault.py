"""envoy.extensions.filters.http.fault.v3.HTTPFault, of a chain or of a route.

Statistics and runtime keys per downstream cluster are not kept: their names would come from a request header. Called by native_filter.py.
"""

from __future__ import annotations

from typing import Any

from mesh.config import matcher, runtime
from mesh.config.errors import join
from mesh.config.fields import Fields, anything
from mesh.config.lowering import Lowering, each, milliseconds, wrapped_or
from mesh.config.render import to_tree
from meshcore.bind import filter_spec

FAULT = Fields(
    "envoy.extensions.filters.http.fault.v3.HTTPFault",
    {
        "delay", "abort", "upstream_cluster", "headers", "downstream_nodes", "max_active_faults", "response_rate_limit",
        "delay_percent_runtime", "abort_percent_runtime", "delay_duration_runtime", "abort_http_status_runtime",
        "max_active_faults_runtime", "response_rate_limit_percent_runtime", "abort_grpc_status_runtime", "filter_metadata",
    },
    harmless={"disable_downstream_cluster_stats": anything},
)  # fmt: skip
COMMON = "envoy.extensions.filters.common.fault.v3"
DELAY = Fields(f"{COMMON}.FaultDelay", {"fixed_delay", "header_delay", "percentage"})
RATE = Fields(f"{COMMON}.FaultRateLimit", {"fixed_limit", "header_limit", "percentage"})
ABORT = Fields(
    "envoy.extensions.filters.http.fault.v3.FaultAbort", {"http_status", "grpc_status", "header_abort", "percentage"}
)


def lower(message: Any, low: Lowering, path: str) -> filter_spec.Fault:
    FAULT.check(message, low.report, path)
    return filter_spec.Fault(
        delay=_delay(message, low, join(path, "delay")) if message.HasField("delay") else None,
        abort=_abort(message, low, join(path, "abort")) if message.HasField("abort") else None,
        rate_limit=_rate(message, low, join(path, "response_rate_limit")) if message.HasField("response_rate_limit") else None,
        upstream_cluster=message.upstream_cluster,
        headers=each(message.headers, join(path, "headers"), lambda item, at: matcher.lower_header(item, low, at)),
        downstream_nodes=tuple(message.downstream_nodes),
        max_active_faults=wrapped_or(message, "max_active_faults", None),
        max_active_key=message.max_active_faults_runtime or "fault.http.max_active_faults",
        metadata=to_tree(message.filter_metadata) if message.HasField("filter_metadata") else None,
    )


def _delay(message: Any, low: Lowering, path: str) -> filter_spec.FaultDelay:
    delay = message.delay
    DELAY.check(delay, low.report, path)
    key = message.delay_percent_runtime or "fault.http.delay.fixed_delay_percent"
    return filter_spec.FaultDelay(
        percentage=runtime.lower_percent(delay.percentage, low, join(path, "percentage"), key),
        ms=milliseconds(delay.fixed_delay),
        ms_key=message.delay_duration_runtime or "fault.http.delay.fixed_duration_ms",
        by_header=delay.HasField("header_delay"),
    )


def _abort(message: Any, low: Lowering, path: str) -> filter_spec.FaultAbort:
    abort = message.abort
    ABORT.check(abort, low.report, path)
    key = message.abort_percent_runtime or "fault.http.abort.abort_percent"
    return filter_spec.FaultAbort(
        percentage=runtime.lower_percent(abort.percentage, low, join(path, "percentage"), key),
        http_status=abort.http_status,
        grpc_status=abort.grpc_status,
        http_key=message.abort_http_status_runtime or "fault.http.abort.http_status",
        grpc_key=message.abort_grpc_status_runtime or "fault.http.abort.grpc_status",
        by_header=abort.HasField("header_abort"),
    )


def _rate(message: Any, low: Lowering, path: str) -> filter_spec.FaultRateLimit:
    rate = message.response_rate_limit
    RATE.check(rate, low.report, path)
    key = message.response_rate_limit_percent_runtime or "fault.http.rate_limit.response_percent"
    return filter_spec.FaultRateLimit(
        percentage=runtime.lower_percent(rate.percentage, low, join(path, "percentage"), key),
        kbps=rate.fixed_limit.limit_kbps,
        by_header=rate.HasField("header_limit"),
    )
