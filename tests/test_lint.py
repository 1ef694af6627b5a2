"""The engine's sources pass cython-lint, as `make lint` runs it.

Here and not only there, because an import that nothing uses any more is seen by no other test. Reads sources; runs nothing of ours.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_the_engines_sources_pass_cython_lint() -> None:
    # It looks for pycodestyle on the PATH.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    linter = "from cython_lint.cython_lint import main; raise SystemExit(main())"
    command = [sys.executable, "-c", linter, "src/meshcore"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"PATH": path}, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
