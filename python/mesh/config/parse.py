"""A configuration tree (dict, list, scalars) to a protobuf message, with the full path of whatever does not fit.

Does what protobuf's json_format does, because its errors name neither the path nor what would be accepted (and its
import costs 40 ms). Follows Envoy's reader where that is more lenient: a single mapping where a list of mappings
belongs is a list of one, and a duration may be {seconds, nanos}. Called by config.load and by config.short; never
touches a file."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from functools import cache
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from mesh.config import newer, rules, schema
from mesh.config.errors import Report, join, nearest
from mesh.config.scalars import RANGES, Unfit, converter, duration, integer, shown, string
from meshcore.bind.record import record

MESSAGE = FieldDescriptor.CPPTYPE_MESSAGE
_converters: dict[FieldDescriptor, Callable[[Any], Any]] = {}


class _Kind(IntEnum):
    """How a field is set."""

    SCALAR = 0
    MESSAGE = 1
    REPEATED = 2
    MAP = 3


@record(frozen=False)
class _Field:
    """What setting a field needs to know of it, worked out once per field."""

    field: FieldDescriptor
    name: str
    kind: _Kind
    type_name: str  # of a message; "" for a scalar
    takes_null: bool
    oneof: str  # "" when it is the only one of its oneof, or in none


def parse_into(message: Message, tree: Any, report: Report, path: str = "") -> None:
    """Sets in `message` what `tree` says; every misfit goes to `report`, and the walk goes on."""
    _fill(message, message.DESCRIPTOR.full_name, tree, report, path)


def _fill(message: Any, full_name: str, tree: Any, report: Report, path: str) -> None:
    if special := WELL_KNOWN.get(full_name):
        try:
            special(message, tree, report, path)
        except Unfit as error:
            report.refuse(path, str(error))
        return
    if not isinstance(tree, dict):
        report.refuse(path, f"a mapping with the fields of {schema.short_name(full_name)} belongs here, not {shown(tree)}")
        return
    known = _fields(full_name)
    taken: dict[str, str] | None = None
    for key, value in tree.items():
        item = known.get(key)
        if item is None:
            if (full_name, key) in newer.TAKEN:
                _keep_newer(message, key, value, report, join(path, key))
            else:
                _refuse_unknown(full_name, key, report, path)
            continue
        if key != item.name and item.name in tree:
            report.refuse(join(path, key), f"'{item.name}' is set as well, and both are the same field")
            continue
        if value is None and not item.takes_null:
            continue
        if item.oneof:
            taken = {} if taken is None else taken
            first = taken.setdefault(item.oneof, key)
            if first != key:
                report.refuse(join(path, key), f"'{first}' is set as well, and only one of the two may be")
                continue
        at = f"{path}.{item.name}" if path else item.name
        if item.kind is _Kind.SCALAR:
            if (fit := _convert(item.field, value, report, at)) is not None:
                setattr(message, item.name, fit)
        elif item.kind is _Kind.MESSAGE:
            target = getattr(message, item.name)
            target.SetInParent()
            _fill(target, item.type_name, value, report, at)
        elif item.kind is _Kind.REPEATED:
            _append(getattr(message, item.name), item, value if isinstance(value, list) else [value], report, at)
        else:
            _set_map(message, item.field, value, report, at)


def _append(target: Any, item: _Field, values: list[Any], report: Report, path: str) -> None:
    for index, value in enumerate(values):
        at = f"{path}[{index}]"
        if item.type_name:
            _fill(target.add(), item.type_name, value, report, at)
        elif (fit := _convert(item.field, value, report, at)) is not None:
            target.append(fit)


@cache
def _fields(full_name: str) -> dict[str, _Field]:
    """All fields of a message, by every key under which they may stand."""
    return {key: _described(field) for key, field in schema.fields_by_key(full_name).items()}


def _described(field: FieldDescriptor) -> _Field:
    kind = _Kind.MESSAGE if field.cpp_type == MESSAGE else _Kind.SCALAR
    if schema.is_map(field):
        kind = _Kind.MAP
    elif schema.is_repeated(field):
        kind = _Kind.REPEATED
    oneof = field.containing_oneof
    type_name = field.message_type.full_name if field.message_type else ""
    return _Field(
        field, field.name, kind, type_name, type_name == "google.protobuf.Value",
        oneof.name if oneof is not None and len(oneof.fields) > 1 else "",
    )  # fmt: skip


def _keep_newer(message: Any, key: str, value: Any, report: Report, path: str) -> None:
    """A field that the API package does not carry."""
    kind = newer.TAKEN[message.DESCRIPTOR.full_name, key][1]
    if not kind:
        if isinstance(value, bool):
            newer.keep(message, key, value)
        else:
            report.refuse(path, f"true or false belongs here, not {shown(value)}")
        return
    found = schema.message_class(kind)
    assert found is not None
    inner = found()
    parse_into(inner, value, report, path)
    newer.keep(message, key, inner)


def _refuse_unknown(full_name: str, key: str, report: Report, path: str) -> None:
    if newer.knows(full_name, key):
        text = f"'{key}' is not implemented yet in mesh; remove it"
    else:
        names = {field.name for field in schema.fields_by_key(full_name).values()}
        text = f"no such field of {schema.short_name(full_name)}{nearest(key, names)}"
    report.refuse(join(path, key), text)


def _set_map(message: Message, field: FieldDescriptor, value: Any, report: Report, path: str) -> None:
    if not isinstance(value, dict):
        report.refuse(path, f"a mapping belongs here, not {shown(value)}")
        return
    key_field = field.message_type.fields_by_name["key"]
    value_field = field.message_type.fields_by_name["value"]
    target = getattr(message, field.name)
    for key, item in value.items():
        at = f'{path}["{key}"]'
        fit_key = _convert(key_field, key, report, at)
        if fit_key is None:
            continue
        if value_field.cpp_type == MESSAGE:
            parse_into(target[fit_key], item, report, at)
        elif (fit := _convert(value_field, item, report, at)) is not None:
            target[fit_key] = fit


def _convert(field: FieldDescriptor, value: Any, report: Report, path: str) -> Any:
    convert = _converters.get(field)
    if convert is None:
        convert = _converters[field] = converter(field)
    try:
        return convert(value)
    except Unfit as error:
        report.refuse(path, str(_with_narrower_bounds(field, value) or error))
        return None


def _with_narrower_bounds(field: FieldDescriptor, value: Any) -> Unfit | None:
    """The same refusal by the range that Envoy's rules leave of a number's type, where they leave less."""
    if field.cpp_type not in RANGES:
        return None
    try:
        integer(value, *rules.narrowed(field, *RANGES[field.cpp_type]))
    except Unfit as error:
        return error
    return None


# --- messages that JSON writes in their own way --------------------------------------------------------------------


def _any(message: Any, tree: Any, report: Report, path: str) -> None:
    if tree == {}:
        return
    if not isinstance(tree, dict) or not isinstance(tree.get("@type"), str):
        raise Unfit("a mapping with '@type' belongs here, as in '@type': type.googleapis.com/envoy...")
    url = tree["@type"]
    full_name = url.rpartition("/")[2]
    found = schema.message_class(full_name)
    if found is None:
        report.refuse(join(path, "@type"), f"no message of Envoy's API is called '{full_name}'{newer.type_hint(full_name)}")
        return
    inner = found()
    if full_name in WELL_KNOWN:
        parse_into(inner, tree.get("value"), report, join(path, "value"))
    else:
        parse_into(inner, {key: value for key, value in tree.items() if key != "@type"}, report, path)
    message.type_url = url
    message.value = inner.SerializeToString(deterministic=True)


def _duration(message: Any, tree: Any, report: Report, path: str) -> None:
    if isinstance(tree, dict):
        for key, value in tree.items():
            if key not in ("seconds", "nanos"):
                report.refuse(join(path, key), "no such field of Duration; seconds and nanos are accepted")
            elif (fit := _convert(message.DESCRIPTOR.fields_by_name[key], value, report, join(path, key))) is not None:
                setattr(message, key, fit)
    else:
        message.seconds, message.nanos = duration(tree)


def _wrapper(message: Any, tree: Any, report: Report, path: str) -> None:
    if isinstance(tree, dict) and set(tree) == {"value"}:
        tree = tree["value"]
    if (fit := _convert(message.DESCRIPTOR.fields_by_name["value"], tree, report, path)) is not None:
        message.value = fit


def _struct(message: Any, tree: Any, report: Report, path: str) -> None:
    if not isinstance(tree, dict):
        raise Unfit(f"a mapping belongs here, not {shown(tree)}")
    for key, value in tree.items():
        _value(message.fields[string(key)], value, report, join(path, key))


def _list_value(message: Any, tree: Any, report: Report, path: str) -> None:
    if not isinstance(tree, list):
        raise Unfit(f"a list belongs here, not {shown(tree)}")
    for index, value in enumerate(tree):
        _value(message.values.add(), value, report, f"{path}[{index}]")


def _value(message: Any, tree: Any, report: Report, path: str) -> None:
    if tree is None:
        message.null_value = 0
    elif isinstance(tree, bool):
        message.bool_value = tree
    elif isinstance(tree, int | float):
        message.number_value = tree
    elif isinstance(tree, str):
        message.string_value = string(tree)
    elif isinstance(tree, dict):
        message.struct_value.SetInParent()
        _struct(message.struct_value, tree, report, path)
    elif isinstance(tree, list):
        message.list_value.SetInParent()
        _list_value(message.list_value, tree, report, path)
    else:
        raise Unfit(f"{shown(tree)} is no YAML value")


WRAPPED = ("Bool", "UInt32", "UInt64", "Int32", "Int64", "Float", "Double", "String", "Bytes")
WELL_KNOWN: dict[str, Callable[[Any, Any, Report, str], None]] = {
    "google.protobuf.Any": _any,
    "google.protobuf.Duration": _duration,
    "google.protobuf.Struct": _struct,
    "google.protobuf.ListValue": _list_value,
    "google.protobuf.Value": _value,
    **{f"google.protobuf.{kind}Value": _wrapper for kind in WRAPPED},
}
