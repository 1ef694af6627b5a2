"""Thrift calls through a proxy: CPU microseconds of the proxy per call. The payload passes unread in every peer."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from bench import ask
from bench.load import thrift
from bench.peers.peer import Feature, Peer, Shape
from bench.running import await_ready
from bench.scenarios.load import under_load
from bench.scenarios.scenario import Sample, Stand
from bench.scenarios.serving import started


@dataclass(frozen=True)
class ThriftScenario:
    name: str = "thrift"
    title: str = "Thrift call, 64 connections"
    connections: int = 64
    needs: frozenset[Feature] = frozenset({Feature.THRIFT})
    baseline: str = ""
    also: Mapping[str, str] = field(default_factory=dict)
    headline: str = "us_per_request"
    unit: str = "us CPU / call"

    def measure(self, stand: Stand, peer: Peer) -> Sample:
        core = stand.cores.load
        with thrift.server(stand.folder, core) as port, started(replace(stand, upstream=port), peer, Shape(thrift=True)) as place:
            await_ready(place.process, place.log, lambda: ask.answers(place.ports.admin, "/ready"), peer.name)
            drive = partial(thrift.drive, place.ports.listen, self.connections, core=core, folder=place.folder)
            return under_load(stand, peer, place, self.connections, drive)


SCENARIO = ThriftScenario()
