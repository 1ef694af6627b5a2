"""Compares two normalised cases and names every place in which they differ, by aspect.

Also reads `known.yaml`, where each agreed difference stands with its reason: a known difference that has vanished
is an error of its own, so that the list cannot rot. Pure functions; must not decide what is volatile (that is
`normalise.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.differential.case import ASPECTS, Case, CaseError
from tests.differential.normalise import Normaliser
from tests.differential.observation import Observation

KNOWN = Path(__file__).parent / "known.yaml"
ABSENT = "(absent)"
# In known.yaml: the case takes another way altogether, such as a 400 where Envoy answers 200.
WHOLE = "all"


@dataclass
class Difference:
    aspect: str
    where: str
    reference: Any
    ours: Any

    def __str__(self) -> str:
        return f"{self.aspect} {self.where}\n    envoy {self.reference!r}\n    ours  {self.ours!r}"


@dataclass
class Verdict:
    """The outcome of one case. `broken` means the case itself is wrong: Envoy did not do what the case says it does."""

    case: Case
    differences: list[Difference] = field(default_factory=list)
    failure: str = ""
    broken: str = ""
    known: dict[str, str] = field(default_factory=dict)

    @property
    def same(self) -> bool:
        return not (self.differences or self.failure or self.broken)

    @property
    def surprising(self) -> bool:
        """Neither the same nor different as known.yaml says."""
        return bool(self.broken or self.unexplained or self.vanished)

    @property
    def aspects(self) -> set[str]:
        return {difference.aspect for difference in self.differences} | ({"run"} if self.failure else set())

    @property
    def unexplained(self) -> set[str]:
        return set() if WHOLE in self.known and not self.failure else self.aspects - set(self.known)

    @property
    def vanished(self) -> set[str]:
        """Known differences that are no more: their entries have to be taken out."""
        if self.failure:
            return set()
        return set(self.known) - self.aspects - ({WHOLE} if self.aspects else set())


def judge(case: Case, reference: Observation, ours: Observation, known: dict[str, str]) -> Verdict:
    verdict = Verdict(case, known=known)
    if reference.failure:
        verdict.broken = f"the reference failed: {reference.failure}"
        return verdict
    left = Normaliser(case, reference).aspects()
    verdict.broken = _expectation(case, left, reference)
    if ours.failure:
        verdict.failure = ours.failure
        return verdict
    right = Normaliser(case, ours).aspects()
    for aspect in ASPECTS:
        if aspect not in case.exclude:
            verdict.differences += [Difference(aspect, *found) for found in diff(left[aspect], right[aspect])]
    return verdict


def _expectation(case: Case, left: dict[str, Any], reference: Observation) -> str:
    if reference.unmet:
        return f"the script did not get through against the reference: {reference.unmet}"
    if case.status is None:
        return ""
    found = [int(line.split(" ")[1]) for connection in left["status"] for line in connection]
    return "" if found == case.status else f"the case says status {case.status}, the reference answered {found}"


def diff(left: Any, right: Any, where: str = "") -> list[tuple[str, Any, Any]]:
    """Places where two trees of dicts, lists and scalars differ, as (path, left, right)."""
    if isinstance(left, dict) and isinstance(right, dict):
        names = list(left) + [name for name in right if name not in left]
        pairs = [
            (f"{where}.{name}" if where else str(name), left.get(name, ABSENT), right.get(name, ABSENT))
            for name in names
        ]
    elif isinstance(left, list) and isinstance(right, list):
        longest = max(len(left), len(right))
        pairs = [
            (f"{where}[{i}]", left[i] if i < len(left) else ABSENT, right[i] if i < len(right) else ABSENT)
            for i in range(longest)
        ]
    else:
        return [] if left == right and type(left) is type(right) else [(where, left, right)]
    return [found for path, a, b in pairs for found in diff(a, b, path)]


def load_known(cases: list[Case], path: Path = KNOWN) -> dict[str, dict[str, str]]:
    """case -> aspect -> reason; refuses entries for unknown cases or aspects, and entries without a reason."""
    known: dict[str, dict[str, str]] = yaml.safe_load(path.read_text()) or {}
    names = {case.name for case in cases}
    for name, aspects in known.items():
        if name not in names:
            raise CaseError(f"{path.name}: no case is called {name}")
        for aspect, reason in aspects.items():
            if aspect not in (*ASPECTS, "run", WHOLE):
                raise CaseError(f"{path.name}: {name}: {aspect}: one of {', '.join(ASPECTS)}, run, {WHOLE}")
            if not isinstance(reason, str) or len(reason) < 20:
                raise CaseError(f"{path.name}: {name}: {aspect}: a reason is needed, a sentence")
    return known
