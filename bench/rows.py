"""Results on disk: one file per scenario in bench/results/, one JSON object a line, only ever appended to.

A row says what was measured, on what, how often and how far the repetitions lay apart. A row whose load saw an error is
refused: it would make a proxy that fails fast look cheap. Called by the command line after a run, and by the report.
"""

import json
import statistics
from pathlib import Path
from typing import Any

from bench.scenarios.scenario import Sample

RESULTS = Path(__file__).resolve().parent / "results"
Row = dict[str, Any]


def refusal(samples: list[Sample]) -> str:
    """Why these samples must not become a row; empty when they may."""
    found: dict[str, int] = {}
    for sample in samples:
        for kind, n in sample.errors.items():
            found[kind] = found.get(kind, 0) + n
    return "the load saw errors: " + ", ".join(f"{n} {kind}" for kind, n in sorted(found.items())) if found else ""


def row(facts: dict[str, str], scenario: str, peer: str, version: str, seconds: float, samples: list[Sample]) -> Row:
    """One row: median, smallest and largest of every metric over the rounds; the order of its fields is kept."""
    made: Row = {**facts, "scenario": scenario, "peer": peer, "version": version, "rounds": len(samples)}
    made |= {"seconds": seconds, "connections": samples[0].connections}
    for metric in samples[0].metrics:
        values = [sample.metrics[metric] for sample in samples]
        made[metric] = {
            "median": _rounded(statistics.median(values)),
            "min": _rounded(min(values)),
            "max": _rounded(max(values)),
        }
    made["requests"] = sum(sample.requests for sample in samples)
    made["errors"] = sum(sum(sample.errors.values()) for sample in samples)
    return made


def append(rows: list[Row], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for made in rows:
        with (folder / f"{made['scenario']}.jsonl").open("a") as file:
            file.write(json.dumps(made) + "\n")


def newest(folder: Path, scenario: str) -> list[Row]:
    """The rows of the newest run of a scenario that has our own proxy in it, or of the newest run if none has."""
    path = folder / f"{scenario}.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    dates = [made["date"] for made in rows if made["peer"] == "ours"] or [made["date"] for made in rows]
    return [made for made in rows if made["date"] == max(dates)] if dates else []


def _rounded(value: float) -> float:
    return round(value, 3)
