"""envoy.config.cluster.v3.Cluster: a named set of hosts, how they are found, chosen and connected to.

STATIC, STRICT_DNS, LOGICAL_DNS, EDS and ORIGINAL_DST by `type`, DNS and aggregate clusters by `cluster_type`. What is not here is
refused by name."""

from __future__ import annotations

from typing import Any

from mesh.config import (
    breakers,
    cluster_dns,
    config_source,
    endpoint,
    health_check,
    http1,
    http2,
    load_balancer,
    original_dst,
    outlier,
    proxy_out,
    request_queue,
    schema,
    socket_options,
    thrift_proxy,
    transport_match,
    upstream_http,
)
from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering, metadata, milliseconds_or, wrapped_or
from meshcore.bind import spec
from meshcore.bind.record import replace, values

CLUSTER = Fields(
    "envoy.config.cluster.v3.Cluster",
    {
        "name", "alt_stat_name", "type", "cluster_type", "connect_timeout", "per_connection_buffer_limit_bytes",
        "lb_policy", "round_robin_lb_config", "least_request_lb_config", "ring_hash_lb_config", "maglev_lb_config",
        "lb_subset_config",
        "load_assignment", "max_requests_per_connection", "circuit_breakers", "common_http_protocol_options",
        "http_protocol_options", "http2_protocol_options", "protocol_selection",
        "typed_extension_protocol_options", "upstream_bind_config", "common_lb_config",
        "upstream_connection_options", "load_balancing_policy", "transport_socket", "eds_cluster_config", "health_checks",
        "outlier_detection", "wait_for_warm_on_init", "ignore_health_on_host_removal", "metadata",
        "original_dst_lb_config", "cleanup_interval", "connection_pool_per_downstream_connection",
        "close_connections_on_host_health_failure", "transport_socket_matches", "upstream_http_protocol_options",
        "track_cluster_stats", "track_timeout_budgets", "preconnect_policy",
    }
    | cluster_dns.CLUSTER_FIELDS,
    harmless={
        "upstream_config": lambda value: schema.type_name(value.typed_config) == GENERIC_POOL,
    },
)  # fmt: skip
PRECONNECT = Fields(
    "envoy.config.cluster.v3.Cluster.PreconnectPolicy",
    {"per_upstream_preconnect_ratio"},
    harmless={"predictive_preconnect_ratio": lambda value: value.value <= 1.0},
)
TRACK = Fields("envoy.config.cluster.v3.TrackClusterStats", {"timeout_budgets", "request_response_sizes", "per_endpoint_stats"})
CONNECTION = Fields("envoy.config.cluster.v3.UpstreamConnectionOptions", {"tcp_keepalive", "happy_eyeballs_config"})
EYEBALLS = Fields(
    "envoy.config.cluster.v3.UpstreamConnectionOptions.HappyEyeballsConfig",
    {"first_address_family_version", "first_address_family_count"},
)
AGGREGATE = Fields("envoy.extensions.clusters.aggregate.v3.ClusterConfig", {"clusters"})
CLUSTER_TYPES = {table.message: table for table in (AGGREGATE, cluster_dns.DNS_CLUSTER)}
# The kind of connection that each request needs, which is what happens without the field.
GENERIC_POOL = "envoy.extensions.upstreams.http.generic.v3.GenericConnectionPoolProto"
OPTIONS_KEY = upstream_http.OPTIONS.message
OPTIONS_KEYS = (OPTIONS_KEY, thrift_proxy.TCP_OPTIONS_KEY, thrift_proxy.OPTIONS_KEY, request_queue.KEY)
KINDS = {0: "static", 1: "strict_dns", 2: "logical_dns", 3: "eds", 4: "original_dst"}
FAMILIES = ("", "v4", "v6")
MIB = 1024 * 1024
USE_DOWNSTREAM_PROTOCOL = 1


