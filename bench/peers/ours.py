"""Our proxy as a user starts it: `python -m mesh serve`, one worker, from the same bootstrap as Envoy."""

import os
import sys
from pathlib import Path

from bench.machine import ROOT, commit
from bench.peers import bootstrap
from bench.peers.peer import Feature, Peer, Ports, Shape

SOURCES = os.pathsep.join([str(ROOT / "src"), str(ROOT / "python")])


def configure(folder: Path, ports: Ports, shape: Shape) -> list[str]:
    config = bootstrap.write(folder, ports, shape)
    return [sys.executable, "-m", "mesh", "serve", "-c", str(config), "--concurrency", "1"]


# An installed package has its bytecode, so the sources keep theirs too.
ENVIRONMENT = {"PYTHONPATH": SOURCES, "PYTHONDONTWRITEBYTECODE": ""}
PEER = Peer("ours", commit, configure, frozenset(Feature), has_admin=True, env=ENVIRONMENT)
