"""envoy.filters.http.rbac: which requests may pass. A RBACPerRoute without rules lets everybody pass. Called by
native_filter.py."""

from __future__ import annotations

from typing import Any

from mesh.config import access_rules
from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering
from meshcore.bind.filter_spec import Rbac

FILTER = Fields(
    "envoy.extensions.filters.http.rbac.v3.RBAC",
    {
        "rules", "rules_stat_prefix", "matcher", "shadow_rules", "shadow_matcher", "shadow_rules_stat_prefix", "track_per_rule_stats",
    },
)  # fmt: skip
PER_ROUTE = Fields("envoy.extensions.filters.http.rbac.v3.RBACPerRoute", {"rbac"})


def lower(message: Any, low: Lowering, path: str) -> Rbac:
    FILTER.check(message, low.report, path)
    return Rbac(
        rules=access_rules.lower_side(message, "", access_rules.REQUESTS, low, path),
        shadow_rules=access_rules.lower_side(message, "shadow_", access_rules.REQUESTS, low, path),
        rules_stat_prefix=message.rules_stat_prefix,
        shadow_rules_stat_prefix=message.shadow_rules_stat_prefix,
        track_per_rule_stats=message.track_per_rule_stats,
    )


def lower_per_route(message: Any, low: Lowering, path: str) -> Rbac:
    PER_ROUTE.check(message, low.report, path)
    return lower(message.rbac, low, join(path, "rbac")) if message.HasField("rbac") else Rbac()
