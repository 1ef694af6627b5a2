"""What a scenario is to the harness, and what one measurement of one peer gives.

A scenario starts the peer it is given, measures it once and ends it; it keeps nothing between two measurements, so that
every round sees a fresh process. It fails with BenchFailure when there is no number worth keeping.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench.machine import Cores
from bench.peers.peer import Feature, Peer


@dataclass(frozen=True)
class Stand:
    """Where measurements take place: a folder to write to, the cores, the upstream's port, and the length of a load."""

    folder: Path
    cores: Cores
    upstream: int
    seconds: float


@dataclass(frozen=True)
class Sample:
    """One measurement. `errors` counts by kind what makes it worthless; `connections` is 0 where there is no load."""

    metrics: dict[str, float]
    connections: int = 0
    requests: int = 0
    errors: dict[str, int] = field(default_factory=dict)


class Scenario(Protocol):
    """`headline` names the metric to compare, `unit` is what it counts, `baseline` another scenario to relate it to.

    `also` names further metrics, with their units, that deserve a line of their own in the README's table.
    """

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def headline(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def also(self) -> Mapping[str, str]: ...
    @property
    def needs(self) -> frozenset[Feature]: ...
    @property
    def baseline(self) -> str: ...

    def measure(self, stand: Stand, peer: Peer) -> Sample: ...
