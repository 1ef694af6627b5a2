"""envoy.config.route.v3.RouteAction.HashPolicy: what decides where a hashing balancer sends a request.

Called for routes by route_action.py and for ring hash and Maglev by load_balancer.py."""

from __future__ import annotations

from typing import Any

from mesh.config import matcher
from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering, each
from meshcore.bind import spec

PACKAGE = "envoy.config.route.v3.RouteAction.HashPolicy"
POLICY = Fields(PACKAGE, {"header", "cookie", "connection_properties", "query_parameter", "filter_state", "terminal"})
HEADER = Fields(f"{PACKAGE}.Header", {"header_name", "regex_rewrite"})
COOKIE = Fields(f"{PACKAGE}.Cookie", {"name", "ttl", "path", "attributes"})


def lower_all(items: Any, low: Lowering, path: str) -> tuple[spec.HashRule, ...]:
    """The rules in order; one about connection properties that names none is nothing, as in Envoy."""
    found = each(items, path, lambda item, at: lower(item, low, at))
    return tuple(rule for rule in found if rule is not None)


def lower(message: Any, low: Lowering, path: str) -> spec.HashRule | None:
    POLICY.check(message, low.report, path)
    kind = message.WhichOneof("policy_specifier")
    terminal = message.terminal
    if kind == "header":
        HEADER.check(message.header, low.report, join(path, "header"))
        at = join(path, "header.regex_rewrite")
        rewrite = matcher.lower_substitution(message.header.regex_rewrite, low, at) if message.header.HasField("regex_rewrite") else None
        return spec.HashRule("header", message.header.header_name.lower(), rewrite, terminal=terminal)
    if kind == "cookie":
        cookie = message.cookie
        COOKIE.check(cookie, low.report, join(path, "cookie"))
        ttl = int(cookie.ttl.seconds) if cookie.HasField("ttl") else None
        attributes = tuple((item.name, item.value) for item in cookie.attributes)
        return spec.HashRule("cookie", cookie.name, ttl_s=ttl, path=cookie.path, attributes=attributes, terminal=terminal)
    if kind == "connection_properties":
        return spec.HashRule("source_ip", terminal=terminal) if message.connection_properties.source_ip else None
    if kind == "query_parameter":
        return spec.HashRule("query_parameter", message.query_parameter.name, terminal=terminal)
    if kind == "filter_state":
        return spec.HashRule("filter_state", message.filter_state.key, terminal=terminal)
    low.refuse(path, "one of header, cookie, connection_properties, query_parameter, filter_state is required")
    return None
