"""How the tests ask an admin interface: one request on a connection of its own, and the configuration that both proxies get.

Everything is on loopback and bounded in time. Knows nothing of what a test compares.
"""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import Any

ANSWER_S = 10.0
TYPE = "type.googleapis.com/envoy.extensions.filters."
DEAD_PORT = 1  # nobody listens there


@dataclass(frozen=True)
class Page:
    status: int
    headers: dict[str, str]
    body: str

    def json(self) -> Any:
        return json.loads(self.body)


def ask(port: int, path: str, method: str = "GET", headers: dict[str, str] | None = None) -> Page:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_S)
    try:
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        return Page(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode())
    finally:
        connection.close()


def listener(name: str, stat_prefix: str, route: dict[str, Any], **more: Any) -> dict[str, Any]:
    manager = {
        "@type": TYPE + "network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": stat_prefix,
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": TYPE + "http.router.v3.Router"}}],
        "route_config": {
            "name": f"routes_{name}",
            "virtual_hosts": [{"name": "vh", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, **route}]}],
        },
    }
    return {
        "name": name,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [{"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}],
        **more,
    }


def endpoint(host: str, port: int, **more: Any) -> dict[str, Any]:
    own = more.pop("endpoint", {})
    return {"endpoint": {"address": {"socket_address": {"address": host, "port_value": port}}, **own}, **more}


def cluster(name: str, groups: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    assignment = {"cluster_name": name, "endpoints": groups}
    return {"name": name, "type": "STATIC", "connect_timeout": "2s", "load_assignment": assignment, **more}


def bootstrap(admin_port: int = 0) -> dict[str, Any]:
    """Two listeners (one inbound), three clusters: static with localities, DNS with a name of its own, and one with limits."""
    canary = {"filter_metadata": {"envoy.lb": {"canary": True}}}
    hosts = [endpoint("127.0.0.1", DEAD_PORT, load_balancing_weight=3, metadata=canary), endpoint("127.0.0.2", DEAD_PORT)]
    sick = endpoint("127.0.0.3", DEAD_PORT, health_status="UNHEALTHY", endpoint={"hostname": "sick.example"})
    limits = [{"max_connections": 7, "max_retries": 9}, {"priority": "HIGH", "max_pending_requests": 5}]
    return {
        "node": {"id": "n1", "cluster": "c1", "locality": {"zone": "z1"}},
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": admin_port}}},
        "static_resources": {
            "listeners": [
                listener("main", "ingress", {"route": {"cluster": "live"}}),
                listener("inner", "inner", {"direct_response": {"status": 200}}, traffic_direction="INBOUND"),
            ],
            "clusters": [
                cluster("live", [{"locality": {"region": "r", "zone": "z"}, "lb_endpoints": hosts}, {"lb_endpoints": [sick]}]),
                cluster(
                    "named",
                    [{"lb_endpoints": [endpoint("localhost", DEAD_PORT, load_balancing_weight=2)]}],
                    type="STRICT_DNS",
                    alt_stat_name="named_alt",
                    dns_lookup_family="V4_ONLY",
                ),
                cluster("small", [{"lb_endpoints": [endpoint("127.0.0.1", DEAD_PORT)]}], circuit_breakers={"thresholds": limits}),
            ],
        },
    }
