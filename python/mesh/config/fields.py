"""What of a message is implemented: one table per message type, and the refusal of everything else.

A table is built beside the code that lowers its message, so adding a field is one word there. The law: a field that
is set and in no column of its table is refused with its full path, never ignored. `described` holds fields that
change nothing in the engine (metadata, labels); `harmless` those that are accepted only with a value under which
Envoy would do nothing either."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from google.protobuf.message import Message

from mesh.config.errors import Report, join


class Fields:
    """The table of one message type, by its full name."""

    def __init__(
        self,
        message: str,
        handled: Iterable[str],
        *,
        described: Iterable[str] = (),
        harmless: Mapping[str, Callable[[Any], bool]] | None = None,
        instead: Mapping[str, str] | None = None,
    ) -> None:
        self.message = message
        self.handled = frozenset(handled)
        self.described = frozenset(described)
        self.harmless = dict(harmless or {})
        self.instead = dict(instead or {})
        self._silent = self.handled | self.described
        TABLES[message] = self

    def check(self, message: Message, report: Report, path: str) -> None:
        """Refuses every set field of `message` that mesh does not implement."""
        for descriptor, value in message.ListFields():
            name = descriptor.name
            if name in self._silent:
                continue
            accepts = self.harmless.get(name)
            if accepts is None or not accepts(value):
                advice = self.instead.get(name, "remove it")
                report.refuse(join(path, name), f"'{name}' is not implemented yet in mesh; {advice}")


TABLES: dict[str, Fields] = {}


def unset(value: Any) -> bool:
    """A message or wrapper that is there but says nothing."""
    return not value.ListFields()


def false(value: Any) -> bool:
    """A google.protobuf.BoolValue that is false."""
    return not value.value


def true(value: Any) -> bool:
    """A google.protobuf.BoolValue that is true."""
    return bool(value.value)


def zero(value: Any) -> bool:
    """A google.protobuf.Duration of nothing."""
    return not value.seconds and not value.nanos


def anything(value: Any) -> bool:
    """Every value: without another field that mesh refuses anyway, this one does nothing."""
    return True
