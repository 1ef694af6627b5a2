"""A TCP relay that does to the bytes what networks do: one at a time, cut after so many, silence, FIN or RST.

It stands between a proxy and an upstream (or a client and a proxy) and knows nothing of HTTP. `up` counts bytes towards
the target, `down` bytes back. A plan applies to each connection anew. Two threads per connection; ends with `stop`.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType

from mesh.testing.wire import LIMIT_S, Wire, connect

HOWS = ("close", "reset", "stall")


class Cutter:
    """A relay to `target` (a port on loopback).

    `cut_up`, `cut_down`: after that many bytes of that direction the connection ends in the way `how` says; None: never.
    `step`: bytes per write, 0 for as they come. `cuts`: how many connections are cut; the later ones are relayed whole."""

    def __init__(
        self,
        target: int,
        *,
        cut_up: int | None = None,
        cut_down: int | None = None,
        how: str = "close",
        step: int = 0,
        cuts: int = 1 << 30,
        limit: float = LIMIT_S,
    ) -> None:
        if how not in HOWS:
            raise ValueError(f"how: {how!r} is none of {', '.join(HOWS)}")
        self.target = target
        self.connections = 0
        self._plan = (cut_up, cut_down)
        self._how = how
        self._step = step
        self._cuts = cuts
        self._limit = limit
        self._wires: list[Wire] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(128)
        self.port = int(self._listener.getsockname()[1])
        self._acceptor = threading.Thread(target=self._accept, name="cutter", daemon=True)
        self._acceptor.start()

    def __enter__(self) -> Cutter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join(self._limit)
        self._listener.close()
        for wire in self._wires:
            with contextlib.suppress(OSError):
                wire.socket.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(self._limit)
        for wire in self._wires:
            wire.socket.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            near = Wire(sock, self._limit)
            try:
                far = connect(self.target, limit=self._limit)
            except OSError:
                near.reset()
                continue
            self._wires += [near, far]
            self.connections += 1
            thread = threading.Thread(target=self._relay, args=(near, far, self.connections <= self._cuts), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _relay(self, near: Wire, far: Wire, cuts: bool) -> None:
        """One direction on this thread, the other on a second one; both sockets are closed when both are over."""
        cut_up, cut_down = self._plan if cuts else (None, None)
        back = threading.Thread(target=self._pump, args=(far, near, cut_down, near, far), daemon=True)
        back.start()
        self._pump(near, far, cut_up, near, far)
        back.join()
        near.close()
        far.close()

    def _pump(self, source: Wire, sink: Wire, cut: int | None, near: Wire, far: Wire) -> None:
        left = cut
        try:
            while left is None or left > 0:
                piece = source.socket.recv(65536 if left is None else min(left, 65536))
                if not piece:
                    sink.finish()
                    return
                sink.send(piece, self._step)
                left = None if left is None else left - len(piece)
        except OSError:
            with contextlib.suppress(OSError):
                sink.socket.shutdown(socket.SHUT_RDWR)
            return
        if self._how == "close":
            # FIN to both, and both read to their end, so that no RST overtakes what was sent.
            near.finish()
            far.finish()
        elif self._how == "reset":
            near.reset()
            far.reset()
