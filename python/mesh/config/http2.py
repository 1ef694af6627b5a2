"""Http2ProtocolOptions, which listeners and clusters share.

Envoy's defaults stand where a field is not set. What protoc-gen-validate says of ranges has been checked before."""

from __future__ import annotations

from typing import Any

from mesh.config.errors import join
from mesh.config.fields import Fields, anything, false
from mesh.config.lowering import Lowering, milliseconds_or, wrapped_or
from meshcore.bind import spec

HTTP2 = Fields(
    "envoy.config.core.v3.Http2ProtocolOptions",
    {
        "hpack_table_size", "max_concurrent_streams", "initial_stream_window_size", "initial_connection_window_size",
        "max_outbound_frames", "max_outbound_control_frames", "max_consecutive_inbound_frames_with_empty_payload",
        "max_inbound_priority_frames_per_stream", "max_inbound_window_update_frames_per_data_frame_sent",
        "stream_error_on_invalid_http_messaging", "override_stream_error_on_invalid_http_message", "connection_keepalive",
        "allow_connect",
    },
    harmless={"use_oghttp2_codec": false, "max_metadata_size": anything},
)  # fmt: skip
KEEPALIVE = Fields(
    "envoy.config.core.v3.KeepaliveSettings",
    {"interval", "timeout", "interval_jitter", "connection_idle_interval"},
)
JITTER = 15.0


def lower(message: Any, low: Lowering, path: str, stream_errors: bool = False) -> spec.Http2Options:
    """`stream_errors`: what holds when the message says nothing of it."""
    HTTP2.check(message, low.report, path)
    alive = message.connection_keepalive
    KEEPALIVE.check(alive, low.report, join(path, "connection_keepalive"))
    default = spec.Http2Options()
    return spec.Http2Options(
        hpack_table_size=wrapped_or(message, "hpack_table_size", default.hpack_table_size),
        max_concurrent_streams=wrapped_or(message, "max_concurrent_streams", default.max_concurrent_streams),
        initial_stream_window=wrapped_or(message, "initial_stream_window_size", default.initial_stream_window),
        initial_connection_window=wrapped_or(message, "initial_connection_window_size", default.initial_connection_window),
        max_outbound_frames=wrapped_or(message, "max_outbound_frames", default.max_outbound_frames),
        max_outbound_control_frames=wrapped_or(message, "max_outbound_control_frames", default.max_outbound_control_frames),
        max_empty_frames=wrapped_or(message, "max_consecutive_inbound_frames_with_empty_payload", default.max_empty_frames),
        max_priority_frames=wrapped_or(message, "max_inbound_priority_frames_per_stream", default.max_priority_frames),
        max_window_updates=wrapped_or(
            message, "max_inbound_window_update_frames_per_data_frame_sent", default.max_window_updates
        ),
        stream_errors=_stream_errors(message, stream_errors),
        allow_connect=message.allow_connect,
        keepalive_interval_ms=milliseconds_or(alive, "interval", 0),
        keepalive_timeout_ms=milliseconds_or(alive, "timeout", 0),
        keepalive_jitter=alive.interval_jitter.value if alive.HasField("interval_jitter") else JITTER,
        keepalive_idle_ms=milliseconds_or(alive, "connection_idle_interval", 0),
    )


def _stream_errors(message: Any, otherwise: bool) -> bool:
    if message.HasField("override_stream_error_on_invalid_http_message"):
        return bool(message.override_stream_error_on_invalid_http_message.value)
    return bool(message.stream_error_on_invalid_http_messaging or otherwise)
