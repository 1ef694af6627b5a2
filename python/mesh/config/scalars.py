"""One value of a configuration tree to one protobuf scalar, with an error that says what would be accepted.

Follows the protobuf JSON mapping with Envoy's leniencies (enum names in any case, integers with a zero fraction,
booleans as text). Nothing here knows paths: a value that does not fit raises `Unfit`, and parse.py puts the path
before it."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

from mesh.config.errors import nearest

DURATION = re.compile(r"(-?)(\d+)(?:\.(\d{1,9}))?s")
SURROGATE = re.compile("[\ud800-\udfff]")
DURATION_MAX_SECONDS = 315_576_000_000
RANGES = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}


class Unfit(ValueError):
    """The value does not fit the field; the text says what would."""


def shown(value: Any) -> str:
    """The value as an error message shows it: short, and in YAML's words."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def converter(field: FieldDescriptor) -> Callable[[Any], Any]:
    """The function that turns a tree value into a value of `field`."""
    kind = field.cpp_type
    if kind in RANGES:
        low, high = RANGES[kind]
        return lambda value: integer(value, low, high)
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        enum = field.enum_type
        return lambda value: enumerated(value, enum)
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return boolean
    if kind == FieldDescriptor.CPPTYPE_STRING:
        return octets if field.type == FieldDescriptor.TYPE_BYTES else string
    return real


def integer(value: Any, low: int, high: int) -> int:
    number: Any = value
    if isinstance(value, str):
        try:
            number = int(value)
        except ValueError:
            try:
                number = float(value)
            except ValueError:
                number = None
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if isinstance(number, bool) or not isinstance(number, int):
        raise Unfit(f"{shown(value)} is not a whole number; {low} to {high} is accepted")
    if not low <= number <= high:
        raise Unfit(f"{number} is out of range; {low} to {high} is accepted")
    return number


def real(value: Any) -> float:
    if not isinstance(value, bool) and isinstance(value, int | float | str):
        try:
            number = float(value)
        except ValueError:
            pass
        else:
            if not isinstance(value, str) or not math.isnan(number) or value == "NaN":
                return number
    raise Unfit(f"{shown(value)} is not a number")


def boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise Unfit(f"{shown(value)} is not a boolean; true and false are accepted")


def string(value: Any) -> str:
    if isinstance(value, str):
        if not value.isascii() and SURROGATE.search(value):
            raise Unfit(f"{shown(value)} holds half a character (a lone surrogate)")
        return value
    if isinstance(value, bool):
        raise Unfit(
            f"text is accepted here, and {shown(value)} is a boolean: YAML reads the bare words y, n, yes, no, on, "
            "off, true and false so; put quotes around the word"
        )
    if isinstance(value, int | float):
        raise Unfit(f"text is accepted here, and {value} is a number; put quotes around it")
    raise Unfit(f"text is accepted here, not {shown(value)}")


def octets(value: Any) -> bytes:
    try:
        text = string(value).replace("-", "+").replace("_", "/")
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (Unfit, binascii.Error):
        raise Unfit(f"{shown(value)} is not base64") from None


def enumerated(value: Any, enum: EnumDescriptor) -> int:
    names = enum.values_by_name
    if isinstance(value, str):
        string(value)
        if value in names:
            return int(names[value].number)
        folded = value.upper().replace("-", "_")
        if folded in names:
            return int(names[folded].number)
    elif isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**31 and value in enum.values_by_number:
        return value
    accepted = ", ".join(v.name for v in enum.values if not v.GetOptions().deprecated)
    close = nearest(value, names) if isinstance(value, str) else ""
    raise Unfit(f"{shown(value)} is not accepted; one of {accepted}{close}")


def duration(value: Any) -> tuple[int, int]:
    """(seconds, nanos) of `3s`, `0.25s` or `-1s`."""
    match = DURATION.fullmatch(value) if isinstance(value, str) else None
    if not match or int(match[2]) > DURATION_MAX_SECONDS:
        raise Unfit(f"{shown(value)} is not a duration; write seconds with an s, as in 3s or 0.25s")
    sign = -1 if match[1] else 1
    return sign * int(match[2]), sign * int((match[3] or "").ljust(9, "0"))
