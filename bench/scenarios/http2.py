"""HTTP/2 on both sides, and gRPC calls over it: CPU microseconds of the proxy per request.

Both speak it with prior knowledge. A call is a message of a hundred bytes, answered by a message and trailers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from bench import ask
from bench.load import h2load, paired
from bench.load.h2load import Load
from bench.peers.peer import Feature, Peer, Shape
from bench.running import await_ready
from bench.scenarios.load import under_load
from bench.scenarios.paired import listens
from bench.scenarios.scenario import Sample, Stand
from bench.scenarios.serving import started

SHAPE = Shape(http2=True)
MESSAGE = b"\0\0\0\0\x64" + b"x" * 100


@dataclass(frozen=True)
class Http2Scenario:
    """One load by h2load, against a host that speaks HTTP/2."""

    name: str
    title: str
    load: Load
    unit: str = "us CPU / request"
    needs: frozenset[Feature] = frozenset({Feature.HTTP2})
    baseline: str = ""
    also: Mapping[str, str] = field(default_factory=dict)
    headline: str = "us_per_request"

    def measure(self, stand: Stand, peer: Peer) -> Sample:
        core = stand.cores.load
        with paired.server("http2", stand.folder, core) as port, started(replace(stand, upstream=port), peer, SHAPE) as place:
            ready = partial(ask.answers, place.ports.admin, "/ready") if peer.has_admin else partial(listens, place)
            await_ready(place.process, place.log, ready, peer.name)
            drive = partial(h2load.drive, self.load, place.ports.listen, core=core, folder=place.folder)
            return under_load(stand, peer, place, self.load.connections, drive)


SCENARIOS = (
    Http2Scenario("h2", "HTTP/2 small GET, 16 connections x 10 streams", Load(16, 10)),
    Http2Scenario("grpc", "gRPC call, 16 connections x 10 streams", Load(16, 10, MESSAGE), "us CPU / call"),
)
