"""A peer that speaks HTTP/2 through the `h2` package, over a blocking socket.

`Http2Client` opens streams and reads until what it waits for has come; every answer is kept by its stream. Every wait has a limit. Frames
that no library would send go out through `raw`.
"""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass, field
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.settings

from mesh.testing import LIMIT_S

GOAWAY = 7
Headers = list[tuple[str, str]]


@dataclass
class Answer:
    """What has come on one stream."""

    status: int = 0
    headers: Headers = field(default_factory=list)
    body: bytes = b""
    trailers: Headers = field(default_factory=list)
    interim: list[int] = field(default_factory=list)
    ended: bool = False
    reset: int | None = None

    @property
    def over(self) -> bool:
        return self.ended or self.reset is not None

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)


class Http2Client:
    """`credit`: whether what is received opens the windows again."""

    def __init__(self, port: int, credit: bool = True, settings: dict[int, int] | None = None) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        config = h2.config.H2Configuration(client_side=True, header_encoding="latin-1", validate_outbound_headers=False,
                                           normalize_outbound_headers=False)
        self.connection = h2.connection.H2Connection(config)
        self.credit = credit
        self.answers: dict[int, Answer] = {}
        self.events: list[Any] = []
        self.closed = False
        self._unread = b""
        self.goaway: tuple[int, int] | None = None
        if settings:
            self.connection.local_settings = h2.settings.Settings(client=True, initial_values=settings)
        self.connection.initiate_connection()
        self.flush()

    def __enter__(self) -> Http2Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def flush(self) -> None:
        self.sock.sendall(self.connection.data_to_send())

    def raw(self, data: bytes) -> None:
        self.flush()
        self.sock.sendall(data)

    def request(
        self, path: str = "/", method: str = "GET", body: bytes | None = None, end: bool = True, extra: Headers | None = None
    ) -> int:
        """The new stream; with `body` or not `end` it stays open for `send`."""
        stream = self.connection.get_next_available_stream_id()
        head = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "a"), *(extra or [])]
        self.answers[stream] = Answer()
        self.connection.send_headers(stream, head, end_stream=end and body is None)
        self.flush()
        if body is not None:
            self.send(stream, body, end)
        return stream

    def send(self, stream: int, data: bytes, end: bool = False) -> None:
        """Sends as the windows allow, and reads what opens them meanwhile."""
        while data or end:
            room = min(self.connection.local_flow_control_window(stream), self.connection.max_outbound_frame_size)
            if data and room == 0:
                self.read()
                continue
            piece, data = data[:room], data[room:]
            self.connection.send_data(stream, piece, end_stream=end and not data)
            self.flush()
            if not data:
                return

    def trailers(self, stream: int, fields: Headers) -> None:
        self.connection.send_headers(stream, fields, end_stream=True)
        self.flush()

    def cancel(self, stream: int, code: int = 8) -> None:
        self.connection.reset_stream(stream, code)
        self.flush()

    def read(self) -> bool:
        """Takes in some bytes; False when the proxy has closed."""
        try:
            data = self.sock.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            self.closed = True
            return False
        self._unread += data
        while (frame := self._next_frame()) is not None:
            if frame[3] == GOAWAY:
                self.goaway = (int.from_bytes(frame[9:13], "big") & 0x7FFFFFFF, int.from_bytes(frame[13:17], "big"))
                continue
            for event in self.connection.receive_data(frame):
                self.events.append(event)
                self._note(event)
        with contextlib.suppress(OSError):
            self.flush()
        return True

    def _next_frame(self) -> bytes | None:
        """One whole frame. The package takes nothing after a GOAWAY, though streams under way go on (RFC 9113, 6.8): it never sees one."""
        end = 9 + int.from_bytes(self._unread[:3], "big")
        if len(self._unread) < 9 or len(self._unread) < end:
            return None
        frame, self._unread = self._unread[:end], self._unread[end:]
        return frame

    def _note(self, event: Any) -> None:
        answer = self.answers.get(getattr(event, "stream_id", None) or 0, Answer())
        if isinstance(event, h2.events.ResponseReceived):
            answer.headers = list(event.headers)
            answer.status = int(answer.header(":status") or 0)
        elif isinstance(event, h2.events.InformationalResponseReceived):
            answer.interim.append(int(dict(event.headers)[":status"]))
        elif isinstance(event, h2.events.DataReceived):
            answer.body += event.data
            if self.credit and event.flow_controlled_length:
                self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.TrailersReceived):
            answer.trailers = list(event.headers)
        elif isinstance(event, h2.events.StreamEnded):
            answer.ended = True
        elif isinstance(event, h2.events.StreamReset):
            answer.reset = int(event.error_code)

    def answer(self, stream: int) -> Answer:
        """Reads until that stream is over, or the connection is."""
        while not self.answers[stream].over and self.read():
            pass
        return self.answers[stream]

    def ask(self, path: str = "/", **options: Any) -> Answer:
        return self.answer(self.request(path, **options))

    def ping(self) -> None:
        """Returns when the proxy has seen everything that was sent before."""
        self.connection.ping(b"upto now")
        self.flush()
        while not any(isinstance(event, h2.events.PingAckReceived) for event in self.events) and self.read():
            pass

    def wait_close(self) -> None:
        while self.read():
            pass

    def wait_goaway(self) -> None:
        while self.goaway is None and self.read():
            pass
