"""An upstream that speaks HTTP/2 through the `h2` package: one thread per connection, and a function that answers.

    def answer(call: Call) -> None:
        call.reply(200, b"ok")

    with Http2Server(answer) as up, running(http2_bootstrap(up.port)) as proxy: ...

The function is called for each request that is complete (or, with `early`, when its head is). Frames of its own go out through
`call.connection`. What it raises is raised again at the end of the block. `settings` are announced with the preface.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings

from mesh.testing import LIMIT_S, bootstrap, cluster
from tests.http2.peer import Headers


class Call:
    """One request: `headers`, `body`, `trailers`, and what answers it."""

    def __init__(self, link: Link, stream: int, headers: Headers) -> None:
        self.link = link
        self.stream = stream
        self.headers = headers
        self.body = b""
        self.trailers: Headers = []
        self.cancelled: int | None = None

    @property
    def connection(self) -> h2.connection.H2Connection:
        return self.link.connection

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    def reply(self, status: int, body: bytes = b"", extra: Headers | None = None, trailers: Headers | None = None) -> None:
        """A whole answer; `body` has to fit into the windows."""
        self.connection.send_headers(self.stream, [(":status", str(status)), *(extra or [])], end_stream=not body and not trailers)
        if body:
            self.connection.send_data(self.stream, body, end_stream=not trailers)
        if trailers:
            self.connection.send_headers(self.stream, trailers, end_stream=True)
        self.link.flush()

    def interim(self, status: int) -> None:
        self.connection.send_headers(self.stream, [(":status", str(status))])
        self.link.flush()

    def reset(self, code: int) -> None:
        self.connection.reset_stream(self.stream, code)
        self.link.flush()


class Link:
    """One connection."""

    def __init__(self, server: Http2Server, sock: socket.socket) -> None:
        self.server = server
        self.sock = sock
        config = h2.config.H2Configuration(client_side=False, header_encoding="latin-1", validate_outbound_headers=False)
        self.connection = h2.connection.H2Connection(config)
        if server.settings:
            self.connection.local_settings = h2.settings.Settings(client=False, initial_values=server.settings)
        self.calls: dict[int, Call] = {}
        self.credit = True
        self.pings = 0
        self.goaway: int | None = None

    def flush(self) -> None:
        self.sock.sendall(self.connection.data_to_send())

    def run(self) -> None:
        self.connection.initiate_connection()
        self.flush()
        while data := self.sock.recv(65536):
            for event in self.connection.receive_data(data):
                self._on(event)
            self.flush()

    def _on(self, event: Any) -> None:
        if isinstance(event, h2.events.RequestReceived):
            self.calls[event.stream_id] = Call(self, event.stream_id, list(event.headers))
            self.server.note(self.calls[event.stream_id])
            if self.server.early:
                self.server.answer(self.calls[event.stream_id])
        elif isinstance(event, h2.events.DataReceived):
            self.calls[event.stream_id].body += event.data
            if self.credit and event.flow_controlled_length:
                self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.TrailersReceived):
            self.calls[event.stream_id].trailers = list(event.headers)
        elif isinstance(event, h2.events.StreamReset):
            self.calls[event.stream_id].cancelled = int(event.error_code)
        elif isinstance(event, h2.events.PingReceived):
            self.pings += 1
        elif isinstance(event, h2.events.ConnectionTerminated):
            self.goaway = int(event.error_code)
        elif isinstance(event, h2.events.StreamEnded) and not self.server.early:
            self.server.answer(self.calls[event.stream_id])


class Http2Server:
    """`links`: connections in order of arrival; `calls`: all requests."""

    def __init__(self, answer: Callable[[Call], object], early: bool = False, settings: dict[int, int] | None = None) -> None:
        self.answer = answer
        self.early = early
        self.settings = settings
        self.links: list[Link] = []
        self.calls: list[Call] = []
        self._errors: list[BaseException] = []
        self._threads: list[threading.Thread] = []
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = int(self._socket.getsockname()[1])
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def note(self, call: Call) -> None:
        self.calls.append(call)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._socket.accept()
            except OSError:
                return
            sock.settimeout(LIMIT_S)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.links.append(Link(self, sock))
            thread = threading.Thread(target=self._run, args=(self.links[-1],), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _run(self, link: Link) -> None:
        try:
            link.run()
        except (OSError, h2.exceptions.ProtocolError):
            pass
        except BaseException as error:
            self._errors.append(error)
        finally:
            link.sock.close()

    def __enter__(self) -> Http2Server:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._acceptor.join(LIMIT_S)
        for link in self.links:
            with contextlib.suppress(OSError):
                link.sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(LIMIT_S)
        if self._errors and kind is None:
            raise self._errors[0]


def http2_bootstrap(
    port: int, options: dict[str, Any] | None = None, fields: dict[str, Any] | None = None, **listener: Any
) -> dict[str, Any]:
    """A bootstrap whose cluster `up` speaks HTTP/2. `options`: Http2ProtocolOptions; `fields`: of the cluster."""
    return bootstrap(clusters=[cluster("up", port, http2_protocol_options=options or {}, **(fields or {}))], **listener)
