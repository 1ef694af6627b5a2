"""envoy.extensions.filters.http.admission_control.v3.AdmissionControl. Called by native_filter.py."""

from __future__ import annotations

from typing import Any

from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.filter_parts import lower_flag, lower_number
from mesh.config.lowering import Lowering, milliseconds_or
from meshcore.bind import filter_spec

CONTROL = Fields(
    "envoy.extensions.filters.http.admission_control.v3.AdmissionControl",
    {
        "enabled", "success_criteria", "sampling_window", "aggression", "sr_threshold", "rps_threshold",
        "max_rejection_probability",
    },
)  # fmt: skip
CRITERIA = Fields(
    "envoy.extensions.filters.http.admission_control.v3.AdmissionControl.SuccessCriteria", {"http_criteria", "grpc_criteria"}
)
WINDOW_MS = 30_000
GRPC_MAX = 16
THRESHOLD_MIN = 1.0


def lower(message: Any, low: Lowering, path: str) -> filter_spec.AdmissionControl:
    CONTROL.check(message, low.report, path)
    default = filter_spec.AdmissionControl()
    threshold = lower_number(message, "sr_threshold", 95.0)
    if threshold.value < THRESHOLD_MIN:
        low.refuse(join(path, "sr_threshold.default_value"), f"{threshold.value:g} %; at least 1 % is accepted")
    criteria = message.success_criteria
    CRITERIA.check(criteria, low.report, join(path, "success_criteria"))
    return filter_spec.AdmissionControl(
        enabled=lower_flag(message, "enabled", low, path),
        http_successes=_statuses(criteria, low, path) if criteria.HasField("http_criteria") else default.http_successes,
        grpc_successes=_codes(criteria, low, path) if criteria.HasField("grpc_criteria") else default.grpc_successes,
        sampling_window_ms=milliseconds_or(message, "sampling_window", WINDOW_MS) // 1000 * 1000,
        aggression=lower_number(message, "aggression", 1.0),
        sr_threshold=threshold,
        rps_threshold=lower_number(message, "rps_threshold", 0),
        max_rejection_probability=lower_number(message, "max_rejection_probability", 80.0),
    )


def _statuses(criteria: Any, low: Lowering, path: str) -> tuple[tuple[int, int], ...]:
    at = join(path, "success_criteria.http_criteria.http_success_status")
    found = tuple((item.start, item.end) for item in criteria.http_criteria.http_success_status)
    for index, (start, end) in enumerate(found):
        if not 100 <= start < end <= 600 or start == 600:
            low.refuse(f"{at}[{index}]", f"[{start}, {end}) is no range of statuses; 100 <= start < end <= 600")
    return found


def _codes(criteria: Any, low: Lowering, path: str) -> tuple[int, ...]:
    at = join(path, "success_criteria.grpc_criteria.grpc_success_status")
    found = tuple(criteria.grpc_criteria.grpc_success_status)
    for index, code in enumerate(found):
        if code > GRPC_MAX:
            low.refuse(f"{at}[{index}]", f"{code} is no gRPC status; 0 to {GRPC_MAX} are")
    return tuple(code for code in found if code <= GRPC_MAX)
