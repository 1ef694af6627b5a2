"""envoy.config.core.v3.HealthCheck: how the hosts of a cluster are asked whether they serve.

HTTP/1.1 and HTTP/2, TCP, gRPC, and the custom checkers for Redis and Thrift; one health check per cluster, as in Envoy. Event services are
refused. Intervals fall back to one another here, so that who runs them need not know. Called by cluster.py, and by endpoint.py for what a
host says of its own checks.
"""

from __future__ import annotations

import importlib.util
from typing import Any

from mesh.config import address, header_mutation, matcher, transport_match
from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering, each, milliseconds, milliseconds_or, wrapped_or
from meshcore.bind.health_spec import (
    EndpointCheck,
    GrpcCheck,
    HealthCheck,
    HttpCheck,
    RedisCheck,
    TcpCheck,
    ThriftCheck,
)  # fmt: skip

CHECK = Fields(
    "envoy.config.core.v3.HealthCheck",
    {
        "timeout", "interval", "initial_jitter", "interval_jitter", "interval_jitter_percent", "unhealthy_threshold",
        "healthy_threshold", "reuse_connection", "http_health_check", "tcp_health_check", "grpc_health_check",
        "custom_health_check", "no_traffic_interval", "no_traffic_healthy_interval", "unhealthy_interval",
        "unhealthy_edge_interval", "healthy_edge_interval", "event_log_path", "event_logger",
        "always_log_health_check_failures", "always_log_health_check_success", "tls_options", "transport_socket_match_criteria",
    },
    instead={"alt_port": "nor does Envoy do anything with it; write 'health_check_config.port_value' of the endpoints"},
)  # fmt: skip
TLS_OPTIONS = Fields("envoy.config.core.v3.HealthCheck.TlsOptions", {"alpn_protocols"})
HTTP = Fields(
    "envoy.config.core.v3.HealthCheck.HttpHealthCheck",
    {
        "host", "path", "send", "receive", "response_buffer_size", "request_headers_to_add", "request_headers_to_remove",
        "expected_statuses", "retriable_statuses", "codec_client_type", "service_name_matcher", "method",
    },
)  # fmt: skip
TCP = Fields("envoy.config.core.v3.HealthCheck.TcpHealthCheck", {"send", "receive"})
GRPC = Fields("envoy.config.core.v3.HealthCheck.GrpcHealthCheck", {"service_name", "authority", "initial_metadata"})
PAYLOAD = Fields("envoy.config.core.v3.HealthCheck.Payload", {"text", "binary"})
CUSTOM = Fields("envoy.config.core.v3.HealthCheck.CustomHealthCheck", {"name", "typed_config"})
REDIS = Fields("envoy.extensions.health_checkers.redis.v3.Redis", {"key"})
THRIFT = Fields("envoy.extensions.health_checkers.thrift.v3.Thrift", {"method_name", "transport", "protocol"})
FILE_SINK = Fields("envoy.extensions.health_check.event_sinks.file.v3.HealthCheckEventFileSink", {"event_log_path"})
ENDPOINT = Fields(
    "envoy.config.endpoint.v3.Endpoint.HealthCheckConfig", {"port_value", "hostname", "address", "disable_active_health_check"}
)
CUSTOM_TYPES = {REDIS.message: "redis", THRIFT.message: "thrift"}
SINK_TYPES = {FILE_SINK.message: True}
HTTP1, HTTP2 = 0, 1
BODYLESS = ("GET", "HEAD", "DELETE", "TRACE")
NO_TRAFFIC_MS = 60_000
THRIFT_TRANSPORTS = {1: "framed", 2: "unframed", 3: "header"}
THRIFT_PROTOCOLS = {1: "binary", 2: "binary/non-strict", 3: "compact"}


def lower_all(items: Any, low: Lowering, path: str) -> HealthCheck | None:
    """Cluster.health_checks."""
    if len(items) > 1:
        low.refuse(path, f"one health check per cluster is accepted, not {len(items)}")
    return lower(items[0], low, f"{path}[0]") if items else None


