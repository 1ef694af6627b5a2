"""envoy.config.route.v3.InternalRedirectPolicy: which redirects of the upstream are followed here. Called by route_action.py."""

from __future__ import annotations

from typing import Any

from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering, wrapped_or
from meshcore.bind import spec

POLICY = Fields(
    "envoy.config.route.v3.InternalRedirectPolicy",
    {"max_internal_redirects", "redirect_response_codes", "predicates", "allow_cross_scheme_redirect", "response_headers_to_copy"},
)
ALLOWED = Fields(
    "envoy.extensions.internal_redirect.allow_listed_routes.v3.AllowListedRoutesConfig", {"allowed_route_names"}
)
PREDICATES = {
    "envoy.extensions.internal_redirect.previous_routes.v3.PreviousRoutesConfig": "previous_routes",
    "envoy.extensions.internal_redirect.safe_cross_scheme.v3.SafeCrossSchemeConfig": "safe_cross_scheme",
    ALLOWED.message: "allow_listed_routes",
}
CODES = (301, 302, 303, 307, 308)


def lower(message: Any, low: Lowering, path: str) -> spec.InternalRedirect | None:
    """None without a policy: redirects are the client's."""
    if not message.HasField("internal_redirect_policy"):
        return None
    policy = message.internal_redirect_policy
    at = join(path, "internal_redirect_policy")
    POLICY.check(policy, low.report, at)
    predicates, allowed = _predicates(policy.predicates, low, join(at, "predicates"))
    return spec.InternalRedirect(
        most=wrapped_or(policy, "max_internal_redirects", 1),
        codes=tuple(dict.fromkeys(code for code in policy.redirect_response_codes if code in CODES)) or (302,),
        predicates=predicates,
        allowed_routes=allowed,
        cross_scheme=policy.allow_cross_scheme_redirect,
        headers_to_copy=tuple(name.lower() for name in policy.response_headers_to_copy),
    )


def _predicates(items: Any, low: Lowering, path: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(names, routes of allow_listed_routes)."""
    names: list[str] = []
    allowed: set[str] = set()
    for index, item in enumerate(items):
        at = f"{path}[{index}].typed_config"
        message, name = low.unpack(item.typed_config, at, PREDICATES, "an internal redirect predicate")
        if message is None:
            continue
        names.append(name)
        if name == "allow_listed_routes":
            ALLOWED.check(message, low.report, at)
            routes = set(message.allowed_route_names)
            allowed = allowed & routes if names.count(name) > 1 else routes
    return tuple(dict.fromkeys(names)), tuple(sorted(allowed))
