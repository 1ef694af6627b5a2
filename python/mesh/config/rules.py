"""The constraints that Envoy's API writes into its own descriptors (protoc-gen-validate), enforced on a message.

Owns no rule: each comes from the `validate.rules` option of the field, so it is the one Envoy enforces (a name that
must not be empty, a timeout above zero, a oneof that must be set). Rules compile once per message type, when the type
is first met. What Envoy refuses in code rather than in a descriptor is checked where that message is lowered. Called
by lowering.py."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from validate import validate_pb2

from mesh.config import schema
from mesh.config.errors import Report, join
from meshcore.bind.record import field, record

Check = Callable[[Any], str | None]
NUMBERS = {
    "float",
    "double",
    "int32",
    "int64",
    "uint32",
    "uint64",
    "sint32",
    "sint64",
    "fixed32",
    "fixed64",
    "sfixed32",
    "sfixed64",
}
HEADER_NAME_STRICT = re.compile(r":?[0-9a-zA-Z!#$%&'*+\-.^_|~\x60]+")
HEADER_VALUE_STRICT = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
HEADER_LOOSE = re.compile(r"[^\x00\x0a\x0d]*")
MESSAGE = FieldDescriptor.CPPTYPE_MESSAGE


@record(frozen=False)
class Rules:
    """What must hold in one message type. `always` is checked on unset fields too, `present` only on those that are
    set."""

    required: list[str] = field(default_factory=list)
    oneofs: list[tuple[str, str]] = field(default_factory=list)
    always: list[tuple[str, Check]] = field(default_factory=list)
    present: list[tuple[str, Check]] = field(default_factory=list)
    durations: frozenset[str] = frozenset()
    nested: frozenset[str] = frozenset()
    nested_maps: frozenset[str] = frozenset()


def check(message: Message, report: Report, path: str, apart: frozenset[str] = frozenset()) -> None:
    """Checks `message` and all messages inside it but those of the types `apart` (what an Any holds is checked when it is unpacked)."""
    rules = _rules(message.DESCRIPTOR.full_name)
    for name in rules.required:
        if not message.HasField(name):
            report.refuse(join(path, name), "required, and not set")
    for oneof, accepted in rules.oneofs:
        if message.WhichOneof(oneof) is None:
            report.refuse(path, f"one of {accepted} must be set")
    for name, test in rules.always:
        if text := test(getattr(message, name)):
            report.refuse(join(path, name), text)
    for name, test in rules.present:
        if message.HasField(name) and (text := test(getattr(message, name))):
            report.refuse(join(path, name), text)
    for descriptor, value in message.ListFields():
        name = descriptor.name
        if name in rules.durations and (value.seconds < 0 or value.nanos < 0):
            report.refuse(join(path, name), "a duration must not be negative")
        if name in rules.nested and descriptor.message_type.full_name not in apart:
            for at, inner in _inner(descriptor, value, join(path, name)):
                check(inner, report, at, apart)
        elif name in rules.nested_maps:
            for key in value:
                check(value[key], report, f'{join(path, name)}["{key}"]')


def _inner(descriptor: FieldDescriptor, value: Any, path: str) -> Iterator[tuple[str, Message]]:
    if schema.is_repeated(descriptor):
        for index, item in enumerate(value):
            yield f"{path}[{index}]", item
    else:
        yield path, value


@cache
def _rules(full_name: str) -> Rules:
    descriptor = descriptor_pool.Default().FindMessageTypeByName(full_name)
    rules = Rules()
    nested, nested_maps = set(), set()
    for item in descriptor.fields:
        _compile(item, rules)
        if item.cpp_type == MESSAGE:
            if schema.is_map(item):
                if item.message_type.fields_by_name["value"].cpp_type == MESSAGE:
                    nested_maps.add(item.name)
            elif not item.message_type.full_name.startswith("google.protobuf."):
                nested.add(item.name)
    for oneof in descriptor.oneofs:
        if oneof.GetOptions().Extensions[validate_pb2.required]:
            names = [f.name for f in oneof.fields if not f.GetOptions().deprecated]
            rules.oneofs.append((oneof.name, ", ".join(f"'{name}'" for name in names)))
    rules.durations = frozenset(item.name for item in descriptor.fields if _is_duration(item))
    rules.nested, rules.nested_maps = frozenset(nested), frozenset(nested_maps)
    return rules


def narrowed(item: FieldDescriptor, low: int, high: int) -> tuple[int, int]:
    """(least, greatest) of the whole numbers from `low` to `high` that the rules of a field accept."""
    rule = item.GetOptions().Extensions[validate_pb2.rules]
    kind = rule.WhichOneof("type")
    if kind not in NUMBERS:
        return low, high
    spec = getattr(rule, kind)
    least = spec.gte if spec.HasField("gte") else spec.gt + 1 if spec.HasField("gt") else low
    greatest = spec.lte if spec.HasField("lte") else spec.lt - 1 if spec.HasField("lt") else high
    return max(low, least), min(high, greatest)


def _is_duration(item: FieldDescriptor) -> bool:
    """Envoy refuses a negative duration when it reads the field, whatever the descriptor says."""
    kind = item.message_type.full_name if item.message_type else ""
    return kind == "google.protobuf.Duration" and not schema.is_repeated(item)


def _compile(item: FieldDescriptor, rules: Rules) -> None:
    options = item.GetOptions()
    if not options.HasExtension(validate_pb2.rules):
        return
    rule = options.Extensions[validate_pb2.rules]
    alone = item.containing_oneof is None or item.containing_oneof.name == f"_{item.name}"  # the latter: `optional`
    if rule.message.required and alone:
        rules.required.append(item.name)
    kind = rule.WhichOneof("type")
    if kind is None:
        return
    spec = getattr(rule, kind)
    if kind in ("duration", "any", "timestamp") and spec.required and alone:
        rules.required.append(item.name)
    test = _check(kind, spec, item)
    if test is None:
        return
    if item.cpp_type == MESSAGE and not schema.is_repeated(item) and kind in NUMBERS | {"string", "bool", "bytes"}:
        test = _unwrapped(test)
    (rules.present if item.has_presence else rules.always).append((item.name, test))


def _unwrapped(test: Check) -> Check:
    return lambda wrapper: test(wrapper.value)


def _check(kind: str, spec: Any, item: FieldDescriptor) -> Check | None:
    if kind in NUMBERS:
        return _number(spec)
    if kind == "string":
        return _string(spec)
    if kind == "bytes":
        return _length(spec, "byte")
    if kind == "enum":
        return _enum(spec, item)
    if kind == "repeated":
        return _repeated(spec, item)
    if kind == "map":
        return _at_least(spec.min_pairs, "entry") if spec.min_pairs else None
    if kind == "duration":
        return _duration(spec)
    return None


def _number(spec: Any) -> Check:
    bounds = _bounds(spec, lambda value: value)
    skip_zero = spec.ignore_empty

    def test(value: Any) -> str | None:
        if skip_zero and not value:
            return None
        return _out_of_bounds(value, bounds, f"{value:g}" if isinstance(value, float) else str(value))

    return test


def _duration(spec: Any) -> Check:
    bounds = _bounds(spec, lambda value: value.seconds + value.nanos / 1e9, unit="s")
    return lambda value: _out_of_bounds(value.seconds + value.nanos / 1e9, bounds, f"{value.seconds + value.nanos / 1e9:g}s")


def _bounds(spec: Any, number: Callable[[Any], Any], unit: str = "") -> list[tuple[str, Any, str]]:
    words = {"gt": "above", "gte": "at least", "lt": "below", "lte": "at most"}
    return [
        (name, number(getattr(spec, name)), f"{word} {number(getattr(spec, name)):g}{unit}")
        for name, word in words.items()
        if spec.HasField(name)
    ]


def _out_of_bounds(value: Any, bounds: list[tuple[str, Any, str]], shown: str) -> str | None:
    for name, limit, _ in bounds:
        fits = {"gt": value > limit, "gte": value >= limit, "lt": value < limit, "lte": value <= limit}[name]
        if not fits:
            return f"{shown} is out of range; it must be {' and '.join(words for _, _, words in bounds)}"
    return None


def _length(spec: Any, unit: str) -> Check:
    low = max(getattr(spec, "min_len", 0), getattr(spec, "min_bytes", 0))
    high = max(getattr(spec, "max_len", 0), getattr(spec, "max_bytes", 0))
    ignore_empty = spec.ignore_empty

    def test(value: Any) -> str | None:
        if ignore_empty and not value:
            return None
        if len(value) < low:
            return "must not be empty" if low == 1 else f"must have at least {low} {unit}s"
        if high and len(value) > high:
            return f"must have at most {high} {unit}s"
        return None

    return test


def _string(spec: Any) -> Check:
    length = _length(spec, "character")
    shape = _shape(spec)
    only = list(getattr(spec, "in"))

    def test(value: str) -> str | None:
        if not value and spec.ignore_empty:
            return None
        if text := length(value):
            return text
        if only and value not in only:
            return f"{value!r} is not accepted; one of {', '.join(map(repr, only))}"
        if spec.prefix and not value.startswith(spec.prefix):
            return f"{value!r} must begin with {spec.prefix!r}"
        if spec.suffix and not value.endswith(spec.suffix):
            return f"{value!r} must end with {spec.suffix!r}"
        if value and shape and not shape.fullmatch(value):
            return f"{value!r} holds characters that are not accepted here"
        return None

    return test


def _shape(spec: Any) -> re.Pattern[str] | None:
    if spec.pattern:
        return re.compile(f"(?:{spec.pattern})")
    which = spec.well_known_regex
    if which == validate_pb2.HTTP_HEADER_NAME:
        return HEADER_NAME_STRICT if spec.strict else HEADER_LOOSE
    if which == validate_pb2.HTTP_HEADER_VALUE:
        return HEADER_VALUE_STRICT if spec.strict else HEADER_LOOSE
    return None


def _enum(spec: Any, item: FieldDescriptor) -> Check | None:
    known = item.enum_type.values_by_number
    not_in = set(spec.not_in)
    only = set(getattr(spec, "in"))

    def test(value: int) -> str | None:
        if (value not in known and spec.defined_only) or value in not_in or (only and value not in only):
            names = ", ".join(v.name for v in known.values() if v.number not in not_in and (not only or v.number in only))
            return f"{value} is not accepted; one of {names}"
        return None

    return test


def _at_least(count: int, unit: str) -> Check:
    return lambda value: f"must have at least {count} {unit}" if len(value) < count else None


def _repeated(spec: Any, item: FieldDescriptor) -> Check:
    item_kind = spec.items.WhichOneof("type")
    each = _check(item_kind, getattr(spec.items, item_kind), item) if item_kind else None

    def test(values: Any) -> str | None:
        if spec.ignore_empty and not len(values):
            return None
        if len(values) < spec.min_items:
            return f"must have at least {spec.min_items} item{'s' if spec.min_items > 1 else ''}"
        if spec.max_items and len(values) > spec.max_items:
            return f"must have at most {spec.max_items} items"
        if each:
            for index, value in enumerate(values):
                if text := each(value):
                    return f"item {index}: {text}"
        return None

    return test
