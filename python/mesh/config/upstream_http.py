"""envoy.extensions.upstreams.http.v3.HttpProtocolOptions: how a cluster speaks HTTP to its hosts.

HTTP/1.1 or HTTP/2 (`explicit_http_config`), what the client speaks (`use_downstream_protocol_config`), or what the TLS handshake of each
connection settles (`auto_config`). Its retry policy, hash policy and mirrors stand in place of those of every route. The older fields of
Cluster itself lower through the same functions. SNI and SAN settings do nothing without TLS, as in Envoy. Called by cluster.py.
"""

from __future__ import annotations

from typing import Any

from mesh.config import hash_policy, http1, http2, mirror, retry
from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.filter_parts import codec_alone
from mesh.config.lowering import Lowering, milliseconds_or, wrapped_or
from meshcore.bind import spec
from meshcore.bind.record import field, record

PACKAGE = "envoy.extensions.upstreams.http.v3"
OPTIONS = Fields(
    f"{PACKAGE}.HttpProtocolOptions",
    {
        "common_http_protocol_options", "explicit_http_config", "use_downstream_protocol_config", "auto_config", "retry_policy",
        "hash_policy", "request_mirror_policies", "upstream_http_protocol_options",
    },
    harmless={"http_filters": codec_alone},
)  # fmt: skip
NAMES = Fields(
    "envoy.config.core.v3.UpstreamHttpProtocolOptions", {"auto_sni", "auto_san_validation", "override_auto_sni_header"}
)
EXPLICIT = Fields(f"{PACKAGE}.HttpProtocolOptions.ExplicitHttpConfig", {"http_protocol_options", "http2_protocol_options"})
DOWNSTREAM = Fields(f"{PACKAGE}.HttpProtocolOptions.UseDownstreamHttpConfig", {"http_protocol_options", "http2_protocol_options"})
AUTO = Fields(f"{PACKAGE}.HttpProtocolOptions.AutoHttpConfig", {"http_protocol_options", "http2_protocol_options"})
SHARED = Fields(
    "envoy.config.core.v3.HttpProtocolOptions#upstream",
    {
        "idle_timeout", "max_connection_duration", "max_headers_count", "max_response_headers_kb",
        "max_stream_duration",
        "headers_with_underscores_action", "max_requests_per_connection",
    },
)  # fmt: skip
TYPES = {OPTIONS.message: True}
KIB = 1024


@record(frozen=False)
class Upstream:
    """The part of a spec.Cluster that protocol options decide; defaults are Envoy's."""

    max_requests_per_connection: int = 0
    idle_timeout_ms: int = 3_600_000
    max_connection_duration_ms: int = 0
    max_response_headers_bytes: int = 80 * KIB
    max_response_headers_count: int = 100
    max_stream_duration_ms: int = 0
    underscores: str = "allow"
    http1: spec.Http1Options = field(default_factory=spec.Http1Options)
    http2: spec.Http2Options = field(default_factory=spec.Http2Options)
    protocol: str = "http1"
    retry: spec.RetryPolicy | None = None
    hash_policy: tuple[spec.HashRule, ...] = ()
    mirrors: tuple[spec.MirrorPolicy, ...] = ()
    auto_sni: bool = False
    auto_san_validation: bool = False
    auto_sni_header: str = ""


def lower(packed: Any, low: Lowering, path: str) -> Upstream:
    found = Upstream()
    message, _ = low.unpack(packed, path, TYPES, "protocol options")
    if message is None:
        return found
    OPTIONS.check(message, low.report, path)
    if message.HasField("common_http_protocol_options"):
        lower_common(message.common_http_protocol_options, found, low, join(path, "common_http_protocol_options"))
    if message.HasField("retry_policy"):
        found.retry = retry.lower(message.retry_policy, low, join(path, "retry_policy"))
    found.hash_policy = hash_policy.lower_all(message.hash_policy, low, join(path, "hash_policy"))
    found.mirrors = mirror.lower(message, low, path, False)
    if message.HasField("upstream_http_protocol_options"):
        lower_names(message.upstream_http_protocol_options, found, low, join(path, "upstream_http_protocol_options"))
    which = message.WhichOneof("upstream_protocol_options")
    if which == "explicit_http_config":
        chosen, table = message.explicit_http_config, EXPLICIT
    elif which == "auto_config":
        chosen, table = message.auto_config, AUTO
    else:
        chosen, table = message.use_downstream_protocol_config, DOWNSTREAM
    at = join(path, which or "")
    table.check(chosen, low.report, at)
    if which == "use_downstream_protocol_config":
        found.protocol = "downstream"
    elif which == "auto_config":
        found.protocol = "auto"
    elif chosen.HasField("http2_protocol_options"):
        found.protocol = "http2"
    if chosen.HasField("http2_protocol_options"):
        found.http2 = http2.lower(chosen.http2_protocol_options, low, join(at, "http2_protocol_options"))
    if chosen.HasField("http_protocol_options"):
        found.http1 = http1.lower(chosen.http_protocol_options, low, join(at, "http_protocol_options"))
    return found


def lower_names(message: Any, found: Upstream, low: Lowering, path: str) -> None:
    """Writes an UpstreamHttpProtocolOptions into `found`."""
    NAMES.check(message, low.report, path)
    found.auto_sni = message.auto_sni
    found.auto_san_validation = message.auto_san_validation
    found.auto_sni_header = message.override_auto_sni_header


def lower_common(message: Any, found: Upstream, low: Lowering, path: str) -> None:
    """Writes an HttpProtocolOptions into `found`."""
    SHARED.check(message, low.report, path)
    found.max_requests_per_connection = wrapped_or(message, "max_requests_per_connection", 0)
    found.idle_timeout_ms = milliseconds_or(message, "idle_timeout", 3_600_000)
    found.max_connection_duration_ms = milliseconds_or(message, "max_connection_duration", 0)
    found.max_response_headers_bytes = wrapped_or(message, "max_response_headers_kb", 80) * KIB
    found.max_response_headers_count = wrapped_or(message, "max_headers_count", 100)
    found.max_stream_duration_ms = milliseconds_or(message, "max_stream_duration", 0)
    found.underscores = http1.underscores(message)
