"""envoy.config.route.v3.Route: a match, an action, and what is changed on the way.

Decorators and tracing settings say nothing to the engine without a tracer and
are accepted. Called by virtual_host.py, with what the whole table decides (cluster lookup, size of direct bodies).
"""

from __future__ import annotations

from typing import Any

from mesh.config import header_mutation, native_filter, route_action, route_match
from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering, metadata, wrapped_or
from meshcore.bind import spec

ROUTE = Fields(
    "envoy.config.route.v3.Route",
    {
        "name", "match", "route", "redirect", "direct_response", "non_forwarding_action", "metadata", "stat_prefix",
        "typed_per_filter_config",
        "per_request_buffer_limit_bytes", "request_body_buffer_limit",
    }
    | header_mutation.LISTS,
    described={"decorator", "tracing"},
)  # fmt: skip


def lower(message: Any, low: Lowering, path: str, *, validate_clusters: bool, body_limit: int) -> spec.Route:
    ROUTE.check(message, low.report, path)
    kind = message.WhichOneof("action") or "route"
    action: spec.Forward | spec.Redirect | spec.DirectResponse
    if kind == "redirect":
        if message.redirect.prefix_rewrite and message.match.HasField("path_match_policy"):
            low.refuse(join(path, "redirect.prefix_rewrite"), "cannot be used with 'path_match_policy'; write 'regex_rewrite'")
        action = route_action.lower_redirect(message.redirect, low, join(path, kind))
    elif kind == "direct_response":
        action = route_action.lower_direct(message.direct_response, low, join(path, kind), body_limit)
    elif kind == "non_forwarding_action":
        action = spec.Forward()
    else:
        action = route_action.lower_forward(message.route, message.match, low, join(path, kind), validate_clusters)
    return spec.Route(
        match=route_match.lower(message.match, low, join(path, "match")),
        action=action,
        name=message.name,
        mutation=header_mutation.lower(message, low, path),
        stat_prefix=message.stat_prefix,
        metadata=metadata(message),
        retry_buffer_limit=wrapped_or(message, "per_request_buffer_limit_bytes", None),
        body_buffer_limit=wrapped_or(message, "request_body_buffer_limit", None),
        filters=native_filter.lower_overrides(message.typed_per_filter_config, low, join(path, "typed_per_filter_config")),
    )
