"""`to` and `upstreams`: targets of the short form become clusters.

A target is HOST:PORT or IP:PORT (port 80 when none is given), a list of them, or a mapping from target to weight. IPs
alone make a STATIC cluster, a name makes a STRICT_DNS one (IPv4 first: `localhost` then means what people mean by
it). The same targets make one cluster, however often they stand. An entry of `upstreams` may be such a list or a
mapping with `hosts` and limits, and `to: NAME` uses it."""

from __future__ import annotations

import json
from typing import Any

from mesh.config.address import is_ip
from mesh.config.errors import join, nearest
from mesh.config.scalars import shown
from mesh.config.short.listen import socket, split
from mesh.config.short.places import Places
from mesh.config.short.value import Reader

UPSTREAM_KEYS = (
    "hosts", "balance", "connect_timeout", "max_connections", "max_pending", "max_requests", "max_retries",
    "idle_timeout",
    "dns_refresh", "requests_per_connection",
)  # fmt: skip
BALANCE = {name.lower(): name for name in ("ROUND_ROBIN", "LEAST_REQUEST", "RANDOM", "RING_HASH", "MAGLEV")}
THRESHOLDS = {
    "max_connections": "max_connections",
    "max_pending": "max_pending_requests",
    "max_requests": "max_requests",
    "max_retries": "max_retries",
}
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
DEFAULT_PORT = 80


class Clusters:
    """All clusters of one short form, in order of first use."""

    def __init__(self, reader: Reader, places: Places) -> None:
        self.trees: list[dict[str, Any]] = []
        self._reader = reader
        self._places = places
        self._named: set[str] = set()
        self._by_targets: dict[str, str] = {}
        self._names: set[str] = set()

    def named(self, upstreams: Any, path: str) -> None:
        """Takes the `upstreams` of the top level."""
        if upstreams is None:
            return
        for name, value in self._reader.mapping(upstreams, path).items():
            at = join(path, name)
            setting = value if isinstance(value, dict) and (set(value) & set(UPSTREAM_KEYS)) else {"hosts": value}
            self._reader.keys(setting, UPSTREAM_KEYS, at)
            self._named.add(name)
            if setting.get("hosts") is None:
                self._reader.refuse(at, "needs 'hosts'")
                continue
            hosts_path = join(at, "hosts") if setting is value else at
            self._add(name, self._endpoints(setting["hosts"], hosts_path), at, self._limits(setting, at))

    def use(self, value: Any, path: str) -> str:
        """The name of the cluster that `to` means, made on first use."""
        if isinstance(value, str) and value in self._named:
            return value
        if isinstance(value, str) and self._named and ":" not in value and "." not in value:
            close = nearest(value, self._named)
            if close:
                self._reader.refuse(path, f"no upstream is called '{value}'{close}")
                return value
        endpoints = self._endpoints(value, path)
        key = json.dumps(endpoints)
        if key not in self._by_targets:
            self._by_targets[key] = self._add(self._unused_name(endpoints), endpoints, path, {})
        return self._by_targets[key]

    def _unused_name(self, endpoints: list[tuple[str, int, int]]) -> str:
        host, port = endpoints[0][:2] if endpoints else ("none", 0)
        base = f"{host}:{port}" + (f"+{len(endpoints) - 1}" if len(endpoints) > 1 else "")
        name, number = base, 2
        while name in self._names or name in self._named:
            name, number = f"{base}#{number}", number + 1
        return name

    def _add(self, name: str, endpoints: list[tuple[str, int, int]], path: str, limits: dict[str, Any]) -> str:
        self._names.add(name)
        self._places.add(f"static_resources.clusters[{len(self.trees)}]", path)
        static = all(is_ip(host) for host, _, _ in endpoints)
        hosts = [_endpoint(*endpoint) for endpoint in endpoints]
        self.trees.append({
            "name": name,
            "type": "STATIC" if static else "STRICT_DNS",
            **({} if static else {"dns_lookup_family": "V4_PREFERRED"}),
            **limits,
            "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": hosts}]},
        })  # fmt: skip
        return name

    def _endpoints(self, value: Any, path: str) -> list[tuple[str, int, int]]:
        """(host, port, weight) of each target."""
        if isinstance(value, dict):
            items = [(key, weight, join(path, key)) for key, weight in value.items()]
        else:
            listed = value if isinstance(value, list) else [value]
            items = [(item, 1, f"{path}[{index}]" if isinstance(value, list) else path) for index, item in enumerate(listed)]
        if not items:
            self._reader.refuse(path, "needs at least one HOST:PORT")
        found = []
        for item, weight, at in items:
            if (one := self._target(item, at)) is not None:
                found.append((*one, self._reader.count(weight, at, 1, 128 * 1024)))
        return found

    def _target(self, value: Any, path: str) -> tuple[str, int] | None:
        text = value.removeprefix("http://").rstrip("/") if isinstance(value, str) else value
        if isinstance(text, str) and text.startswith("https://"):
            self._reader.refuse(path, "the short form has no TLS to an upstream; write HOST:PORT, or an Envoy bootstrap")
            return None
        host, port = split(text) if isinstance(text, str) else ("", None)
        if isinstance(text, str) and ":" not in text.rpartition("]")[2]:
            host, port = text.strip("[]"), DEFAULT_PORT
        if not host or port is None or port == 0 or set(host) & set("/ @*"):
            self._reader.refuse(path, f"{shown(value)} is no target; write HOST:PORT or IP:PORT")
            return None
        return host, port

    def _limits(self, setting: dict[str, Any], path: str) -> dict[str, Any]:
        reader = self._reader
        limits: dict[str, Any] = {}
        if "balance" in setting:
            name = setting["balance"]
            if not isinstance(name, str) or name not in BALANCE:
                close = nearest(str(name), BALANCE)
                reader.refuse(join(path, "balance"), f"{shown(name)} is not accepted; one of {', '.join(BALANCE)}{close}")
            limits["lb_policy"] = BALANCE.get(str(name), "ROUND_ROBIN")
        if "connect_timeout" in setting:
            limits["connect_timeout"] = reader.duration(setting["connect_timeout"], join(path, "connect_timeout"))
        if "dns_refresh" in setting:
            limits["dns_refresh_rate"] = reader.duration(setting["dns_refresh"], join(path, "dns_refresh"))
        thresholds = {envoy: reader.count(setting[key], join(path, key)) for key, envoy in THRESHOLDS.items() if key in setting}
        if thresholds:
            limits["circuit_breakers"] = {"thresholds": [thresholds]}
        shared: dict[str, Any] = {}
        if "idle_timeout" in setting:
            shared["idle_timeout"] = reader.duration(setting["idle_timeout"], join(path, "idle_timeout"))
        if "requests_per_connection" in setting:
            at = join(path, "requests_per_connection")
            shared["max_requests_per_connection"] = reader.count(setting["requests_per_connection"], at, 1)
        if shared:
            options = {
                "@type": f"type.googleapis.com/{HTTP_OPTIONS}",
                "common_http_protocol_options": shared,
                "explicit_http_config": {"http_protocol_options": {}},
            }
            limits["typed_extension_protocol_options"] = {HTTP_OPTIONS: options}
        return limits


def _endpoint(host: str, port: int, weight: int) -> dict[str, Any]:
    tree: dict[str, Any] = {"endpoint": {"address": socket(host, port)}}
    if weight != 1:
        tree["load_balancing_weight"] = weight
    return tree
