"""envoy.config.rbac.v3: access rules over what is known of a connection, and of a request if there is one.

For a connection what asks for a request (headers, paths) is refused by name, and everywhere expressions are. Called by
rbac.py and filter_rbac.py."""

from __future__ import annotations

from typing import Any

from mesh.config import address, match_tree, matcher, stream_match, uri_template
from mesh.config.errors import join
from mesh.config.fields import Fields, unset
from mesh.config.lowering import Lowering, each
from meshcore.bind import spec
from meshcore.bind.record import record

RBAC = Fields("envoy.config.rbac.v3.RBAC", {"action", "policies"}, harmless={"audit_logging_options": unset})
POLICY = Fields("envoy.config.rbac.v3.Policy", {"permissions", "principals"})
OF_CONNECTIONS = {
    "and_rules", "or_rules", "any", "destination_ip", "destination_port", "destination_port_range", "not_rule", "requested_server_name",
}  # fmt: skip
OF_CLIENTS = {"and_ids", "or_ids", "any", "authenticated", "source_ip", "direct_remote_ip", "remote_ip", "filter_state", "not_id"}
OF_BOTH = {"metadata", "sourced_metadata"}
OF_REQUESTS = {"header", "url_path"}
VERDICT = Fields("envoy.config.rbac.v3.Action", {"name", "action"})
AUTHENTICATED = Fields("envoy.config.rbac.v3.Principal.Authenticated", {"principal_name"})
SOURCED = Fields("envoy.config.rbac.v3.SourcedMetadata", {"metadata_matcher", "metadata_source"})
PATH = Fields("envoy.type.matcher.v3.PathMatcher", {"path"})
ACTIONS = ("allow", "deny", "log")
METADATA_SOURCES = ("metadata", "route_metadata")
ANY = spec.AccessRule("any")
NESTED = {
    "and_rules": ("all_of", "rules"), "or_rules": ("one_of", "rules"), "not_rule": ("not", ""),
    "and_ids": ("all_of", "ids"), "or_ids": ("one_of", "ids"), "not_id": ("not", ""),
}  # fmt: skip


@record
class Dialect:
    """What rules may ask: of connections alone, or of requests too."""

    permission: Fields
    principal: Fields
    requests: bool


CONNECTIONS = Dialect(
    Fields("envoy.config.rbac.v3.Permission#connection", OF_CONNECTIONS | OF_BOTH),
    Fields("envoy.config.rbac.v3.Principal#connection", OF_CLIENTS | OF_BOTH),
    False,
)
REQUESTS = Dialect(
    Fields("envoy.config.rbac.v3.Permission", OF_CONNECTIONS | OF_BOTH | OF_REQUESTS | {"uri_template"}),
    Fields("envoy.config.rbac.v3.Principal", OF_CLIENTS | OF_BOTH | OF_REQUESTS),
    True,
)


def lower_side(message: Any, prefix: str, dialect: Dialect, low: Lowering, path: str) -> spec.AccessRules | None:
    """`<prefix>rules` of a filter, or `<prefix>matcher`: where that is set, rules beside it say nothing, as in Envoy."""
    name = f"{prefix}matcher"
    if message.HasField(name):
        return _lower_tree(getattr(message, name), dialect, low, join(path, name))
    name = f"{prefix}rules"
    return _lower_rules(getattr(message, name), dialect, low, join(path, name)) if message.HasField(name) else None


def _lower_tree(message: Any, dialect: Dialect, low: Lowering, path: str) -> spec.AccessRules:
    """A match tree with an Action at each of its ends."""
    verdicts: list[tuple[str, str]] = []

    def action(item: Any, at: str) -> int:
        here = join(at, "typed_config")
        config, table = low.unpack(item.typed_config, here, {VERDICT.message: VERDICT}, "the action of an RBAC matcher")
        if config is not None:
            table.check(config, low.report, here)
            verdicts.append((config.name, ACTIONS[config.action]))
        return len(verdicts) - 1

    tree = match_tree.lower(message, low, path, action)
    if not dialect.requests:
        match_tree.refuse_requests(tree, low, path)
    return spec.AccessRules("allow", tree=tree, verdicts=tuple(verdicts))


