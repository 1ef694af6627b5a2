"""Format strings: SubstitutionFormatString and every text that may hold %OPERATORS%.

The engine's own compiler decides whether an operator exists (`meshcore.bind.format.check`), so what loads is what the
engine can write. JSON formats lose their key order in protobuf and are sorted, as Envoy writes them. Called by
access_log.py, header_mutation.py and local_reply.py."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from mesh.config.errors import join
from mesh.config.fields import Fields, unset
from mesh.config.lowering import Lowering

DEFAULT_TEXT = (
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% '
    "%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "
    '"%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"\n'
)
STRING = Fields(
    "envoy.config.core.v3.SubstitutionFormatString",
    {"text_format", "text_format_source", "json_format", "omit_empty_values", "content_type"},
    harmless={"json_format_options": lambda options: True},
)
JSON_OPTIONS = Fields("envoy.config.core.v3.JsonFormatOptions", {"sort_properties"}, harmless={"sort_properties": unset})


def lower(message: Any, low: Lowering, path: str) -> tuple[str | None, Any]:
    """(text format, None) or (None, JSON format) of a SubstitutionFormatString."""
    STRING.check(message, low.report, path)
    which = message.WhichOneof("format")
    if which == "json_format":
        return None, lower_json(message.json_format, low, join(path, which))
    if which == "text_format_source":
        raw = low.bytes_of(message.text_format_source, join(path, which))
        text = raw.decode("utf-8", "surrogateescape")
        at = join(path, f"{which}.{message.text_format_source.WhichOneof('specifier')}")
    else:
        text, at = message.text_format, join(path, "text_format")
    check_text(text, low, at)
    return text, None


def lower_json(struct: Any, low: Lowering, path: str) -> dict[str, Any]:
    """A google.protobuf.Struct as nested plain values, keys sorted, every string checked as a format."""
    return {key: _plain(struct.fields[key], low, join(path, key)) for key in sorted(struct.fields)}


def _plain(value: Any, low: Lowering, path: str) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        check_text(value.string_value, low, path)
        return value.string_value
    if kind == "struct_value":
        return lower_json(value.struct_value, low, path)
    if kind == "list_value":
        return [_plain(item, low, f"{path}[{index}]") for index, item in enumerate(value.list_value.values)]
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    return value.bool_value if kind == "bool_value" else None


def check_text(text: str, low: Lowering, path: str) -> None:
    """Refuses a text whose %OPERATORS% the engine cannot write."""
    if "%" in text and (found := _checked(text)):
        low.refuse(path, found)


@lru_cache(maxsize=4096)
def _checked(text: str) -> str | None:
    from meshcore.bind.format import check

    found = check(text)
    return str(found) if found else None
