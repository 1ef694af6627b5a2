"""What a plan says of the health of hosts: active checks and outlier detection. The second part of spec.py, which holds its law.

Field names are Envoy's, defaults too. `mesh.health` acts on it; the engine itself sees only the thresholds of consecutive failures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshcore.bind.record import record

if TYPE_CHECKING:
    from meshcore.bind.spec import HeaderAdd, StringMatch


@record
class HttpCheck:
    """HealthCheck.HttpHealthCheck. Statuses are ranges [start, end); `host` "" is the cluster's name. `response_buffer_size` 0: all."""

    path: str
    host: str = ""
    method: str = "GET"
    http2: bool = False
    send: bytes = b""
    receive: tuple[bytes, ...] = ()
    response_buffer_size: int = 1024
    headers_to_add: tuple[HeaderAdd, ...] = ()
    headers_to_remove: tuple[str, ...] = ()
    expected_statuses: tuple[tuple[int, int], ...] = ((200, 201),)
    retriable_statuses: tuple[tuple[int, int], ...] = ()
    service_name: StringMatch | None = None


@record
class TcpCheck:
    """HealthCheck.TcpHealthCheck: nothing to receive means that connecting is enough."""

    send: bytes = b""
    receive: tuple[bytes, ...] = ()


@record
class GrpcCheck:
    """HealthCheck.GrpcHealthCheck; `authority` "" is the cluster's name."""

    service_name: str = ""
    authority: str = ""
    metadata: tuple[HeaderAdd, ...] = ()


@record
class RedisCheck:
    """PING, or EXISTS `key`, which must be absent."""

    key: str = ""


@record
class ThriftCheck:
    """A call of `method_name` without arguments. `transport`: framed | unframed | header. `protocol`: binary | binary/non-strict |
    compact."""

    method_name: str
    transport: str = "framed"
    protocol: str = "binary"


@record
class HealthCheck:
    """envoy.config.core.v3.HealthCheck. Intervals are those in force: the fallbacks are taken already."""

    check: HttpCheck | TcpCheck | GrpcCheck | RedisCheck | ThriftCheck
    timeout_ms: int
    interval_ms: int
    unhealthy_threshold: int
    healthy_threshold: int
    initial_jitter_ms: int = 0
    interval_jitter_ms: int = 0
    interval_jitter_percent: int = 0
    reuse_connection: bool = True
    no_traffic_interval_ms: int = 60_000
    no_traffic_healthy_interval_ms: int = 60_000
    unhealthy_interval_ms: int = 0
    unhealthy_edge_interval_ms: int = 0
    healthy_edge_interval_ms: int = 0
    event_log_path: str = ""
    always_log_failures: bool = False
    always_log_success: bool = False
    alpn: tuple[str, ...] = ()  # asked for under TLS, in place of what the transport socket says
    socket_criteria: tuple[tuple[str, str], ...] | None = None  # in place of the hosts' labels for transport_socket_matches


@record
class EndpointCheck:
    """Endpoint.HealthCheckConfig: where and under which name a host is checked. `host` "" and `port` 0: as it serves."""

    host: str = ""
    port: int = 0
    hostname: str = ""
    disabled: bool = False


@record
class OutlierDetection:
    """envoy.config.cluster.v3.OutlierDetection. `event_log_path` is that of the cluster manager."""

    interval_ms: int = 10_000
    base_ejection_time_ms: int = 30_000
    max_ejection_time_ms: int = 300_000
    max_ejection_time_jitter_ms: int = 0
    max_ejection_percent: int = 10
    always_eject_one_host: bool = False
    consecutive_5xx: int = 5
    consecutive_gateway_failure: int = 5
    consecutive_local_origin_failure: int = 5
    enforcing_consecutive_5xx: int = 100
    enforcing_consecutive_gateway_failure: int = 0
    enforcing_consecutive_local_origin_failure: int = 100
    enforcing_success_rate: int = 100
    enforcing_local_origin_success_rate: int = 100
    enforcing_failure_percentage: int = 0
    enforcing_failure_percentage_local_origin: int = 0
    success_rate_minimum_hosts: int = 5
    success_rate_request_volume: int = 100
    success_rate_stdev_factor: int = 1900
    failure_percentage_threshold: int = 85
    failure_percentage_minimum_hosts: int = 5
    failure_percentage_request_volume: int = 50
    split_external_local_origin_errors: bool = False
    successful_active_health_check_uneject_host: bool = True
    event_log_path: str = ""
