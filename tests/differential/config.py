"""Builds the bootstrap: one listener per case, with its own stat prefix, clusters, upstream ports and access log
file.

That nothing is shared between two cases lets all of them run at once in one process, and lets one that is refused
be left out. Owns the defaults that a case changes. Must not start anything. `@NAME` as a value stands for the
cluster of that upstream.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.differential import chains, pki, tls_fields
from tests.differential.case import Case, speaks_http2

TYPE = "type.googleapis.com/envoy."
HCM = TYPE + "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = TYPE + "extensions.filters.http.router.v3.Router"
FILTER = TYPE + "extensions.filters.http."
FILE_LOG = TYPE + "extensions.access_loggers.file.v3.FileAccessLog"
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

LOG_FORMAT = {
    "start": "%START_TIME%",
    "method": "%REQ(:METHOD)%",
    "path": "%REQ(:PATH)%",
    "original_path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
    "authority": "%REQ(:AUTHORITY)%",
    "scheme": "%REQ(:SCHEME)%",
    "agent": "%REQ(USER-AGENT):10%",
    "forwarded_for": "%REQ(X-FORWARDED-FOR)%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "content_type": "%RESP(CONTENT-TYPE)%",
    "protocol": "%PROTOCOL%",
    "code": "%RESPONSE_CODE%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "flags": "%RESPONSE_FLAGS%",
    "flags_long": "%RESPONSE_FLAGS_LONG%",
    "termination": "%CONNECTION_TERMINATION_DETAILS%",
    "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%",
    "duration": "%DURATION%",
    "request_duration": "%REQUEST_DURATION%",
    "response_duration": "%RESPONSE_DURATION%",
    "upstream_cluster": "%UPSTREAM_CLUSTER%",
    "upstream_host": "%UPSTREAM_HOST%",
    "upstream_protocol": "%UPSTREAM_PROTOCOL%",
    "upstream_failure": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "route": "%ROUTE_NAME%",
    "remote": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "direct_remote": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%",
    "local": "%DOWNSTREAM_LOCAL_ADDRESS%",
}


@dataclass
class Ports:
    """Where a case lives in this run."""

    listener: int
    upstreams: dict[str, int]


def cluster_name(case: str, upstream: str) -> str:
    return f"{case}__{upstream}"


def build_bootstrap(
    cases: list[Case], ports: dict[str, Ports], admin_port: int, logs: Path, with_log: bool = True
) -> dict[str, Any]:
    """The whole bootstrap; listener i belongs to `cases[i]`."""
    clusters = [_cluster(case, name, ports[case.name].upstreams) for case in cases for name in case.upstreams]
    return {
        "admin": {"address": _address(admin_port)},
        "node": {"id": "differential", "cluster": "differential", "locality": {"zone": "home"}},
        "layered_runtime": {"layers": [{"name": "cases", "static_layer": _runtime(cases)}]},
        "static_resources": {
            "listeners": [_listener(case, ports[case.name].listener, logs, with_log) for case in cases],
            "clusters": clusters,
        },
    }


def _runtime(cases: list[Case]) -> dict[str, Any]:
    # One layer for all cases: a case names its keys after itself, so that no other case sees them. A key with a dot is a whole one.
    own = {case.name: {key: value for key, value in case.runtime.items() if "." not in key} for case in cases}
    whole = {key: value for case in cases for key, value in case.runtime.items() if "." in key}
    return {name: keys for name, keys in own.items() if keys} | whole


def log_path(logs: Path, case: str) -> Path:
    return logs / f"{case}.log"


def merge(base: Any, over: Any) -> Any:
    """`over` laid on `base`: messages merge field by field, everything else is replaced; None takes a field away."""
    if not isinstance(base, dict) or not isinstance(over, dict):
        return copy.deepcopy(over)
    merged = {key: value for key, value in base.items() if over.get(key, ...) is not None}
    for key, value in over.items():
        if value is not None:
            merged[key] = merge(merged[key], value) if key in merged else copy.deepcopy(value)
    return merged


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _listener(case: Case, port: int, logs: Path, with_log: bool) -> dict[str, Any]:
    hcm = {
        "@type": HCM,
        "stat_prefix": case.name,
        "route_config": _route_config(case),
        "http_filters": [
            *({"name": name, "typed_config": config} for name, config in case.filters.items()),
            {"name": "envoy.filters.http.router", "typed_config": {"@type": ROUTER, **case.router}},
        ],
    }
    of_listener = case.log.get("of") == "listener"
    if (with_log or case.log) and not of_listener:
        hcm["access_log"] = [_access_log(case, logs)]
    manager = merge(hcm, case.hcm)
    chain: dict[str, Any] = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    if "server" in case.tls:
        chain["transport_socket"] = tls_fields.server_socket(case.tls["server"])
    listener = {"name": case.name, "stat_prefix": case.name, "address": _address(port), "filter_chains": [chain]}
    if case.chains:
        listener |= chains.listener_fields(case.chains, manager, hcm.get("access_log", []), case.name)
    if of_listener:
        listener["access_log"] = [_access_log(case, logs)]
    finished: dict[str, Any] = pki.resolved(_named(_ported(merge(listener, case.listener), port), case))
    return finished


def _ported(value: Any, port: int) -> Any:
    """`value` with every `{{port}}` replaced by the listener's port."""
    if isinstance(value, dict):
        return {key: _ported(inner, port) for key, inner in value.items()}
    if isinstance(value, list):
        return [_ported(inner, port) for inner in value]
    return port if value == "{{port}}" else value


