"""One recorded TCP connection of a script: raw sockets on the asyncio loop, every byte kept with its time.

Both sides of a case use it (`client.py` and `upstream.py`). A reader task takes in all that arrives, so that a
script never stalls the proxy unless it says `stop_reading`; waiting is by event. Must not interpret the bytes. Ends
in `close`, `reset`, or when the peer does; how the peer ended is `end`: open, eof, reset, or what TLS said.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass

from tests.differential.channel import CHUNK, Plain


@dataclass
class Event:
    """One thing that happened on the connection, for the transcript of `--show`."""

    at_s: float
    kind: str
    payload: bytes = b""


class PeerSocket:
    def __init__(self, channel: Plain, clock_zero: float) -> None:
        self.channel = channel
        self.sock = channel.sock
        self.received = bytearray()
        self.end = "open"
        self.end_at_s: float | None = None
        self.last_byte_at_s: float | None = None
        self.closed_by_us = False
        # How many heads and complete messages the script has waited for, and how many requests it has answered.
        self.heads_read = 0
        self.bodies_read = 0
        self.served = 0
        self.goaways: list[int] = []  # error codes of GOAWAY frames; HTTP/2 only
        self.events: list[Event] = []
        self._zero = clock_zero
        self._changed = asyncio.Event()
        self._reading = asyncio.Event()
        self._reading.set()
        self._reader = asyncio.get_running_loop().create_task(self._read())

    def now(self) -> float:
        return asyncio.get_running_loop().time() - self._zero

    def note(self, kind: str, payload: bytes = b"") -> None:
        self.events.append(Event(self.now(), kind, payload))

    async def _read(self) -> None:
        while (piece := await self._receive()) is not None:
            self.received += piece
            self.last_byte_at_s = self.now()
            self.note("received", piece)
            self._changed.set()

    async def _receive(self) -> bytes | None:
        """What came next; None: the peer has ended, which is noted."""
        await self._reading.wait()
        try:
            if piece := await self.channel.recv(CHUNK):
                return piece
        except OSError as error:
            self._finish(*self.channel.ending(error))
            return None
        self._finish(*self.channel.ending(None))
        return None

    def _finish(self, how: str, why: str = "") -> None:
        if self.closed_by_us:
            return
        self.end = how
        self.end_at_s = self.now()
        self.note(how, why.encode())
        self._changed.set()

    async def until(self, ready: Callable[[], bool]) -> bool:
        """True when `ready()` holds; False when the peer has ended and it still does not."""
        while not ready():
            if self.end != "open":
                return False
            self._changed.clear()
            await self._changed.wait()
        return True

    async def until_end(self) -> None:
        await self.until(lambda: self.end != "open")

    async def send(self, payload: bytes) -> None:
        """A peer that has gone is not an error of the script: the transcript shows how it ended."""
        self.note("sent", payload)
        try:
            await self.channel.sendall(payload)
        except OSError as error:
            self.note("send failed", type(error).__name__.encode())

    async def start(self) -> None:
        """Says what a protocol says before all else; HTTP/1 says nothing."""

    async def send_raw(self, payload: bytes) -> None:
        """Exactly these bytes."""
        await self.send(payload)

    async def goaway(self, code: int) -> None:
        """HTTP/2: no new streams."""

    def stop_reading(self) -> None:
        self._reading.clear()

    def resume_reading(self) -> None:
        self._reading.set()

    def half_close(self) -> None:
        self.note("half-closed")
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)

    async def close(self) -> None:
        if not self.closed_by_us:
            self.closed_by_us = True
            if self.end == "open":
                self.note("closed")
            self.channel.keep_session()
            await self.channel.say_bye()
        await self._drop()

    async def reset(self) -> None:
        """Closes with RST: SO_LINGER of zero makes the kernel throw the connection away."""
        self.closed_by_us = True
        self.note("reset by us")
        with contextlib.suppress(OSError):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await self._drop()

    async def _drop(self) -> None:
        self._reader.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reader
        self.sock.close()
