"""The bootstrap that Envoy and our proxy both get, byte for byte the same for the same ports and shape.

The full way of a request: connection manager, route table with a retry policy, router; statistics as they are by
default; circuit breakers out of the way of the load. Called by the peers that read Envoy's configuration, and by the
reload scenario.
"""

import json
from pathlib import Path
from typing import Any

import yaml

from bench import certificates
from bench.peers.peer import Ports, Shape

TYPE = "type.googleapis.com/envoy.extensions"
MANAGER = f"{TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = f"{TYPE}.filters.http.router.v3.Router"
THRIFT = f"{TYPE}.filters.network.thrift_proxy.v3.ThriftProxy"
TCP = f"{TYPE}.filters.network.tcp_proxy.v3.TcpProxy"
TLS = f"{TYPE}.transport_sockets.tls.v3.DownstreamTlsContext"
HTTP_OPTIONS = f"{TYPE}.upstreams.http.v3.HttpProtocolOptions"
FILE_LOG = f"{TYPE}.access_loggers.file.v3.FileAccessLog"
BREAKER = 100_000

Message = dict[str, Any]


def write(folder: Path, ports: Ports, shape: Shape) -> Path:
    """Writes the bootstrap and returns where it is; replacing it is one rename, so a reader never sees half."""
    path = folder / f"bootstrap.{shape.form}"
    fresh = folder / "bootstrap.new"
    message = bootstrap(folder, ports, shape)
    if shape.form == "yaml":
        dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
        fresh.write_text(yaml.dump(message, Dumper=dumper, sort_keys=False))
    elif shape.form == "json":
        fresh.write_text(json.dumps(message))
    else:
        fresh.write_bytes(_binary(message))
    fresh.replace(path)
    return path


def _binary(message: Message) -> bytes:
    from envoy.config.bootstrap.v3.bootstrap_pb2 import Bootstrap
    from envoy.extensions.filters.http.router.v3 import router_pb2
    from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
    from google.protobuf import json_format

    assert router_pb2 and http_connection_manager_pb2  # importing them makes their names known
    found: bytes = json_format.ParseDict(message, Bootstrap()).SerializeToString()
    return found


def write_hosts(folder: Path, port: int) -> None:
    """Writes the hosts of the serving cluster to `hosts.new`, to be moved onto `hosts.json`."""
    assignment = {"@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment", **_assignment("origin", [_loopback(port)])}
    (folder / "hosts.new").write_text(json.dumps({"resources": [assignment]}))


def bootstrap(folder: Path, ports: Ports, shape: Shape) -> Message:
    origin = _cluster(ports.upstream, shape)
    if shape.watched:
        write_hosts(folder, ports.upstream)
        (folder / "hosts.new").replace(folder / "hosts.json")
        source = {"eds_config": {"path_config_source": {"path": str(folder / "hosts.json")}}}
        origin = {**origin, "type": "EDS", "eds_cluster_config": source}
        del origin["load_assignment"]
    idle = [_idle_cluster(number, shape.cluster_hosts) for number in range(shape.clusters)]
    return {
        "admin": {"address": _loopback(ports.admin)},
        "node": {"id": "bench", "cluster": "bench"},
        "static_resources": {"listeners": [_listener(folder, ports, shape)], "clusters": [origin, *idle]},
    }


def _idle_cluster(number: int, hosts: int) -> Message:
    addresses = [{"socket_address": {"address": f"10.{number >> 8}.{number & 255}.{host}", "port_value": 80}} for host in range(hosts)]
    name = f"idle-{number}"
    return {"name": name, "type": "STATIC", "connect_timeout": "1s", "load_assignment": _assignment(name, addresses)}


def _assignment(name: str, addresses: list[Message]) -> Message:
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}} for address in addresses]}]}


def _loopback(port: int, host: int = 1) -> Message:
    return {"socket_address": {"address": f"127.0.0.{host}", "port_value": port}}


