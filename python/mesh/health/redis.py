"""Redis checks: PING wants PONG; with a key, EXISTS wants 0, so that an operator can take a server out by setting it. See probe.py."""

from __future__ import annotations

from collections.abc import Callable

from mesh.health.probe import Probe, Target
from mesh.health.state import ACTIVE, NETWORK, Result
from meshcore.bind.health_spec import RedisCheck

LINE_MAX = 4096


class RedisProbe(Probe):
    def __init__(self, check: RedisCheck, target: Target, reuse: bool, done: Callable[[Result], None]) -> None:
        super().__init__(target, reuse, done)
        self._request = command(b"EXISTS", check.key.encode()) if check.key else command(b"PING")
        self._wanted = b":0" if check.key else b"+PONG"
        self._line = b""

    def on_ready(self) -> None:
        self._line = b""
        self.write(self._request)

    def on_bytes(self, data: bytes) -> None:
        self._line += data
        line, end, _ = self._line.partition(b"\r\n")
        if end:
            self.finish(Result() if line == self._wanted else Result(ACTIVE))
        elif len(self._line) > LINE_MAX:
            self.finish(Result(NETWORK))


def command(*words: bytes) -> bytes:
    """A command as an array of bulk strings (RESP)."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
