"""A short run of every fuzz target: the corpus and a fixed number of changed inputs."""

from __future__ import annotations

import pytest

from tests.fuzz.run import TARGETS, run


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_a_short_run_finds_nothing(target: str) -> None:
    tried, kinds = run(target, seed=1, inputs=4000)
    assert tried == 4000
    assert kinds >= 10
