"""envoy.extensions.filters.http.decompressor.v3.Decompressor with gzip. Called by native_filter.py."""

from __future__ import annotations

from typing import Any

from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.filter_parts import lower_flag
from mesh.config.lowering import Lowering, wrapped_or
from meshcore.bind import filter_spec

PACKAGE = "envoy.extensions.filters.http.decompressor.v3.Decompressor"
DECOMPRESSOR = Fields(PACKAGE, {"decompressor_library", "request_direction_config", "response_direction_config"})
REQUEST = Fields(f"{PACKAGE}.RequestDirectionConfig", {"common_config", "advertise_accept_encoding"})
RESPONSE = Fields(f"{PACKAGE}.ResponseDirectionConfig", {"common_config"})
COMMON = Fields(f"{PACKAGE}.CommonDirectionConfig", {"enabled", "ignore_no_transform_header"})
GZIP = Fields("envoy.extensions.compression.gzip.decompressor.v3.Gzip", {"window_bits", "chunk_size", "max_inflate_ratio"})


def lower(message: Any, low: Lowering, path: str) -> filter_spec.Decompressor | None:
    DECOMPRESSOR.check(message, low.report, path)
    library = message.decompressor_library
    at = join(path, "decompressor_library.typed_config")
    found, _ = low.unpack(library.typed_config, at, {GZIP.message: True}, "a decompressor library")
    if found is None:
        return None
    GZIP.check(found, low.report, at)
    REQUEST.check(message.request_direction_config, low.report, join(path, "request_direction_config"))
    RESPONSE.check(message.response_direction_config, low.report, join(path, "response_direction_config"))
    return filter_spec.Decompressor(
        library=library.name,
        request=_bodies(message.request_direction_config.common_config, low, join(path, "request_direction_config.common_config")),
        response=_bodies(message.response_direction_config.common_config, low, join(path, "response_direction_config.common_config")),
        advertise_accept_encoding=wrapped_or(message.request_direction_config, "advertise_accept_encoding", True),
        window_bits=wrapped_or(found, "window_bits", 15),
        chunk_size=wrapped_or(found, "chunk_size", 4096),
        max_inflate_ratio=wrapped_or(found, "max_inflate_ratio", 100),
    )


def _bodies(message: Any, low: Lowering, path: str) -> filter_spec.Decompressed:
    COMMON.check(message, low.report, path)
    return filter_spec.Decompressed(lower_flag(message, "enabled", low, path), message.ignore_no_transform_header)
