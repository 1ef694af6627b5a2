"""The parts of a config dump: bootstrap, clusters, endpoints, listeners, routes and secrets, as envoy.admin.v3 messages in Envoy's order.

Here are the static ones; what discovery brought is dump_dynamic.py's. Each carries the time at which it was last published. Reads the
running configuration under the proxy's lock. Called by /config_dump on the pages' thread."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from mesh.admin import dump_dynamic
from mesh.admin.dump_dynamic import stamp
from mesh.admin.field_mask import opened_any
from mesh.admin.hosts import fill_address, fill_locality, hosts

HCM = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
COARSE_HEALTH = {"healthy": 1, "unhealthy": 2, "degraded": 5}  # envoy.config.core.v3.HealthStatus


def sections(proxy: Any, name_regex: re.Pattern[str] | None, include_eds: bool) -> list[Any]:
    """All sections. `name_regex`: only resources whose whole name matches."""
    from envoy.admin.v3 import config_dump_pb2 as dumped
    from envoy.admin.v3 import config_dump_shared_pb2 as shared

    def wants(name: str) -> bool:
        return name_regex is None or name_regex.fullmatch(name) is not None

    with proxy.published() as running:
        bootstrap = proxy.loaded.bootstrap
        static = bootstrap.static_resources
        first = dumped.BootstrapConfigDump(bootstrap=bootstrap)
        stamp(first.last_updated, proxy.loaded_at)
        clusters = shared.ClustersConfigDump()
        fill_clusters(clusters, static, running, wants)
        endpoints = shared.EndpointsConfigDump()
        if include_eds:
            fill_endpoints(endpoints, static, running, wants)
        listeners, routes, scopes = shared.ListenersConfigDump(), shared.RoutesConfigDump(), shared.ScopedRoutesConfigDump()
        for message, updated in published_listeners(proxy, static, running):
            if wants(message.name):
                entry = listeners.static_listeners.add()
                entry.listener.Pack(message, deterministic=True)
                stamp(entry.last_updated, updated)
            fill_routes(routes, scopes, message, updated, wants)
        if proxy.resources is not None:
            dump_dynamic.fill_clusters(clusters, proxy.resources, wants)
            dump_dynamic.fill_listeners(listeners, proxy.resources, wants)
            dump_dynamic.fill_routes(routes, proxy.resources, wants)
            dump_dynamic.fill_scopes(scopes, proxy.resources, wants)
    found = [first, clusters, *([endpoints] if include_eds else []), listeners, scopes, routes]
    return [*found, dumped.SecretsConfigDump()]


def fill_clusters(dump: Any, static: Any, running: Any, wants: Any) -> None:
    for message in sorted(static.clusters, key=lambda item: item.name):
        live = running.clusters.get(message.name)
        if live is not None and wants(message.name):
            entry = dump.static_clusters.add()
            entry.cluster.Pack(message, deterministic=True)
            stamp(entry.last_updated, live.updated_at)


def published_listeners(proxy: Any, static: Any, running: Any) -> Iterator[tuple[Any, float]]:
    """(message, when it was published) of each listener. The plan has the listeners in the order of the message."""
    plan = proxy.loaded.plan.listeners
    for message, spec in zip(static.listeners, plan, strict=True):
        live = running.listeners.get(spec.name)
        if live is not None:
            yield message, live.updated_at


def fill_routes(dump: Any, scopes: Any, listener: Any, updated: float, wants: Any) -> None:
    """The route configurations that stand in the connection managers of a listener, and the scopes."""
    chains = [*listener.filter_chains, *([listener.default_filter_chain] if listener.HasField("default_filter_chain") else [])]
    for chain in chains:
        for item in chain.filters:
            if not item.typed_config.type_url.endswith(HCM):
                continue
            manager = opened_any(item.typed_config)
            if manager.HasField("route_config") and wants(manager.route_config.name):
                entry = dump.static_route_configs.add()
                entry.route_config.Pack(manager.route_config, deterministic=True)
                stamp(entry.last_updated, updated)
            scoped = manager.scoped_routes
            if scoped.HasField("scoped_route_configurations_list") and wants(scoped.name):
                inline = scopes.inline_scoped_route_configs.add(name=scoped.name)
                for message in scoped.scoped_route_configurations_list.scoped_route_configurations:
                    inline.scoped_route_configs.add().Pack(message, deterministic=True)
                stamp(inline.last_updated, updated)


def fill_endpoints(dump: Any, static: Any, running: Any, wants: Any) -> None:
    from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment

    messages = {item.name: item for item in static.clusters}
    for name, live in sorted(running.clusters.items()):
        configured = messages.get(name)
        assigned = (configured.load_assignment.cluster_name if configured is not None else "") or name
        if not wants(assigned):
            continue
        message = ClusterLoadAssignment(cluster_name=assigned)
        message.policy.overprovisioning_factor.value = live.spec.overprovisioning_factor
        groups: dict[Any, Any] = {}
        for host in hosts(live):
            endpoint = host.endpoint
            group = groups.get((endpoint.priority, endpoint.locality))
            if group is None:
                group = groups[endpoint.priority, endpoint.locality] = message.endpoints.add(priority=endpoint.priority)
                fill_locality(endpoint.locality, group.locality)
                group.load_balancing_weight.value = endpoint.locality_weight
            fill_endpoint(host, group.lb_endpoints.add())
            if live.spec.kind != "static":
                # Envoy gives every host that DNS found metadata, empty where none is configured.
                group.lb_endpoints[-1].metadata.SetInParent()
        dump.static_endpoint_configs.add().endpoint_config.Pack(message, deterministic=True)


def fill_endpoint(host: Any, target: Any) -> None:
    fill_address(host.endpoint.address, target.endpoint.address)
    target.endpoint.health_check_config.SetInParent()
    target.endpoint.hostname = host.endpoint.hostname
    target.health_status = COARSE_HEALTH[host.health]
    target.load_balancing_weight.value = host.endpoint.weight
    for name, fields in json.loads(host.endpoint.metadata or "{}").items():
        target.metadata.filter_metadata[name].update(fields)
