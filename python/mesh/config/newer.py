"""Fields of Envoy 1.40 that the generated API package does not carry yet.

A configuration that names one of these is right for Envoy. Those that mesh implements (TAKEN) are kept in their message
as protobuf keeps what it does not know, by number, so that a binary bootstrap and a YAML file mean the same; `value`
reads them. For the others the error must say "not implemented" and not "no such field". Read by parse.py and
unknown.py, and by whoever lowers such a message. An entry goes when the package learns the field; a test says so.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message

from mesh.config import schema
from mesh.config.errors import nearest

FIELDS: dict[str, frozenset[str]] = {
    "HttpConnectionManager": frozenset(
        {"drain_timeout_jitter", "forward_proto_config", "record_route_resolution_stats"}),
    "HttpProtocolOptions": frozenset({"max_connection_duration_jitter"}),
    "Listener": frozenset({"tcp_keepalive", "stats_matcher"}),
    "OutlierDetection": frozenset({"detect_degraded_hosts"}),
    "Cluster": frozenset({"queuing_policies", "stats_matcher"}),
    "RouteConfiguration": frozenset({"route_specifiers"}),
    "VirtualHost": frozenset({"route_specifiers"}),
    "Route": frozenset({"route_specifiers"}),
    "RouteMatch": frozenset({"cookies"}),
    "RedirectAction": frozenset({"path_rewrite"}),
    "TcpProxy": frozenset({"check_drain_close"}),
    "TcpAccessLogOptions": frozenset({"flush_access_log_on_start"}),
}  # fmt: skip

TCP_PROXY = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
# (message, field): its number and the type of the message that it holds, "" for a bool.
TAKEN: dict[tuple[str, str], tuple[int, str]] = {
    ("envoy.config.listener.v3.Listener", "tcp_keepalive"): (37, "envoy.config.core.v3.TcpKeepalive"),
    (TCP_PROXY, "check_drain_close"): (24, "google.protobuf.BoolValue"),
    (f"{TCP_PROXY}.TcpAccessLogOptions", "flush_access_log_on_start"): (3, ""),
}

IMPLEMENTED_TYPES = (
    "envoy.extensions.clusters.aggregate.v3.ClusterConfig",
    "envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest",
    "envoy.extensions.load_balancing_policies.maglev.v3.Maglev",
    "envoy.extensions.load_balancing_policies.ring_hash.v3.RingHash",
    "envoy.extensions.load_balancing_policies.subset.v3.Subset",
    "envoy.extensions.load_balancing_policies.wrr_locality.v3.WrrLocality",
    "envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig",
    "envoy.extensions.load_balancing_policies.common.v3.ConsistentHashingLbConfig",
    "envoy.extensions.load_balancing_policies.common.v3.SlowStartConfig",
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
    "envoy.extensions.filters.network.thrift_proxy.v3.ThriftProxy",
    "envoy.extensions.filters.network.thrift_proxy.v3.ThriftProtocolOptions",
    "envoy.extensions.filters.network.thrift_proxy.router.v3.Router",
    "envoy.extensions.filters.network.thrift_proxy.filters.header_to_metadata.v3.HeaderToMetadata",
    "envoy.extensions.filters.network.thrift_proxy.filters.payload_to_metadata.v3.PayloadToMetadata",
    "envoy.extensions.upstreams.tcp.v3.TcpProtocolOptions",
    "envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig",
    "envoy.extensions.filters.network.thrift_proxy.filters.ratelimit.v3.RateLimit",
    "envoy.extensions.filters.http.router.v3.Router",
    "envoy.extensions.filters.http.bandwidth_limit.v3.BandwidthLimit",
    "envoy.extensions.filters.http.buffer.v3.Buffer",
    "envoy.extensions.filters.http.buffer.v3.BufferPerRoute",
    "envoy.extensions.filters.http.cors.v3.Cors",
    "envoy.extensions.filters.http.cors.v3.CorsPolicy",
    "envoy.extensions.filters.http.csrf.v3.CsrfPolicy",
    "envoy.extensions.filters.http.fault.v3.HTTPFault",
    "envoy.extensions.filters.http.grpc_http1_bridge.v3.Config",
    "envoy.extensions.filters.http.grpc_http1_reverse_bridge.v3.FilterConfig",
    "envoy.extensions.filters.http.grpc_http1_reverse_bridge.v3.FilterConfigPerRoute",
    "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig",
    "envoy.extensions.filters.http.grpc_web.v3.GrpcWeb",
    "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
    "envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute",
    "envoy.extensions.filters.http.health_check.v3.HealthCheck",
    "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
    "envoy.extensions.filters.http.ratelimit.v3.RateLimit",
    "envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute",
    "envoy.extensions.filters.http.set_metadata.v3.Config",
    "envoy.extensions.filters.http.compressor.v3.Compressor",
    "envoy.extensions.filters.http.compressor.v3.CompressorPerRoute",
    "envoy.extensions.filters.http.decompressor.v3.Decompressor",
    "envoy.extensions.filters.http.ip_tagging.v3.IPTagging",
    "envoy.extensions.filters.http.json_to_metadata.v3.JsonToMetadata",
    "envoy.extensions.compression.gzip.decompressor.v3.Gzip",
    "envoy.extensions.compression.gzip.compressor.v3.Gzip",
    "envoy.extensions.filters.http.header_to_metadata.v3.Config",
    "envoy.extensions.filters.http.stateful_session.v3.StatefulSession",
    "envoy.extensions.filters.http.stateful_session.v3.StatefulSessionPerRoute",
    "envoy.extensions.http.stateful_session.cookie.v3.CookieBasedSessionState",
    "envoy.extensions.http.stateful_session.header.v3.HeaderBasedSessionState",
    "envoy.extensions.filters.http.set_filter_state.v3.Config",
    "envoy.extensions.filters.http.admission_control.v3.AdmissionControl",
    "envoy.extensions.filters.http.adaptive_concurrency.v3.AdaptiveConcurrency",
    "envoy.extensions.load_balancing_policies.override_host.v3.OverrideHost",
    "envoy.extensions.access_loggers.file.v3.FileAccessLog",
    "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
    "envoy.extensions.access_loggers.stream.v3.StderrAccessLog",
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
    "envoy.extensions.filters.listener.http_inspector.v3.HttpInspector",
    "envoy.extensions.filters.listener.local_ratelimit.v3.LocalRateLimit",
    "envoy.extensions.filters.listener.original_dst.v3.OriginalDst",
    "envoy.extensions.filters.listener.original_src.v3.OriginalSrc",
    "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol",
    "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
    "envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit",
    "envoy.extensions.filters.network.direct_response.v3.Config",
    "envoy.extensions.filters.network.echo.v3.Echo",
    "envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit",
    "envoy.extensions.filters.network.rbac.v3.RBAC",
    "envoy.config.rbac.v3.Action",
    "envoy.extensions.filters.http.rbac.v3.RBAC",
    "envoy.extensions.filters.http.rbac.v3.RBACPerRoute",
    "envoy.extensions.filters.network.set_filter_state.v3.Config",
    "envoy.extensions.filters.network.sni_cluster.v3.SniCluster",
    "envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport",
    "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer",
    "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
    "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
    "envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig",
    "envoy.extensions.http.original_ip_detection.xff.v3.XffConfig",
    "envoy.extensions.http.original_ip_detection.custom_header.v3.CustomHeaderConfig",
    "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
    "envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig",
    "envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin",
    "envoy.extensions.load_balancing_policies.random.v3.Random",
    "envoy.extensions.clusters.dns.v3.DnsCluster",
    "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
    "envoy.extensions.network.dns_resolver.getaddrinfo.v3.GetAddrInfoDnsResolverConfig",
    "envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig",
    "envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig",
    "envoy.extensions.matching.common_inputs.network.v3.FilterStateInput",
    "envoy.extensions.matching.common_inputs.environment_variable.v3.Config",
    "envoy.extensions.matching.input_matchers.ip.v3.Ip",
    "envoy.type.matcher.v3.HttpRequestHeaderMatchInput",
    "envoy.type.matcher.v3.HttpRequestQueryParamMatchInput",
    "envoy.config.route.v3.Route",
    "envoy.config.route.v3.RouteList",
    "xds.type.matcher.v3.IPMatcher",
    "envoy.extensions.health_checkers.redis.v3.Redis",
    "envoy.extensions.health_checkers.thrift.v3.Thrift",
    "envoy.extensions.health_check.event_sinks.file.v3.HealthCheckEventFileSink",
    "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
    "envoy.extensions.retry.host.omit_canary_hosts.v3.OmitCanaryHostsPredicate",
    "envoy.extensions.retry.host.omit_host_metadata.v3.OmitHostMetadataConfig",
    "envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig",
    "envoy.extensions.internal_redirect.previous_routes.v3.PreviousRoutesConfig",
    "envoy.extensions.internal_redirect.safe_cross_scheme.v3.SafeCrossSchemeConfig",
    "envoy.extensions.internal_redirect.allow_listed_routes.v3.AllowListedRoutesConfig",
    "envoy.config.route.v3.FilterConfig",
    "xds.type.v3.TypedStruct",
    "udpa.type.v1.TypedStruct",
)


def knows(full_name: str, key: str) -> bool:
    """Whether Envoy 1.40 has field `key` in the message although the API package does not."""
    return full_name.startswith("envoy.") and key in FIELDS.get(full_name.rpartition(".")[2], frozenset())


def keep(message: Message, key: str, content: Any) -> None:
    """Puts a field of TAKEN into its message: `content` is a message of the field's type, or a bool."""
    number, kind = TAKEN[message.DESCRIPTOR.full_name, key]
    if not kind:
        message.MergeFromString(_varint(number << 3) + bytes([bool(content)]))
        return
    inner = content.SerializeToString(deterministic=True)
    message.MergeFromString(_varint(number << 3 | 2) + _varint(len(inner)) + inner)


def value(message: Message, key: str) -> Any:
    """What `keep` put in; None when it is not set."""
    from google.protobuf.unknown_fields import UnknownFieldSet

    number, kind = TAKEN[message.DESCRIPTOR.full_name, key]
    found: Any = None
    for field in UnknownFieldSet(message):
        if field.field_number == number:
            found = field.data
    if found is None or not kind:
        return found
    made = schema.message_class(kind)
    assert made is not None
    return made.FromString(found)


def _varint(n: int) -> bytes:
    head, rest = n & 127, n >> 7
    return bytes([head | 128]) + _varint(rest) if rest else bytes([head])


def type_hint(full_name: str) -> str:
    """The nearest type that mesh implements."""
    return nearest(full_name, IMPLEMENTED_TYPES)
