"""Every case through Envoy and through us: the same answer, the same upstream request, the same log line and counters.

A difference that `known.yaml` names is accepted; one that it names and that has vanished fails. To see both transcripts
of a case: `python -m tests.differential --show NAME`.
"""

from __future__ import annotations

import pytest

from tests.differential.case import Case, load_cases
from tests.differential.session import Comparison

CASES = load_cases()


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_same_as_envoy(case: Case, comparison: Comparison) -> None:
    verdict = comparison.verdicts[case.name]
    assert not verdict.broken, f"the case is wrong: {verdict.broken}"
    if verdict.unexplained:
        told = verdict.failure or "\n".join(
            str(each) for each in verdict.differences if each.aspect in verdict.unexplained
        )
        pytest.fail(
            f"{case.name} is not the same as Envoy:\n{told}\nsee: python -m tests.differential --show {case.name}",
            pytrace=False,
        )
    assert not verdict.vanished, f"known.yaml names differences that are no more: {', '.join(sorted(verdict.vanished))}"
