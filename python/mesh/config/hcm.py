"""envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.

The largest message of all, one table and one constructor; Envoy's defaults stand where a field is not set."""

from __future__ import annotations

from typing import Any

from mesh.config import (
    access_log,
    address,
    config_source,
    http1,
    http2,
    http_filter,
    local_reply,
    request_head,
    route_table,
    scoped_routes,
)
from mesh.config.errors import join
from mesh.config.fields import Fields, anything, unset
from mesh.config.lowering import Lowering, each, milliseconds_or, wrapped_or
from meshcore.bind import spec

PACKAGE = "envoy.extensions.filters.network.http_connection_manager.v3"
HCM = Fields(
    f"{PACKAGE}.HttpConnectionManager",
    {
        "codec_type", "stat_prefix", "route_config", "rds", "scoped_routes", "http_filters", "add_user_agent",
        "common_http_protocol_options", "http_protocol_options", "http2_protocol_options", "server_name",
        "server_header_transformation", "scheme_header_transformation",
        "max_request_headers_kb", "stream_idle_timeout", "request_timeout", "request_headers_timeout", "drain_timeout",
        "delayed_close_timeout", "access_log", "use_remote_address", "xff_num_trusted_hops", "internal_address_config",
        "skip_xff_append", "via", "generate_request_id", "preserve_external_request_id",
        "always_set_request_id_in_response",
        "proxy_100_continue", "upgrade_configs", "normalize_path",
        "merge_slashes", "path_with_escaped_slashes_action", "request_id_extension", "local_reply_config",
        "strip_matching_host_port", "strip_any_host_port", "stream_error_on_invalid_http_message",
        "strip_trailing_host_dot",
        "forward_client_cert_details", "set_current_client_cert_details",
        "append_x_forwarded_port", "original_ip_detection_extensions", "early_header_mutation_extensions",
    },
    harmless={
        "add_proxy_protocol_connection_state": anything,
        "path_normalization_options": unset,
        "access_log_options": unset,
    },
    instead={"http3_protocol_options": "HTTP/1.1 and HTTP/2 are; remove it"},
)  # fmt: skip
OPTIONS = Fields(
    "envoy.config.core.v3.HttpProtocolOptions",
    {
        "idle_timeout", "max_connection_duration", "max_headers_count", "max_stream_duration",
        "headers_with_underscores_action", "max_requests_per_connection",
    },
    harmless={"max_response_headers_kb": anything},
)  # fmt: skip
UPGRADE = Fields(f"{PACKAGE}.HttpConnectionManager.UpgradeConfig", {"upgrade_type", "enabled"})
INTERNAL = Fields(f"{PACKAGE}.HttpConnectionManager.InternalAddressConfig", {"unix_sockets", "cidr_ranges"})
SCHEME = Fields("envoy.config.core.v3.SchemeHeaderTransformation", {"scheme_to_overwrite"})
UUID = Fields(
    "envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig",
    {"pack_trace_reason"},
    harmless={"use_request_id_for_trace_sampling": lambda value: True},
)
CODECS = {0: "auto", 1: "http1", 2: "http2"}
FORWARD_CERTS = ("sanitize", "forward_only", "append_forward", "sanitize_set", "always_forward_only")
CERT_DETAILS = Fields(
    f"{PACKAGE}.HttpConnectionManager.SetCurrentClientCertDetails", {"subject", "cert", "chain", "dns", "uri"}
)
SERVER_HEADER = ("overwrite", "append_if_absent", "pass_through")
ESCAPED_SLASHES = ("", "keep", "reject", "redirect", "forward")
KIB = 1024


