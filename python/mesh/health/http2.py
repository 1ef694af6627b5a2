"""HTTP/2 checks through the h2 package, which is imported with this module and therefore only when a configuration asks for HTTP/2 or gRPC.

One stream at a time on a connection of its own. A host that says GOAWAY without an error may finish its answer, and gets a new connection
for the next check. See probe.py for the law.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import h2.config
import h2.connection
import h2.events
import h2.exceptions

from mesh.health.http import Headers, HttpQuestion, Verify
from mesh.health.probe import Probe, Target
from mesh.health.state import NETWORK, Result
from meshcore.bind.health_spec import HttpCheck

HTTP_2 = 2
STATUS = b":status"
FRAME_HEAD = 9
FRAME_MAX = 1 << 14  # what we allow, by saying nothing of it
GOAWAY = 7
SETTINGS = h2.config.H2Configuration(client_side=True, header_encoding=None)


class Http2Probe(Probe):
    """Asks and reads; what is asked and what an answer means is the subclass's."""

    def __init__(self, target: Target, reuse: bool, done: Callable[[Result], None]) -> None:
        super().__init__(target, reuse, done)
        self._connection = h2.connection.H2Connection(SETTINGS)
        self._stream = 0
        self._leaving = False
        self._unread = b""
        self._status = 0
        self._headers: dict[bytes, bytes] = {}
        self._trailers: dict[bytes, bytes] | None = None
        self._body = b""

    def question(self) -> tuple[Headers, bytes]:
        """Pseudo headers and headers of the request, and its body."""
        raise NotImplementedError

    def answer(self, status: int, headers: dict[bytes, bytes], body: bytes, trailers: dict[bytes, bytes] | None) -> Result:
        """What a whole response means."""
        raise NotImplementedError

    def room(self) -> int | None:
        """How much of the body is kept; None: all."""
        return None

    def on_connected(self) -> None:
        self._connection = h2.connection.H2Connection(SETTINGS)
        self._connection.initiate_connection()
        self._leaving = False
        self._unread = b""

    def on_ready(self) -> None:
        self._status, self._headers, self._trailers, self._body = 0, {}, None, b""
        headers, body = self.question()
        try:
            self._stream = self._connection.get_next_available_stream_id()
            self._connection.send_headers(self._stream, headers, end_stream=not body)
            if body:
                self._connection.send_data(self._stream, body, end_stream=True)
        except h2.exceptions.ProtocolError:
            self.finish(Result(NETWORK), close=True)
            return
        self.write(self._connection.data_to_send())

    def on_data(self, data: bytes) -> None:
        # Between checks too: settings and pings want an answer, and a GOAWAY ends the connection. h2 takes no answer after a GOAWAY,
        # though RFC 9113 (6.8) lets streams under way finish, so that frame is kept from it.
        self._unread += data
        while self._transport is not None and len(self._unread) >= FRAME_HEAD:
            end = FRAME_HEAD + int.from_bytes(self._unread[:3], "big")
            if end > FRAME_HEAD + FRAME_MAX:
                self._gone()
                return
            if len(self._unread) < end:
                return
            frame, self._unread = self._unread[:end], self._unread[end:]
            if frame[3] == GOAWAY:
                self._on_goaway(frame[FRAME_HEAD + 4 : FRAME_HEAD + 8])
            else:
                self._on_frame(frame)

    def _on_goaway(self, code: bytes) -> None:
        if self._busy and not any(code):
            self._leaving = True
        else:
            self._gone()

    def _on_frame(self, frame: bytes) -> None:
        try:
            events = self._connection.receive_data(frame)
        except h2.exceptions.ProtocolError:
            self._gone()
            return
        self.write(self._connection.data_to_send())
        for event in events:
            self._on_event(event)

    def _gone(self) -> None:
        if self._busy:
            self.finish(Result(NETWORK), close=True)
        else:
            self.close()

    def _on_event(self, event: h2.events.Event) -> None:
        if getattr(event, "stream_id", None) != self._stream:
            return
        if isinstance(event, h2.events.ResponseReceived):
            self._headers = dict(_pairs(event.headers))
            self._status = int(self._headers.get(STATUS, b"0"))
        elif isinstance(event, h2.events.TrailersReceived):
            self._trailers = dict(_pairs(event.headers))
        elif isinstance(event, h2.events.DataReceived):
            self._keep(event)
        elif isinstance(event, h2.events.StreamReset):
            self.finish(Result(NETWORK), close=self._leaving)
        elif isinstance(event, h2.events.StreamEnded):
            self.finish(self.answer(self._status, self._headers, self._body, self._trailers), close=self._leaving)

    def _keep(self, event: h2.events.DataReceived) -> None:
        room = self.room()
        data = event.data or b""
        self._body += data if room is None else data[: max(0, room - len(self._body))]
        self._connection.acknowledge_received_data(event.flow_controlled_length or 0, self._stream)
        self.write(self._connection.data_to_send())


class HttpProbe2(Http2Probe):
    """An HttpCheck over HTTP/2."""

    def __init__(self, check: HttpCheck, target: Target, reuse: bool, done: Callable[[Result], None], verify: Verify) -> None:
        super().__init__(target, reuse, done)
        self._question = HttpQuestion(check, target, HTTP_2)
        self._verify = verify

    def question(self) -> tuple[Headers, bytes]:
        check = self._question.check
        head = [
            (b":method", check.method.encode()),
            (b":authority", self._question.authority),
            (b":path", check.path.encode()),
            (b":scheme", self.target.scheme),
        ]
        return head + self._question.headers(), check.send

    def answer(self, status: int, headers: dict[bytes, bytes], body: bytes, trailers: dict[bytes, bytes] | None) -> Result:
        return self._question.judge(status, headers.items(), body, self._verify)

    def room(self) -> int | None:
        return self._question.room()


def _pairs(headers: Iterable[tuple[bytes | str, bytes | str]] | None) -> list[tuple[bytes, bytes]]:
    return [(_bytes(name), _bytes(value)) for name, value in headers or ()]


def _bytes(text: bytes | str) -> bytes:
    return text if isinstance(text, bytes) else text.encode()
