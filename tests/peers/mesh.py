"""Starts our own proxy as a process, the way a user does: `python -m mesh serve -c FILE`.

Runs the tree that the tests belong to. Must not import `mesh`: a crash of the engine has to stay in the child.
Ends with `Peer.stop`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.peers.process import Peer

ROOT = Path(__file__).resolve().parents[2]


def mesh_peer(bootstrap: Path, directory: Path, admin_port: int, log_level: str = "warning") -> Peer:
    command = [
        sys.executable,
        "-m",
        "mesh",
        "serve",
        "-c",
        str(bootstrap),
        "--concurrency",
        "1",
        "--drain-time-s",
        "1",
        "-l",
        log_level,
    ]
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT / "python"), *filter(None, [os.environ.get("PYTHONPATH")])])
    return Peer("mesh", command, directory, admin_port, {"PYTHONPATH": path, "PYTHONFAULTHANDLER": "1"})
