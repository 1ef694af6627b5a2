"""Which counters a case compares, and what they are called without the case's own name.

The common list is `counters.yaml` (patterns by scope); a case may add full names. Must not read /stats (`run.py` does).
Pure functions, called after the run.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from pathlib import Path

import yaml

from tests.differential.case import Case
from tests.differential.config import cluster_name

_LISTS: dict[str, list[str]] = yaml.safe_load((Path(__file__).parent / "counters.yaml").read_text())
_PATTERNS = {kind: re.compile("|".join(fnmatch.translate(name) for name in names)) for kind, names in _LISTS.items()}


def scopes_of(case: Case) -> list[str]:
    """The scopes that belong to this case alone, since it has its own listener, stat prefix and clusters."""
    return [
        f"http.{case.name}",
        f"tcp.{case.name}",
        f"listener.{case.name}",
        *(f"cluster.{cluster_name(case.name, up)}" for up in case.upstreams),
    ]


def named_counters(case: Case, stats: Iterable[str]) -> list[str]:
    """The full names that the case lists itself; a pattern stands for what matches in `stats`."""
    found: list[str] = []
    for listed in case.counters:
        name = listed.replace("<case>", case.name)
        found += fnmatch.filter(stats, name) if "*" in name else [name]
    return found


def compared_counters(case: Case, stats: dict[str, int]) -> dict[str, int]:
    """The compared counters that are not zero: a proxy may or may not print the others."""
    found: dict[str, int] = {}
    for scope in scopes_of(case):
        kind, owner = scope.split(".", 1)
        for full, value in stats.items():
            name = full.removeprefix(scope + ".")
            if name != full and value and _PATTERNS[kind].match(name):
                short = f"{kind}.{owner.removeprefix(case.name).removeprefix('__')}.{name}".replace("..", ".")
                found[short.replace(f".{case.name}.", ".")] = value
    for full in named_counters(case, stats):
        if stats.get(full):
            found[full.replace(case.name, "<case>")] = stats[full]
    return found
