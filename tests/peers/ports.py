"""Reserves TCP ports on loopback for peers that have to be told their port before they start.

A port is held by a bound socket with SO_REUSEPORT that never listens: the kernel hands connections only to listening
sockets of the group, so the peer (which sets SO_REUSEPORT too) can bind the same port while nobody else can take it.
Ports lie under the ephemeral range, so that no client socket of a busy machine can be given one meanwhile.
Must not be used for a socket that a test itself listens on: those bind port 0. Ends with `release`.
"""

from __future__ import annotations

import random
import socket

LOWEST = 12000
HIGHEST = 32000


class PortReservation:
    """Ports held until `release`; usable as a `with` block."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self._random = random.Random()

    def __enter__(self) -> PortReservation:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def reserve(self) -> int:
        """One more port, held open for a peer that sets SO_REUSEPORT."""
        held = self._bind()
        self._sockets.append(held)
        return int(held.getsockname()[1])

    def pick(self) -> int:
        """A port that was free a moment ago, for a peer that does not set SO_REUSEPORT (admin servers)."""
        found = self._bind()
        port = int(found.getsockname()[1])
        found.close()
        return port

    def release(self) -> None:
        for held in self._sockets:
            held.close()
        self._sockets.clear()

    def _bind(self) -> socket.socket:
        for _ in range(1000):
            port = self._random.randrange(LOWEST, HIGHEST)
            # Two test runs share a user, and SO_REUSEPORT would let both hold one port: first prove that nobody has it.
            probe = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            finally:
                probe.close()
            held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            try:
                held.bind(("127.0.0.1", port))
            except OSError:
                held.close()
                continue
            return held
        raise RuntimeError(f"no free port between {LOWEST} and {HIGHEST}")
