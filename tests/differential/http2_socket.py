"""A recorded HTTP/2 connection that a script uses as if it spoke HTTP/1: messages written as text become frames, and frames that come are
recorded as the text of the messages that they carry.

So every reader and rule of the harness serves both versions. Pseudo-header fields other than method, path and status stand as
`(name)`; a body is recorded in chunks; a reset inside of one is its trailer `(reset)`, any other a message of its own (`RESET code`,
or status 0). Streams are recorded in the order of their numbers. In texts, a line that begins with `~` tells what to do: `~open`
(END_STREAM is not set), `~trailers: name=value` (one per line), `~reset: CODE` after the message, `~stream: N` (the message belongs
to the N-th stream still open), `~host: NAME` (the field, beside `:authority`), `~keep` (fields of HTTP/1 connections stay). A start line
`~` goes on with what is open. Must not judge what it reads.
"""

from __future__ import annotations

import contextlib
from typing import Any

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from tests.differential.channel import Plain
from tests.differential.peer_socket import PeerSocket

OF_CONNECTIONS = {"connection", "transfer-encoding", "keep-alive", "upgrade"}
GOAWAY = 7


class Recorded:
    """What came on one stream, as text; `done`: nothing more comes."""

    def __init__(self) -> None:
        self.text = bytearray()
        self.chunked = False
        self.done = False
        self.answered = False


