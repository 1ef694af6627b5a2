"""The cost rows of Python filters can be made: a short run of `python -m bench.pyfilter`, whose figures say nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("door", ["thread", "aio"])
def test_a_short_run_makes_a_row_for_each_filter(tmp_path: Path, door: str) -> None:
    argv = [sys.executable, "-m", "bench.pyfilter", "--rounds", "1", "--seconds", "0.2", "--out", str(tmp_path)]
    path = os.pathsep.join([str(ROOT), str(ROOT / "src"), str(ROOT / "python")])
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(
        argv + ["--aio"] * (door == "aio"), env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [json.loads(line) for line in (tmp_path / f"pyfilter_{door}.jsonl").read_text().splitlines()]
    assert [row["peer"] for row in rows] == ["none", "sync", "async"]
    assert all(row["errors"] == 0 and row["us_per_request"]["median"] > 0 for row in rows)
