"""Fields of a binary protobuf that the API package does not know: found, so that they are refused and not dropped.

A YAML or JSON file names its unknown fields, and parse.py refuses them; in bytes they are only numbers, which protobuf
keeps without a word. The walk opens every Any whose type is known. Called by source.py for binary files; costs a pass
over the whole message, which is why messages handed over by a caller are not walked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from mesh.config import schema
from mesh.config.errors import join


def paths(message: Message, path: str = "") -> list[str]:
    """Paths like `static_resources.listeners[0].#99` of all unknown fields, those inside an Any included."""
    return list(_walk(message, path))


def _walk(message: Any, path: str) -> Iterator[str]:
    from google.protobuf.unknown_fields import UnknownFieldSet

    for field in UnknownFieldSet(message):
        yield join(path, f"#{field.field_number}")
    if message.DESCRIPTOR.full_name == "google.protobuf.Any":
        found = schema.message_class(schema.type_name(message))
        if found is not None:
            inner = found()
            inner.ParseFromString(message.value)
            yield from _walk(inner, path)
        return
    for field, value in message.ListFields():
        at = join(path, field.name)
        if field.cpp_type != FieldDescriptor.CPPTYPE_MESSAGE:
            continue
        if schema.is_map(field):
            if field.message_type.fields_by_name["value"].cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
                for key in value:
                    yield from _walk(value[key], f'{at}["{key}"]')
        elif schema.is_repeated(field):
            for index, item in enumerate(value):
                yield from _walk(item, f"{at}[{index}]")
        else:
            yield from _walk(value, at)
