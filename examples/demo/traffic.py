"""The demo's clients: keep-alive connections that ask again as soon as they were answered, a fixed number in all.

Owns its connections and the record of every request; knows nothing of the proxy's process. Runs on the demo's asyncio
loop and ends when all requests are done; each request has a time limit, and one without an answer counts as failed.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

REQUEST = b"GET / HTTP/1.1\r\nHost: demo.example\r\n\r\n"
HEAD_END = b"\r\n\r\n"
ANSWER_S = 10.0


@dataclass
class Phase:
    """What happened to the requests that were sent while the same servers were alive."""

    title: str
    latencies_s: list[float] = field(default_factory=list)
    by_upstream: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)

    @property
    def requests(self) -> int:
        return len(self.latencies_s) + self.failures.total()

    def quantile_ms(self, share: float) -> float:
        """Latency in milliseconds below which `share` of the answered requests lie; 0 if none was answered."""
        ordered = sorted(self.latencies_s)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000 if ordered else 0.0


class Traffic:
    """`phase` is where requests that are answered from now on are counted; the demo changes it at the kill."""

    def __init__(self, port: int, connections: int, requests: int, phase: Phase, each: Callable[[int], None]) -> None:
        self.port, self.connections, self.left = port, connections, requests
        self.phase, self.each = phase, each
        self.done = 0

    async def run(self) -> None:
        await asyncio.gather(*(self._client() for _ in range(self.connections)))

    async def _client(self) -> None:
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        while self.left > 0:
            self.left -= 1
            began = time.perf_counter()
            try:
                if streams is None:
                    streams = await asyncio.open_connection("127.0.0.1", self.port)
                upstream = await asyncio.wait_for(_ask(*streams), ANSWER_S)
            except (OSError, EOFError, ValueError, TimeoutError) as error:
                self.phase.failures[str(error) or type(error).__name__] += 1
                if streams is not None:
                    streams[1].close()
                streams = None
            else:
                self.phase.latencies_s.append(time.perf_counter() - began)
                self.phase.by_upstream[upstream] += 1
            self.done += 1
            self.each(self.done)
        if streams is not None:
            streams[1].close()


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
    """Sends one request; returns the name of the server that answered. ValueError for any answer but a 200."""
    writer.write(REQUEST)
    head = (await reader.readuntil(HEAD_END)).decode("latin-1")
    status, *lines = head.rstrip("\r\n").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers["content-length"]))
    if not status.startswith("HTTP/1.1 200"):
        raise ValueError(f"{status.partition(' ')[2]}: {body.decode(errors='replace')[:80]}")
    return headers["x-upstream"]
