"""envoy.config.cluster.v3.CircuitBreakers: the limits of a cluster, per priority.

Envoy takes the first entry of a priority and ignores the rest; a second one is refused here, because a limit that looks
set and is not is worse than an error. Retry budgets and limits per host are refused by name. Called by cluster.py.
"""

from __future__ import annotations

from typing import Any

from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering, wrapped_or
from meshcore.bind import spec

BREAKERS = Fields("envoy.config.cluster.v3.CircuitBreakers", {"thresholds"})
THRESHOLDS = Fields(
    "envoy.config.cluster.v3.CircuitBreakers.Thresholds",
    {"priority", "max_connections", "max_pending_requests", "max_requests", "max_retries", "track_remaining"},
)
DEFAULT, HIGH = 0, 1


def lower(message: Any, low: Lowering, path: str) -> tuple[spec.Thresholds, spec.Thresholds]:
    """(default, high); the first entry of a priority counts, as in Envoy."""
    BREAKERS.check(message, low.report, path)
    found: dict[int, spec.Thresholds] = {}
    for index, item in enumerate(message.thresholds):
        at = f"{path}.thresholds[{index}]"
        THRESHOLDS.check(item, low.report, at)
        if item.priority in found:
            name = type(item).DESCRIPTOR.fields_by_name["priority"].enum_type.values_by_number[item.priority].name
            low.refuse(join(at, "priority"), f"the thresholds of {name} stand here twice; Envoy would ignore these")
            continue
        found[item.priority] = spec.Thresholds(
            max_connections=wrapped_or(item, "max_connections", 1024),
            max_pending_requests=wrapped_or(item, "max_pending_requests", 1024),
            max_requests=wrapped_or(item, "max_requests", 1024),
            max_retries=wrapped_or(item, "max_retries", 3),
            track_remaining=item.track_remaining,
        )
    return found.get(DEFAULT, spec.Thresholds()), found.get(HIGH, spec.Thresholds())
