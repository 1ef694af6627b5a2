"""Conversations behind network filters, which a real Envoy and mesh must hold alike: who may speak at all, and that a name which
one leaves is not in the log lines of calls."""

from __future__ import annotations

from typing import Any

from tests.thrift_proxy.conversations import Case, Side, asks, seen

PACKAGE = "type.googleapis.com/envoy.extensions.filters.network."
ANYBODY = {"permissions": [{"any": True}], "principals": [{"any": True}]}


def rules(action: str) -> dict[str, Any]:
    return {"@type": f"{PACKAGE}rbac.v3.RBAC", "stat_prefix": "guard", "rules": {"action": action, "policies": {"all": ANYBODY}}}


def first_only(side: Side) -> list[Any]:
    """A second connection while there is one."""
    with side.client() as first:
        found = [seen(first.ask(side.call("add", 1)))]
        with side.client() as second:
            found.append(seen(second.try_ask(side.call("add", 2))))
        return [*found, seen(first.ask(side.call("add", 3)))]


def one_after_the_other(side: Side) -> list[Any]:
    found = []
    for seqid in range(3):
        with side.client() as client:
            found.append(seen(client.try_ask(side.call("add", seqid))))
    return found


ONE = {"@type": f"{PACKAGE}connection_limit.v3.ConnectionLimit", "stat_prefix": "one", "max_connections": 1}
SLOW = {
    "@type": f"{PACKAGE}local_ratelimit.v3.LocalRateLimit",
    "stat_prefix": "slow",
    "token_bucket": {"max_tokens": 2, "fill_interval": "3600s"},
}
NAMED = {
    "@type": f"{PACKAGE}set_filter_state.v3.Config",
    "on_new_connection": [
        {
            "object_key": "who",
            "factory_key": "envoy.string",
            "format_string": {"text_format_source": {"inline_string": "me"}},
        }
    ],
}
CASES = [
    Case("guard_allows", asks("add"), before=(rules("ALLOW"),)),
    Case("guard_denies", asks("add"), before=(rules("DENY"),)),
    Case("guard_denies_unframed", asks("add"), ("unframed", "compact"), before=(rules("DENY"),)),
    Case("guard_limits_connections", first_only, before=(ONE,)),
    Case("guard_limits_rate", one_after_the_other, before=(SLOW,)),
    Case("guard_leaves_a_name", asks("add"), before=(NAMED, rules("ALLOW"))),
]
