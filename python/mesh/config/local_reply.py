"""envoy.extensions.filters.network.http_connection_manager.v3.LocalReplyConfig: what the proxy's own answers look like.

Mappers are tried in order and the first that matches applies, so their order stays. Their filters lower to a status
comparison and a set of flags, without a tree; what needs more is refused. Body formats reuse spec.AccessLog, which is
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
FILTER = Fields(
    "envoy.config.accesslog.v3.AccessLogFilter#local_reply",
    {"status_code_filter", "response_flag_filter", "and_filter"},
)
OPERATORS = ("eq", "ge", "le", "ne")


def lower_body_format(message: Any, low: Lowering, path: str) -> spec.AccessLog:
    """A SubstitutionFormatString as the engine formats it; it is written to no file."""
    text, json = formats.lower(message, low, path)
    return spec.AccessLog(path="", format=text, json=json, json_omit_empty=message.omit_empty_values, content_type=message.content_type)


def lower_mappers(message: Any, low: Lowering, path: str) -> tuple[spec.LocalReplyMapper, ...]:
    return each(message.mappers, join(path, "mappers"), lambda item, at: _mapper(item, low, at))


def _mapper(message: Any, low: Lowering, path: str) -> spec.LocalReplyMapper:
    MAPPER.check(message, low.report, path)
    operator, status, flags = _filter(message.filter, low, join(path, "filter"))
    return spec.LocalReplyMapper(
        status_op=operator,
        status=status,
        flags=flags,
        new_status=wrapped_or(message, "status_code", 0),
        body=low.bytes_of(message.body, join(path, "body")) if message.HasField("body") else None,
        body_format=lower_body_format(message.body_format_override, low, join(path, "body_format_override"))
        if message.HasField("body_format_override")
        else None,
        headers_to_add=header_mutation.lower_add(message.headers_to_add, low, join(path, "headers_to_add")),
    )


def _filter(message: Any, low: Lowering, path: str) -> tuple[str, int, tuple[str, ...] | None]:
    """(operator, status, flags); an and_filter may hold one of each."""
    FILTER.check(message, low.report, path)
    which = message.WhichOneof("filter_specifier")
    at = join(path, which or "")
    if which == "status_code_filter":
        comparison = message.status_code_filter.comparison
        return OPERATORS[comparison.op], int(comparison.value.default_value), None
    if which == "response_flag_filter":
        return "", 0, access_log.lower_flags(message.response_flag_filter.flags, low, join(at, "flags"))
    operator, status, flags = "", 0, None
    if which == "and_filter":
        for index, item in enumerate(message.and_filter.filters):
            inner = f"{at}.filters[{index}]"
            one_operator, one_status, one_flags = _filter(item, low, inner)
            if (operator and one_operator) or (flags is not None and one_flags is not None):
                low.refuse(inner, "two filters of one kind in one 'and_filter' are not implemented yet in mesh; remove one")
            operator, status = (one_operator, one_status) if one_operator else (operator, status)
            flags = one_flags if one_flags is not None else flags
    return operator, status, flags
