"""envoy.extensions.filters.http.ratelimit.v3.RateLimit and RateLimitPerRoute, and the service that such filters ask.

`lower_service` serves the Thrift filter too. A service is an envoy_grpc; retries of calls and google_grpc are refused. `stat_prefix` is
accepted only empty. Called by native_filter.py and thrift_filter.py.
"""

from __future__ import annotations

from typing import Any

from mesh.config import header_mutation, rate_limit, runtime
from mesh.config.errors import join, nearest
from mesh.config.fields import Fields, anything
from mesh.config.format import check_text
from mesh.config.lowering import Lowering, each, milliseconds_or, wrapped_or
from meshcore.bind import filter_spec, spec

NAME = "envoy.extensions.filters.http.ratelimit.v3"
LIMIT = Fields(
    f"{NAME}.RateLimit",
    {
        "domain", "stage", "request_type", "timeout", "failure_mode_deny", "rate_limited_as_resource_exhausted",
        "rate_limit_service", "enable_x_ratelimit_headers", "disable_x_envoy_ratelimited_header", "rate_limited_status",
        "response_headers_to_add", "status_on_error", "filter_enabled", "filter_enforced", "failure_mode_deny_percent",
        "rate_limits",
    },
)  # fmt: skip
PER_ROUTE = Fields(
    f"{NAME}.RateLimitPerRoute",
    {"vh_rate_limits", "rate_limits", "domain"},
    instead={"override_option": "Envoy does not read it; 'vh_rate_limits' says the same"},
)
SERVICE = Fields(
    "envoy.config.ratelimit.v3.RateLimitServiceConfig", {"grpc_service"}, harmless={"transport_api_version": lambda value: value == V3}
)
# The filter's own timeout is the one that counts, as in Envoy.
GRPC = Fields("envoy.config.core.v3.GrpcService", {"envoy_grpc", "initial_metadata"}, harmless={"timeout": anything})
ENVOY_GRPC = Fields(
    "envoy.config.core.v3.GrpcService.EnvoyGrpc",
    {"cluster_name", "authority", "max_receive_message_length", "skip_envoy_headers"},
)
VALUE = Fields("envoy.config.core.v3.HeaderValue", {"key", "value"})
V3 = 2
TIMEOUT_MS = 20
TOO_MANY = 429
INTERNAL_ERROR = 500
HOST_RATES = ("override", "include", "ignore")


def lower(message: Any, low: Lowering, path: str) -> filter_spec.RateLimitFilter:
    LIMIT.check(message, low.report, path)
    status, on_error = message.rate_limited_status.code, message.status_on_error.code
    return filter_spec.RateLimitFilter(
        service=lower_service(message, low, path),
        stage=message.stage,
        request_type=message.request_type or "both",
        filter_enabled=_part(message, "filter_enabled", "ratelimit.http_filter_enabled", low, path),
        filter_enforced=_part(message, "filter_enforced", "ratelimit.http_filter_enforcing", low, path),
        denied=_denied(message, low, path),
        x_ratelimit_headers=message.enable_x_ratelimit_headers == 1,
        x_envoy_ratelimited=not message.disable_x_envoy_ratelimited_header,
        resource_exhausted=message.rate_limited_as_resource_exhausted,
        status=status if status >= 400 else TOO_MANY,
        status_on_error=on_error or INTERNAL_ERROR,
        response_headers_to_add=header_mutation.lower_add(
            message.response_headers_to_add, low, join(path, "response_headers_to_add")
        ),
        rate_limits=rate_limit.lower_own(message.rate_limits, low, join(path, "rate_limits")),
    )


def lower_per_route(message: Any, low: Lowering, path: str) -> filter_spec.RateLimitPerRoute:
    PER_ROUTE.check(message, low.report, path)
    return filter_spec.RateLimitPerRoute(
        vh_rate_limits=HOST_RATES[message.vh_rate_limits] if message.vh_rate_limits < len(HOST_RATES) else "override",
        rate_limits=rate_limit.lower_own(message.rate_limits, low, join(path, "rate_limits")),
        domain=message.domain,
    )


def _part(message: Any, name: str, key: str, low: Lowering, path: str) -> spec.RuntimeFraction:
    """What is not set has a runtime key of old."""
    if not message.HasField(name):
        return spec.RuntimeFraction(100, 100, key)
    return runtime.lower_fraction(getattr(message, name), low, join(path, name))


def _denied(message: Any, low: Lowering, path: str) -> spec.RuntimeFraction:
    if message.HasField("failure_mode_deny_percent"):
        return runtime.lower_fraction(message.failure_mode_deny_percent, low, join(path, "failure_mode_deny_percent"))
    return filter_spec.ALWAYS if message.failure_mode_deny else filter_spec.NEVER


def lower_service(message: Any, low: Lowering, path: str) -> filter_spec.RateLimitService:
    """The `domain`, `timeout` and `rate_limit_service` of a filter."""
    at = join(path, "rate_limit_service")
    SERVICE.check(message.rate_limit_service, low.report, at)
    grpc, here = message.rate_limit_service.grpc_service, join(at, "grpc_service")
    GRPC.check(grpc, low.report, here)
    envoy, inner = grpc.envoy_grpc, join(here, "envoy_grpc")
    if grpc.HasField("envoy_grpc"):
        ENVOY_GRPC.check(envoy, low.report, inner)
        if envoy.cluster_name not in low.cluster_names:
            near = nearest(envoy.cluster_name, low.cluster_names)
            low.refuse(join(inner, "cluster_name"), f"no cluster is called '{envoy.cluster_name}'{near}")
    return filter_spec.RateLimitService(
        domain=message.domain,
        cluster=envoy.cluster_name,
        authority=envoy.authority,
        timeout_ms=milliseconds_or(message, "timeout", TIMEOUT_MS),
        skip_envoy_headers=envoy.skip_envoy_headers,
        initial_metadata=each(grpc.initial_metadata, join(here, "initial_metadata"), lambda item, place: _metadata(item, low, place)),
        max_answer_bytes=wrapped_or(envoy, "max_receive_message_length", 0),
    )


def _metadata(item: Any, low: Lowering, path: str) -> spec.HeaderAdd:
    VALUE.check(item, low.report, path)
    check_text(item.value, low, join(path, "value"))
    return spec.HeaderAdd(item.key.lower(), item.value)
