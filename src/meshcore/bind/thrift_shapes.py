"""The messages, types and errors of `mesh.codec.thrift`: plain values that the native codec fills.

They lie beside the native face because it builds them; users import them from `mesh.codec.thrift`. Nothing here parses or checks.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

Struct = dict[int, tuple["Type", Any]]


class Type(IntEnum):
    """Types of values, numbered as on the wire of the binary protocol."""

    BOOL = 2
    BYTE = 3
    DOUBLE = 4
    I16 = 6
    I32 = 8
    I64 = 10
    STRING = 11
    STRUCT = 12
    MAP = 13
    SET = 14
    LIST = 15
    UUID = 16


class Trace(NamedTuple):
    """The numbers of a Twitter header: signed 64-bit, None where they were not told. `spans` is the list of spans of a reply as it came."""

    trace_id: int = 0
    span_id: int = 0
    parent_span_id: int | None = None
    sampled: bool | None = None
    flags: int | None = None
    trace_id_high: int | None = None
    spans: bytes = b""


class Message(NamedTuple):
    """One message, as it is on the wire or goes there.

    `name` is the method, with the service and a colon before it when the call is multiplexed (bytes that are not UTF-8 are kept as
    surrogate escapes). `type` is "call", "reply", "exception" or "oneway". `seqid` is a signed 32-bit number. `fields` is the
    argument or result struct. `headers` are the pairs of a header transport or of a Twitter header (contexts, ":client-id", ":dest" and
    ":d:SOURCE"); `transport` and `protocol` say how it came. `trace` is there when a Twitter header came, or is to be written.
    """

    name: str
    type: str
    seqid: int
    fields: Struct
    headers: tuple[tuple[bytes, bytes], ...] = ()
    transport: str = "framed"
    protocol: str = "binary"
    trace: Trace | None = None


class DecodeError(Exception):
    """The peer broke the protocol; what follows on the connection cannot be read.

    `error` is one word of ERRORS in `mesh.codec.thrift`; `messages` holds what was complete before it in the same call.
    """

    def __init__(self, error: str, messages: list[Message] | None = None) -> None:
        super().__init__(f"{error.replace('_', ' ')} ({error})")
        self.error = error
        self.messages = messages or []
