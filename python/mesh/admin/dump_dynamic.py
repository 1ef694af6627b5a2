"""The parts of a config dump that come from discovery: clusters, listeners, routes and scopes with the version of their response.

Reads the resources of a proxy (mesh.xds.running.Resources), which are replaced and never changed. Called by dump_sections.py on the pages'
thread."""

from __future__ import annotations

from typing import Any


def stamp(target: Any, seconds: float) -> None:
    target.FromMilliseconds(int(seconds * 1000))


def fill_clusters(dump: Any, resources: Any, wants: Any) -> None:
    found = resources.subscriptions.get(("cluster", ""))
    dump.version_info = found.version if found is not None else ""
    for name, taken in sorted(resources.clusters.items()):
        if wants(name):
            entry = dump.dynamic_active_clusters.add(version_info=taken.version)
            entry.cluster.Pack(taken.message, deterministic=True)
            stamp(entry.last_updated, taken.updated_at)


def fill_listeners(dump: Any, resources: Any, wants: Any) -> None:
    found = resources.subscriptions.get(("listener", ""))
    dump.version_info = found.version if found is not None else ""
    for name, taken in sorted(resources.listeners.items()):
        if wants(name):
            entry = dump.dynamic_listeners.add(name=name)
            entry.active_state.version_info = taken.version
            entry.active_state.listener.Pack(taken.message, deterministic=True)
            stamp(entry.active_state.last_updated, taken.updated_at)


def fill_routes(dump: Any, resources: Any, wants: Any) -> None:
    for source, taken in sorted(resources.routes.items(), key=lambda item: str(item[0].name)):
        if wants(source.name):
            entry = dump.dynamic_route_configs.add(version_info=taken.version)
            entry.route_config.Pack(taken.message, deterministic=True)
            stamp(entry.last_updated, taken.updated_at)


def fill_scopes(dump: Any, resources: Any, wants: Any) -> None:
    for source, taken in sorted(resources.scopes.items(), key=lambda item: str(item[0].name)):
        if wants(source.name):
            entry = dump.dynamic_scoped_route_configs.add(name=source.name, version_info=taken.version)
            for message in taken.message:
                entry.scoped_route_configs.add().Pack(message, deterministic=True)
            stamp(entry.last_updated, taken.updated_at)
