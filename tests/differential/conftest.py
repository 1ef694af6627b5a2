"""Fixtures of the differential tests: the repository on the path, and one comparison per test session.

The comparison plays exactly the cases that this session collected, so that `-k NAME` is quick. It runs before the first
test that needs it and stops every process it started.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tests.differential.case import Case, load_cases  # noqa: E402
from tests.differential.session import Comparison, compare_proxies  # noqa: E402

# The session fixture plays every case, twice, inside the first test that asks for it.
WHOLE_RUN_S = 600
AGAIN: pytest.StashKey[list[str]] = pytest.StashKey()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.pluginmanager.hasplugin("timeout"):
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.timeout(WHOLE_RUN_S))


@pytest.fixture(scope="session")
def comparison(request: pytest.FixtureRequest) -> Comparison:
    every = load_cases()
    asked = [item.callspec.params.get("case") for item in request.session.items if hasattr(item, "callspec")]
    wanted = {case.name for case in asked if isinstance(case, Case)}
    comparison = asyncio.run(compare_proxies([case for case in every if case.name in wanted], every))
    request.config.stash[AGAIN] = comparison.again
    return comparison


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if again := config.stash.get(AGAIN, []):
        terminalreporter.section("differential cases that played more than once")
        terminalreporter.line(", ".join(again))
