"""envoy.config.route.v3.VirtualHost: the domains of a host and its routes, first match first.

Domains stay as they are written: exact, `*.suffix`, `prefix.*` or `*`; the engine orders them as Envoy does (exact,
then the longest suffix, then the longest prefix). That a domain stands once in a table is checked by route_table.py,
which calls this."""

from __future__ import annotations

from typing import Any

from mesh.config import header_mutation, retry, route
from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering, each
from meshcore.bind import spec

HOST = Fields(
    "envoy.config.route.v3.VirtualHost",
    {
        "name", "domains", "routes", "require_tls", "typed_per_filter_config", "include_request_attempt_count",
        "include_attempt_count_in_response", "retry_policy",
    }
    | header_mutation.LISTS,
    described={"metadata"},
)  # fmt: skip
REQUIRE_TLS = ("none", "external_only", "all")


def lower(message: Any, low: Lowering, path: str, *, validate_clusters: bool, body_limit: int) -> spec.VirtualHost:
    HOST.check(message, low.report, path)
    return spec.VirtualHost(
        name=message.name,
        domains=tuple(message.domains),
        routes=each(
            message.routes,
            join(path, "routes"),
            lambda item, at: route.lower(item, low, at, validate_clusters=validate_clusters, body_limit=body_limit),
        ),
        mutation=header_mutation.lower(message, low, path),
        require_tls=REQUIRE_TLS[message.require_tls] if message.require_tls < len(REQUIRE_TLS) else "none",
        retry=retry.lower(message.retry_policy, low, join(path, "retry_policy"))
        if message.HasField("retry_policy")
        else None,
        include_request_attempt_count=message.include_request_attempt_count,
        include_attempt_count_in_response=message.include_attempt_count_in_response,
        filter_disabled=route.lower_filter_disabled(
            message.typed_per_filter_config, low, join(path, "typed_per_filter_config")
        ),
    )
