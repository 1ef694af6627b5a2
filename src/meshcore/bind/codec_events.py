"""The events and the error of `mesh.codec`: plain tuples that the native parsers fill.

They lie beside the native face because it builds them; users import them from `mesh.codec`. Nothing here parses or checks.
"""

from __future__ import annotations

from typing import NamedTuple

Headers = tuple[tuple[bytes, bytes], ...]


class RequestHead(NamedTuple):
    """A request line and its fields (RFC 9112, 3).

    `method`, `path` (with the query; empty for CONNECT), `authority` (Host, or what the absolute form or CONNECT says; empty when
    there is none) and `scheme` (empty unless the target was in absolute form) are bytes as they came. `headers` are (name, value)
    pairs in order, names in lower case, without Host. `version` is "1.0" or "1.1". `framing` is "none", "length", "chunked" or
    "raw" (a tunnel: everything that follows is Data until the peer closes); `length` is the body's size in bytes when it is
    announced, else None. `protocol` is what Upgrade asked for, or empty.
    """

    method: bytes
    path: bytes
    authority: bytes
    scheme: bytes
    headers: Headers
    version: str
    framing: str
    length: int | None
    keep_alive: bool
    expect_continue: bool
    protocol: bytes


class ResponseHead(NamedTuple):
    """A status line and its fields (RFC 9112, 4).

    `status` is 100 to 999, `reason` the bytes behind it. `framing` is that of RequestHead, or "until_close". A head with a status
    below 200 other than 101 is interim: no Data and no End follow it.
    """

    status: int
    reason: bytes
    headers: Headers
    version: str
    framing: str
    length: int | None
    keep_alive: bool
    protocol: bytes

    @property
    def interim(self) -> bool:
        """The final response is still to come (RFC 9110, 15.2)."""
        return 100 <= self.status < 200 and self.status != 101


class Data(NamedTuple):
    """Bytes of the body, or of a tunnel. How a body is cut into Data depends on how it arrived."""

    data: bytes


class Trailers(NamedTuple):
    """The trailer section (RFC 9112, 7.1.2), names in lower case. Only with `enable_trailers`, and only when it is not empty."""

    headers: Headers


class End(NamedTuple):
    """The message is complete."""


Event = RequestHead | ResponseHead | Data | Trailers | End


class ProtocolError(Exception):
    """The peer broke HTTP/1; the connection must be closed after answering `status`.

    `status` is the HTTP status that Envoy answers a request like this with (for a response: what the client should get is 502),
    `details` Envoy's response-code details such as "http1.codec_error", `reason` says in words what was wrong, and `events` holds
    what was parsed before the error in the same call.
    """

    def __init__(self, status: int, details: str, reason: str, events: list[Event]) -> None:
        super().__init__(f"{reason} ({details}, answer {status})")
        self.status = status
        self.details = details
        self.reason = reason
        self.events = events
