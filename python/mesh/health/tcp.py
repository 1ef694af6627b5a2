"""TCP checks: send these bytes, and wait until those have come, in this order. Nothing to wait for: that the host accepts is enough.

As in Envoy, bytes that do not fit are no failure yet; only the timeout or a close is. See probe.py for the law.
"""

from __future__ import annotations

from collections.abc import Callable

from mesh.health.probe import Probe, Target, contains_in_order
from mesh.health.state import Result
from meshcore.bind.health_spec import TcpCheck


class TcpProbe(Probe):
    def __init__(self, check: TcpCheck, target: Target, reuse: bool, done: Callable[[Result], None]) -> None:
        super().__init__(target, reuse, done)
        self._check = check
        self._seen = b""

    def on_ready(self) -> None:
        self._seen = b""
        if not self._check.receive:
            self.finish(Result(), close=True)
            return
        self.write(self._check.send)

    def on_bytes(self, data: bytes) -> None:
        self._seen += data
        if contains_in_order(self._check.receive, self._seen):
            self.finish(Result())