def _thrift_filter(shape: Shape) -> Message:
    """Calls of any name to the one cluster."""
    routes = [{"match": {"method_name": ""}, "route": {"cluster": "origin"}}]
    proxy: Message = {"@type": THRIFT, "stat_prefix": "ingress", "route_config": {"name": "local", "routes": routes}}
    if shape.thrift == "pass":
        proxy["payload_passthrough"] = True
    return {"name": "envoy.filters.network.thrift_proxy", "typed_config": proxy}


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
    if shape.thrift:
        network_filter = _thrift_filter(shape)
    if shape.tcp:
        proxy = {"@type": TCP, "stat_prefix": "ingress", "cluster": "origin"}
        network_filter = {"name": "envoy.filters.network.tcp_proxy", "typed_config": proxy}
    chain: Message = {"filters": [network_filter]}
    if shape.certificates:
        chain["transport_socket"] = _tls(shape.certificates)
    return {"name": "entry", "address": _loopback(ports.listen), "filter_chains": [chain]}


def _tls(n: int) -> Message:
    folder = certificates.made(n)
    names = [folder / f"n{k}.example" for k in range(n)]
    shown = [{"certificate_chain": {"filename": f"{name}.pem"}, "private_key": {"filename": f"{name}.key"}} for name in names]
    return {"name": "tls", "typed_config": {"@type": TLS, "common_tls_context": {"tls_certificates": shown}}}


def _virtual_hosts(shape: Shape) -> list[Message]:
    if shape.hosts == 1 and shape.routes == 1:
        routes = [_route("/", shape)]
        if shape.revision:
            reply = {"status": 200, "body": {"inline_string": shape.revision}}
            routes.insert(0, {"match": {"path": "/revision"}, "direct_response": reply})
        return [{"name": "all", "domains": ["*"], "routes": routes}]
    return [
        {
            "name": f"h{host}",
            "domains": [f"h{host}.example"],
            "routes": [_route(f"/r{route}", shape) for route in range(shape.routes)],
        }
        for host in range(shape.hosts)
    ]


def _route(prefix: str, shape: Shape) -> Message:
    action: Message = {"cluster": "origin"}
    if shape.resilience != "bare":
        action["retry_policy"] = {"retry_on": "5xx", "num_retries": 1}
    if shape.resilience == "all":
        action["retry_policy"] |= {"retry_on": "5xx,reset,connect-failure,retriable-4xx", "per_try_timeout": "10s"}
        action["hedge_policy"] = {"hedge_on_per_try_timeout": True}
    if shape.policy in ("RING_HASH", "MAGLEV"):
        action["hash_policy"] = [{"header": {"header_name": ":authority"}}]
    return {"match": {"prefix": prefix}, "route": action}


def _cluster(port: int, shape: Shape) -> Message:
    limits: Message = {"max_connections": BREAKER, "max_pending_requests": BREAKER, "max_requests": BREAKER}
    made: Message = {
        "name": "origin",
        "type": "STATIC",
        "connect_timeout": "5s",
        "lb_policy": shape.policy,
        "circuit_breakers": {"thresholds": [limits]},
        "load_assignment": _assignment("origin", [_loopback(port, host) for host in range(1, shape.endpoints + 1)]),
    }
    if shape.http2:
        options = {"@type": HTTP_OPTIONS, "explicit_http_config": {"http2_protocol_options": {}}}
        made["typed_extension_protocol_options"] = {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options}
    if shape.resilience == "all":
        budget = {"budget_percent": {"value": 20}, "min_retry_concurrency": 3}
        guarded = {**limits, "track_remaining": True, "retry_budget": budget}
        made["circuit_breakers"] = {"thresholds": [guarded, {**guarded, "priority": "HIGH"}]}
        made["outlier_detection"] = {"interval": "1s", "consecutive_gateway_failure": 3, "split_external_local_origin_errors": True}
    return made
