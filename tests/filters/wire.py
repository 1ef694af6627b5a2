"""A blocking HTTP/1.1 client and a mirror upstream, small enough that nothing between a test and the bytes has an opinion.

`Mirror` answers every request with the head it received as its body (and the request body behind it), and counts. It ends with its `with`
block.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import dataclass, field
from types import TracebackType

DEADLINE_S = 10.0
HEAD_END = b"\r\n\r\n"


@dataclass
class Answer:
    """A whole response; `headers` keeps the last value of a name, in lower case."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def text(self) -> str:
        return self.body.decode()


class Client:
    """One connection; a `with` block."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), DEADLINE_S)
        self.received = b""

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, path: str = "/", *headers: tuple[str, str], body: bytes = b"", method: str = "") -> None:
        lines = [f"{method or ('POST' if body else 'GET')} {path} HTTP/1.1", "host: test.example"]
        lines += [f"{name}: {value}" for name, value in headers]
        if body:
            lines.append(f"content-length: {len(body)}")
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body)

    def answer(self) -> Answer:
        """The next response; bodies by content-length only."""
        while HEAD_END not in self.received:
            self._more()
        head, _, self.received = self.received.partition(HEAD_END)
        first, *lines = head.decode("latin-1").split("\r\n")
        answer = Answer(int(first.split()[1]))
        for line in lines:
            name, _, value = line.partition(":")
            answer.headers[name.lower()] = value.strip()
        wanted = int(answer.headers.get("content-length", "0"))
        while len(self.received) < wanted:
            self._more()
        answer.body, self.received = self.received[:wanted], self.received[wanted:]
        return answer

    def _more(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError(f"the connection ended within an answer; it has {self.received!r}")
        self.received += data

    def ended(self) -> bool:
        """Waits until the proxy closes."""
        return self.socket.recv(1) == b""


def ask(port: int, path: str = "/", *headers: tuple[str, str], body: bytes = b"", method: str = "") -> Answer:
    with Client(port) as client:
        client.send(path, *headers, body=body, method=method)
        return client.answer()


class Mirror:
    """The upstream. `requests` counts heads; `port` is where it listens."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = int(self._listener.getsockname()[1])
        self.requests = 0
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept, name="mirror")]
        self._lock = threading.Lock()

    def __enter__(self) -> Mirror:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        self._listener.close()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):  # the other side was quicker
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _peer = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._open.add(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), name="mirror")
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        received = b""
        try:
            while data := connection.recv(65536):
                received += data
                while (end := received.find(HEAD_END)) >= 0:
                    head = received[:end]
                    length = _content_length(head)
                    while len(received) < end + 4 + length and (data := connection.recv(65536)):
                        received += data
                    body, received = received[end + 4 : end + 4 + length], received[end + 4 + length :]
                    self.requests += 1
                    self._reply(connection, head + b"\n" + body)
        except OSError:
            return
        finally:
            with self._lock:
                self._open.discard(connection)
                connection.close()

    def _reply(self, connection: socket.socket, body: bytes) -> None:
        head = f"HTTP/1.1 200 OK\r\nserver: mirror\r\nx-mirror: yes\r\ncontent-length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0
