"""envoy.config.route.v3.VirtualHost: the domains of a host and its routes, first match first.

Domains stay as they are written: exact, `*.suffix`, `prefix.*` or `*`; the engine orders them as Envoy does (exact,
then the longest suffix, then the longest prefix). That a domain stands once in a table is checked by route_table.py,
which calls this."""

from __future__ import annotations

from typing import Any

from mesh.config import header_mutation, hedge, match_tree, matcher, mirror, native_filter, rate_limit, retry, route
from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering, each, metadata, wrapped_or
from meshcore.bind import spec

HOST = Fields(
    "envoy.config.route.v3.VirtualHost",
    {
        "name", "domains", "routes", "matcher", "metadata", "require_tls", "typed_per_filter_config", "include_request_attempt_count",
        "include_attempt_count_in_response", "retry_policy", "hedge_policy", "request_mirror_policies",
        "include_is_timeout_retry_header", "virtual_clusters",
        "per_request_buffer_limit_bytes", "request_body_buffer_limit", "rate_limits",
    }
    | header_mutation.LISTS,
)  # fmt: skip
CLUSTER = Fields("envoy.config.route.v3.VirtualCluster", {"name", "headers"})
ROUTES = Fields("envoy.config.route.v3.RouteList", {"routes"})
ACTIONS = {"envoy.config.route.v3.Route": True, ROUTES.message: False}
REQUIRE_TLS = ("none", "external_only", "all")


def lower(message: Any, low: Lowering, path: str, *, validate_clusters: bool, body_limit: int) -> spec.VirtualHost:
    HOST.check(message, low.report, path)
    settings: dict[str, Any] = {"validate_clusters": validate_clusters, "body_limit": body_limit}
    routes: list[spec.Route] = []
    lists: list[tuple[int, int]] = []
    tree = None
    if message.HasField("matcher"):
        if message.routes:
            low.refuse(join(path, "matcher"), "'routes' is set as well, and only one of the two may be")

        def action(item: Any, at: str) -> int:
            found = _routes_of_action(item, low, at, settings)
            lists.append((len(routes), len(found)))
            routes.extend(found)
            return len(lists) - 1

        tree = match_tree.lower(message.matcher, low, join(path, "matcher"), action)
    else:
        routes.extend(each(message.routes, join(path, "routes"), lambda item, at: route.lower(item, low, at, **settings)))
    return spec.VirtualHost(
        name=message.name,
        domains=tuple(message.domains),
        routes=tuple(routes),
        matcher=tree,
        route_lists=tuple(lists),
        mutation=header_mutation.lower(message, low, path),
        metadata=metadata(message),
        require_tls=REQUIRE_TLS[message.require_tls] if message.require_tls < len(REQUIRE_TLS) else "none",
        retry=retry.lower(message.retry_policy, low, join(path, "retry_policy")) if message.HasField("retry_policy") else None,
        hedge=hedge.lower(message, low, path),
        mirrors=mirror.lower(message, low, path, validate_clusters),
        include_request_attempt_count=message.include_request_attempt_count,
        include_attempt_count_in_response=message.include_attempt_count_in_response,
        include_is_timeout_retry_header=message.include_is_timeout_retry_header,
        virtual_clusters=each(message.virtual_clusters, join(path, "virtual_clusters"), lambda item, at: _virtual_cluster(item, low, at)),
        retry_buffer_limit=wrapped_or(message, "per_request_buffer_limit_bytes", None),
        body_buffer_limit=wrapped_or(message, "request_body_buffer_limit", None),
        rate_limits=rate_limit.lower_all(message.rate_limits, low, join(path, "rate_limits")),
        filters=native_filter.lower_overrides(message.typed_per_filter_config, low, join(path, "typed_per_filter_config")),
    )


def _routes_of_action(item: Any, low: Lowering, path: str, settings: dict[str, Any]) -> list[spec.Route]:
    """The routes of a match tree's action: a Route, or a RouteList."""
    at = join(path, "typed_config")
    config, single = low.unpack(item.typed_config, at, ACTIONS, "the action of a route table's matcher")
    if config is None:
        return []
    if single:
        return [route.lower(config, low, at, **settings)]
    ROUTES.check(config, low.report, at)
    return list(each(config.routes, join(at, "routes"), lambda one, here: route.lower(one, low, here, **settings)))


def _virtual_cluster(message: Any, low: Lowering, path: str) -> spec.VirtualCluster:
    CLUSTER.check(message, low.report, path)
    if not message.headers:
        low.refuse(join(path, "headers"), "must have at least 1 item")
    headers = each(message.headers, join(path, "headers"), lambda item, at: matcher.lower_header(item, low, at))
    return spec.VirtualCluster(message.name, headers)
