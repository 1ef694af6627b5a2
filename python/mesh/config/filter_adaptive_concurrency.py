"""envoy.extensions.filters.http.adaptive_concurrency.v3.AdaptiveConcurrency, with its gradient controller. Called by native_filter.py."""

from __future__ import annotations

from typing import Any

from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.filter_parts import lower_flag
from mesh.config.lowering import Lowering, milliseconds, wrapped_or
from meshcore.bind import filter_spec

PACKAGE = "envoy.extensions.filters.http.adaptive_concurrency.v3"
CONCURRENCY = Fields(f"{PACKAGE}.AdaptiveConcurrency", {"gradient_controller_config", "enabled", "concurrency_limit_exceeded_status"})
GRADIENT = Fields(
    f"{PACKAGE}.GradientControllerConfig", {"sample_aggregate_percentile", "concurrency_limit_params", "min_rtt_calc_params"}
)
LIMIT = Fields(
    f"{PACKAGE}.GradientControllerConfig.ConcurrencyLimitCalculationParams", {"max_concurrency_limit", "concurrency_update_interval"}
)
MIN_RTT = Fields(
    f"{PACKAGE}.GradientControllerConfig.MinimumRTTCalculationParams",
    {"interval", "fixed_value", "request_count", "jitter", "min_concurrency", "buffer"},
)
REFUSED = 503
ERRORS_FROM = 400


def lower(message: Any, low: Lowering, path: str) -> filter_spec.AdaptiveConcurrency:
    CONCURRENCY.check(message, low.report, path)
    at = join(path, "gradient_controller_config")
    gradient = message.gradient_controller_config
    limit, ideal = gradient.concurrency_limit_params, gradient.min_rtt_calc_params
    GRADIENT.check(gradient, low.report, at)
    LIMIT.check(limit, low.report, join(at, "concurrency_limit_params"))
    MIN_RTT.check(ideal, low.report, join(at, "min_rtt_calc_params"))
    if not ideal.HasField("interval") and not ideal.HasField("fixed_value"):
        low.refuse(join(at, "min_rtt_calc_params"), "one of 'interval' and 'fixed_value' is required")
    status = int(message.concurrency_limit_exceeded_status.code)
    return filter_spec.AdaptiveConcurrency(
        enabled=lower_flag(message, "enabled", low, path),
        status=status if status >= ERRORS_FROM else REFUSED,
        percentile=_percent(gradient, "sample_aggregate_percentile", 50.0),
        max_concurrency_limit=wrapped_or(limit, "max_concurrency_limit", 1000),
        update_interval_ms=milliseconds(limit.concurrency_update_interval),
        interval_ms=milliseconds(ideal.interval),
        fixed_value_ms=milliseconds(ideal.fixed_value),
        request_count=wrapped_or(ideal, "request_count", 50),
        jitter=_percent(ideal, "jitter", 15.0),
        min_concurrency=wrapped_or(ideal, "min_concurrency", 3),
        buffer=_percent(ideal, "buffer", 25.0),
    )


def _percent(message: Any, name: str, default: float) -> float:
    """An envoy.type.v3.Percent."""
    return float(wrapped_or(message, name, default))
