"""Prints one case from both proxies side by side, the way an engineer reads it: differences first, then the wire.

Left is the reference, right is ours. Every wire line shows who sent it, its time in ms since the case's first
event, and its line ends. Lines that only one side has are marked. Must not compare: it prints the verdict it is
given.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from difflib import SequenceMatcher

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tests.differential.compare import Verdict
from tests.differential.normalise import Normaliser
from tests.differential.observation import Observation, Side

LONGEST = 400


@dataclass
class Row:
    """One printed line; rows are paired by `key`, the line without what may differ."""

    at: str
    line: str
    key: str


def show_case(
    console: Console, verdict: Verdict, reference: Observation, ours: Observation, second: str = "ours"
) -> None:
    case = verdict.case
    console.rule(f"[bold]{case.name}[/] ({case.subject})")
    if case.why:
        console.print(Text(case.why))
    for title, text in (("case is wrong", verdict.broken), ("failed", verdict.failure)):
        if text:
            console.print(Text(f"{title}: {text}", style="bold red"))
    _differences(console, verdict, second)
    _side_by_side(console, "wire", _wire(verdict, reference), _wire(verdict, ours), second)
    _side_by_side(console, "access log", _log(verdict, reference), _log(verdict, ours), second)
    left, right = (_counters(verdict, each) for each in (reference, ours))
    _side_by_side(console, "counters that are not zero", left, right, second)


def _differences(console: Console, verdict: Verdict, second: str) -> None:
    if not verdict.differences:
        if verdict.same:
            console.print("no difference", style="green")
        return
    table = Table("aspect", "where", "envoy", second, title="differences", title_justify="left", show_lines=True)
    for each in verdict.differences:
        style = "red" if each.aspect in verdict.unexplained else "yellow"
        table.add_row(
            *(Text(cell, style=style) for cell in (each.aspect, each.where, _value(each.reference), _value(each.ours)))
        )
    console.print(table)
    for aspect, reason in verdict.known.items():
        console.print(Text(f"known: {aspect}: {reason}", style="yellow"))


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=1, ensure_ascii=False)


def _wire(verdict: Verdict, seen: Observation) -> list[Row]:
    """Every connection, clients first; times are relative to the first event of the case."""
    sides = [(f"client {i}", side, "→ ", "← ") for i, side in enumerate(seen.clients)]
    sides += [
        (f"upstream {name} {i}", side, "← ", "→ ")
        for name, each in seen.upstreams.items()
        for i, side in enumerate(each)
    ]
    starts = [side.events[0].at_s for _, side, _, _ in sides if side.events]
    zero = min(starts, default=0.0)
    clean = Normaliser(verdict.case, seen).line
    rows: list[Row] = []
    for name, side, sent, received in sides:
        rows.append(Row("", f"── {name}", name))
        rows += [Row(at, line, clean(line)) for at, line in _events(side, zero, sent, received)]
    return rows


def _events(side: Side, zero: float, sent: str, received: str) -> list[tuple[str, str]]:
    """(time or nothing, line)."""
    rows: list[tuple[str, str]] = []
    for event in side.events:
        at = f"{(event.at_s - zero) * 1000:7.1f}"
        if event.kind not in ("sent", "received"):
            rows.append((at, f"({event.kind}{': ' + event.payload.decode('latin-1') if event.payload else ''})"))
            continue
        arrow = sent if event.kind == "sent" else received
        # bytes.splitlines would also cut at a bare CR, which has to show inside its line.
        lines = [line + b"\n" for line in event.payload.split(b"\n")]
        lines[-1] = lines[-1][:-1]
        for line in (line for line in lines if line):
            rows.append((at, arrow + visible(line)))
            at = ""
    return rows


def visible(line: bytes) -> str:
    """The bytes as text with control characters spelled out; CRLF, the normal end, is shown as a faint mark."""
    body, mark = (line[:-2], "␍␊") if line.endswith(b"\r\n") else (line, "")
    text = "".join(chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}" for byte in body)
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}… ({len(body)} bytes)"
    return text + mark


def _log(verdict: Verdict, seen: Observation) -> list[Row]:
    clean = Normaliser(verdict.case, seen)
    rows: list[Row] = []
    for number, line in enumerate((seen.log or "(none)").splitlines()):
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        if not isinstance(entry, dict):
            rows.append(Row("", line, clean.line(line)))
            continue
        rows.append(Row("", f"── line {number}", f"line {number}"))
        for name, value in entry.items():
            rows.append(Row("", f"{name}: {json.dumps(value)}", f"{name}: {json.dumps(clean.log_value(name, value))}"))
    return rows


def _counters(verdict: Verdict, seen: Observation) -> list[Row]:
    if seen.failure:
        return []
    lines = [f"{name}: {value}" for name, value in Normaliser(verdict.case, seen).aspects()["stats"].items()]
    return [Row("", line, line) for line in lines]


def _side_by_side(console: Console, title: str, left: list[Row], right: list[Row], second: str) -> None:
    timed = any(row.at for row in left + right)
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", expand=True, padding=(0, 0))
    for name in ["ms", "envoy", "ms", second] if timed else ["envoy", second]:
        table.add_column(
            name, ratio=None if name == "ms" else 1, overflow="fold", justify="right" if name == "ms" else "left"
        )
    matcher = SequenceMatcher(None, [row.key for row in left], [row.key for row in right], autojunk=False)
    nothing = Row("", "", "")
    for kind, a0, a1, b0, b1 in matcher.get_opcodes():
        for i in range(max(a1 - a0, b1 - b0)):
            pair = (left[a0 + i] if a0 + i < a1 else nothing, right[b0 + i] if b0 + i < b1 else nothing)
            style, mark = ("", "  ") if kind == "equal" else ("red", "! ")
            cells: list[Text] = []
            for row in pair:
                cells += [Text(row.at + " ", "dim")] if timed else []
                cells.append(Text(mark + row.line if row.line else "", style))
            table.add_row(*cells)
    console.print(table)
