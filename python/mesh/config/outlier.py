"""envoy.config.cluster.v3.OutlierDetection, and where the cluster manager logs what it decides.

All five detectors; monitors that are extensions are refused. Called by cluster.py and bootstrap.py.
"""

from __future__ import annotations

from typing import Any

from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering, milliseconds_or, wrapped_or
from meshcore.bind.health_spec import OutlierDetection

NUMBERS = (
    "consecutive_5xx", "consecutive_gateway_failure", "consecutive_local_origin_failure", "max_ejection_percent",
    "enforcing_consecutive_5xx", "enforcing_consecutive_gateway_failure", "enforcing_consecutive_local_origin_failure",
    "enforcing_success_rate", "enforcing_local_origin_success_rate", "enforcing_failure_percentage",
    "enforcing_failure_percentage_local_origin", "success_rate_minimum_hosts", "success_rate_request_volume",
    "success_rate_stdev_factor", "failure_percentage_threshold", "failure_percentage_minimum_hosts",
    "failure_percentage_request_volume", "always_eject_one_host", "successful_active_health_check_uneject_host",
)  # fmt: skip
DURATIONS = ("interval", "base_ejection_time", "max_ejection_time", "max_ejection_time_jitter")
OUTLIER = Fields(
    "envoy.config.cluster.v3.OutlierDetection", {*NUMBERS, *DURATIONS, "split_external_local_origin_errors"}
)
LOGGING = Fields("envoy.config.bootstrap.v3.ClusterManager.OutlierDetection", {"event_log_path"})
DEFAULT = OutlierDetection()


def lower(message: Any, low: Lowering, path: str) -> OutlierDetection:
    OUTLIER.check(message, low.report, path)
    found: dict[str, Any] = {name: wrapped_or(message, name, getattr(DEFAULT, name)) for name in NUMBERS}
    found |= {f"{name}_ms": milliseconds_or(message, name, getattr(DEFAULT, f"{name}_ms")) for name in DURATIONS}
    base = found["base_ejection_time_ms"]
    if not message.HasField("max_ejection_time"):
        found["max_ejection_time_ms"] = max(found["max_ejection_time_ms"], base)
    elif found["max_ejection_time_ms"] < base:
        low.refuse(join(path, "max_ejection_time"), f"less than base_ejection_time, which is {base} ms")
    return OutlierDetection(
        **found,
        split_external_local_origin_errors=message.split_external_local_origin_errors,
        event_log_path=low.outlier_log,
    )


def lower_log(message: Any, low: Lowering, path: str) -> str:
    """ClusterManager.OutlierDetection: the path of the event log, "" for none."""
    LOGGING.check(message, low.report, path)
    return str(message.event_log_path)
