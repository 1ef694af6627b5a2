"""envoy.extensions.filters.network.http_connection_manager.v3.LocalReplyConfig: what the proxy's own answers look like.

Mappers are tried in order and the first that matches applies, so their order stays. Their filters are those of access
logs, all kinds of them. Body formats reuse spec.AccessLog, which is
what the engine compiles formats from, with an empty path. Called by hcm.py.
"""

from __future__ import annotations

from typing import Any

from mesh.config import access_log, header_mutation
from mesh.config import format as formats
from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering, each, wrapped_or
from meshcore.bind import spec

HCM = "envoy.extensions.filters.network.http_connection_manager.v3"
CONFIG = Fields(f"{HCM}.LocalReplyConfig", {"mappers", "body_format"})
MAPPER = Fields(f"{HCM}.ResponseMapper", {"filter", "status_code", "body", "body_format_override", "headers_to_add"})


def lower_body_format(message: Any, low: Lowering, path: str) -> spec.AccessLog:
    """A SubstitutionFormatString as the engine formats it; it is written to no file."""
    text, json = formats.lower(message, low, path)
    return spec.AccessLog(path="", format=text, json=json, json_omit_empty=message.omit_empty_values, content_type=message.content_type)


def lower_mappers(message: Any, low: Lowering, path: str) -> tuple[spec.LocalReplyMapper, ...]:
    return each(message.mappers, join(path, "mappers"), lambda item, at: _mapper(item, low, at))


def _mapper(message: Any, low: Lowering, path: str) -> spec.LocalReplyMapper:
    MAPPER.check(message, low.report, path)
    return spec.LocalReplyMapper(
        filter=access_log.lower_filter(message.filter, low, join(path, "filter")),
        new_status=wrapped_or(message, "status_code", 0),
        body=low.bytes_of(message.body, join(path, "body")) if message.HasField("body") else None,
        body_format=lower_body_format(message.body_format_override, low, join(path, "body_format_override"))
        if message.HasField("body_format_override")
        else None,
        headers_to_add=header_mutation.lower_add(message.headers_to_add, low, join(path, "headers_to_add")),
    )

