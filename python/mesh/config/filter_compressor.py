"""envoy.extensions.filters.http.compressor.v3.Compressor with gzip.

A route says whether, and whether the host sees accept-encoding. Requests are compressed when `request_direction_config` says so.
The older fields of the filter itself mean the same as those of `response_direction_config`. Called by native_filter.py.
"""

from __future__ import annotations

from typing import Any

from mesh.config.errors import join
from mesh.config.fields import Fields, anything
from mesh.config.filter_parts import lower_flag
from mesh.config.lowering import Lowering, wrapped_or
from meshcore.bind import filter_spec

PACKAGE = "envoy.extensions.filters.http.compressor.v3"
COMPRESSOR = Fields(
    f"{PACKAGE}.Compressor",
    {
        "content_length", "content_type", "disable_on_etag_header", "remove_accept_encoding_header", "runtime_enabled",
        "compressor_library", "request_direction_config", "response_direction_config",
    },
    harmless={"choose_first": anything},
)  # fmt: skip
RESPONSE = Fields(
    f"{PACKAGE}.Compressor.ResponseDirectionConfig",
    {"common_config", "disable_on_etag_header", "remove_accept_encoding_header", "uncompressible_response_codes"},
)
COMMON = Fields(f"{PACKAGE}.Compressor.CommonDirectionConfig", {"enabled", "min_content_length", "content_type"})
REQUEST = Fields(f"{PACKAGE}.Compressor.RequestDirectionConfig", {"common_config"})
PER_ROUTE = Fields(f"{PACKAGE}.CompressorPerRoute", {"disabled", "overrides"})
OVERRIDES = Fields(f"{PACKAGE}.CompressorOverrides", {"response_direction_config"})
RESPONSE_OVERRIDES = Fields(f"{PACKAGE}.ResponseDirectionOverrides", {"remove_accept_encoding_header"})
GZIP = Fields(
    "envoy.extensions.compression.gzip.compressor.v3.Gzip",
    {"memory_level", "compression_level", "compression_strategy", "window_bits"},
    harmless={"chunk_size": anything},
)
LIBRARIES = {GZIP.message: True}
TYPES = (
    "text/html", "text/plain", "text/css", "application/javascript", "application/x-javascript", "text/javascript", "text/x-javascript",
    "text/ecmascript", "text/js", "text/jscript", "text/x-js", "application/ecmascript", "application/x-json", "application/xml",
    "application/json", "image/svg+xml", "text/xml", "application/xhtml+xml",
)  # fmt: skip


def lower(message: Any, low: Lowering, path: str) -> filter_spec.Compressor:
    COMPRESSOR.check(message, low.report, path)
    library = message.compressor_library
    at = join(path, "compressor_library.typed_config")
    found, _ = low.unpack(library.typed_config, at, LIBRARIES, "a compressor library")
    if found is None:
        return filter_spec.Compressor()
    GZIP.check(found, low.report, at)
    gzip: Any = found
    newer = message.HasField("response_direction_config")
    response = message.response_direction_config
    here = join(path, "response_direction_config")
    RESPONSE.check(response, low.report, here)
    COMMON.check(response.common_config, low.report, join(here, "common_config"))
    body = response.common_config if newer else message
    return filter_spec.Compressor(
        library=library.name,
        stats_of_response=newer,
        remove_accept_encoding=(response if newer else message).remove_accept_encoding_header,
        request=_requests(message, low, path),
        response=filter_spec.CompressedBodies(
            enabled=lower_flag(body, "enabled" if newer else "runtime_enabled", low, join(here, "common_config") if newer else path),
            min_content_length=wrapped_or(body, "min_content_length" if newer else "content_length", 30),
            content_types=tuple(body.content_type) or TYPES,
        ),
        disable_on_etag=(response if newer else message).disable_on_etag_header,
        uncompressible_codes=tuple(response.uncompressible_response_codes),
        level=gzip.compression_level or -1,
        strategy=gzip.compression_strategy,
        window_bits=wrapped_or(gzip, "window_bits", 12),
        memory_level=wrapped_or(gzip, "memory_level", 5),
    )


def _requests(message: Any, low: Lowering, path: str) -> filter_spec.CompressedBodies:
    """They are compressed if there is a request_direction_config that does not say otherwise."""
    if not message.HasField("request_direction_config"):
        return filter_spec.CompressedBodies(filter_spec.RuntimeFlag(False))
    at = join(path, "request_direction_config")
    REQUEST.check(message.request_direction_config, low.report, at)
    body = message.request_direction_config.common_config
    COMMON.check(body, low.report, join(at, "common_config"))
    return filter_spec.CompressedBodies(
        enabled=lower_flag(body, "enabled", low, join(at, "common_config")),
        min_content_length=wrapped_or(body, "min_content_length", 30),
        content_types=tuple(body.content_type) or TYPES,
    )


def lower_per_route(message: Any, low: Lowering, path: str) -> filter_spec.Compressor:
    PER_ROUTE.check(message, low.report, path)
    if message.WhichOneof("override") == "disabled":
        return filter_spec.Compressor(disabled=True)
    at = join(path, "overrides")
    OVERRIDES.check(message.overrides, low.report, at)
    response = message.overrides.response_direction_config
    RESPONSE_OVERRIDES.check(response, low.report, join(at, "response_direction_config"))
    return filter_spec.Compressor(remove_accept_encoding=wrapped_or(response, "remove_accept_encoding_header", None))
