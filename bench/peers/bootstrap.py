"""The bootstrap that Envoy and our proxy both get, byte for byte the same for the same ports and shape.

The full way of a request: connection manager, route table with a retry policy, router; statistics as they are by
default; circuit breakers out of the way of the load. Called by the peers that read Envoy's configuration, and by the
reload scenario.
"""

from pathlib import Path
from typing import Any

import yaml

from bench.peers.peer import Ports, Shape

TYPE = "type.googleapis.com/envoy.extensions"
MANAGER = f"{TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = f"{TYPE}.filters.http.router.v3.Router"
FILE_LOG = f"{TYPE}.access_loggers.file.v3.FileAccessLog"
BREAKER = 100_000

Message = dict[str, Any]


def write(folder: Path, ports: Ports, shape: Shape) -> Path:
    """Writes the bootstrap and returns where it is; replacing it is one rename, so a reader never sees half."""
    path = folder / "bootstrap.yaml"
    fresh = folder / "bootstrap.new"
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    fresh.write_text(yaml.dump(bootstrap(folder, ports, shape), Dumper=dumper, sort_keys=False))
    fresh.replace(path)
    return path


def bootstrap(folder: Path, ports: Ports, shape: Shape) -> Message:
    return {
        "admin": {"address": _loopback(ports.admin)},
        "static_resources": {"listeners": [_listener(folder, ports, shape)], "clusters": [_cluster(ports.upstream)]},
    }


def _loopback(port: int) -> Message:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _listener(folder: Path, ports: Ports, shape: Shape) -> Message:
    manager: Message = {
        "@type": MANAGER,
        "stat_prefix": "ingress",
        "route_config": {"name": "local", "virtual_hosts": _virtual_hosts(shape)},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": ROUTER}}],
    }
    if shape.access_log:
        log = {"@type": FILE_LOG, "path": str(folder / "access.log")}
        manager["access_log"] = [{"name": "envoy.access_loggers.file", "typed_config": log}]
    network_filter = {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}
    return {
        "name": "entry",
        "address": _loopback(ports.listen),
        "filter_chains": [{"filters": [network_filter]}],
    }


def _virtual_hosts(shape: Shape) -> list[Message]:
    if shape.hosts == 1 and shape.routes == 1:
        routes = [_route("/")]
        if shape.revision:
            reply = {"status": 200, "body": {"inline_string": shape.revision}}
            routes.insert(0, {"match": {"path": "/revision"}, "direct_response": reply})
        return [{"name": "all", "domains": ["*"], "routes": routes}]
    return [
        {
            "name": f"h{host}",
            "domains": [f"h{host}.example"],
            "routes": [_route(f"/r{route}") for route in range(shape.routes)],
        }
        for host in range(shape.hosts)
    ]


def _route(prefix: str) -> Message:
    policy = {"retry_on": "5xx", "num_retries": 1}
    return {"match": {"prefix": prefix}, "route": {"cluster": "origin", "retry_policy": policy}}


def _cluster(port: int) -> Message:
    limits = {"max_connections": BREAKER, "max_pending_requests": BREAKER, "max_requests": BREAKER}
    endpoint = {"endpoint": {"address": _loopback(port)}}
    return {
        "name": "origin",
        "type": "STATIC",
        "connect_timeout": "5s",
        "lb_policy": "ROUND_ROBIN",
        "circuit_breakers": {"thresholds": [limits]},
        "load_assignment": {"cluster_name": "origin", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