def lower(message: Any, low: Lowering, path: str) -> HealthCheck | None:
    CHECK.check(message, low.report, path)
    check = _kind(message, low, path)
    if check is None:
        return None
    interval = milliseconds(message.interval)
    unhealthy = milliseconds_or(message, "unhealthy_interval", interval)
    criteria = message.HasField("transport_socket_match_criteria")
    quiet = milliseconds_or(message, "no_traffic_interval", NO_TRAFFIC_MS)
    return HealthCheck(
        check=check,
        timeout_ms=milliseconds(message.timeout),
        interval_ms=interval,
        unhealthy_threshold=message.unhealthy_threshold.value,
        healthy_threshold=message.healthy_threshold.value,
        initial_jitter_ms=milliseconds(message.initial_jitter),
        interval_jitter_ms=milliseconds(message.interval_jitter),
        interval_jitter_percent=message.interval_jitter_percent,
        reuse_connection=wrapped_or(message, "reuse_connection", True),
        no_traffic_interval_ms=quiet,
        no_traffic_healthy_interval_ms=milliseconds_or(message, "no_traffic_healthy_interval", quiet),
        unhealthy_interval_ms=unhealthy,
        unhealthy_edge_interval_ms=milliseconds_or(message, "unhealthy_edge_interval", unhealthy),
        healthy_edge_interval_ms=milliseconds_or(message, "healthy_edge_interval", interval),
        event_log_path=_event_log(message, low, path),
        always_log_failures=message.always_log_health_check_failures,
        always_log_success=message.always_log_health_check_success,
        alpn=_alpn(message, low, path),
        socket_criteria=transport_match.labels_of(message.transport_socket_match_criteria) if criteria else None,
    )


def _alpn(message: Any, low: Lowering, path: str) -> tuple[str, ...]:
    TLS_OPTIONS.check(message.tls_options, low.report, join(path, "tls_options"))
    return tuple(message.tls_options.alpn_protocols)


def lower_endpoint(message: Any, low: Lowering, path: str) -> EndpointCheck | None:
    """Endpoint.HealthCheckConfig."""
    ENDPOINT.check(message, low.report, path)
    if not message.ListFields():
        return None
    host, port = "", message.port_value
    if message.HasField("address"):
        there = address.lower(message.address, low, join(path, "address"))
        host, port = there.host, port or there.port
    return EndpointCheck(host, port, message.hostname, message.disable_active_health_check)


def _kind(message: Any, low: Lowering, path: str) -> Any:
    which = message.WhichOneof("health_checker")
    at = join(path, which or "")
    if which == "http_health_check":
        return _http(message.http_health_check, low, at)
    if which == "tcp_health_check":
        TCP.check(message.tcp_health_check, low.report, at)
        send = message.tcp_health_check.send
        return TcpCheck(_payload(send, low, join(at, "send")), _receive(message.tcp_health_check, low, at))
    if which == "grpc_health_check":
        _need_h2(low, at)
        GRPC.check(message.grpc_health_check, low.report, at)
        grpc = message.grpc_health_check
        metadata = header_mutation.lower_add(grpc.initial_metadata, low, join(at, "initial_metadata"))
        return GrpcCheck(grpc.service_name, grpc.authority, metadata)
    return _custom(message.custom_health_check, low, at) if which else None


