"""envoy.config.cluster.v3.CircuitBreakers: the limits of a cluster, per priority.

Envoy takes the first entry of a priority and ignores the rest; a second one is refused here, because a limit that looks
set and is not is worse than an error. Of the limits per host only `max_connections` exists, as in Envoy. Called by
cluster.py.
"""

from __future__ import annotations

from typing import Any

from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering, wrapped_or
from meshcore.bind import spec

BREAKERS = Fields("envoy.config.cluster.v3.CircuitBreakers", {"thresholds", "per_host_thresholds"})
THRESHOLDS = Fields(
    "envoy.config.cluster.v3.CircuitBreakers.Thresholds",
    {
        "priority", "max_connections", "max_pending_requests", "max_requests", "max_retries", "track_remaining",
        "max_connection_pools", "retry_budget",
    },
)  # fmt: skip
PER_HOST = ("priority", "max_connections")
BUDGET = Fields(
    "envoy.config.cluster.v3.CircuitBreakers.Thresholds.RetryBudget", {"budget_percent", "min_retry_concurrency"}
)
BUDGET_PERCENT, BUDGET_LEAST = 20.0, 3
DEFAULT, HIGH = 0, 1


def lower(message: Any, low: Lowering, path: str) -> tuple[spec.Thresholds, spec.Thresholds]:
    """(default, high); the first entry of a priority counts, as in Envoy."""
    BREAKERS.check(message, low.report, path)
    found: dict[int, spec.Thresholds] = {}
    per_host = _per_host(message.per_host_thresholds, low, join(path, "per_host_thresholds"))
    for index, item in enumerate(message.thresholds):
        at = f"{path}.thresholds[{index}]"
        THRESHOLDS.check(item, low.report, at)
        if item.priority in found:
            _refuse_twice(item, low, at)
            continue
        found[item.priority] = spec.Thresholds(
            max_connections=wrapped_or(item, "max_connections", 1024),
            max_pending_requests=wrapped_or(item, "max_pending_requests", 1024),
            max_requests=wrapped_or(item, "max_requests", 1024),
            max_retries=wrapped_or(item, "max_retries", 3),
            track_remaining=item.track_remaining,
            max_connection_pools=wrapped_or(item, "max_connection_pools", None),
            max_connections_per_host=per_host.get(item.priority),
            retry_budget=_budget(item.retry_budget, low, join(at, "retry_budget")) if item.HasField("retry_budget") else None,
        )
    for priority, most in per_host.items():
        found.setdefault(priority, spec.Thresholds(max_connections_per_host=most))
    return found.get(DEFAULT, spec.Thresholds()), found.get(HIGH, spec.Thresholds())


def _refuse_twice(item: Any, low: Lowering, path: str) -> None:
    name = type(item).DESCRIPTOR.fields_by_name["priority"].enum_type.values_by_number[item.priority].name
    low.refuse(join(path, "priority"), f"the thresholds of {name} stand here twice; Envoy would ignore these")


def _per_host(items: Any, low: Lowering, path: str) -> dict[int, int | None]:
    """{priority: most connections to one host}."""
    found: dict[int, int | None] = {}
    for index, item in enumerate(items):
        at = f"{path}[{index}]"
        for field, _ in item.ListFields():
            if field.name not in PER_HOST:
                low.refuse(join(at, field.name), f"a host has no limit '{field.name}', max_connections alone")
        if item.priority in found:
            _refuse_twice(item, low, at)
        found[item.priority] = wrapped_or(item, "max_connections", None)
    return found


def _budget(message: Any, low: Lowering, path: str) -> tuple[float, int]:
    BUDGET.check(message, low.report, path)
    percent = message.budget_percent.value if message.HasField("budget_percent") else BUDGET_PERCENT
    return float(percent), wrapped_or(message, "min_retry_concurrency", BUDGET_LEAST)
