"""envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy: bytes to a cluster.

Defaults are Envoy's: one attempt to connect, an hour without a byte. A cluster that does not exist is no mistake here, as in
Envoy: connections are closed and counted. Called by listener.py."""

from __future__ import annotations

from typing import Any

from mesh.config import access_log, format, hcm, header_mutation, load_balancer_subset, newer, proxy_out
from mesh.config.errors import join
from mesh.config.fields import Fields, anything, unset
from mesh.config.lowering import Lowering, each, milliseconds, milliseconds_or, wrapped_or
from meshcore.bind import spec

PACKAGE = "envoy.extensions.filters.network.tcp_proxy.v3"
TCP = Fields(
    f"{PACKAGE}.TcpProxy",
    {
        "stat_prefix", "cluster", "weighted_clusters", "idle_timeout", "max_connect_attempts", "access_log",
        "max_downstream_connection_duration", "access_log_options", "metadata_match", "hash_policy", "access_log_flush_interval",
        "flush_access_log_on_connected", "backoff_options", "tunneling_config",
        "upstream_connect_mode", "max_early_data_bytes", "max_downstream_connection_duration_jitter_percentage", "proxy_protocol_tlvs",
    },
    harmless={"downstream_idle_timeout": anything, "upstream_idle_timeout": anything, "on_demand": unset},  # Envoy has no use for them
)  # fmt: skip
WEIGHTED = Fields(f"{PACKAGE}.TcpProxy.WeightedCluster", {"clusters"})
CHOICE = Fields(f"{PACKAGE}.TcpProxy.WeightedCluster.ClusterWeight", {"name", "weight", "metadata_match"})
HASH = Fields("envoy.type.v3.HashPolicy", {"source_ip"}, instead={"filter_state": "no object that mesh can set has a hash in Envoy"})
LOGGING = Fields(f"{PACKAGE}.TcpProxy.TcpAccessLogOptions", {"flush_access_log_on_connected", "access_log_flush_interval"})
BACKOFF = Fields("envoy.config.core.v3.BackoffStrategy", {"base_interval", "max_interval"})
TUNNEL = Fields(
    f"{PACKAGE}.TcpProxy.TunnelingConfig",
    {
        "hostname", "use_post", "post_path", "headers_to_add", "request_id_extension", "request_id_header", "request_id_metadata_key",
        "propagate_response_headers", "propagate_response_trailers",
    },
)  # fmt: skip
ON_DATA = 1  # UpstreamConnectMode
ON_TLS_HANDSHAKE = 2
MAX_TIMES_BASE = 10
HOUR_MS = 3_600_000


def lower(message: Any, low: Lowering, path: str) -> spec.TcpProxy:
    TCP.check(message, low.report, path)
    LOGGING.check(message.access_log_options, low.report, join(path, "access_log_options"))
    drain_close = newer.value(message, "check_drain_close")
    return spec.TcpProxy(
        stat_prefix=message.stat_prefix,
        clusters=_clusters(message, low, path),
        max_connect_attempts=wrapped_or(message, "max_connect_attempts", 1),
        tunnel=_tunnel(message, low, join(path, "tunneling_config")),
        max_early_data_bytes=wrapped_or(message, "max_early_data_bytes", 0),
        waits_for_bytes=_waits(message, low, path),
        waits_for_tls=message.upstream_connect_mode == ON_TLS_HANDSHAKE,
        drain_close=bool(drain_close) and drain_close.value,
        log_started=bool(newer.value(message.access_log_options, "flush_access_log_on_start")),
        proxy_tlvs=proxy_out.lower_tlvs(message.proxy_protocol_tlvs, low, join(path, "proxy_protocol_tlvs")),
        duration_jitter=message.max_downstream_connection_duration_jitter_percentage.value / 100,
        **_back_off(message, low, join(path, "backoff_options")),
        idle_timeout_ms=milliseconds_or(message, "idle_timeout", HOUR_MS),
        max_duration_ms=milliseconds_or(message, "max_downstream_connection_duration", 0),
        access_logs=access_log.lower_all(message.access_log, low, join(path, "access_log")),
        log_connected=message.access_log_options.flush_access_log_on_connected or message.flush_access_log_on_connected,
        log_every_ms=_log_every(message, low, path),
        wanted=_wanted(message),
        hash_policy=each(message.hash_policy, join(path, "hash_policy"), lambda item, at: _hash(item, low, at)),
    )


