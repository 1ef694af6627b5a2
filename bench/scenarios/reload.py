"""Graceful reload under load: new configurations by SIGHUP one after the other while 64 connections keep asking.

Each configuration carries its own revision, which the proxy answers at `/revision`; the next one follows when that
answer is seen on a new connection, so every one of them was applied. What wrk saw fail is the result, not a reason to
refuse the row.
"""

import os
import signal
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from bench import ask
from bench.load import wrk
from bench.load.wrk import Load
from bench.peers.peer import Feature, Peer, Shape
from bench.running import await_ready
from bench.scenarios.scenario import Sample, Stand
from bench.scenarios.serving import Serving, serving

APPLY_S = 10.0


@dataclass(frozen=True)
class ReloadScenario:
    """Applies `reloads` configurations."""

    reloads: int = 100
    load: Load = field(default_factory=lambda: Load(64))
    name: str = "reload"
    title: str = "100 reloads under load"
    headline: str = "failed_requests"
    unit: str = "failed requests"
    needs: frozenset[Feature] = frozenset({Feature.RELOAD})
    baseline: str = ""
    also: Mapping[str, str] = field(default_factory=dict)

    def measure(self, stand: Stand, peer: Peer) -> Sample:
        took_ms: list[float] = []
        with serving(stand, peer, Shape(revision="start")) as place:

            def reload_all() -> None:
                for turn in range(self.reloads):
                    took_ms.append(_reload(place, peer, f"revision-{turn}"))

            outcome = wrk.drive(self.load, place.ports.listen, APPLY_S * 10, stand.cores.load, place.folder, reload_all)
        metrics = {
            "failed_requests": float(outcome.failed),
            "reloads": float(len(took_ms)),
            "reload_ms": statistics.median(took_ms),
            "p99_us": float(outcome.p99_us),
        }
        return Sample(metrics, self.load.connections, outcome.requests)


def _reload(place: Serving, peer: Peer, revision: str) -> float:
    """Applies one configuration; returns the milliseconds until it answered."""
    peer.configure(place.folder, place.ports, Shape(revision=revision))
    began_ns = time.monotonic_ns()
    os.kill(place.process.pid, signal.SIGHUP)
    wanted = revision.encode()
    await_ready(place.process, place.log, lambda: _revision(place) == wanted, f"{peer.name} with {revision}", APPLY_S)
    return (time.monotonic_ns() - began_ns) / 1e6


def _revision(place: Serving) -> bytes:
    try:
        return ask.get(place.ports.listen, "/revision")[1]
    except (OSError, ValueError):
        return b""


SCENARIO = ReloadScenario()
