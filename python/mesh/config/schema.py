"""From a type URL to a message class, from a key to a field.

Owns the only dynamic import of the package: the module of a message is loaded when a configuration first names it,
because all of Envoy's API is 780 modules and a start has 0.3 s. Only packages of the public API are ever imported,
whatever a configuration says. Called by parse.py and lowering.py, on the thread that loads."""

from __future__ import annotations

import importlib
import os
import re
from functools import cache
from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

ROOTS = ("envoy", "xds", "udpa", "google.protobuf")
TYPE_PREFIX = "type.googleapis.com/"
FULL_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*(\.[A-Z][A-Za-z0-9_]*)+")


def message_class(full_name: str) -> type[Message] | None:
    """The class of message `full_name` ("envoy.config.route.v3.Route"), or None when the API has no such message."""
    if not FULL_NAME.fullmatch(full_name) or not full_name.startswith(tuple(f"{root}." for root in ROOTS)):
        return None
    descriptor = _registered(full_name) or _imported(full_name)
    return message_factory.GetMessageClass(descriptor) if descriptor else None


def _registered(full_name: str) -> Descriptor | None:
    try:
        return descriptor_pool.Default().FindMessageTypeByName(full_name)
    except KeyError:
        return None


def _imported(full_name: str) -> Descriptor | None:
    """Imports the modules of the message's package until one of them defines it, the likeliest name first."""
    words = full_name.split(".")
    package = ".".join(word for word in words if word[0].islower())
    message = next(word for word in words if word[0].isupper())
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", message).lower()
    try:
        folders = list(importlib.import_module(package).__path__)
    except ImportError:
        return None
    stems = {entry[: -len("_pb2.py")] for folder in folders for entry in os.listdir(folder) if entry.endswith("_pb2.py")}
    for stem in sorted(stems, key=lambda stem: (stem != snake, not snake.startswith(stem), stem)):
        importlib.import_module(f"{package}.{stem}_pb2")
        if descriptor := _registered(full_name):
            return descriptor
    return None


@cache
def fields_by_key(full_name: str) -> dict[str, FieldDescriptor]:
    """All keys under which a field of the message may stand: its name and its lowerCamelCase JSON name."""
    descriptor = descriptor_pool.Default().FindMessageTypeByName(full_name)
    found = {field.json_name: field for field in descriptor.fields}
    found.update({field.name: field for field in descriptor.fields})
    return found


def is_map(field: FieldDescriptor) -> bool:
    return bool(field.message_type and field.message_type.GetOptions().map_entry)


def is_repeated(field: FieldDescriptor) -> bool:
    return bool(field.is_repeated) if hasattr(field, "is_repeated") else field.label == FieldDescriptor.LABEL_REPEATED


def short_name(full_name: str) -> str:
    """`HttpConnectionManager` for its full name."""
    return full_name.rpartition(".")[2]


def type_name(any_message: Any) -> str:
    """The full message name in a google.protobuf.Any."""
    return str(any_message.type_url).rpartition("/")[2]