def _clusters(message: Any, low: Lowering, path: str) -> tuple[tuple[str, int], ...]:
    if message.WhichOneof("cluster_specifier") == "cluster":
        _check_ahead(message, message.cluster, low, join(path, "cluster"))
        return ((message.cluster, 1),)
    at = join(path, "weighted_clusters")
    WEIGHTED.check(message.weighted_clusters, low.report, at)
    for index, choice in enumerate(message.weighted_clusters.clusters):
        CHOICE.check(choice, low.report, f"{at}.clusters[{index}]")
        _check_ahead(message, choice.name, low, f"{at}.clusters[{index}].name")
    return tuple((choice.name, choice.weight) for choice in message.weighted_clusters.clusters)


def _check_ahead(message: Any, name: str, low: Lowering, path: str) -> None:
    # A tunnel's streams come from an HTTP pool, which has connections ahead.
    if name in low.preconnecting and not message.HasField("tunneling_config"):
        text = f"'per_upstream_preconnect_ratio' of '{name}' is not implemented yet in mesh for TCP; remove its preconnect_policy"
        low.refuse(path, text)


def _waits(message: Any, low: Lowering, path: str) -> bool:
    """Whether the client's first bytes are waited for."""
    at = join(path, "upstream_connect_mode")
    if message.upstream_connect_mode and not message.HasField("max_early_data_bytes"):
        low.refuse(at, "needs max_early_data_bytes, unless it is IMMEDIATE")
    elif message.upstream_connect_mode == ON_DATA and not message.max_early_data_bytes.value:
        low.refuse(at, "ON_DOWNSTREAM_DATA needs max_early_data_bytes above 0")
    return bool(message.upstream_connect_mode == ON_DATA)


def _back_off(message: Any, low: Lowering, path: str) -> dict[str, int]:
    if not message.HasField("backoff_options"):
        return {}
    options = message.backoff_options
    BACKOFF.check(options, low.report, path)
    base = milliseconds(options.base_interval)
    longest = milliseconds_or(options, "max_interval", MAX_TIMES_BASE * base)
    if longest < base:
        low.refuse(join(path, "max_interval"), "must be at least as long as base_interval")
    return {"backoff_base_ms": base, "backoff_max_ms": longest}


def _tunnel(message: Any, low: Lowering, path: str) -> spec.TcpTunnel | None:
    if not message.HasField("tunneling_config"):
        return None
    config = message.tunneling_config
    TUNNEL.check(config, low.report, path)
    format.check_text(config.hostname, low, join(path, "hostname"))
    if config.post_path and not config.use_post:
        low.refuse(join(path, "post_path"), "only a POST has a path; set use_post or remove it")
    return spec.TcpTunnel(
        hostname=config.hostname,
        use_post=config.use_post,
        post_path=config.post_path or "/",
        **_ids(config, low, path),
        keeps_headers=config.propagate_response_headers,
        keeps_trailers=config.propagate_response_trailers,
        headers=spec.HeaderMutation(request_add=header_mutation.lower_add(config.headers_to_add, low, join(path, "headers_to_add"))),
    )


def _ids(config: Any, low: Lowering, path: str) -> dict[str, str]:
    """What the requests of tunnels are called by; names alone ask for nothing, as in Envoy."""
    if not config.HasField("request_id_extension"):
        return {}
    at = join(path, "request_id_extension.typed_config")
    uuid, kind = low.unpack(config.request_id_extension.typed_config, at, {hcm.UUID.message: hcm.UUID}, "the request ids of a tunnel")
    if uuid is not None:
        kind.check(uuid, low.report, at)
    return {"id_header": config.request_id_header or "x-request-id", "id_key": config.request_id_metadata_key or "tunnel_request_id"}


def _wanted(message: Any) -> tuple[str, ...]:
    """What subset of the hosts of each cluster is wanted: what its own metadata_match says wins over the common one."""
    if message.WhichOneof("cluster_specifier") == "cluster":
        return (load_balancer_subset.lower_match(message),)
    return tuple(load_balancer_subset.lower_match(choice, message) for choice in message.weighted_clusters.clusters)


def _hash(message: Any, low: Lowering, path: str) -> spec.HashRule:
    HASH.check(message, low.report, path)
    return spec.HashRule("source_ip")


def _log_every(message: Any, low: Lowering, path: str) -> int:
    """The interval of periodic lines, by its new field or its old one."""
    options = message.access_log_options
    owner = options if options.HasField("access_log_flush_interval") else message
    return milliseconds_or(owner, "access_log_flush_interval", 0)
