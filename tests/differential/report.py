"""The tables that a whole run prints: the differences, those that recur in many cases, the score by subject and aspect.

What recurs comes before what is single: one missing counter shows in hundreds of cases and is one thing to repair.
Must not compare; prints the verdicts it is given. Called once at the end of a run.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tests.differential.case import ASPECTS
from tests.differential.compare import Difference, Verdict
from tests.differential.session import Comparison

RECURRING = 25
PER_CASE = 12


def report(console: Console, comparison: Comparison, brief: bool, second: str) -> None:
    verdicts = list(comparison.verdicts.values())
    if not brief:
        _differences(console, verdicts, second)
    _recurring(console, verdicts, second)
    _subjects(console, verdicts)
    if comparison.again:
        console.print(f"played more than once: {', '.join(comparison.again)}", highlight=False)
    facts = summary(comparison)
    same = ", ".join(f"{name} {count}" for name, count in facts["same_by_aspect"].items())
    console.print(f"the same, by aspect: {same}", highlight=False)
    console.print(f"the same on the wire (all but log and stats): {facts['same_on_the_wire']}", highlight=False)
    console.print(
        f"[bold]score: {facts['same']} of {facts['cases']} the same: {facts['score']:.1f} %[/]", highlight=False
    )


def summary(comparison: Comparison) -> dict[str, Any]:
    """The figures of a run, for the README and for machines."""
    verdicts = list(comparison.verdicts.values())
    played = [v for v in verdicts if not v.failure and not v.broken]
    same = sum(v.same for v in verdicts)
    return {
        "cases": len(verdicts),
        "same": same,
        "score": 100.0 * same / max(1, len(verdicts)),
        "known": sum(_explained(v) for v in verdicts),
        "failed": sum(bool(v.failure) for v in verdicts),
        "same_on_the_wire": sum(v.aspects <= {"log", "stats"} for v in played),
        "same_by_aspect": {aspect: sum(aspect not in v.aspects for v in played) for aspect in ASPECTS},
        "different": {
            v.case.name: [v.broken or v.failure] if v.broken or v.failure else [str(d) for d in v.differences]
            for v in verdicts
            if not v.same
        },
    }


def _explained(verdict: Verdict) -> bool:
    return not verdict.same and not verdict.broken and not verdict.unexplained


def _subjects(console: Console, verdicts: list[Verdict]) -> None:
    by_subject: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        by_subject.setdefault(verdict.case.subject, []).append(verdict)
    table = Table("subject", "cases", "same", "known", "different", "failed", "not the same")
    for subject, group in by_subject.items():
        failed = sum(bool(v.failure or v.broken) for v in group)
        same = sum(v.same for v in group)
        known = sum(_explained(v) for v in group)
        names = Text(", ".join(v.case.name for v in group if not v.same), overflow="fold")
        figures = (len(group), same, known, len(group) - same - known - failed, failed)
        table.add_row(subject, *(str(figure) if figure else "" for figure in figures), names)
    console.print(table)


def _recurring(console: Console, verdicts: list[Verdict], second: str) -> None:
    """Differences of the same kind in several cases, the most frequent first."""
    found: Counter[tuple[str, str, str, str]] = Counter()
    example: dict[tuple[str, str, str, str], str] = {}
    for verdict in verdicts:
        kinds = {_kind(each) for each in verdict.differences if each.aspect in verdict.unexplained}
        if verdict.failure:
            kinds = {("run", re.sub(r"\d+", "#", verdict.failure.splitlines()[0])[-150:], "", "")}
        found.update(kinds)
        example |= {kind: verdict.case.name for kind in kinds}
    table = Table("cases", "aspect", "where", "envoy", second, "for example", title="what recurs", title_justify="left")
    for kind, count in found.most_common(RECURRING):
        if count > 1:
            cells = (Text(part, overflow="fold") for part in (*kind, example[kind]))
            table.add_row(str(count), *cells)
    if table.row_count:
        console.print(table)


def _kind(difference: Difference) -> tuple[str, str, str, str]:
    """The difference without indices and the numbers in long values, so that equal causes fall together."""
    where = re.sub(r"\[\d+\]", "[]", difference.where)
    return difference.aspect, where, short(difference.reference, 60), short(difference.ours, 60)


def _differences(console: Console, verdicts: list[Verdict], second: str) -> None:
    table = Table("case", "aspect", "where", "envoy", second)
    for v in verdicts:
        for title, text in (("case is wrong", v.broken), ("run", v.failure)):
            if text:
                table.add_row(v.case.name, title, "", "", Text(text, style="red", overflow="fold"))
        for d in v.differences[:PER_CASE]:
            cells = (Text(short(value), overflow="fold") for value in (d.where, d.reference, d.ours))
            table.add_row(v.case.name, d.aspect + ("" if d.aspect in v.unexplained else " (known)"), *cells)
        if len(v.differences) > PER_CASE:
            more = f"and {len(v.differences) - PER_CASE} more: --show {v.case.name}"
            table.add_row(v.case.name, "", more, "", "")
        for aspect in sorted(v.vanished):
            gone = Text("the known difference has vanished: take the entry out", style="red")
            table.add_row(v.case.name, aspect, "known.yaml", "", gone)
    if table.row_count:
        console.print(table)


def short(value: object, limit: int = 160) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"