def lower(message: Any, low: Lowering, path: str) -> spec.Hcm:
    HCM.check(message, low.report, path)
    at_options = join(path, "common_http_protocol_options")
    options = message.common_http_protocol_options
    OPTIONS.check(options, low.report, at_options)
    _check_values(message, low, path)
    routes = _routes(message, low, path)
    reply = message.local_reply_config
    at_reply = join(path, "local_reply_config")
    return spec.Hcm(
        stat_prefix=message.stat_prefix,
        routes=routes,
        filters=http_filter.lower_all(message.http_filters, low, join(path, "http_filters")),
        http1=http1.lower(message.http_protocol_options, low, join(path, "http_protocol_options")),
        http2=http2.lower(
            message.http2_protocol_options,
            low,
            join(path, "http2_protocol_options"),
            wrapped_or(message, "stream_error_on_invalid_http_message", False),
        ),
        codec=CODECS.get(message.codec_type, "auto"),
        access_logs=access_log.lower_all(message.access_log, low, join(path, "access_log")),
        server_name=message.server_name or "envoy",
        server_header=SERVER_HEADER[message.server_header_transformation],
        scheme_overwrite=_scheme(message, low, path),
        add_user_agent=wrapped_or(message, "add_user_agent", False),
        max_request_headers_bytes=wrapped_or(message, "max_request_headers_kb", 60) * KIB,
        max_headers_count=wrapped_or(options, "max_headers_count", 100),
        stream_idle_timeout_ms=milliseconds_or(message, "stream_idle_timeout", 300_000),
        request_timeout_ms=milliseconds_or(message, "request_timeout", 0),
        request_headers_timeout_ms=milliseconds_or(message, "request_headers_timeout", 0),
        drain_timeout_ms=milliseconds_or(message, "drain_timeout", 5000),
        delayed_close_timeout_ms=milliseconds_or(message, "delayed_close_timeout", 1000),
        idle_timeout_ms=milliseconds_or(options, "idle_timeout", 3_600_000),
        max_connection_duration_ms=milliseconds_or(options, "max_connection_duration", 0),
        max_stream_duration_ms=milliseconds_or(options, "max_stream_duration", 0),
        max_requests_per_connection=wrapped_or(options, "max_requests_per_connection", 0),
        underscores=http1.underscores(options),
        use_remote_address=wrapped_or(message, "use_remote_address", False),
        xff_num_trusted_hops=message.xff_num_trusted_hops,
        skip_xff_append=message.skip_xff_append,
        append_x_forwarded_port=message.append_x_forwarded_port,
        forward_client_cert=FORWARD_CERTS[message.forward_client_cert_details],
        cert_details=_cert_details(message.set_current_client_cert_details, low, join(path, "set_current_client_cert_details")),
        ip_sources=request_head.lower_ip_sources(message, low, path),
        early_mutations=request_head.lower_early(
            message.early_header_mutation_extensions, low, join(path, "early_header_mutation_extensions")
        ),
        internal_cidrs=_internal_cidrs(message, low, path),
        internal_unix_sockets=message.internal_address_config.unix_sockets,
        via=message.via,
        generate_request_id=wrapped_or(message, "generate_request_id", True),
        preserve_external_request_id=message.preserve_external_request_id,
        always_set_request_id_in_response=message.always_set_request_id_in_response,
        pack_trace_reason=_pack_trace_reason(message, low, path),
        proxy_100_continue=message.proxy_100_continue,
        upgrades=_upgrades(message.upgrade_configs, low, join(path, "upgrade_configs")),
        normalize_path=wrapped_or(message, "normalize_path", None),
        merge_slashes=message.merge_slashes,
        escaped_slashes=ESCAPED_SLASHES[message.path_with_escaped_slashes_action],
        strip_matching_host_port=message.strip_matching_host_port,
        strip_any_host_port=message.strip_any_host_port,
        strip_trailing_host_dot=message.strip_trailing_host_dot,
        stream_error_on_invalid=wrapped_or(
            message.http_protocol_options,
            "override_stream_error_on_invalid_http_message",
            wrapped_or(message, "stream_error_on_invalid_http_message", False),
        ),
        local_reply_body_format=local_reply.lower_body_format(reply.body_format, low, join(at_reply, "body_format"))
        if reply.HasField("body_format")
        else None,
        local_reply_mappers=local_reply.lower_mappers(reply, low, at_reply),
        rds=config_source.lower_rds(message, low, path),
        srds=scoped_routes.lower_source(message.scoped_routes, routes, low, join(path, "scoped_routes")),
    )


def _check_values(message: Any, low: Lowering, path: str) -> None:
    if message.codec_type not in CODECS:
        name = type(message).CodecType.Name(message.codec_type)
        low.refuse(join(path, "codec_type"), f"'{name}' is not implemented yet in mesh; AUTO, HTTP1 and HTTP2 are")
    if message.strip_matching_host_port and message.strip_any_host_port:
        text = "'strip_matching_host_port' is set as well, and only one of the two may be"
        low.refuse(join(path, "strip_any_host_port"), text)


def _routes(message: Any, low: Lowering, path: str) -> spec.RouteTable:
    if message.HasField("scoped_routes"):
        return scoped_routes.lower(message.scoped_routes, low, join(path, "scoped_routes"))
    return route_table.lower(message.route_config, low, join(path, "route_config"))


def _scheme(message: Any, low: Lowering, path: str) -> str:
    SCHEME.check(message.scheme_header_transformation, low.report, join(path, "scheme_header_transformation"))
    return str(message.scheme_header_transformation.scheme_to_overwrite)


def _internal_cidrs(message: Any, low: Lowering, path: str) -> tuple[tuple[str, int], ...] | None:
    if not message.HasField("internal_address_config"):
        return None
    at = join(path, "internal_address_config")
    INTERNAL.check(message.internal_address_config, low.report, at)
    ranges = message.internal_address_config.cidr_ranges
    return each(ranges, join(at, "cidr_ranges"), lambda item, here: address.lower_cidr(item, low, here))


def _pack_trace_reason(message: Any, low: Lowering, path: str) -> bool:
    if not message.HasField("request_id_extension"):
        return True
    at = join(path, "request_id_extension.typed_config")
    config, _ = low.unpack(message.request_id_extension.typed_config, at, {UUID.message: True}, "a request id")
    if config is None:
        return True
    UUID.check(config, low.report, at)
    return bool(wrapped_or(config, "pack_trace_reason", True))


def _upgrades(items: Any, low: Lowering, path: str) -> tuple[tuple[str, bool], ...]:
    found: dict[str, bool] = {}
    for index, item in enumerate(items):
        at = f"{path}[{index}]"
        UPGRADE.check(item, low.report, at)
        name = item.upgrade_type.lower()
        if name in found:
            low.refuse(join(at, "upgrade_type"), f"'{item.upgrade_type}' stands here twice")
        found[name] = wrapped_or(item, "enabled", True)
    return tuple(found.items())


def _cert_details(message: Any, low: Lowering, path: str) -> tuple[str, ...]:
    CERT_DETAILS.check(message, low.report, path)
    plain = tuple(name for name in ("cert", "chain", "dns", "uri") if getattr(message, name))
    return ("subject", *plain) if wrapped_or(message, "subject", False) else plain