class Http2Socket(PeerSocket):
    """`server`: which side of the connection this is. `settings`: what is announced beside the defaults, by number."""

    def __init__(self, channel: Plain, clock_zero: float, server: bool, methods: list[str] | None = None) -> None:
        config = h2.config.H2Configuration(
            client_side=not server, header_encoding="latin-1", validate_outbound_headers=False, normalize_outbound_headers=False,
            validate_inbound_headers=False,
        )  # fmt: skip
        self.connection = h2.connection.H2Connection(config)
        self.server = server
        self.streams: dict[int, Recorded] = {}
        self._methods = methods or ["GET"]
        self._sent = 0
        self._unread = b""
        super().__init__(channel, clock_zero)
        self.connection.initiate_connection()

    # --- out ---

    async def start(self) -> None:
        await self._flush()

    async def _flush(self) -> None:
        data = self.connection.data_to_send()
        with contextlib.suppress(OSError):
            await self.channel.sendall(data)

    async def send(self, payload: bytes) -> None:
        self.note("sent", payload)
        with contextlib.suppress(h2.exceptions.ProtocolError, OSError):
            self._send_message(payload)
        await self._flush()

    async def send_raw(self, payload: bytes) -> None:
        await self._flush()
        await super().send(payload)

    def _send_message(self, payload: bytes) -> None:
        head, _, body = payload.partition(b"\r\n\r\n")
        start, *lines = head.decode("latin-1").split("\r\n")
        tell, fields, pseudo = _fields(lines)
        stream = self._stream_for(start, tell)
        if start != "~":
            if self.server:
                pseudo.setdefault(":status", start.split(" ")[1])
            else:
                method, path = start.split(" ")[:2]
                pseudo = {":method": method, ":scheme": "http", ":path": path, **pseudo}
            chunked = any(name == "transfer-encoding" for name, _ in fields)
            fields = [(name, value) for name, value in fields if name not in OF_CONNECTIONS or "~keep" in tell]
            body = _unchunk(body) if chunked else body
            interim = self.server and pseudo[":status"].startswith("1")
            more = bool(body) or interim or "~open" in tell or "~trailers" in tell
            ordered = [(name, value) for name, value in pseudo.items() if value != "-"] + fields
            self.connection.send_headers(stream, ordered, end_stream=not more)
            if interim or not more:
                self._finish_message(stream, tell, interim)
                return
        end = "~open" not in tell and "~trailers" not in tell
        if body or end:
            self.connection.send_data(stream, body, end_stream=end)
        if "~trailers" in tell:
            self.connection.send_headers(stream, [tuple(text.split("=", 1)) for text in tell["~trailers"]], end_stream=True)
        self._finish_message(stream, tell, False)

    def _finish_message(self, stream: int, tell: dict[str, list[str]], interim: bool) -> None:
        if "~reset" in tell:
            self.connection.reset_stream(stream, int(tell["~reset"][0]))
        if self.server and not interim and ("~open" not in tell or "~reset" in tell):
            self.streams[stream].answered = True

    def _stream_for(self, start: str, tell: dict[str, list[str]]) -> int:
        if self.server or start == "~":
            waiting = [number for number, each in self.streams.items() if not each.answered and (self.server or not each.done)]
            number = int(tell.get("~stream", ["0"])[0])
            if number >= len(waiting):
                raise h2.exceptions.ProtocolError("the stream of this message has ended")
            return waiting[number]
        stream = self.connection.get_next_available_stream_id()
        self.streams[stream] = Recorded()
        return stream

    async def goaway(self, code: int) -> None:
        self.connection.close_connection(code)
        await self._flush()

    # --- in ---

    async def _read(self) -> None:
        while (piece := await self._receive()) is not None:
            self.last_byte_at_s = self.now()
            self._unread += piece
            while (frame := self._next_frame()) is not None:
                self._take(frame)
            await self._flush()
            self._record()

    def _next_frame(self) -> bytes | None:
        if self.server and self._unread.startswith(b"PRI"):
            size = 24
        else:
            size = 9 + int.from_bytes(self._unread[:3], "big")
            size = max(size, 9)
        if len(self._unread) < size:
            return None
        frame, self._unread = self._unread[:size], self._unread[size:]
        return frame

    def _take(self, frame: bytes) -> None:
        if frame[3] == GOAWAY and not frame.startswith(b"PRI"):
            # The package takes nothing after it, though streams under way go on (RFC 9113, 6.8).
            self.goaways.append(int.from_bytes(frame[13:17], "big"))
            self.note(f"goaway {self.goaways[-1]}")
            return
        try:
            for event in self.connection.receive_data(frame):
                self._on(event)
        except h2.exceptions.ProtocolError as error:
            self.note("unreadable", str(error).encode())

    def _on(self, event: Any) -> None:
        stream = self.streams.setdefault(event.stream_id, Recorded()) if getattr(event, "stream_id", None) else Recorded()
        if isinstance(event, h2.events.RequestReceived | h2.events.ResponseReceived | h2.events.InformationalResponseReceived):
            self._on_head(stream, event)
        elif isinstance(event, h2.events.DataReceived):
            if event.data:
                stream.text += b"%x\r\n%s\r\n" % (len(event.data), event.data) if stream.chunked else event.data
            if event.flow_controlled_length:
                with contextlib.suppress(h2.exceptions.ProtocolError):
                    self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.TrailersReceived):
            lines = "".join(f"{name}: {value}\r\n" for name, value in event.headers)
            stream.text += f"0\r\n{lines}\r\n".encode("latin-1") if stream.chunked else b""
            stream.chunked, stream.done = False, True
        elif isinstance(event, h2.events.StreamEnded):
            stream.text += b"0\r\n\r\n" if stream.chunked else b""
            stream.chunked, stream.done = False, True
        elif isinstance(event, h2.events.StreamReset):
            code = int(event.error_code)
            if stream.chunked:
                stream.text += b"0\r\n(reset): %d\r\n\r\n" % code
                stream.chunked = False
            else:
                stream.text += b"RESET %d HTTP/2\r\n\r\n" % code if self.server else b"HTTP/2 0 reset %d\r\n\r\n" % code
            stream.done = stream.answered = True

    def _on_head(self, stream: Recorded, event: Any) -> None:
        pseudo = {name: value for name, value in event.headers if name.startswith(":")}
        fields = [(name, value) for name, value in event.headers if not name.startswith(":")]
        if self.server:
            start = f"{pseudo.pop(':method', '?')} {pseudo.pop(':path', '-')} HTTP/2"
            stream.chunked = event.stream_ended is None
        else:
            status = pseudo.pop(":status", "0")
            start = f"HTTP/2 {status}"
            method = self._methods[min(self._sent, len(self._methods) - 1)]
            stream.chunked = not (status.startswith("1") or status in ("204", "304") or method == "HEAD")
            self._sent += not status.startswith("1")
        fields = [(f"({name[1:]})", value) for name, value in pseudo.items()] + fields
        if stream.chunked:
            fields.append(("transfer-encoding", "chunked"))
        stream.text += "".join([f"{start}\r\n", *(f"{name}: {value}\r\n" for name, value in fields), "\r\n"]).encode("latin-1")

    def _record(self) -> None:
        """Into `received`: streams in the order of their numbers, each when those before it are done."""
        for number in sorted(self.streams):
            each = self.streams[number]
            if each.text:
                self.received += each.text
                self.note("received", bytes(each.text))
                each.text.clear()
            if not each.done:
                break
        self._changed.set()


def _fields(lines: list[str]) -> tuple[dict[str, list[str]], list[tuple[str, str]], dict[str, str]]:
    """(what to do, header fields in lower case, pseudo-header fields)."""
    tell: dict[str, list[str]] = {}
    fields: list[tuple[str, str]] = []
    pseudo: dict[str, str] = {}
    for line in lines:
        name, _, value = line[1:].partition(":")
        name, value = line[:1] + name, value.strip(" ")
        if name.startswith("~"):
            tell.setdefault(name, []).append(value)
        elif name.startswith(":"):
            pseudo[name] = value
        elif name == "~host":
            fields.append(("host", value))
        elif name.lower() == "host":
            pseudo[":authority"] = value
        else:
            fields.append((name.lower(), value))
    return tell, fields, pseudo


def _unchunk(body: bytes) -> bytes:
    out, at = b"", 0
    while (end := body.find(b"\r\n", at)) >= 0 and (size := int(body[at:end].split(b";")[0] or b"0", 16)):
        out += body[end + 2 : end + 2 + size]
        at = end + 4 + size
    return out
