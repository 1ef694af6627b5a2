"""A clock that stands still, hosts that answer when they are told to, and a place where everything that is said is kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from mesh.health import checker, detector
from mesh.health.agenda import Agenda
from mesh.health.http import Verify
from mesh.health.probe import Target
from mesh.health.state import Result
from meshcore.bind.health_spec import HealthCheck, OutlierDetection, TcpCheck
from meshcore.bind.runtime import RuntimeCells
from meshcore.bind.spec import Address, Cluster, Endpoint, RuntimeValue

TCP = HealthCheck(
    TcpCheck(), timeout_ms=1000, interval_ms=5000, unhealthy_threshold=2, healthy_threshold=2, unhealthy_interval_ms=5000,
    unhealthy_edge_interval_ms=5000, healthy_edge_interval_ms=5000,
)  # fmt: skip


def endpoint(n: int, **traits: Any) -> Endpoint:
    return Endpoint(Address("10.0.0.1", n), **traits)


class Logs:
    """Events by path."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def write(self, path: str, event: dict[str, Any]) -> None:
        self.lines.append((path, event))


class FakeProbe:
    """A check that ends when the test says so."""

    def __init__(self, target: Target, done: Callable[[Result], None]) -> None:
        self.target = target
        self.started = 0
        self.aborted = 0
        self._done = done

    def start(self) -> None:
        self.started += 1

    def abort(self) -> None:
        self.aborted += 1

    def answer(self, result: Result) -> None:
        self._done(result)


class Stage:
    """A proxy for one checker or detector. `advance` moves the clock, stopping at each job."""

    def __init__(self, **runtime: int) -> None:
        self.now = 1000.0
        self.agenda = Agenda(lambda: self.now)
        self.runtime = RuntimeCells()
        self.runtime.set({key.replace("__", "."): RuntimeValue(str(value), integer=value) for key, value in runtime.items()})
        self.logs = Logs()
        self.counts: Counter[str] = Counter()
        self.gauges: dict[str, int] = {}
        self.changes: list[tuple[Address, int, int]] = []
        self.answers: list[tuple[Address, bool]] = []
        self.failed: list[Address] = []
        self.probes: dict[Address, FakeProbe] = {}
        self.traffic = True
        self.chance = 0.0
        self.volumes: list[tuple[int, tuple[int, int, int, int]]] = []

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while (due := self.agenda.next_due) is not None and due <= end:
            self.now = max(self.now, due)
            self.agenda.run()
        self.now = end

    def count(self, name: str, n: int) -> None:
        self.counts[name] += n

    def checker(self, check: HealthCheck = TCP, **cluster: Any) -> checker.Checker:
        def make(check: HealthCheck, target: Target, done: Callable[[Result], None], verify: Verify) -> Any:
            self.probes[target.endpoint.address] = probe = FakeProbe(target, done)
            return probe

        around = checker.Surroundings(
            self.agenda, self.runtime, self.logs, lambda: self.chance, self.count, self.gauges.__setitem__, lambda: self.traffic,
            lambda address, on, off: self.changes.append((address, on, off)),
            lambda address, healthy: self.answers.append((address, healthy)), self.failed.append,
        )  # fmt: skip
        return checker.Checker(Cluster("c", health_check=check, **cluster), around, make)

    def detector(self, **settings: Any) -> detector.Detector:
        def sweep() -> list[tuple[int, tuple[int, int, int, int]]]:
            volumes, self.volumes = self.volumes, []
            return volumes

        around = detector.Surroundings(
            self.agenda, self.runtime, self.logs, lambda: self.chance, self.count, self.gauges.__setitem__, sweep,
            lambda address, on, off: self.changes.append((address, on, off)), self.failed.append,
        )  # fmt: skip
        return detector.Detector(Cluster("c", outlier_detection=OutlierDetection(**settings)), around)