def _http(message: Any, low: Lowering, path: str) -> HttpCheck:
    HTTP.check(message, low.report, path)
    method = type(message).DESCRIPTOR.fields_by_name["method"].enum_type.values_by_number[message.method].name
    method = "GET" if method == "METHOD_UNSPECIFIED" else method
    if message.codec_client_type not in (HTTP1, HTTP2):
        low.refuse(join(path, "codec_client_type"), "HTTP1 and HTTP2 are accepted")
    if message.codec_client_type == HTTP2:
        _need_h2(low, join(path, "codec_client_type"))
    if message.HasField("send") and method in BODYLESS:
        low.refuse(join(path, "send"), f"a request of method {method} has no body; POST, PUT, PATCH and OPTIONS have")
    room = wrapped_or(message, "response_buffer_size", 1024)
    receive = _receive(message, low, path)
    if room and sum(map(len, receive)) > room:
        low.refuse(join(path, "receive"), f"{sum(map(len, receive))} bytes; 'response_buffer_size' leaves room for {room}")
    mutation = header_mutation.lower_add(message.request_headers_to_add, low, join(path, "request_headers_to_add"))
    matches = message.HasField("service_name_matcher")
    expected = _statuses(message.expected_statuses, low, join(path, "expected_statuses"))
    return HttpCheck(
        path=message.path,
        host=message.host,
        method=method,
        http2=message.codec_client_type == HTTP2,
        send=_payload(message.send, low, join(path, "send")) if message.HasField("send") else b"",
        receive=receive,
        response_buffer_size=room,
        headers_to_add=mutation,
        headers_to_remove=tuple(name.lower() for name in message.request_headers_to_remove),
        expected_statuses=expected or ((200, 201),),
        retriable_statuses=_statuses(message.retriable_statuses, low, join(path, "retriable_statuses")),
        service_name=matcher.lower_string(message.service_name_matcher, low, join(path, "service_name_matcher")) if matches else None,
    )


def _need_h2(low: Lowering, path: str) -> None:
    if importlib.util.find_spec("h2") is None:
        low.refuse(path, "needs the package h2, which is not installed: pip install meshcore-mesh[http2]")


def _statuses(ranges: Any, low: Lowering, path: str) -> tuple[tuple[int, int], ...]:
    for index, item in enumerate(ranges):
        if not 100 <= item.start < item.end <= 600:
            low.refuse(f"{path}[{index}]", f"[{item.start}, {item.end}) is no range of statuses; 100 <= start < end <= 600")
    return tuple((item.start, item.end) for item in ranges)


def _receive(message: Any, low: Lowering, path: str) -> tuple[bytes, ...]:
    return each(message.receive, join(path, "receive"), lambda item, at: _payload(item, low, at))


def _payload(message: Any, low: Lowering, path: str) -> bytes:
    """Bytes, or hexadecimal digits that spell them."""
    PAYLOAD.check(message, low.report, path)
    if message.WhichOneof("payload") != "text":
        return bytes(message.binary)
    try:
        return bytes.fromhex(message.text)
    except ValueError:
        low.refuse(join(path, "text"), f"'{message.text}' is not hexadecimal; two digits for each byte are accepted")
        return b""


def _custom(message: Any, low: Lowering, path: str) -> RedisCheck | ThriftCheck | None:
    CUSTOM.check(message, low.report, path)
    at = join(path, "typed_config")
    found, kind = low.unpack(message.typed_config, at, CUSTOM_TYPES, "a custom health checker")
    if found is None:
        return None
    settings: Any = found
    if kind == "redis":
        REDIS.check(settings, low.report, at)
        return RedisCheck(settings.key)
    THRIFT.check(settings, low.report, at)
    transport, protocol = THRIFT_TRANSPORTS.get(settings.transport), THRIFT_PROTOCOLS.get(settings.protocol)
    if transport is None:
        low.refuse(join(at, "transport"), "FRAMED, UNFRAMED and HEADER are accepted")
    if protocol is None or (transport == "header" and protocol == "binary/non-strict"):
        header = transport == "header"
        low.refuse(join(at, "protocol"), f"BINARY{'' if header else ', LAX_BINARY'} and COMPACT are accepted")
    return ThriftCheck(settings.method_name, transport or "framed", protocol or "binary")


def _event_log(message: Any, low: Lowering, path: str) -> str:
    """The file of the events; the newer event_logger and the older event_log_path say the same."""
    names = [message.event_log_path] if message.event_log_path else []
    for index, item in enumerate(message.event_logger):
        at = f"{join(path, 'event_logger')}[{index}].typed_config"
        sink, _ = low.unpack(item.typed_config, at, SINK_TYPES, "an event sink")
        if sink is not None:
            FILE_SINK.check(sink, low.report, at)
            names.append(str(getattr(sink, "event_log_path", "")))
    if len(names) > 1:
        low.refuse(join(path, "event_logger"), f"one event log is accepted, not {len(names)}")
    return names[0] if names else ""
