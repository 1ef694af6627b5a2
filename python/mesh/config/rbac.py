"""The network filters RBAC and set_filter_state, which look at connections. Called by network_filter.py."""

from __future__ import annotations

from typing import Any

from mesh.config import access_rules, filter_set_filter_state
from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering, milliseconds_or
from meshcore.bind import spec

FILTER = Fields(
    "envoy.extensions.filters.network.rbac.v3.RBAC",
    {
        "rules", "shadow_rules", "matcher", "shadow_matcher", "stat_prefix", "shadow_rules_stat_prefix", "enforcement_type", "delay_deny",
    },
)  # fmt: skip
STATE = Fields("envoy.extensions.filters.network.set_filter_state.v3.Config", {"on_new_connection"})
CONTINUOUS = 1  # EnforcementType


def lower(message: Any, low: Lowering, path: str) -> spec.NetworkFilter:
    return spec.NetworkFilter(
        "rbac",
        message.stat_prefix,
        rules=access_rules.lower_side(message, "", access_rules.CONNECTIONS, low, path),
        shadow_rules=access_rules.lower_side(message, "shadow_", access_rules.CONNECTIONS, low, path),
        shadow_prefix=message.shadow_rules_stat_prefix,
        continuous=message.enforcement_type == CONTINUOUS,
        delay_deny_ms=milliseconds_or(message, "delay_deny", 0),
    )


def lower_state(message: Any, low: Lowering, path: str) -> spec.NetworkFilter:
    values = filter_set_filter_state.lower_values(message.on_new_connection, low, join(path, "on_new_connection"))
    return spec.NetworkFilter("set_filter_state", values=values)
