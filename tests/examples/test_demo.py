"""The demo that `make demo` runs, shortened, in a process of its own: as a user starts it."""

import subprocess
import sys
from pathlib import Path

import pytest

DEMO = Path(__file__).resolve().parents[2] / "examples" / "demo" / "demo.py"


@pytest.mark.slow
@pytest.mark.parametrize("proxy", ["mesh", "envoy"])
def test_the_demo_loses_no_request_before_the_kill_and_none_but_those_in_flight_after(proxy: str) -> None:
    argv = [sys.executable, str(DEMO), "--proxy", proxy, "--requests", "4000"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (before,) = (line for line in done.stdout.splitlines() if line.strip().startswith("both upstreams up  "))
    requests, failed, *_quantiles, alpha, beta = before.replace(",", "").split()[3:]
    assert failed == "0"
    assert int(alpha) > 0
    assert int(alpha) + int(beta) == int(requests)
    assert "us of CPU per request" in done.stdout
