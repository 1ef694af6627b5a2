"""From exec to ready: milliseconds until /ready answers 200 (or the first request comes through), and RSS at that
moment.

The clock starts before the process exists, so it includes the two short programs that pin it (about 2 ms for every
peer).
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from bench import account
from bench.peers.peer import Feature, Peer, Shape
from bench.running import await_ready
from bench.scenarios.scenario import Sample, Stand
from bench.scenarios.serving import is_ready, started


@dataclass(frozen=True)
class StartupScenario:
    name: str = "startup"
    title: str = "start to ready"
    headline: str = "ready_ms"
    unit: str = "ms"
    needs: frozenset[Feature] = frozenset({Feature.HTTP})
    baseline: str = ""
    also: Mapping[str, str] = field(default_factory=lambda: {"rss_mib": "MiB RSS"})

    def measure(self, stand: Stand, peer: Peer) -> Sample:
        began_ns = time.monotonic_ns()
        with started(stand, peer, Shape()) as place:
            await_ready(place.process, place.log, lambda: is_ready(peer, place), peer.name)
            ready_ns = time.monotonic_ns() - began_ns
            rss_kib = account.rss_kib(place.pids())
        return Sample({"ready_ms": ready_ns / 1e6, "rss_mib": rss_kib / 1024})


SCENARIO = StartupScenario()
