"""Small Envoy bootstraps for tests: one complete base, and patches merged over one of its parts.

`bootstrap(hcm={...}, route={...})` merges each patch into that part: mappings merge, everything else replaces, and a
value of "<remove>" takes the key away. Used by all tests of this folder; starts nothing."""

from __future__ import annotations

import copy
from typing import Any

EXTENSIONS = "type.googleapis.com/envoy.extensions"
HCM_TYPE = f"{EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER_TYPE = f"{EXTENSIONS}.filters.http.router.v3.Router"
REMOVE = "<remove>"
HCM_PATH = "static_resources.listeners[0].filter_chains[0].filters[0].typed_config"
ROUTE_PATH = f"{HCM_PATH}.route_config.virtual_hosts[0].routes[0]"
CLUSTER_PATH = "static_resources.clusters[0]"
PARTS = ("bootstrap", "listener", "chain", "hcm", "route_config", "vhost", "route", "action", "cluster", "endpoint")


def _base() -> dict[str, Any]:
    endpoint = {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 8001}}}}
    route = {"match": {"prefix": "/"}, "route": {"cluster": "web"}}
    vhost = {"name": "all", "domains": ["*"], "routes": [route]}
    hcm = {
        "@type": HCM_TYPE,
        "stat_prefix": "ingress",
        "http_filters": [{"name": "router", "typed_config": {"@type": ROUTER_TYPE}}],
        "route_config": {"name": "r", "virtual_hosts": [vhost]},
    }
    listener = {
        "name": "main",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [{"filters": [{"name": "hcm", "typed_config": hcm}]}],
    }
    cluster = {
        "name": "web",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": "web", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def bootstrap(**patches: Any) -> dict[str, Any]:
    """A bootstrap tree that can run, with each patch merged over the part of its name."""
    unknown = set(patches) - set(PARTS)
    assert not unknown, f"no such part: {unknown}"
    tree = _base()
    for part in PARTS:
        if part in patches:
            merge(_part(tree, part), copy.deepcopy(patches[part]))
    return tree


def _part(tree: dict[str, Any], part: str) -> Any:
    static = tree["static_resources"]
    if part == "bootstrap":
        return tree
    if part == "cluster":
        return static["clusters"][0]
    if part == "endpoint":
        return static["clusters"][0]["load_assignment"]["endpoints"][0]["lb_endpoints"][0]
    listener = static["listeners"][0]
    if part == "listener":
        return listener
    chain = listener["filter_chains"][0]
    if part == "chain":
        return chain
    hcm = chain["filters"][0]["typed_config"]
    if part == "hcm":
        return hcm
    table = hcm["route_config"]
    if part == "route_config":
        return table
    vhost = table["virtual_hosts"][0]
    route = vhost["routes"][0]
    return {"vhost": vhost, "route": route, "action": route.get("route")}[part]


def merge(into: dict[str, Any], patch: dict[str, Any]) -> None:
    for key, value in patch.items():
        if value == REMOVE:
            into.pop(key, None)
        elif isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value
