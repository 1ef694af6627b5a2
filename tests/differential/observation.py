"""What one proxy did with one case: raw recordings, before any normalisation.

Plain data that `run.py` fills and `normalise.py`, `show.py` read. Without a generated repr: asyncio.run prints the
result of its task when it gives SIGINT back, which would take longer than the run. Must not hold sockets or tasks: it
outlives the run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.differential.config import Ports
from tests.differential.peer_socket import Event, PeerSocket


@dataclass(repr=False)
class Side:
    """One connection as our end of it saw it."""

    received: bytes
    end: str
    end_at_s: float | None
    last_byte_at_s: float | None
    closed_by_us: bool
    events: list[Event]
    goaways: list[int] = field(default_factory=list)
    settled: dict[str, Any] = field(default_factory=dict)  # by a TLS handshake

    @classmethod
    def of(cls, connection: PeerSocket) -> Side:
        return cls(
            bytes(connection.received),
            connection.end,
            connection.end_at_s,
            connection.last_byte_at_s,
            connection.closed_by_us,
            list(connection.events),
            list(connection.goaways),
            dict(connection.channel.settled),
        )


@dataclass(repr=False)
class Observation:
    """`failure` says why the case could not be played (refused, crashed, hung); the rest is empty then."""

    failure: str = ""
    clients: list[Side] = field(default_factory=list)
    upstreams: dict[str, list[Side]] = field(default_factory=dict)
    unmet: str = ""
    log: str | None = None
    stats: dict[str, int] = field(default_factory=dict)
    ports: Ports = field(default_factory=lambda: Ports(0, {}))
    given: bytes = b""
