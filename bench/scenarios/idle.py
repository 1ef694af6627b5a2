"""What an idle keep-alive connection costs in memory: RSS before and after opening many, each having done one request.

The requests follow one another, so the pool to the upstream stays at one connection and the growth is that of the
downstream side alone.
"""

import socket
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field

from bench import account, ask
from bench.failure import BenchFailure
from bench.machine import open_files
from bench.peers.peer import Feature, Peer, Shape
from bench.scenarios.scenario import Sample, Stand
from bench.scenarios.serving import serving

SPARE_FILES = 200
WARM_REQUESTS = 200


@dataclass(frozen=True)
class IdleScenario:
    """Opens `connections` and leaves them open until the memory has been read."""

    connections: int = 5000
    name: str = "idle"
    title: str = "idle keep-alive connection"
    headline: str = "kib_per_connection"
    unit: str = "KiB RSS / connection"
    needs: frozenset[Feature] = frozenset({Feature.HTTP})
    baseline: str = ""
    also: Mapping[str, str] = field(default_factory=dict)

    def measure(self, stand: Stand, peer: Peer) -> Sample:
        if open_files() < self.connections + SPARE_FILES:
            raise BenchFailure(f"{self.connections} connections need a higher limit of open files than {open_files()}")
        with serving(stand, peer, Shape()) as place, ExitStack() as opened:
            warm = opened.enter_context(_connect(place.ports.listen))
            for _ in range(WARM_REQUESTS):
                _use(warm, peer)
            before_kib = account.rss_kib(place.pids())
            idle = [opened.enter_context(_opened_once(place.ports.listen, peer)) for _ in range(self.connections)]
            after_kib = account.rss_kib(place.pids())
            for connection in idle[:: max(1, self.connections // 50)]:
                _use(connection, peer)
        metrics = {
            "kib_per_connection": (after_kib - before_kib) / self.connections,
            "rss_before_mib": before_kib / 1024,
            "rss_after_mib": after_kib / 1024,
        }
        return Sample(metrics, self.connections, self.connections)


def _connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=ask.PROBE_TIMEOUT_S)


def _opened_once(port: int, peer: Peer) -> socket.socket:
    connection = _connect(port)
    _use(connection, peer)
    return connection


def _use(connection: socket.socket, peer: Peer) -> None:
    try:
        status, _body = ask.exchange(connection, "/")
    except OSError as error:
        raise BenchFailure(f"{peer.name} gave up an idle connection: {error}") from error
    if status != 200:
        raise BenchFailure(f"{peer.name} answered {status} on an idle connection")


SCENARIO = IdleScenario()