def lower(message: Any, low: Lowering, path: str) -> spec.Cluster:
    CLUSTER.check(message, low.report, path)
    secure, said = proxy_out.lower_socket(message, low, path)
    http = _upstream(message, low, path)
    secure = _with_alpn(http, secure, low, path)
    kind, dns_options, members = _kind(message, low, path)
    at_hosts = join(path, "load_assignment")
    static, local = kind == "static", message.name == low.local_cluster
    dns = () if kind not in ("strict_dns", "logical_dns") else endpoint.lower_dns(message.load_assignment, low, at_hosts, local)
    if kind != "original_dst" and message.HasField("original_dst_lb_config"):
        low.refuse(join(path, "original_dst_lb_config"), "is for a cluster of type ORIGINAL_DST")
    if kind != "eds" and message.HasField("eds_cluster_config"):
        low.refuse(join(path, "eds_cluster_config"), "is for a cluster of type EDS")
    if kind == "logical_dns" and len(dns) != 1:
        low.refuse(at_hosts, f"a cluster of type LOGICAL_DNS has exactly one endpoint, not {len(dns)}")
    if kind in ("original_dst", "aggregate") and message.load_assignment.endpoints:
        low.refuse(at_hosts, "a cluster that is given its hosts has none of its own")
    default, high = breakers.lower(message.circuit_breakers, low, join(path, "circuit_breakers"))
    return spec.Cluster(
        name=message.name,
        kind=kind,
        lb=load_balancer.lower(message, low, path, kind),
        endpoints=endpoint.lower_static(message.load_assignment, low, at_hosts, local) if static else (),
        dns=dns,
        **endpoint.lower_policy(message.load_assignment, low, at_hosts),
        pool_per_connection=message.connection_pool_per_downstream_connection,
        drains_on_change=message.common_lb_config.close_connections_on_host_set_change,
        cuts_on_failure=message.close_connections_on_host_health_failure,
        preconnect_per_host=_preconnect(message.preconnect_policy, low, join(path, "preconnect_policy")),
        **_tracking(message, low, path),
        own_locality=low.locality,
        local_cluster="" if local else low.local_cluster,
        **dns_options.named(),
        alt_stat_name=message.alt_stat_name,
        connect_timeout_ms=milliseconds_or(message, "connect_timeout", 5000),
        buffer_limit=wrapped_or(message, "per_connection_buffer_limit_bytes", MIB),
        default=default,
        high=high,
        queue=request_queue.lower(message.typed_extension_protocol_options, low, join(path, "typed_extension_protocol_options")),
        **http,
        **thrift_proxy.lower_options(message.typed_extension_protocol_options, low, join(path, "typed_extension_protocol_options")),
        tcp_keepalive=_keepalive(message, low, path),
        dial=_dial(message, low, path),
        proxy_out=said,
        happy_eyeballs=_happy_eyeballs(message.upstream_connection_options, low, join(path, "upstream_connection_options")),
        healthy_panic_threshold=load_balancer.panic_threshold(message),
        metadata=metadata(message),
        original_dst=original_dst.lower(message, low, path) if kind == "original_dst" else None,
        aggregate=members,
        eds=config_source.lower_eds(message, low, path) if kind == "eds" else None,
        eds_name=(message.eds_cluster_config.service_name or message.name) if kind == "eds" else "",
        **_health(message, low, path),
        tls=secure,
        socket_matches=transport_match.lower(message, low, path),
    )


def _health(message: Any, low: Lowering, path: str) -> dict[str, Any]:
    found = message.HasField("outlier_detection")
    return {
        "health_check": health_check.lower_all(message.health_checks, low, join(path, "health_checks")),
        "outlier_detection": outlier.lower(message.outlier_detection, low, join(path, "outlier_detection")) if found else None,
        "wait_for_warm_on_init": wrapped_or(message, "wait_for_warm_on_init", True),
        "ignore_health_on_host_removal": message.ignore_health_on_host_removal,
        "ignore_new_hosts_until_first_hc": message.common_lb_config.ignore_new_hosts_until_first_hc,
    }


def _tracking(message: Any, low: Lowering, path: str) -> dict[str, Any]:
    wanted = message.track_cluster_stats
    TRACK.check(wanted, low.report, join(path, "track_cluster_stats"))
    return {
        "track_timeout_budgets": message.track_timeout_budgets or wanted.timeout_budgets,
        "track_sizes": wanted.request_response_sizes,
        "track_endpoints": wanted.per_endpoint_stats,
    }


def _preconnect(policy: Any, low: Lowering, path: str) -> float:
    PRECONNECT.check(policy, low.report, path)
    return float(wrapped_or(policy, "per_upstream_preconnect_ratio", 1.0))


