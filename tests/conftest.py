"""What all tests share: where the sources are, room for descriptors, and a word about slow tests that do not say so.

Owns no fixture: each folder brings its own. Runs in pytest's process before anything is collected; children inherit the environment.
"""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DESCRIPTORS = 65536
# A test over 0.25 s carries the mark; on a busy machine the clock is not exact, so only what is far above is told.
TELL_S = 1.0

_unmarked: list[tuple[float, str]] = []


def pytest_configure(config: pytest.Config) -> None:
    # For the processes that tests start: the tree that the tests belong to, whatever else is installed.
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    ours = [str(ROOT / "src"), str(ROOT / "python")]
    os.environ["PYTHONPATH"] = os.pathsep.join([*ours, *(path for path in given if path and path not in ours)])
    # Hundreds of listeners and connections live in one process here; many systems begin with 1,024 descriptors.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" and report.duration > TELL_S and "slow" not in report.keywords:
        _unmarked.append((report.duration, report.nodeid))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _unmarked:
        terminalreporter.section("slow, and not marked so")
        for seconds, name in sorted(_unmarked, reverse=True):
            terminalreporter.line(f"{seconds:6.2f} s  {name}")
