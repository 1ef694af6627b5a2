"""A peer as a process: started with its output in a file, awaited until its admin server says ready, stopped in
bounded time.

Knows nothing of what the peer is; `envoy.py` and `mesh.py` build the command lines. Every process is started in its
own session so that stopping one peer can never reach another program. Runs on the caller's asyncio loop. Ends in
`stop`, which sends SIGTERM, then SIGKILL after a limit, and tells how the process went.
"""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

READY_S = 120.0  # under AddressSanitizer, with the configuration of all differential cases
STOP_S = 10.0
POLL_S = 0.02


class PeerRefused(Exception):
    """The peer ended before it was ready; `output` is what it printed."""

    def __init__(self, name: str, code: int | None, output: str) -> None:
        super().__init__(f"{name} ended with {code} before it was ready:\n{output[-4000:]}")
        self.code = code
        self.output = output


class PeerHung(Exception):
    """The peer runs but its admin server does not answer."""


@dataclass
class Answer:
    status: int
    body: bytes


class Peer:
    """One running process with an admin address. Use `async with`, or `start` and `stop`."""

    def __init__(
        self, name: str, command: list[str], directory: Path, admin_port: int, env: dict[str, str] | None = None
    ):
        self.name = name
        self.command = command
        self.directory = directory
        self.admin_port = admin_port
        self.output_path = directory / f"{name}.output"
        self._env = {**os.environ, **(env or {})}
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Peer:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def returncode(self) -> int | None:
        return None if self._process is None else self._process.returncode

    def output(self) -> str:
        return self.output_path.read_text(errors="replace") if self.output_path.exists() else ""

    async def start(self, ready_s: float = READY_S) -> None:
        """Returns when `/ready` answers 200; PeerRefused when the process ends first, PeerHung after `ready_s`."""
        with self.output_path.open("wb") as sink:
            self._process = await asyncio.create_subprocess_exec(
                *self.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                cwd=self.directory,
                env=self._env,
                start_new_session=True,
            )
        loop = asyncio.get_running_loop()
        limit = loop.time() + ready_s
        while loop.time() < limit:
            if not self.running:
                raise PeerRefused(self.name, self.returncode, self.output())
            try:
                if (await self.admin("/ready", limit_s=1.0)).status == 200:
                    return
            except (OSError, PeerHung):
                pass
            # Another process becomes ready without telling us: nothing here to await but time.
            await asyncio.sleep(POLL_S)
        await self.stop()
        raise PeerHung(f"{self.name} was not ready after {ready_s} s:\n{self.output()[-4000:]}")

    async def admin(self, path: str, limit_s: float = 5.0, method: str = "GET") -> Answer:
        """One request to the admin server; raises OSError when nobody listens, PeerHung when nobody answers."""
        try:
            return await asyncio.wait_for(self._ask(path, method), limit_s)
        except TimeoutError:
            raise PeerHung(f"{self.name}: no answer to {path} within {limit_s} s") from None

    async def _ask(self, path: str, method: str) -> Answer:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.admin_port)
        try:
            writer.write(f"{method} {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n".encode())
            await writer.drain()
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            status = int(head.split(" ", 2)[1])
            lowered = head.lower()
            if "transfer-encoding: chunked" in lowered:
                return Answer(status, await _read_chunks(reader))
            for line in lowered.split("\r\n"):
                if line.startswith("content-length:"):
                    return Answer(status, await reader.readexactly(int(line.partition(":")[2])))
            return Answer(status, await reader.read())
        except (asyncio.IncompleteReadError, IndexError, ValueError) as broken:
            raise ConnectionError(f"broken admin answer: {broken}") from broken
        finally:
            writer.close()

    async def ended(self) -> int:
        """Waits until the process ends by itself; the exit code."""
        assert self._process is not None
        return await self._process.wait()

    async def stop(self, stop_s: float = STOP_S) -> int | None:
        """SIGTERM, then SIGKILL after `stop_s`; the exit code, negative for a signal."""
        process = self._process
        if process is None:
            return None
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), stop_s)
            except TimeoutError:
                process.kill()
                await process.wait()
        return process.returncode


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while True:
        size = int((await reader.readline()).split(b";")[0], 16)
        chunk = await reader.readexactly(size + 2)
        if size == 0:
            return body
        body += chunk[:-2]