def _lower_rules(message: Any, dialect: Dialect, low: Lowering, path: str) -> spec.AccessRules:
    RBAC.check(message, low.report, path)
    found = []
    for name in sorted(message.policies):
        policy, at = message.policies[name], f"{path}.policies[{name}]"
        POLICY.check(policy, low.report, at)
        permissions = each(policy.permissions, join(at, "permissions"), lambda item, here: _permission(item, dialect, low, here))
        principals = each(policy.principals, join(at, "principals"), lambda item, here: _principal(item, dialect, low, here))
        found.append((name, spec.AccessRule("one_of", permissions), spec.AccessRule("one_of", principals)))
    return spec.AccessRules(ACTIONS[message.action], tuple(found))


def _permission(message: Any, dialect: Dialect, low: Lowering, path: str) -> spec.AccessRule:
    dialect.permission.check(message, low.report, path)
    which = message.WhichOneof("rule") or "any"
    value, at = getattr(message, which), join(path, which)
    if which in NESTED:
        return _nested(which, value, low, at, lambda item, here: _permission(item, dialect, low, here))
    if which == "destination_ip":
        return spec.AccessRule("destination_ip", block=address.lower_cidr(value, low, at))
    if which == "destination_port":
        return spec.AccessRule("destination_port", ports=(value, value))
    if which == "destination_port_range":
        return spec.AccessRule("destination_port", ports=(value.start, value.end - 1))
    if which == "requested_server_name":
        return spec.AccessRule("server_name", text=matcher.lower_string(value, low, at))
    if which == "uri_template":
        return spec.AccessRule("path", text=spec.StringMatch("regex", uri_template.lower_match(value, low, at)))
    return _of_request(which, value, low, at)


def _principal(message: Any, dialect: Dialect, low: Lowering, path: str) -> spec.AccessRule:
    dialect.principal.check(message, low.report, path)
    which = message.WhichOneof("identifier") or "any"
    value, at = getattr(message, which), join(path, which)
    if which in NESTED:
        return _nested(which, value, low, at, lambda item, here: _principal(item, dialect, low, here))
    if which in ("source_ip", "remote_ip", "direct_remote_ip"):
        return spec.AccessRule(which, block=address.lower_cidr(value, low, at))
    if which == "authenticated":
        AUTHENTICATED.check(value, low.report, at)
        name = None
        if value.HasField("principal_name"):
            name = matcher.lower_string(value.principal_name, low, join(at, "principal_name"))
        return spec.AccessRule("authenticated", text=name)
    if which == "filter_state":
        return spec.AccessRule("filter_state", state=stream_match.lower_filter_state(value, low, at))
    return _of_request(which, value, low, at)


def _of_request(which: str, value: Any, low: Lowering, at: str) -> spec.AccessRule:
    """What permissions and principals may ask alike."""
    if which == "header":
        return spec.AccessRule("header", header=matcher.lower_header(value, low, at))
    if which == "url_path":
        PATH.check(value, low.report, at)
        return spec.AccessRule("path", text=matcher.lower_string(value.path, low, join(at, "path")))
    if which == "metadata":
        return spec.AccessRule("metadata", metadata=stream_match.lower_metadata(value, low, at))
    if which == "sourced_metadata":
        SOURCED.check(value, low.report, at)
        found = stream_match.lower_metadata(value.metadata_matcher, low, join(at, "metadata_matcher"))
        return spec.AccessRule(METADATA_SOURCES[value.metadata_source], metadata=found)
    return ANY


def _nested(which: str, value: Any, low: Lowering, at: str, one: Any) -> spec.AccessRule:
    """The parts of a permission or a principal that has some."""
    test, name = NESTED[which]
    return spec.AccessRule(test, each(getattr(value, name), join(at, name), one) if name else (one(value, at),))
