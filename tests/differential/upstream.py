"""The scripted upstream of a case: one listening socket that does, connection by connection, what the case says.

It records the exact bytes of every connection and how it ended. `serve` answers complete requests one after the
other; any other script is a list of steps. Must not decide whether a request was right. Runs on the test's loop;
ends in `stop`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from http import HTTPStatus
from typing import Any

from tests.differential import tls_fields
from tests.differential.case import Steps, Upstream
from tests.differential.channel import Plain, Tls
from tests.differential.http2_socket import Http2Socket
from tests.differential.messages import Message, read_requests
from tests.differential.peer_socket import PeerSocket
from tests.differential.signals import Signals
from tests.differential.steps import take_step
from tests.differential.wire import message, unescape

BODY = b"ok"


class ScriptedUpstream:
    def __init__(
        self, name: str, script: Upstream, signals: Signals, tunnels: bool, clock_zero: float, http2: bool = False,
        tls: dict[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.connections: list[PeerSocket] = []
        self.values: dict[str, str] = {}
        self._script = script
        self._http2 = http2
        self._led = tls is not None and bool(tls.get("led"))
        self._tls = tls_fields.end_context(tls, server=True) if tls is not None and not tls.get("plain") else None
        self._signals = signals
        self._tunnels = tunnels
        self._zero = clock_zero
        self._answered = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._fillers: list[socket.socket] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        self._socket.bind(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])

    def start(self) -> None:
        if self._script.refuse:
            # Bound but not listening: the port stays ours and every SYN is answered with RST.
            return
        if self._script.blackhole:
            self._fill_backlog()
            return
        self._socket.listen(128)
        self._spawn(self._accept())

    def _fill_backlog(self) -> None:
        """Linux drops a SYN when the accept queue is full: connecting then hangs without any packet filter."""
        self._socket.listen(0)
        for _ in range(2):
            filler = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", self.port))
            self._fillers.append(filler)

    def _spawn(self, work: Any) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(work))

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            sock, _ = await loop.sock_accept(self._socket)
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            channel = Plain(sock) if self._tls is None else Tls(sock, self._tls, True, led=self._led)
            connection = Http2Socket(channel, self._zero, server=True) if self._http2 else PeerSocket(channel, self._zero)
            connection.note("accepted")
            scripts = self._script.connections
            steps = scripts[min(len(self.connections), len(scripts) - 1)]
            self.connections.append(connection)
            self._spawn(self._play(connection, steps))

    async def _play(self, connection: PeerSocket, steps: Steps) -> None:
        await connection.start()
        for step in steps:
            [(verb, value)] = step.items()
            await self._step(connection, verb, value)
            if connection.closed_by_us:
                return

    async def _step(self, connection: PeerSocket, verb: str, value: Any) -> None:
        if verb == "serve":
            await self._serve(connection, value)
        elif verb == "read":
            await self._read(connection, value)
        elif verb == "send":
            await connection.send(message(value, self.values))
        else:
            await take_step(connection, verb, value, self.values, self._signals)

    async def _read(self, connection: PeerSocket, what: Any) -> None:
        """head: of one more request; body: one more complete request; eof; or a text that has to arrive."""
        if what == "eof":
            await connection.until_end()
            return
        if isinstance(what, dict):
            wanted = unescape(what["text"], self.values)
            await connection.until(lambda: wanted in connection.received)
            return
        connection.heads_read += what == "head"
        connection.bodies_read += what == "body"
        if what == "head":
            await connection.until(lambda: len(self._requests(connection)) >= connection.heads_read)
        else:
            await connection.until(lambda: self._complete(connection) >= connection.bodies_read)

    def _requests(self, connection: PeerSocket) -> list[Message]:
        return read_requests(bytes(connection.received), connection.end != "open", self._tunnels).messages

    def _complete(self, connection: PeerSocket) -> int:
        return sum(1 for request in self._requests(connection) if request.complete)

    async def _serve(self, connection: PeerSocket, answers: list[Any] | None) -> None:
        connection.served = self._complete(connection) if connection.bodies_read else 0
        while await connection.until(lambda: self._complete(connection) > connection.served):
            request = self._requests(connection)[connection.served]
            connection.served += 1
            answer = answers[min(self._answered, len(answers) - 1)] if answers else 200
            self._answered += 1
            wire = self._answer(request, answer)
            await connection.send(wire)
            if isinstance(answer, str) and not self._http2 and _close_delimited(wire, request):
                await connection.close()
                return

    def _answer(self, request: Message, answer: Any) -> bytes:
        if isinstance(answer, str):
            return message(answer, self.values)
        status = HTTPStatus(answer)
        head = f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        if status in (204, 304):
            return (head + "\r\n").encode()
        head += f"content-type: text/plain\r\ncontent-length: {len(BODY)}\r\n\r\n"
        return head.encode() + (b"" if request.method == "HEAD" else BODY)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        for connection in self.connections:
            await connection.close()
        for filler in self._fillers:
            filler.close()
        self._socket.close()


def _close_delimited(wire: bytes, request: Message) -> bool:
    head = wire.partition(b"\r\n\r\n")[0].lower()
    status = head.split(b" ")[1][:3] if b" " in head else b""
    framed = b"content-length:" in head or b"transfer-encoding:" in head
    return (
        not framed
        and request.method != "HEAD"
        and status not in (b"204", b"304", b"101")
        and not status.startswith(b"1")
    )
