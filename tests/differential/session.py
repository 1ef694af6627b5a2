"""One whole comparison: both proxies, all chosen cases, the verdicts.

The proxies run one after the other on the same listener ports, so that they do not take the processor from each
other and transcripts carry the same numbers. Cases about timeouts say fractions of a second, which a processor shared by
dozens of cases (or with other work) cannot keep: a case that comes out otherwise than known.yaml says plays again,
with few beside it, and the last play counts. Used by pytest and by the command line. Ends with every process stopped.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from tests.differential.case import Case
from tests.differential.compare import Verdict, judge, load_known
from tests.differential.observation import Observation
from tests.differential.run import ProxyRun
from tests.peers.envoy import envoy_peer
from tests.peers.mesh import mesh_peer
from tests.peers.ports import PortReservation

# More than this many surprises are no accident of timing.
AGAIN_AT_MOST = 60
AGAIN_JOBS = 4
AGAIN_TIMES = 2


@dataclass
class Comparison:
    """`again` names the cases that had to play more than once."""

    verdicts: dict[str, Verdict]
    reference: dict[str, Observation]
    ours: dict[str, Observation]
    again: list[str] = field(default_factory=list)


async def compare_proxies(
    cases: list[Case], every: list[Case], itself: bool = False, jobs: int = 32, keep: Path | None = None
) -> Comparison:
    """`itself` compares Envoy with Envoy; `every` is needed to check known.yaml; `keep` is where the files stay."""
    known = {} if itself else load_known(every)
    second = envoy_peer if itself else mesh_peer
    with tempfile.TemporaryDirectory(prefix="differential") as scratch, PortReservation() as reservation:
        directory = keep or Path(scratch)
        listeners = {case.name: reservation.reserve() for case in cases}

        async def play(cases: list[Case], jobs: int, folder: str) -> Comparison:
            reference = await ProxyRun(envoy_peer, directory / f"envoy{folder}", listeners, jobs).play(cases)
            ours = await ProxyRun(second, directory / f"ours{folder}", listeners, jobs).play(cases)
            verdicts = {
                case.name: judge(case, reference[case.name], ours[case.name], known.get(case.name, {})) for case in cases
            }
            return Comparison(verdicts, reference, ours)

        whole = await play(cases, jobs, "")
        for time in range(1, AGAIN_TIMES + 1):
            surprising = [case for case in cases if whole.verdicts[case.name].surprising]
            if not 0 < len(surprising) <= AGAIN_AT_MOST:
                break
            part = await play(surprising, AGAIN_JOBS, f"-again{time}")
            whole.verdicts |= part.verdicts
            whole.reference |= part.reference
            whole.ours |= part.ours
            whole.again += [case.name for case in surprising if case.name not in whole.again]
    return whole
