"""The part of a plan that says how HTTP/2 is spoken; spec.py, whose law holds here too, names it."""

from __future__ import annotations

from meshcore.bind.record import record


@record
class Http2Options:
    """Http2ProtocolOptions; defaults are Envoy's. `keepalive_idle_ms`: connection_idle_interval."""

    hpack_table_size: int = 4096
    max_concurrent_streams: int = 1024
    initial_stream_window: int = 16 * 1024 * 1024
    initial_connection_window: int = 24 * 1024 * 1024
    max_outbound_frames: int = 10_000
    max_outbound_control_frames: int = 1000
    max_empty_frames: int = 1
    max_priority_frames: int = 100
    max_window_updates: int = 10
    stream_errors: bool = False  # override_stream_error_on_invalid_http_message
    allow_connect: bool = False
    keepalive_interval_ms: int = 0
    keepalive_timeout_ms: int = 0
    keepalive_jitter: float = 15.0  # percent
    keepalive_idle_ms: int = 0
    custom_settings: tuple[tuple[int, int], ...] = ()  # (identifier, value) of further SETTINGS, at most 32, no identifier twice
