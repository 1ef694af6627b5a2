"""envoy.extensions.filters.network.thrift_proxy.v3.RouteConfiguration: which call goes to which cluster.

As in Envoy a route may name only clusters that exist, unless `validate_clusters` is false. Called by thrift_proxy.py.
"""

from __future__ import annotations

from typing import Any

from mesh.config import load_balancer_subset, matcher, rate_limit, runtime
from mesh.config.errors import join, nearest
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering, each, wrapped_or
from meshcore.bind import spec
from meshcore.bind.thrift_spec import ThriftMirror, ThriftRoute, ThriftRoutes

PACKAGE = "envoy.extensions.filters.network.thrift_proxy.v3"
ROUTES = Fields(f"{PACKAGE}.RouteConfiguration", {"name", "routes", "validate_clusters"})
ROUTE = Fields(f"{PACKAGE}.Route", {"match", "route"})
MATCH = Fields(f"{PACKAGE}.RouteMatch", {"method_name", "service_name", "invert", "headers"})
ACTION = Fields(
    f"{PACKAGE}.RouteAction",
    {
        "cluster", "weighted_clusters", "cluster_header", "metadata_match", "strip_service_name", "request_mirror_policies",
        "rate_limits",
    },
)
RATE_ACTIONS = (
    "source_cluster", "destination_cluster", "request_headers", "remote_address", "generic_key", "header_value_match",
)  # fmt: skip
MIRROR = Fields(f"{PACKAGE}.RouteAction.RequestMirrorPolicy", {"cluster", "runtime_fraction"})
WEIGHTED = Fields(f"{PACKAGE}.WeightedCluster", {"clusters"})
CHOICE = Fields(f"{PACKAGE}.WeightedCluster.ClusterWeight", {"name", "weight", "metadata_match"})


def lower(message: Any, low: Lowering, path: str) -> ThriftRoutes:
    ROUTES.check(message, low.report, path)
    strict = wrapped_or(message, "validate_clusters", True)
    return ThriftRoutes(
        message.name,
        each(message.routes, join(path, "routes"), lambda item, at: _route(item, low, at, strict)),
    )


def _route(message: Any, low: Lowering, path: str, strict: bool) -> ThriftRoute:
    ROUTE.check(message, low.report, path)
    match, at = message.match, join(path, "match")
    MATCH.check(match, low.report, at)
    kind = match.WhichOneof("match_specifier")
    if match.invert and kind is not None and not getattr(match, kind):
        low.refuse(join(at, kind), f"an empty {kind.replace('_', ' ')} matches every call and cannot be inverted")
    action = join(path, "route")
    ACTION.check(message.route, low.report, action)
    return ThriftRoute(
        method_name=match.method_name if kind == "method_name" else None,
        service_name=match.service_name if kind == "service_name" else None,
        invert=match.invert,
        headers=each(match.headers, join(at, "headers"), lambda item, where: matcher.lower_header(item, low, where)),
        cluster=_cluster(message.route.cluster, low, join(action, "cluster"), strict),
        weighted=_weighted(message.route, low, join(action, "weighted_clusters"), strict),
        cluster_header=message.route.cluster_header.lower(),
        strip_service_name=message.route.strip_service_name,
        metadata_match=load_balancer_subset.lower_match(message.route),
        mirrors=each(
            message.route.request_mirror_policies,
            join(action, "request_mirror_policies"),
            lambda item, where: _mirror(item, low, where, strict),
        ),
        rate_limits=_rate_limits(message.route.rate_limits, low, join(action, "rate_limits")),
    )


def _rate_limits(rules: Any, low: Lowering, path: str) -> tuple[spec.RateLimit, ...]:
    """Envoy has six actions for calls."""
    for index, rule in enumerate(rules):
        for place, one in enumerate(rule.actions):
            kind, at = one.WhichOneof("action_specifier"), f"{path}[{index}].actions[{place}]"
            if kind not in RATE_ACTIONS:
                low.refuse(at, f"'{kind}' is not for Thrift calls; {', '.join(RATE_ACTIONS)} are accepted")
            if one.generic_key.descriptor_key:
                low.refuse(join(at, "generic_key.descriptor_key"), "of Thrift calls it is always 'generic_key', in Envoy too")
    return rate_limit.lower_all(rules, low, path)


def _mirror(message: Any, low: Lowering, path: str, strict: bool) -> ThriftMirror:
    """As in Envoy the default of a fraction counts only where it has a runtime key."""
    MIRROR.check(message, low.report, path)
    fraction = runtime.lower_fraction(message.runtime_fraction, low, join(path, "runtime_fraction"))
    name = _cluster(message.cluster, low, join(path, "cluster"), strict)
    return ThriftMirror(name, fraction if message.runtime_fraction.runtime_key else None)


def _weighted(action: Any, low: Lowering, path: str, strict: bool) -> tuple[spec.WeightedCluster, ...]:
    WEIGHTED.check(action.weighted_clusters, low.report, path)

    def choice(item: Any, at: str) -> spec.WeightedCluster:
        CHOICE.check(item, low.report, at)
        name = _cluster(item.name, low, join(at, "name"), strict)
        return spec.WeightedCluster(name, item.weight.value, metadata_match=load_balancer_subset.lower_match(item, action))

    return each(action.weighted_clusters.clusters, join(path, "clusters"), choice)


def _cluster(name: str, low: Lowering, path: str, strict: bool) -> str:
    if name and strict and name not in low.cluster_names:
        low.refuse(path, f"no cluster is called '{name}'{nearest(name, low.cluster_names)}")
    return name