def _access_log(case: Case, logs: Path) -> dict[str, Any]:
    """`log:` may hold `text` or `json` (a format), `omit_empty`, `default_format`, `filter` and `of: listener` (whose it is)."""
    common = LOG_FORMAT | tls_fields.LOG if case.tls else LOG_FORMAT
    log_format: dict[str, Any] = {"json_format": case.log.get("json", common)}
    if "text" in case.log:
        log_format = {"text_format_source": {"inline_string": case.log["text"] + "\n"}}
    if case.log.get("omit_empty"):
        log_format["omit_empty_values"] = True
    config: dict[str, Any] = {"@type": FILE_LOG, "path": str(log_path(logs, case.name))}
    if not case.log.get("default_format"):
        config["log_format"] = log_format
    entry: dict[str, Any] = {"name": "envoy.access_loggers.file", "typed_config": config}
    if "filter" in case.log:
        entry["filter"] = case.log["filter"]
    return entry


def _route_config(case: Case) -> dict[str, Any]:
    routes = case.routes
    if routes is None:
        routes = [{"name": "everything", "match": {"prefix": "/"}, "route": merge({"cluster": "@up"}, case.route)}]
    virtual_hosts = case.virtual_hosts
    if virtual_hosts is None:
        virtual_hosts = [merge({"name": "all", "domains": ["*"], "routes": routes}, case.vhost)]
    merged: dict[str, Any] = merge({"name": "routes", "virtual_hosts": virtual_hosts}, case.route_config)
    return merged


def _cluster(case: Case, upstream: str, ports: dict[str, int]) -> dict[str, Any]:
    name = cluster_name(case.name, upstream)
    groups = [{"lb_endpoints": [{"endpoint": {"address": _address(ports[upstream])}}]}]
    if upstream in case.hosts:
        groups = _groups(case.hosts[upstream], ports)
    cluster: dict[str, Any] = {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": groups,
        },
    }
    http2 = speaks_http2(case, "upstream")
    if case.upstream_http or http2:
        version = "http2_protocol_options" if http2 else "http_protocol_options"
        options = merge({"@type": TYPE[:-6] + HTTP_OPTIONS, "explicit_http_config": {version: {}}}, case.upstream_http)
        cluster["typed_extension_protocol_options"] = {HTTP_OPTIONS: options}
    if "towards" in case.tls:
        cluster["transport_socket"] = tls_fields.towards_socket(case.tls["towards"])
    finished: dict[str, Any] = pki.resolved(_named(merge(merge(cluster, case.cluster), case.clusters.get(upstream, {})), case))
    return finished


def _groups(hosts: list[Any], ports: dict[str, int]) -> list[dict[str, Any]]:
    """LocalityLbEndpoints of the hosts of a cluster, in order: neighbours of the same place and priority are one group."""
    groups: list[dict[str, Any]] = []
    for given in hosts:
        host = {"at": given} if isinstance(given, str) else given
        item: dict[str, Any] = {"endpoint": {"address": _address(ports[host["at"]])}}
        if "also" in host:
            item["endpoint"]["additional_addresses"] = [{"address": _address(ports[name])} for name in host["also"]]
        if "weight" in host:
            item["load_balancing_weight"] = host["weight"]
        if "health" in host:
            item["health_status"] = host["health"]
        if "lb" in host:
            item["metadata"] = {"filter_metadata": {"envoy.lb": host["lb"]}}
        if "socket" in host:
            item.setdefault("metadata", {}).setdefault("filter_metadata", {})["envoy.transport_socket_match"] = host["socket"]
        group: dict[str, Any] = {}
        if "zone" in host:
            group["locality"] = {"zone": host["zone"]}
        if "zone_weight" in host:
            group["load_balancing_weight"] = host["zone_weight"]
        if "zone_socket" in host:
            group["metadata"] = {"filter_metadata": {"envoy.transport_socket_match": host["zone_socket"]}}
        if "priority" in host:
            group["priority"] = host["priority"]
        if not groups or {key: value for key, value in groups[-1].items() if key != "lb_endpoints"} != group:
            groups.append({**group, "lb_endpoints": []})
        groups[-1]["lb_endpoints"].append(item)
    return groups


def _named(value: Any, case: Case) -> Any:
    """`value` with every `@NAME` of an upstream replaced by its cluster, and the types of HTTP filters in full."""
    if isinstance(value, dict):
        return {
            key: FILTER + inner if key == "@type" and "/" not in inner else _named(inner, case)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_named(inner, case) for inner in value]
    if isinstance(value, str) and value.startswith("@") and value[1:] in case.upstreams:
        return cluster_name(case.name, value[1:])
    return value