def _kind(message: Any, low: Lowering, path: str) -> tuple[str, cluster_dns.Options, tuple[str, ...]]:
    """(spec.Cluster.kind, how DNS is asked, members of an aggregate)."""
    if message.HasField("cluster_type"):
        at = join(path, "cluster_type.typed_config")
        config, table = low.unpack(message.cluster_type.typed_config, at, CLUSTER_TYPES, "a cluster type")
        if config is None:
            return "static", cluster_dns.Options(), ()
        table.check(config, low.report, at)
        if table is AGGREGATE:
            return "aggregate", cluster_dns.Options(), tuple(config.clusters)
        return *cluster_dns.lower_extension(config, low, at), ()
    if message.type not in KINDS:
        name = type(message).DiscoveryType.Name(message.type)
        text = f"'{name}' is not implemented yet in mesh; STATIC, STRICT_DNS, LOGICAL_DNS, EDS and ORIGINAL_DST are"
        low.refuse(join(path, "type"), text)
    return KINDS.get(message.type, "static"), cluster_dns.lower_fields(message, low, path), ()


def _upstream(message: Any, low: Lowering, path: str) -> dict[str, Any]:
    """Protocol options: the typed extension when there is one, else the older fields of the cluster."""
    options = message.typed_extension_protocol_options
    at = join(path, "typed_extension_protocol_options")
    for key in sorted(options):
        if key not in OPTIONS_KEYS:
            low.refuse(f'{at}["{key}"]', f"is not implemented yet in mesh; {', '.join(OPTIONS_KEYS)} are")
    if OPTIONS_KEY in options:
        found = upstream_http.lower(options[OPTIONS_KEY], low, f'{at}["{OPTIONS_KEY}"]')
    else:
        found = upstream_http.Upstream()
        if message.HasField("common_http_protocol_options"):
            shared = message.common_http_protocol_options
            upstream_http.lower_common(shared, found, low, join(path, "common_http_protocol_options"))
        if message.HasField("upstream_http_protocol_options"):
            names = message.upstream_http_protocol_options
            upstream_http.lower_names(names, found, low, join(path, "upstream_http_protocol_options"))
        if message.HasField("http_protocol_options"):
            found.http1 = http1.lower(message.http_protocol_options, low, join(path, "http_protocol_options"))
        if message.HasField("http2_protocol_options"):
            found.http2 = http2.lower(message.http2_protocol_options, low, join(path, "http2_protocol_options"))
            found.protocol = "http2"
        if message.protocol_selection == USE_DOWNSTREAM_PROTOCOL:
            found.protocol = "downstream"
    if message.HasField("max_requests_per_connection"):
        found.max_requests_per_connection = message.max_requests_per_connection.value
    return values(found)


def _with_alpn(http: dict[str, Any], secure: spec.TlsContext | None, low: Lowering, path: str) -> spec.TlsContext | None:
    """auto_config asks for both versions where the TLS context asks for none."""
    if http["protocol"] != "auto":
        return secure
    if secure is None:
        at = f'{join(path, "typed_extension_protocol_options")}["{OPTIONS_KEY}"].auto_config'
        low.refuse(at, "needs a transport_socket of TLS, whose handshake settles the version of HTTP")
        return None
    return secure if secure.alpn else replace(secure, alpn=("h2", "http/1.1"))


def _keepalive(message: Any, low: Lowering, path: str) -> tuple[int, int, int] | None:
    options = message.upstream_connection_options
    CONNECTION.check(options, low.report, join(path, "upstream_connection_options"))
    if not options.HasField("tcp_keepalive"):
        return None
    alive = options.tcp_keepalive
    return (
        wrapped_or(alive, "keepalive_probes", 0),
        wrapped_or(alive, "keepalive_time", 0),
        wrapped_or(alive, "keepalive_interval", 0),
    )


def _happy_eyeballs(options: Any, low: Lowering, path: str) -> spec.HappyEyeballs:
    config = options.happy_eyeballs_config
    EYEBALLS.check(config, low.report, join(path, "happy_eyeballs_config"))
    return spec.HappyEyeballs(FAMILIES[config.first_address_family_version], wrapped_or(config, "first_address_family_count", 1))


def _dial(message: Any, low: Lowering, path: str) -> spec.Dial:
    if not message.HasField("upstream_bind_config"):
        return spec.Dial()
    return socket_options.lower_bind(message.upstream_bind_config, low, join(path, "upstream_bind_config"))
