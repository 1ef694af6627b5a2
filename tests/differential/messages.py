"""Reads recorded bytes back into HTTP/1 messages, leniently: what it cannot read it keeps as `rest`, and it
never raises.

A reader of transcripts, not a codec: it accepts more than any proxy should send, so that a wrong answer becomes a
visible difference and not an exception. It knows framing (content-length, chunked, close-delimited, none, tunnel),
1xx before the final response and trailers. Must not normalise. Called by the raw client and upstream while they
wait, and by `normalise.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

Header = tuple[str, str]


@dataclass
class Message:
    """One request or response; text is latin-1, so every byte survives."""

    start_line: str
    headers: list[Header]
    framing: str = "none"
    body: bytes = b""
    trailers: list[Header] = field(default_factory=list)
    complete: bool = True

    def header(self, name: str) -> str | None:
        for key, value in self.headers:
            if key.lower() == name:
                return value
        return None

    @property
    def status(self) -> int:
        parts = self.start_line.split(" ")
        return int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 0

    @property
    def method(self) -> str:
        return self.start_line.split(" ", 1)[0]

    @property
    def final(self) -> bool:
        return self.status >= 200 or self.status == 101 or self.status == 0


@dataclass
class Transcript:
    """All messages of one direction of one connection, and the bytes after the last readable one."""

    messages: list[Message]
    rest: bytes = b""

    def finals(self) -> int:
        return sum(1 for message in self.messages if message.final and message.complete)

    def complete(self) -> int:
        return sum(1 for message in self.messages if message.complete)


def read_responses(wire: bytes, methods: list[str], closed: bool) -> Transcript:
    """`methods[i]` is the method of the i-th request (the last one stands for all further ones)."""
    found: list[Message] = []
    at = 0
    finals = 0
    while at < len(wire):
        head = _head(wire, at)
        if head is None or not head[0].start_line.startswith("HTTP/"):
            return Transcript(found, wire[at:])
        message, at = head
        method = methods[min(finals, len(methods) - 1)] if methods else "GET"
        at = _body(wire, at, message, _response_framing(message, method), closed)
        found.append(message)
        finals += message.final
        if not message.complete or message.framing == "tunnel":
            return Transcript(found)
    return Transcript(found)


def read_requests(wire: bytes, closed: bool, tunnels: bool = True) -> Transcript:
    """With `tunnels`, all bytes after a CONNECT or an upgrade request belong to it."""
    found: list[Message] = []
    at = 0
    while at < len(wire):
        head = _head(wire, at)
        if head is None:
            return Transcript(found, wire[at:])
        message, at = head
        at = _body(wire, at, message, _request_framing(message, tunnels), closed)
        found.append(message)
        if not message.complete or message.framing == "tunnel":
            return Transcript(found)
    return Transcript(found)


def _head(wire: bytes, at: int) -> tuple[Message, int] | None:
    end = wire.find(b"\r\n\r\n", at)
    if end < 0:
        return None
    start, *lines = wire[at:end].decode("latin-1").split("\r\n")
    return Message(start, _fields(lines)), end + 4


def _fields(lines: list[str]) -> list[Header]:
    fields: list[Header] = []
    for line in lines:
        name, colon, value = line.partition(":")
        fields.append((name, value.strip(" \t")) if colon else (line, "<no colon>"))
    return fields


def _response_framing(message: Message, method: str) -> str:
    status = message.status
    if status == 101 or (method == "CONNECT" and 200 <= status < 300):
        return "tunnel"
    if status < 200 or status in (204, 304) or method == "HEAD":
        return "none"
    return _declared(message) or "close"


def _request_framing(message: Message, tunnels: bool) -> str:
    if tunnels and (message.method == "CONNECT" or message.header("upgrade") is not None):
        return "tunnel"
    return _declared(message) or "none"


def _declared(message: Message) -> str | None:
    if "chunked" in (message.header("transfer-encoding") or "").lower():
        return "chunked"
    if (message.header("content-length") or "").isdigit():
        return "content-length"
    return None


def _body(wire: bytes, at: int, message: Message, framing: str, closed: bool) -> int:
    message.framing = framing
    if framing == "none":
        return at
    if framing in ("close", "tunnel"):
        message.body = wire[at:]
        message.complete = closed or framing == "tunnel"
        return len(wire)
    if framing == "content-length":
        size = int(message.header("content-length") or 0)
        message.body = wire[at : at + size]
        message.complete = len(message.body) == size
        return at + len(message.body)
    return _chunked(wire, at, message)


def _chunked(wire: bytes, at: int, message: Message) -> int:
    body = bytearray()
    message.complete = False
    while True:
        end = wire.find(b"\r\n", at)
        if end < 0:
            break
        try:
            size = int(wire[at:end].split(b";")[0], 16)
        except ValueError:
            message.body = bytes(body) + b"<bad chunk>" + wire[at:]
            return len(wire)
        if size == 0:
            return _trailers(wire, end, message, body)
        at = end + 2
        body += wire[at : at + size]
        if len(wire) < at + size + 2:
            break
        at += size + 2
    message.body = bytes(body)
    return len(wire)


def _trailers(wire: bytes, at: int, message: Message, body: bytearray) -> int:
    message.body = bytes(body)
    if wire[at : at + 4] == b"\r\n\r\n":
        message.complete = True
        return at + 4
    end = wire.find(b"\r\n\r\n", at)
    if end < 0:
        return len(wire)
    message.trailers = _fields(wire[at + 2 : end].decode("latin-1").split("\r\n"))
    message.complete = True
    return end + 4
