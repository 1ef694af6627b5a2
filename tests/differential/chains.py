"""Filter chains of a case that says `chains:`: what each answers, which connections it takes, what runs before it.

One item is one chain: `direct: TEXT` answers every request with that text, `http: {..}` is the common connection manager with these
fields laid over it, `tcp: {..}` a TCP proxy (to `@up` unless it says otherwise), `filters: [..]` network filters before that, or the
whole chain without one of them. `match:` is its filter_chain_match, `name:` its name, `tls: {..}` its TLS as in tls_fields.py, `chain:
{..}` further fields, `default: true` makes it the default_filter_chain. Must not start anything; called by config.py.
"""

from __future__ import annotations

from typing import Any

from tests.differential import tls_fields

TYPE = "type.googleapis.com/envoy.extensions.filters.network."
HCM = "http_connection_manager.v3.HttpConnectionManager"
TCP = "tcp_proxy.v3.TcpProxy"
KEYS = {"direct", "http", "tcp", "filters", "match", "name", "chain", "default", "tls"}


def listener_fields(chains: list[dict[str, Any]], manager: dict[str, Any], log: list[Any], prefix: str) -> dict[str, Any]:
    """The chains' fields of a listener. `manager`: the common HTTP connection manager."""
    fields: dict[str, Any] = {"filter_chains": []}
    for item in chains:
        if unknown := item.keys() - KEYS:
            raise ValueError(f"chains: unknown key {sorted(unknown)}; known: {sorted(KEYS)}")
        chain: dict[str, Any] = {"filters": [*map(network_filter, item.get("filters", ())), *terminal(item, manager, log, prefix)]}
        if "match" in item:
            chain["filter_chain_match"] = item["match"]
        if "name" in item:
            chain["name"] = item["name"]
        if "tls" in item:
            chain["transport_socket"] = tls_fields.server_socket(item["tls"])
        chain |= item.get("chain", {})
        if item.get("default"):
            fields["default_filter_chain"] = chain
        else:
            fields["filter_chains"].append(chain)
    return fields


def network_filter(config: dict[str, Any]) -> dict[str, Any]:
    """One network filter; its type may leave out what all have in common."""
    kind = config["@type"]
    return {"name": kind, "typed_config": {**config, "@type": kind if "/" in kind else TYPE + kind}}


def terminal(item: dict[str, Any], manager: dict[str, Any], log: list[Any], prefix: str) -> list[dict[str, Any]]:
    if "direct" in item:
        answer = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": item["direct"]}}}
        routes = {"name": "routes", "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [answer]}]}
        return [network_filter({**manager, "route_config": routes})]
    if "http" in item:
        return [network_filter({**manager, **item["http"]})]
    if "tcp" in item:
        cluster = {} if "weighted_clusters" in item["tcp"] else {"cluster": "@up"}
        return [network_filter({"@type": TCP, "stat_prefix": prefix, "access_log": log, **cluster, **item["tcp"]})]
    return []
