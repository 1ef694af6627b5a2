"""envoy.config.rbac.v3: access rules over what is known of a connection, for the network filter RBAC. Called by network_filter.py.

What asks for a request (headers, paths, metadata) or for expressions is refused by name. set_filter_state of connections stands here
too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mesh.config import address, filter_set_filter_state, match_tree, matcher, stream_match
from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering, each, milliseconds_or
from meshcore.bind import spec

RBAC = Fields("envoy.config.rbac.v3.RBAC", {"action", "policies"})
POLICY = Fields("envoy.config.rbac.v3.Policy", {"permissions", "principals"})
PERMISSION = Fields(
    "envoy.config.rbac.v3.Permission",
    {
        "and_rules", "or_rules", "any", "destination_ip", "destination_port", "destination_port_range", "not_rule",
        "requested_server_name",
    },
)  # fmt: skip
PRINCIPAL = Fields(
    "envoy.config.rbac.v3.Principal",
    {"and_ids", "or_ids", "any", "authenticated", "source_ip", "direct_remote_ip", "remote_ip", "filter_state", "not_id"},
)
VERDICT = Fields("envoy.config.rbac.v3.Action", {"name", "action"})
AUTHENTICATED = Fields("envoy.config.rbac.v3.Principal.Authenticated", {"principal_name"})
FILTER = Fields(
    "envoy.extensions.filters.network.rbac.v3.RBAC",
    {
        "rules", "shadow_rules", "matcher", "shadow_matcher", "stat_prefix", "shadow_rules_stat_prefix", "enforcement_type", "delay_deny",
    },
)  # fmt: skip
STATE = Fields("envoy.extensions.filters.network.set_filter_state.v3.Config", {"on_new_connection"})
ACTIONS = ("allow", "deny", "log")
ANY = spec.AccessRule("any")
CONTINUOUS = 1  # EnforcementType
NESTED = {
    "and_rules": ("all_of", "rules"), "or_rules": ("one_of", "rules"), "not_rule": ("not", ""),
    "and_ids": ("all_of", "ids"), "or_ids": ("one_of", "ids"), "not_id": ("not", ""),
}  # fmt: skip
Rule = Callable[[Any, Lowering, str], spec.AccessRule]


def lower(message: Any, low: Lowering, path: str) -> spec.NetworkFilter:
    """The network filter. Where a matcher is set, rules beside it say nothing, as in Envoy."""

    def rules(prefix: str) -> spec.AccessRules | None:
        if message.HasField(f"{prefix}matcher"):
            return lower_tree(getattr(message, f"{prefix}matcher"), low, join(path, f"{prefix}matcher"))
        name = f"{prefix}rules"
        return lower_rules(getattr(message, name), low, join(path, name)) if message.HasField(name) else None

    return spec.NetworkFilter(
        "rbac",
        message.stat_prefix,
        rules=rules(""),
        shadow_rules=rules("shadow_"),
        shadow_prefix=message.shadow_rules_stat_prefix,
        continuous=message.enforcement_type == CONTINUOUS,
        delay_deny_ms=milliseconds_or(message, "delay_deny", 0),
    )


def lower_tree(message: Any, low: Lowering, path: str) -> spec.AccessRules:
    """A match tree over what is known of a connection, with an Action at each of its ends."""
    verdicts: list[tuple[str, str]] = []

    def action(item: Any, at: str) -> int:
        here = join(at, "typed_config")
        config, table = low.unpack(item.typed_config, here, {VERDICT.message: VERDICT}, "the action of an RBAC matcher")
        if config is not None:
            table.check(config, low.report, here)
            verdicts.append((config.name, ACTIONS[config.action]))
        return len(verdicts) - 1

    tree = match_tree.lower(message, low, path, action)
    match_tree.refuse_requests(tree, low, path)
    return spec.AccessRules("allow", tree=tree, verdicts=tuple(verdicts))


def lower_state(message: Any, low: Lowering, path: str) -> spec.NetworkFilter:
    values = filter_set_filter_state.lower_values(message.on_new_connection, low, join(path, "on_new_connection"))
    return spec.NetworkFilter("set_filter_state", values=values)


def lower_rules(message: Any, low: Lowering, path: str) -> spec.AccessRules:
    RBAC.check(message, low.report, path)
    found = []
    for name in sorted(message.policies):
        policy, at = message.policies[name], f"{path}.policies[{name}]"
        POLICY.check(policy, low.report, at)
        permissions = each(policy.permissions, join(at, "permissions"), lambda item, here: _permission(item, low, here))
        principals = each(policy.principals, join(at, "principals"), lambda item, here: _principal(item, low, here))
        found.append((name, spec.AccessRule("one_of", permissions), spec.AccessRule("one_of", principals)))
    return spec.AccessRules(ACTIONS[message.action], tuple(found))


def _permission(message: Any, low: Lowering, path: str) -> spec.AccessRule:
    PERMISSION.check(message, low.report, path)
    which = message.WhichOneof("rule") or "any"
    value, at = getattr(message, which), join(path, which)
    if which in NESTED:
        return _nested(which, value, low, at, _permission)
    if which == "destination_ip":
        return spec.AccessRule("destination_ip", block=address.lower_cidr(value, low, at))
    if which == "destination_port":
        return spec.AccessRule("destination_port", ports=(value, value))
    if which == "destination_port_range":
        return spec.AccessRule("destination_port", ports=(value.start, value.end - 1))
    if which == "requested_server_name":
        return spec.AccessRule("server_name", text=matcher.lower_string(value, low, at))
    return ANY


def _principal(message: Any, low: Lowering, path: str) -> spec.AccessRule:
    PRINCIPAL.check(message, low.report, path)
    which = message.WhichOneof("identifier") or "any"
    value, at = getattr(message, which), join(path, which)
    if which in NESTED:
        return _nested(which, value, low, at, _principal)
    if which in ("source_ip", "remote_ip", "direct_remote_ip"):
        return spec.AccessRule("remote_ip" if which == "source_ip" else which, block=address.lower_cidr(value, low, at))
    if which == "authenticated":
        AUTHENTICATED.check(value, low.report, at)
        name = None
        if value.HasField("principal_name"):
            name = matcher.lower_string(value.principal_name, low, join(at, "principal_name"))
        return spec.AccessRule("authenticated", text=name)
    if which == "filter_state":
        stream_match.FILTER_STATE.check(value, low.report, at)
        if value.WhichOneof("matcher") != "string_match":
            low.refuse(at, "only 'string_match' is implemented in mesh here")
        return spec.AccessRule("filter_state", key=value.key, text=matcher.lower_string(value.string_match, low, join(at, "string_match")))
    return ANY


def _nested(which: str, value: Any, low: Lowering, at: str, one: Rule) -> spec.AccessRule:
    """The parts of a permission or a principal that has some."""
    test, name = NESTED[which]
    parts = (one(value, low, at),) if not name else each(getattr(value, name), join(at, name), lambda item, here: one(item, low, here))
    return spec.AccessRule(test, parts)
