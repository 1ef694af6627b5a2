"""A protobuf message back to a plain tree, and a tree to YAML text.

Field names are Envoy's (snake case), unset fields stay out, enums are names, durations `3s`, and an Any opens to its
fields with '@type' first; so what is printed loads again, in Envoy too. Texts that some YAML reader would take for a
number, a boolean or null get quotes. Called by `convert`, by bootstrap.py for the node, and by http_filter.py for
what a Python filter is given."""

from __future__ import annotations

import base64
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from mesh.config import schema

MESSAGE = FieldDescriptor.CPPTYPE_MESSAGE
NANO_DIGITS = 9


def to_tree(message: Message) -> Any:
    """dict, list and scalars that `parse_into` reads back to an equal message."""
    full_name = message.DESCRIPTOR.full_name
    if full_name.startswith("google.protobuf."):
        return _well_known(message, full_name.rpartition(".")[2])
    tree: dict[str, Any] = {}
    for field, value in message.ListFields():
        if schema.is_map(field):
            inner = field.message_type.fields_by_name["value"]
            tree[field.name] = {key: _one(inner, value[key]) for key in sorted(value)}
        elif schema.is_repeated(field):
            tree[field.name] = [_one(field, item) for item in value]
        else:
            tree[field.name] = _one(field, value)
    return tree


def _one(field: FieldDescriptor, value: Any) -> Any:
    if field.cpp_type == MESSAGE:
        return to_tree(value)
    if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
        known = field.enum_type.values_by_number.get(value)
        return known.name if known else value
    if field.type == FieldDescriptor.TYPE_BYTES:
        return base64.b64encode(value).decode()
    return value


def _well_known(message: Any, name: str) -> Any:
    if name == "Any":
        return _any(message)
    if name == "Duration":
        return _duration(message)
    if name == "Struct":
        return {key: _value(message.fields[key]) for key in sorted(message.fields)}
    if name == "ListValue":
        return [_value(item) for item in message.values]
    if name == "Value":
        return _value(message)
    if name.endswith("Value"):
        value = message.value
        return base64.b64encode(value).decode() if isinstance(value, bytes) else value
    return {field.name: _one(field, value) for field, value in message.ListFields()}


def _any(message: Any) -> dict[str, Any]:
    found = schema.message_class(schema.type_name(message))
    tree: dict[str, Any] = {"@type": message.type_url}
    if found is None:
        tree["value"] = base64.b64encode(message.value).decode()
        return tree
    inner = found()
    inner.ParseFromString(message.value)
    opened = to_tree(inner)
    if found.DESCRIPTOR.full_name.startswith("google.protobuf."):
        tree["value"] = opened
    else:
        tree.update(opened)
    return tree


def _duration(message: Any) -> str:
    nanos = int(message.seconds) * 10**NANO_DIGITS + int(message.nanos)
    sign, nanos = ("-", -nanos) if nanos < 0 else ("", nanos)
    seconds, rest = divmod(nanos, 10**NANO_DIGITS)
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    return f"{sign}{seconds}{fraction}s"


def _value(message: Any) -> Any:
    kind = message.WhichOneof("kind")
    if kind == "number_value":
        number = message.number_value
        return int(number) if float(number).is_integer() and str(number) != "-0.0" else number
    if kind == "struct_value":
        return _well_known(message.struct_value, "Struct")
    if kind == "list_value":
        return _well_known(message.list_value, "ListValue")
    return getattr(message, kind) if kind in ("string_value", "bool_value") else None


def to_yaml(tree: Any) -> str:
    """The tree as YAML that Envoy's reader and ours read alike."""
    import yaml

    return str(yaml.dump(tree, Dumper=_dumper(), sort_keys=False, default_flow_style=False, width=120))


def _dumper() -> Any:
    """PyYAML's dumper, with quotes around every text that some YAML reader takes for something else."""
    import yaml

    from mesh.config import yaml_tree

    class Dumper(yaml.CSafeDumper):  # type: ignore[misc]
        def ignore_aliases(self, data: Any) -> bool:
            return True

    def text(dumper: Any, value: str) -> Any:
        plain = yaml_tree.scalar(value)
        style = '"' if not isinstance(plain, str) or "\n" in value else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    return Dumper
