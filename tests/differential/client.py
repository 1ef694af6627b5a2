"""The raw downstream of a case: sends the scripted bytes, records what comes back, and finds out how the
connection ends.

After the script it waits for the declared number of final responses, then looks whether the proxy closes: up to
CLOSING_S when a close was announced, for the case's `linger_ms` otherwise. Must not judge the answer. Runs on the
test's loop.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Any

from tests.differential import tls_fields
from tests.differential.case import Case, CaseError, Steps, speaks_http2
from tests.differential.channel import Plain, Tls
from tests.differential.http2_socket import Http2Socket
from tests.differential.messages import Transcript, read_responses
from tests.differential.peer_socket import PeerSocket
from tests.differential.signals import Signals
from tests.differential.steps import take_step
from tests.differential.wire import message, unescape

CLOSING_S = 3.0


class RawClient:
    """Plays the client scripts of one case, one connection after the other."""

    def __init__(self, case: Case, port: int, signals: Signals, values: dict[str, str], clock_zero: float) -> None:
        self.connections: list[PeerSocket] = []
        self.unmet: str = ""
        self._case = case
        self._port = port
        self._signals = signals
        self._values = values
        self._zero = clock_zero
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    async def play(self) -> None:
        """Bounded by the case's limit; what was not reached by then is told in `unmet`."""
        try:
            await asyncio.wait_for(self._play_all(), self._case.limit_ms / 1000)
        except ConnectionError as error:
            self.unmet = f"no connection: {error}"
        except TimeoutError:
            self.unmet = self.unmet or "time ran out"
            for connection in self.connections:
                connection.note("time ran out")
        finally:
            for connection in self.connections:
                await connection.close()

    async def _play_all(self) -> None:
        for steps in self._case.clients:
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self._port))
            connection = self._connection(sock, len(self.connections))
            connection.note("connected")
            self.connections.append(connection)
            await connection.start()
            await self._play_one(connection, steps)
            if not any("stay" in step for step in steps):
                await connection.close()
        if any("stay" in step for steps in self._case.clients for step in steps):
            for connection in self.connections:
                await connection.close()
            await asyncio.sleep(self._case.linger_ms / 1000)

    def _connection(self, sock: socket.socket, index: int) -> PeerSocket:
        channel = self._channel(sock, index)
        if speaks_http2(self._case, "client"):
            return Http2Socket(channel, self._zero, server=False, methods=self._case.methods)
        return PeerSocket(channel, self._zero)

    def _channel(self, sock: socket.socket, index: int) -> Plain:
        spec = self._case.tls.get("client", {} if "server" in self._case.tls else {"plain": True})
        if isinstance(spec, list):
            spec = spec[min(index, len(spec) - 1)]
        if spec.get("plain"):
            return Plain(sock)
        if index == 0 or not spec.get("resume"):
            self._context = tls_fields.end_context(spec, server=False)
        session = self.connections[index - 1].channel.session if spec.get("resume") and index else None
        return Tls(sock, self._context, False, spec.get("sni"), session)

    async def _play_one(self, connection: PeerSocket, steps: Steps) -> None:
        for step in steps:
            [(verb, value)] = step.items()
            if not await self._step(connection, verb, value):
                self.unmet = f"{verb}: {value}"
                connection.note(f"unmet {verb} {value}")
                return
            if connection.closed_by_us:
                return
        wanted = self._case.responses
        await connection.until(lambda: self.read(connection).finals() >= wanted)
        await self._linger(connection)

    def read(self, connection: PeerSocket) -> Transcript:
        index = self.connections.index(connection)
        methods = self._case.methods
        if len(self._case.clients) > 1 and len(methods) >= len(self._case.clients):
            methods = methods[index:]
        return read_responses(bytes(connection.received), methods, connection.end != "open")

    async def _step(self, connection: PeerSocket, verb: str, value: Any) -> bool:
        """False when what the step waits for cannot happen any more."""
        if verb == "send":
            texts = [message(text, self._values) for text in ([value] if isinstance(value, str) else value)]
            for part in texts if speaks_http2(self._case, "client") else [b"".join(texts)]:
                await connection.send(part)
        elif verb == "stay":
            pass  # open while those after it play
        elif verb == "expect":
            return await self._expect(connection, value)
        else:
            await take_step(connection, verb, value, self._values, self._signals)
        return True

    async def _expect(self, connection: PeerSocket, what: Any) -> bool:
        """head: of one more response, 1xx included; response: one more final one, complete; close; or a text."""
        if what == "close":
            await connection.until_end()
            return True
        if isinstance(what, dict):
            wanted = unescape(what["text"], self._values)
            return await connection.until(lambda: wanted in connection.received)
        if what == "head":
            connection.heads_read += 1
            return await connection.until(lambda: len(self.read(connection).messages) >= connection.heads_read)
        if what == "response":
            connection.bodies_read += 1
            return await connection.until(lambda: self.read(connection).finals() >= connection.bodies_read)
        raise CaseError(f"expect: {what!r}: head, response, close or text")

    async def _linger(self, connection: PeerSocket) -> None:
        messages = self.read(connection).messages
        announced = bool(messages) and (
            messages[-1].framing == "close" or "close" in (messages[-1].header("connection") or "").lower()
        )
        limit = max(CLOSING_S, self._case.linger_ms / 1000) if announced else self._case.linger_ms / 1000
        try:
            await asyncio.wait_for(connection.until_end(), limit)
        except TimeoutError:
            connection.note("still open")
