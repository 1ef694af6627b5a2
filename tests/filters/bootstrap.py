"""Configurations for tests of filters: one listener on a free port, a chain of Python filters, and routes.

A filter of a test is a class made in that test; `path_of` gives it a name that a configuration can import. Owns nothing that has to end.
"""

from __future__ import annotations

import itertools
import sys
from typing import Any

import mesh

TYPES = "type.googleapis.com/"
HCM = TYPES + "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = TYPES + "envoy.extensions.filters.http.router.v3.Router"
OFF = {"@type": TYPES + "envoy.config.route.v3.FilterConfig", "disabled": True}
HELLO: dict[str, Any] = {
    "match": {"prefix": "/"},
    "direct_response": {"status": 200, "body": {"inline_string": "hello"}},
}

_numbers = itertools.count()


def path_of(kind: type[mesh.Filter]) -> str:
    """`package.module:Class` of a class that may be local to a test."""
    name = f"Made{next(_numbers)}"
    setattr(sys.modules[__name__], name, kind)
    return f"{__name__}:{name}"


def python_filter(name: str, kind: type[mesh.Filter], config: Any = None, **more: Any) -> dict[str, Any]:
    value = {"class": path_of(kind)} | ({} if config is None else {"config": config})
    typed = {"@type": TYPES + "xds.type.v3.TypedStruct", "type_url": "mesh.filters.python", "value": value}
    return {"name": name, "typed_config": typed, **more}


def to_upstream(prefix: str = "/", **action: Any) -> dict[str, Any]:
    return {"match": {"prefix": prefix}, "route": {"cluster": "up", **action}}


def bootstrap(
    *filters: type[mesh.Filter] | dict[str, Any],
    upstream: int | None = None,
    routes: list[dict[str, Any]] | None = None,
    hcm: dict[str, Any] | None = None,
    port: int = 0,
) -> dict[str, Any]:
    """`filters`: classes, named f0, f1, ... in order, or entries made by python_filter. `upstream`: a port of loopback."""
    chain = [f if isinstance(f, dict) else python_filter(f"f{n}", f) for n, f in enumerate(filters)]
    manager = {
        "@type": HCM,
        "stat_prefix": "ingress",
        "route_config": {
            "name": "routes",
            "virtual_hosts": [
                {"name": "all", "domains": ["*"], "routes": routes or [HELLO if upstream is None else to_upstream()]}
            ],
        },
        "http_filters": [*chain, {"name": "router", "typed_config": {"@type": ROUTER}}],
        **(hcm or {}),
    }
    listener = {
        "name": "main",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": [{"name": "hcm", "typed_config": manager}]}],
    }
    clusters = [] if upstream is None else [cluster("up", upstream)]
    return {"static_resources": {"listeners": [listener], "clusters": clusters}}


def cluster(name: str, port: int) -> dict[str, Any]:
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    return {
        "name": name,
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}]},
    }
