"""Messages as JSON the way Envoy's admin prints them: field names as in the .proto, one space of indent, a line break at the end.

`shown` is what goes out of the process: whatever the API marks sensitive, and all below it, is struck out, also inside of an Any. Pure;
called by the pages, on their threads. Imports protobuf only when a page needs it."""

from __future__ import annotations

import json
from typing import Any

STRUCK = "[redacted]"


def dumps(tree: Any) -> str:
    return json.dumps(tree, indent=1, ensure_ascii=False) + "\n"


def shown(message: Any, *, defaults: bool = False) -> dict[str, Any]:
    """The message as a JSON tree without its secrets. `defaults`: plain fields stand there even when nobody set them."""
    from google.protobuf.json_format import MessageToDict

    copy = type(message)()
    copy.CopyFrom(message)
    strike(copy)
    tree: dict[str, Any] = MessageToDict(
        copy, preserving_proto_field_name=True, always_print_fields_with_no_presence=defaults
    )
    # Defaults come last from the converter; the order of the .proto is easier to read.
    return {field.name: tree[field.name] for field in message.DESCRIPTOR.fields if field.name in tree} if defaults else tree


def strike(message: Any, hidden: bool = False) -> None:
    """Strikes secrets out of a message, in place. `hidden`: all of it is one."""
    from mesh.config import schema

    if message.DESCRIPTOR.full_name == "google.protobuf.Any":
        strike_any(message, hidden)
        return
    for field, value in message.ListFields():
        secret = hidden or is_sensitive(field)
        if schema.is_map(field):
            strike_map(field, value, secret)
        elif field.type == field.TYPE_MESSAGE:
            for part in value if schema.is_repeated(field) else (value,):
                strike(part, secret)
        elif secret:
            strike_scalar(message, field)


def strike_any(message: Any, hidden: bool) -> None:
    from mesh.config import schema

    found = schema.message_class(schema.type_name(message))
    if found is None:
        message.Clear()
        return
    inner = found()
    inner.ParseFromString(message.value)
    strike(inner, hidden)
    message.value = inner.SerializeToString(deterministic=True)


def strike_map(field: Any, values: Any, secret: bool) -> None:
    inner = field.message_type.fields_by_name["value"]
    for key in list(values):
        if inner.type == inner.TYPE_MESSAGE:
            strike(values[key], secret)
        elif secret and inner.type == inner.TYPE_STRING:
            values[key] = STRUCK
        elif secret:
            del values[key]


def strike_scalar(message: Any, field: Any) -> None:
    """A text becomes the mark; a number says too much as a mark, so it goes."""
    from mesh.config import schema

    mark = {field.TYPE_STRING: STRUCK, field.TYPE_BYTES: STRUCK.encode()}.get(field.type)
    if mark is None:
        message.ClearField(field.name)
    elif schema.is_repeated(field):
        values = getattr(message, field.name)
        values[:] = [mark] * len(values)
    else:
        setattr(message, field.name, mark)


def is_sensitive(field: Any) -> bool:
    from udpa.annotations import sensitive_pb2

    return bool(field.GetOptions().Extensions[sensitive_pb2.sensitive])
