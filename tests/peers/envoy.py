"""Starts Envoy itself, the reference for behaviour, from a bootstrap file.

The binary comes with the Python package that `make test` installs into the environment (its script lies beside the
interpreter), or from the PATH. Must not contain anything about what a test compares. Ends with `Peer.stop`.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from tests.peers.process import Peer


def envoy_binary() -> str:
    beside = Path(sys.executable).parent / "envoy"
    found = str(beside) if beside.exists() else shutil.which("envoy")
    if found is None:
        raise FileNotFoundError("envoy: neither beside the Python interpreter nor on the PATH; `make test` installs it")
    return found


def envoy_peer(bootstrap: Path, directory: Path, admin_port: int, log_level: str = "warning") -> Peer:
    """Envoy with one worker; access logs are written within 100 ms."""
    command = [
        envoy_binary(),
        "-c",
        str(bootstrap),
        "--concurrency",
        "1",
        # Hot restart would need shared memory that two runs at once fight over.
        "--disable-hot-restart",
        "--drain-time-s",
        "1",
        "--file-flush-interval-msec",
        "100",
        "-l",
        log_level,
    ]
    # `.ci/asan` preloads its libraries for our own processes; Envoy does not run with them.
    return Peer("envoy", command, directory, admin_port, env={"LD_PRELOAD": ""})
