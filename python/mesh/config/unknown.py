"""Fields of a binary protobuf that the API package does not know: found, so that they are refused and not dropped.

A YAML or JSON file names its unknown fields, and parse.py refuses them; in bytes they are only numbers, which protobuf
keeps without a word. The walk opens every Any whose type is known. Most files have none, and whether there is one tells
protobuf itself, by dropping them from a copy; only then, and for messages that may hold an Any, the walk names them. Called
by source.py for binary files; messages handed over by a caller are not walked.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from mesh.config import newer, schema
from mesh.config.errors import join


def paths(message: Message, path: str = "") -> list[str]:
    """Paths like `static_resources.listeners[0].#99` of all unknown fields, those inside an Any included."""
    copy = type(message)()
    copy.CopyFrom(message)
    copy.DiscardUnknownFields()
    return list(_walk(message, path, copy.ByteSize() != message.ByteSize()))


@cache
def _holds_any(full_name: str) -> bool:
    """Whether a message of this type may have an Any somewhere inside."""
    seen = set()
    ahead = [descriptor_pool.Default().FindMessageTypeByName(full_name)]
    while ahead:
        kind = ahead.pop()
        if kind.full_name == "google.protobuf.Any":
            return True
        if kind.full_name not in seen:
            seen.add(kind.full_name)
            ahead += [field.message_type for field in kind.fields if field.message_type]
    return False


def _walk(message: Any, path: str, all_of_it: bool) -> Iterator[str]:
    """`all_of_it`: there are some, so look everywhere; else only what an Any may hold."""
    from google.protobuf.unknown_fields import UnknownFieldSet

    if all_of_it:
        taken = {number for (owner, _), (number, _) in newer.TAKEN.items() if owner == message.DESCRIPTOR.full_name}
        for field in UnknownFieldSet(message):
            if field.field_number not in taken:
                yield join(path, f"#{field.field_number}")
    if message.DESCRIPTOR.full_name == "google.protobuf.Any":
        found = schema.message_class(schema.type_name(message))
        if found is not None:
            inner = found()
            inner.ParseFromString(message.value)
            for rest in paths(inner):
                yield join(path, rest)
        return
    for field, value in message.ListFields():
        if field.cpp_type != FieldDescriptor.CPPTYPE_MESSAGE:
            continue
        if not all_of_it and not _holds_any(field.message_type.full_name):
            continue
        at = join(path, field.name)
        if schema.is_map(field):
            if field.message_type.fields_by_name["value"].cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
                for key in value:
                    yield from _walk(value[key], f'{at}["{key}"]', all_of_it)
        elif schema.is_repeated(field):
            for index, item in enumerate(value):
                # The type URL of an Any has a slash.
                if all_of_it or b"/" in item.SerializeToString():
                    yield from _walk(item, f"{at}[{index}]", all_of_it)
        else:
            yield from _walk(value, at, all_of_it)
