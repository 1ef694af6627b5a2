"""The interleaved rounds: every peer in every scenario once, then all over again.

Interleaving spreads a disturbance of the machine (a neighbour, a warmer core) over all peers; every second round runs
backwards, so that none always follows the same one. Owns the upstream and the run's folder. A cell that fails is
named and left out of the following rounds; the others go on.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench.failure import BenchFailure
from bench.machine import Cores
from bench.peers.peer import Peer
from bench.scenarios.scenario import Sample, Scenario, Stand
from bench.upstream.origin import origin


@dataclass(frozen=True)
class Cell:
    """One peer in one scenario."""

    scenario: Scenario
    peer: Peer


@dataclass
class Results:
    """Samples and failures by (scenario, peer)."""

    samples: dict[tuple[str, str], list[Sample]] = field(default_factory=dict)
    failures: dict[tuple[str, str], str] = field(default_factory=dict)


def cells(scenarios: list[Scenario], peers: list[Peer]) -> list[Cell]:
    """The pairs that make sense: a peer without what a scenario needs, or made for others, is left out of it."""
    pairs = [Cell(scenario, peer) for scenario in scenarios for peer in peers if scenario.needs <= peer.features]
    return [cell for cell in pairs if not cell.peer.only or cell.scenario.name in cell.peer.only]


def run(planned: list[Cell], rounds: int, seconds: float, cores: Cores, step: Callable[[int, Cell], None]) -> Results:
    """Measures all cells `rounds` times; `step` is told the round and the cell before each measurement."""
    results = Results()
    with tempfile.TemporaryDirectory(prefix="mesh-bench-") as name:
        folder = Path(name)
        upstream_folder = folder / "upstream"
        upstream_folder.mkdir()
        with origin(upstream_folder, cores.load) as upstream:
            stand = Stand(folder, cores, upstream.port, seconds)
            for turn in range(rounds):
                for cell in planned if turn % 2 == 0 else planned[::-1]:
                    step(turn, cell)
                    _measure(cell, stand, results)
    return results


def _measure(cell: Cell, stand: Stand, results: Results) -> None:
    key = cell.scenario.name, cell.peer.name
    if key in results.failures:
        return
    try:
        sample = cell.scenario.measure(stand, cell.peer)
    except (BenchFailure, OSError, ValueError) as error:
        results.failures[key] = str(error)
        return
    results.samples.setdefault(key, []).append(sample)
