"""One whole comparison: both proxies, all chosen cases, the verdicts.

The proxies run one after the other on the same listener ports, so that they do not take the processor from each
other and transcripts carry the same numbers. Used by pytest and by the command line. Ends with every process
stopped.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.differential.case import Case
from tests.differential.compare import Verdict, judge, load_known
from tests.differential.observation import Observation
from tests.differential.run import ProxyRun
from tests.peers.envoy import envoy_peer
from tests.peers.mesh import mesh_peer
from tests.peers.ports import PortReservation


@dataclass
class Comparison:
    verdicts: dict[str, Verdict]
    reference: dict[str, Observation]
    ours: dict[str, Observation]


async def compare_proxies(
    cases: list[Case], every: list[Case], itself: bool = False, jobs: int = 32, keep: Path | None = None
) -> Comparison:
    """`itself` compares Envoy with Envoy; `every` is needed to check known.yaml; `keep` is where the files stay."""
    known = {} if itself else load_known(every)
    with tempfile.TemporaryDirectory(prefix="differential") as scratch, PortReservation() as reservation:
        directory = keep or Path(scratch)
        listeners = {case.name: reservation.reserve() for case in cases}
        reference = await ProxyRun(envoy_peer, directory / "envoy", listeners, jobs).play(cases)
        second = envoy_peer if itself else mesh_peer
        ours = await ProxyRun(second, directory / "ours", listeners, jobs).play(cases)
    verdicts = {
        case.name: judge(case, reference[case.name], ours[case.name], known.get(case.name, {})) for case in cases
    }
    return Comparison(verdicts, reference, ours)
