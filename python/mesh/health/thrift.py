"""Thrift checks: a call without arguments; any reply that is not an exception is success. See probe.py.

Of the answer only the head and its first field are read: field 0 (or none, for a method that returns nothing) is a result, another one is
an exception of the method's own.
"""

from __future__ import annotations

from collections.abc import Callable

from mesh.health.grpc import varint
from mesh.health.probe import Probe, Target
from mesh.health.state import ACTIVE, NETWORK, Result
from meshcore.bind.health_spec import ThriftCheck

CALL, REPLY = 1, 2
BINARY_VERSION = 0x8001
COMPACT_ID, COMPACT_VERSION = 0x82, 1
FRAME_MAX = 1 << 20


class Short(Exception):
    """More bytes are needed."""


class Wrong(Exception):
    """These bytes are no answer."""


class ThriftProbe(Probe):
    def __init__(self, check: ThriftCheck, target: Target, reuse: bool, done: Callable[[Result], None]) -> None:
        super().__init__(target, reuse, done)
        self._check = check
        self._seen = b""

    def on_ready(self) -> None:
        self._seen = b""
        self.write(call(self._check))

    def on_bytes(self, data: bytes) -> None:
        self._seen += data
        try:
            good = answered_well(self._check, self._seen)
        except Short:
            return
        except Wrong:
            self.finish(Result(NETWORK))
            return
        self.finish(Result() if good else Result(ACTIVE))


def call(check: ThriftCheck) -> bytes:
    """The call as it goes out."""
    name = check.method_name.encode()
    if check.protocol == "compact":
        message = bytes([COMPACT_ID, CALL << 5 | COMPACT_VERSION]) + varint(0) + varint(len(name)) + name + b"\0"
    else:
        head = (BINARY_VERSION << 16 | CALL).to_bytes(4, "big")
        message = head + len(name).to_bytes(4, "big") + name + (0).to_bytes(4, "big") + b"\0"
    return len(message).to_bytes(4, "big") + message if check.transport == "framed" else message


def answered_well(check: ThriftCheck, data: bytes) -> bool:
    """Whether `data` begins with a reply that holds a result. Raises Short and Wrong."""
    if check.transport == "framed":
        if len(data) < 4:
            raise Short
        length = int.from_bytes(data[:4], "big")
        if length > FRAME_MAX:
            raise Wrong
        if len(data) < 4 + length:
            raise Short
        data = data[4 : 4 + length]
        try:
            return _message(check, data)
        except Short:
            raise Wrong from None
    return _message(check, data)


def _message(check: ThriftCheck, data: bytes) -> bool:
    kind, at = _compact_head(data) if check.protocol == "compact" else _binary_head(data)
    return kind == REPLY and _first_field(check, data, at) in (None, 0)


def _take(data: bytes, at: int, n: int) -> bytes:
    if len(data) < at + n:
        raise Short
    return data[at : at + n]


def _binary_head(data: bytes) -> tuple[int, int]:
    """(kind of message, where its struct begins)."""
    head = int.from_bytes(_take(data, 0, 4), "big")
    if head >> 16 != BINARY_VERSION:
        raise Wrong
    end = 8 + int.from_bytes(_take(data, 4, 4), "big") + 4
    _take(data, 0, min(end, FRAME_MAX))
    return head & 0xFF, end


def _compact_head(data: bytes) -> tuple[int, int]:
    ident, kind = _take(data, 0, 2)
    if ident != COMPACT_ID or kind & 0x1F != COMPACT_VERSION:
        raise Wrong
    _, at = _varint(data, 2)
    length, at = _varint(data, at)
    _take(data, at, min(length, FRAME_MAX))
    return kind >> 5, at + length


def _first_field(check: ThriftCheck, data: bytes, at: int) -> int | None:
    """The number of the first field of a struct; None: it has none."""
    kind = _take(data, at, 1)[0]
    if kind == 0:
        return None
    if check.protocol != "compact":
        return int.from_bytes(_take(data, at + 1, 2), "big")
    if kind >> 4:
        return kind >> 4
    number, _ = _varint(data, at + 1)
    return number >> 1


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number, shift = 0, 0
    while True:
        byte = _take(data, at, 1)[0]
        number |= (byte & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if not byte & 0x80:
            return number, at
        if shift > 63:
            raise Wrong
