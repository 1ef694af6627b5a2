"""What passes between a client and a server that are one program: CPU microseconds of the proxy per question and answer.

Thrift calls, whose payload passes unread in every peer, and bytes through TCP proxies.
"""

import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

from bench import ask
from bench.load import paired
from bench.peers.peer import Feature, Peer, Shape
from bench.running import await_ready
from bench.scenarios.load import under_load
from bench.scenarios.scenario import Sample, Stand
from bench.scenarios.serving import Serving, started


def _listens(place: Serving) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", place.ports.listen), timeout=1):
        return True
    return False


@dataclass(frozen=True)
class PairedScenario:
    """`program` is bench/load/PROGRAM.c; `more` are the arguments of its load after port and connections."""

    name: str
    title: str
    program: str
    unit: str
    shape: Shape
    needs: frozenset[Feature]
    connections: int = 64
    more: tuple[str, ...] = ()
    baseline: str = ""
    also: Mapping[str, str] = field(default_factory=dict)
    headline: str = "us_per_request"

    def measure(self, stand: Stand, peer: Peer) -> Sample:
        core = stand.cores.load
        with paired.server(self.program, stand.folder, core) as port, started(replace(stand, upstream=port), peer, self.shape) as place:
            ready = partial(ask.answers, place.ports.admin, "/ready") if peer.has_admin else partial(_listens, place)
            await_ready(place.process, place.log, ready, peer.name)
            drive = partial(paired.drive, self.program, place.ports.listen, self.connections, self.more, core=core, folder=place.folder)
            return under_load(stand, peer, place, self.connections, drive)


_THRIFT = frozenset({Feature.THRIFT})
_TCP = frozenset({Feature.TCP})
SCENARIOS = (
    PairedScenario("thrift", "Thrift call, 64 connections", "thrift", "us CPU / call", Shape(thrift=True), _THRIFT),
    PairedScenario("tcp", "TCP, 64 bytes and back, 64 connections", "tcp", "us CPU / message", Shape(tcp=True), _TCP, more=("64",)),
    PairedScenario("tcp_bulk", "TCP, 1 MiB at a time, 8 connections", "tcp", "us CPU / MiB", Shape(tcp=True), _TCP, 8, ("1048576",)),
)
