"""Upstreams that do what a script says: one function per connection, on a thread of its own.

    with Upstream(lambda wire: wire.close()) as up: ...                 # every connection
    with Upstream(first_dies, ok) as up: ...                            # the first one, then all others

The script gets the `Wire` of a connection and may block on it; when it returns, the connection is closed. What a script
raises is kept and raised again by `stop`, apart from ends of the connection, which are what these tests are about.
`Refuser` answers each SYN with RST, `Stalled` with nothing at all. Each ends with `stop`, or its `with` block.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from types import TracebackType

from mesh.testing.wire import LIMIT_S, Ended, Message, Wire

Script = Callable[[Wire], object]


def ok(wire: Wire) -> None:
    """Answers each request with 200 and `ok`, until the proxy ends the connection."""
    with contextlib.suppress(Ended):
        while True:
            wire.read_request()
            wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")


class Upstream:
    """A listening socket on a free port. `connections`: wires in order of arrival; `requests`: what `note` was given."""

    def __init__(self, *scripts: Script, limit: float = LIMIT_S, receive_buffer: int = 0) -> None:
        self.scripts: tuple[Script, ...] = scripts or (ok,)
        self.connections: list[Wire] = []
        self.requests: list[Message] = []
        self._limit = limit
        self._errors: list[BaseException] = []
        self._threads: list[threading.Thread] = []
        self._changed = threading.Condition()
        self._stopping = False
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(1024)
        self.port = int(self._listener.getsockname()[1])
        self._acceptor = threading.Thread(target=self._accept, name="upstream", daemon=True)
        self._acceptor.start()

    def __enter__(self) -> Upstream:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.stop()
        else:
            with contextlib.suppress(BaseException):
                self.stop()

    def note(self, request: Message) -> Message:
        """Keeps a request for the test to look at."""
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()
        return request

    def wait_for(self, condition: Callable[[], bool], what: str = "the condition") -> None:
        """Until `condition` holds; it is asked again at each new connection, request and end of a script."""
        with self._changed:
            if not self._changed.wait_for(condition, self._limit):
                raise TimeoutError(f"{what} did not come to the upstream in {self._limit} s")

    def wait_connections(self, n: int) -> None:
        self.wait_for(lambda: len(self.connections) >= n, f"connection {n}")

    def wait_requests(self, n: int) -> None:
        self.wait_for(lambda: len(self.requests) >= n, f"request {n}")

    def close_connections(self) -> None:
        """Ends all connections, as a restart of the service would."""
        for wire in list(self.connections):
            with contextlib.suppress(OSError):
                wire.socket.shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        """No more connections, the open ones end; raises what a script raised."""
        self._stopping = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join(self._limit)
        self._listener.close()
        self.close_connections()
        for thread in self._threads:
            thread.join(self._limit)
        if self._errors:
            raise self._errors[0]

    def _accept(self) -> None:
        while not self._stopping:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            wire = Wire(sock, self._limit)
            with self._changed:
                script = self.scripts[min(len(self.connections), len(self.scripts) - 1)]
                self.connections.append(wire)
                self._changed.notify_all()
            thread = threading.Thread(target=self._play, args=(script, wire), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _play(self, script: Script, wire: Wire) -> None:
        try:
            script(wire)
        except Ended:
            pass
        except BaseException as error:
            if not self._stopping:
                self._errors.append(error)
        finally:
            wire.close()
            with self._changed:
                self._changed.notify_all()


class Refuser:
    """A port that is held, so that nobody else can answer on it, and refuses every connection."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])

    def __enter__(self) -> Refuser:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._socket.close()


class Stalled:
    """A port on which connecting hangs: its accept queue is full, and Linux then drops each further SYN."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen(0)
        self.port = int(self._socket.getsockname()[1])
        self._fillers = []
        for _ in range(2):
            filler = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", self.port))
            self._fillers.append(filler)

    def __enter__(self) -> Stalled:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for filler in self._fillers:
            filler.close()
        self._socket.close()
