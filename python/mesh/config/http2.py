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
        "allow_connect", "custom_settings_parameters",
    },
    harmless={"use_oghttp2_codec": false, "max_metadata_size": anything},
)  # fmt: skip
KEEPALIVE = Fields(
    "envoy.config.core.v3.KeepaliveSettings",
    {"interval", "timeout", "interval_jitter", "connection_idle_interval"},
)
JITTER = 15.0
SETTING = Fields("envoy.config.core.v3.Http2ProtocolOptions.SettingsParameter", {"identifier", "value"})
SETTINGS_MAX = 32
NAMED = {1: "hpack_table_size", 3: "max_concurrent_streams", 4: "initial_stream_window_size"}
ALLOW_CONNECT = 8
# What RFC 9113, 6.5.2, and RFC 9218, 2.1, allow; a peer ends the connection over any other. (Push stays off, as in Envoy.)
RANGES = {2: (0, 0), 4: (0, 2**31 - 1), 5: (2**14, 2**24 - 1), 9: (0, 1)}


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
        custom_settings=_custom_settings(message, low, join(path, "custom_settings_parameters")),
    )


def _custom_settings(message: Any, low: Lowering, path: str) -> tuple[tuple[int, int], ...]:
    found: dict[int, int] = {}
    for index, item in enumerate(message.custom_settings_parameters):
        at = f"{path}[{index}]"
        SETTING.check(item, low.report, at)
        setting, value = item.identifier.value, item.value.value
        least, most = RANGES.get(setting, (0, 2**32 - 1))
        if setting == ALLOW_CONNECT or (setting in NAMED and message.HasField(NAMED[setting])):
            name = NAMED.get(setting, "allow_connect")
            low.refuse(join(at, "identifier"), f"{setting} has a field of its own, {name}, which alone may set it")
        elif not least <= value <= most:
            low.refuse(join(at, "value"), f"{value}; setting {setting} may be {least} to {most}")
        elif found.setdefault(setting, value) != value:
            low.refuse(join(at, "value"), f"{value}, but setting {setting} is {found[setting]} above")
    if len(found) > SETTINGS_MAX:
        low.refuse(path, f"{len(found)} settings; at most {SETTINGS_MAX} are accepted")
    return tuple(found.items())


def _stream_errors(message: Any, otherwise: bool) -> bool:
    if message.HasField("override_stream_error_on_invalid_http_message"):
        return bool(message.override_stream_error_on_invalid_http_message.value)
    return bool(message.stream_error_on_invalid_http_messaging or otherwise)
