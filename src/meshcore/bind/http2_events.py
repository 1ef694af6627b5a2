"""The events and the error of `mesh.codec.http2`: plain tuples that the native session fills.

They lie beside the native face because it builds them; users import them from `mesh.codec.http2`. Nothing here parses or checks.
"""

from __future__ import annotations

from typing import NamedTuple

from meshcore.bind.codec_events import Headers


class RequestHead(NamedTuple):
    """A client opens a stream (RFC 9113, 8.3.1).

    `headers` are (name, value) pairs in order, without pseudo-fields and Host, cookies joined; `authority` is that of `:authority`, or of
    Host. `protocol` is what an extended CONNECT asks for (RFC 8441), or empty. What is not there is empty.
    """

    stream: int
    method: bytes
    path: bytes
    authority: bytes
    scheme: bytes
    protocol: bytes
    headers: Headers


class ResponseHead(NamedTuple):
    """`status` is 100 to 599. Below 200 it is interim: another head follows, and no End before."""

    stream: int
    status: int
    headers: Headers

    @property
    def interim(self) -> bool:
        """The final response is still to come (RFC 9110, 15.2)."""
        return self.status < 200


class Data(NamedTuple):
    """Bytes of a body. How it is cut into Data depends on how it arrived."""

    stream: int
    data: bytes


class Trailers(NamedTuple):
    """The fields behind a body. End follows."""

    stream: int
    headers: Headers


class End(NamedTuple):
    """The peer has sent the whole message."""

    stream: int


class Reset(NamedTuple):
    """The stream is gone before its end: the peer took it back, or what it sent was no message and it was told so.

    `code` is that of RFC 9113, 7. `reason` is empty where it was the peer; else "message" (the order or the length of what came), "field"
    (one that no message may have), "too many fields" or "underscore".
    """

    stream: int
    code: int
    reason: str


class Settings(NamedTuple):
    """The peer says what it allows. `max_streams`: how many may be open at a time."""

    max_streams: int


class Goaway(NamedTuple):
    """The peer takes no more streams. Those that it will not answer are Reset with code 7 (REFUSED_STREAM)."""

    code: int


class Pong(NamedTuple):
    """The answer to `ping`."""


Event = RequestHead | ResponseHead | Data | Trailers | End | Reset | Settings | Goaway | Pong


class ProtocolError(Exception):
    """The peer broke HTTP/2; the connection must be closed after what `output` still gives has been sent.

    `reason` is "protocol", "memory", or the flood that was one too many ("empty flood", "priority flood", "window flood", "outbound flood",
    "outbound control flood"); `events` holds what came before the error in the same call.
    """

    def __init__(self, reason: str, events: list[Event]) -> None:
        super().__init__(reason)
        self.reason = reason
        self.events = events
