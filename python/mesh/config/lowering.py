"""What every lowering function carries: where problems go, how an Any is opened, and how protobuf values become plain
ones.

One `Lowering` lives for one load, on the thread that loads. Every file `<message>.py` of this package has a table of
fields and a function `lower(message, low, path)` that returns one value of `meshcore.bind.spec`; a function that
meets a problem reports it and returns a value anyway, so that one run shows all problems."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from typing import Any

from google.protobuf.message import DecodeError, Message

from mesh.config import rules, schema
from mesh.config.errors import Report, join, nearest
from mesh.config.render import to_tree
from meshcore.bind import spec


class Lowering:
    """State of one load."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.cluster_names: frozenset[str] = frozenset()
        self.preconnecting: frozenset[str] = frozenset()  # clusters whose connections run ahead of requests
        self.locality = spec.Locality()  # of the node
        self.local_cluster = ""  # the cluster of the proxies themselves
        self.templates: dict[bytes, spec.Cluster] = {}  # of clusters.py
        self.outlier_log = ""  # path of the cluster manager's event log
        self.secrets: dict[str, bytes] = {}  # of the configuration: the messages
        self.kept: list[Any] = []  # compiled parts that a plan will need: made once, to see whether they are good

    def again(self, report: Report) -> Lowering:
        """The same for another source, whose problems go to `report`."""
        other = copy.copy(self)
        other.report = report
        other.kept = list(self.kept)
        return other

    def refuse(self, path: str, text: str) -> None:
        self.report.refuse(path, text)

    def unpack(self, packed: Any, path: str, accepted: dict[str, Any], what: str) -> tuple[Message | None, Any]:
        """(message, entry of `accepted` under its full name) of an Any; (None, None) after a refusal."""
        full_name = schema.type_name(packed)
        if full_name not in accepted:
            names = ", ".join(sorted(map(schema.short_name, accepted)))
            if not full_name:
                self.refuse(path, f"required, and not set; {what} may be {names}")
            elif schema.message_class(full_name) is None:
                self.refuse(path, f"no message of Envoy's API is called '{full_name}'{nearest(full_name, accepted)}")
            else:
                self.refuse(path, f"'{full_name}' is not implemented yet in mesh; {what} may be {names}")
            return None, None
        message = self.open(packed, path)
        return message, accepted[full_name]

    def open(self, packed: Any, path: str) -> Message | None:
        """The message in an Any, its rules checked; None after a refusal."""
        found = schema.message_class(schema.type_name(packed))
        if found is None:
            self.refuse(path, f"no message of Envoy's API is called '{schema.type_name(packed)}'")
            return None
        message = found()
        try:
            message.ParseFromString(packed.value)
        except DecodeError:
            self.refuse(path, f"the bytes are no {schema.short_name(schema.type_name(packed))}")
            return None
        rules.check(message, self.report, path)
        return message

    def bytes_of(self, source: Any, path: str, limit: int = 0) -> bytes:
        """What a DataSource holds; at most `limit` bytes (0 = no limit)."""
        which = source.WhichOneof("specifier")
        if source.HasField("watched_directory"):
            self.refuse(join(path, "watched_directory"), "'watched_directory' is not implemented yet in mesh; remove it")
        content = b""
        if which == "inline_string":
            content = source.inline_string.encode()
        elif which == "inline_bytes":
            content = source.inline_bytes
        elif which == "environment_variable":
            content = os.environb.get(source.environment_variable.encode(), b"")
            if source.environment_variable.encode() not in os.environb:
                self.refuse(join(path, which), f"the environment has no variable '{source.environment_variable}'")
        elif which == "filename":
            content = self._file(source.filename, join(path, which))
        if limit and len(content) > limit:
            self.refuse(join(path, which or ""), f"{len(content)} bytes; at most {limit} are accepted")
        return content

    def _file(self, name: str, path: str) -> bytes:
        try:
            with open(name, "rb") as file:
                return file.read()
        except OSError as error:
            self.refuse(path, f"{name!r} cannot be read: {error.strerror}")
            return b""


def metadata(message: Any) -> dict[str, Any] | None:
    """{namespace: {key: value}} of a message's `metadata`; None when there is none. Typed metadata says nothing to the engine."""
    if not message.metadata.filter_metadata:
        return None
    return {name: to_tree(message.metadata.filter_metadata[name]) for name in sorted(message.metadata.filter_metadata)}


def milliseconds(duration: Any) -> int:
    """A google.protobuf.Duration, down to the millisecond as Envoy cuts it."""
    return int(duration.seconds) * 1000 + int(duration.nanos) // 1_000_000


def milliseconds_or(message: Any, name: str, default: int) -> int:
    """Field `name` of `message` in milliseconds, `default` when it is not set."""
    return milliseconds(getattr(message, name)) if message.HasField(name) else default


def wrapped_or(message: Any, name: str, default: Any) -> Any:
    """The value of wrapper field `name`, `default` when it is not set."""
    return getattr(message, name).value if message.HasField(name) else default


def each(items: Any, path: str, lower: Callable[[Any, str], Any]) -> tuple[Any, ...]:
    """Lowers a repeated field; `path` is that of the field."""
    return tuple(lower(item, f"{path}[{index}]") for index, item in enumerate(items))
