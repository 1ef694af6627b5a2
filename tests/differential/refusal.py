"""Starts a proxy with as many cases as it accepts: a config error in one listener must not hide all other cases.

A refusal that names `listeners[N]`, `clusters[N]` or a case leaves those cases out at once; one that says nothing
is narrowed down by halves. A refusal of an access-log field first takes the common access log away from all cases,
so that the rest can still be measured. Must not interpret why. Called by `run.py` at the start of a round.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from tests.differential.case import Case
from tests.peers.process import Peer, PeerHung, PeerRefused

if TYPE_CHECKING:
    from tests.differential.run import ProxyRun, Stage

_LISTENER = re.compile(r"listeners\[(\d+)\]")
_CLUSTER = re.compile(r"clusters\[(\d+)\]")
ATTEMPTS = 400


async def start_accepting(
    run: ProxyRun, stage: Stage, directory: Path
) -> tuple[Peer | None, list[Case], dict[str, str], bool]:
    """(running peer or None, cases it carries, refused case -> why, whether the common access log is on)."""
    cases = list(stage.cases)
    refused: dict[str, str] = {}
    with_log = True
    for _ in range(ATTEMPTS):
        if not cases:
            break
        try:
            return await run.start(cases, stage, directory, with_log), cases, refused, with_log
        except PeerHung as error:
            return None, [], refused | {case.name: str(error) for case in cases}, with_log
        except PeerRefused as error:
            output = error.output.strip()
            blamed = _blamed(cases, output)
            common_log = [name for name, why in blamed.items() if "access_log" in why and name not in _custom(cases)]
            if with_log and common_log:
                with_log = False
                continue
            if not blamed:
                # A proxy that does not even start without a listener refuses no case in particular.
                starts = await _accepts(run, stage, directory, [], with_log)
                guilty = await _halve(run, stage, directory, cases, with_log) if starts else cases
                blamed = {case.name: _last_words(output) for case in guilty}
            refused |= blamed
            cases = [case for case in cases if case.name not in blamed]
    return None, [], refused | {case.name: "the proxy refuses every config" for case in cases}, with_log


def _custom(cases: list[Case]) -> set[str]:
    """Cases with their own access log: a refusal there says nothing about the common one."""
    return {case.name for case in cases if case.log}


def _blamed(cases: list[Case], output: str) -> dict[str, str]:
    """case -> the lines that name it, by the index of a listener or cluster, or by its own name."""
    owners = [case.name for case in cases for _ in case.upstreams]
    blamed: dict[str, list[str]] = {}
    for line in output.splitlines():
        names = {cases[int(i)].name for i in _LISTENER.findall(line) if int(i) < len(cases)}
        names |= {owners[int(i)] for i in _CLUSTER.findall(line) if int(i) < len(owners)}
        for name in names:
            blamed.setdefault(name, []).append(line.strip())
    if not blamed:
        words = set(re.findall(r"[a-z0-9_]+", output))
        words |= {word.partition("__")[0] for word in words}
        blamed = {case.name: [_last_words(output)] for case in cases if case.name in words}
    return {name: " | ".join(lines)[:600] for name, lines in blamed.items()}


async def _halve(run: ProxyRun, stage: Stage, directory: Path, cases: list[Case], with_log: bool) -> list[Case]:
    """One case that is refused alone; all of them when only their being together is refused."""
    suspects = cases
    while len(suspects) > 1:
        middle = len(suspects) // 2
        for half in (suspects[:middle], suspects[middle:]):
            if not await _accepts(run, stage, directory, half, with_log):
                suspects = half
                break
        else:
            return suspects
    return suspects


async def _accepts(run: ProxyRun, stage: Stage, directory: Path, cases: list[Case], with_log: bool) -> bool:
    try:
        peer = await run.start(cases, stage, directory, with_log)
    except PeerRefused:
        return False
    await peer.stop()
    return True


def _last_words(output: str) -> str:
    """The last lines that say something, which is where proxies put the error."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if re.search(r"error|refus|unknown|not (implemented|supported)", line, re.I)]
    return " | ".join((telling or lines)[-3:])[:600]
