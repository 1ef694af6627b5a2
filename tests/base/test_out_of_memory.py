"""Nothing in base/ or the codec falls over, or changes half of a thing, when an allocation fails: any of them, one at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.slow
def test_every_failing_allocation_is_told_and_changes_nothing(tmp_path: Path) -> None:
    library = tmp_path / "failing_malloc.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, HERE / "failing_malloc.c", "-ldl"], check=True, timeout=60)
    environment = {**os.environ, "LD_PRELOAD": str(library), "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-m", "tests.base.out_of_memory"],
        env=environment, cwd=HERE.parent.parent, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("failures") == 11
