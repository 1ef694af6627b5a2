"""The bare byte relay: compiled from bench/relay/relay.c whenever the source is newer than the program."""

import subprocess
from pathlib import Path

from bench.failure import BenchFailure
from bench.machine import ROOT
from bench.peers.peer import Peer, Ports, Shape
from bench.running import first_line, program

SOURCE = ROOT / "bench" / "relay" / "relay.c"
BUILT = ROOT / "build" / "bench" / "relay"


def build() -> Path:
    """The compiled relay; fails with the compiler's own words."""
    if not BUILT.exists() or BUILT.stat().st_mtime < SOURCE.stat().st_mtime:
        BUILT.parent.mkdir(parents=True, exist_ok=True)
        command = [program("cc"), "-O2", "-Wall", "-Wextra", "-o", str(BUILT), str(SOURCE)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != 0:
            raise BenchFailure(f"the relay does not compile: {done.stderr.strip()}")
    return BUILT


def version() -> str:
    return first_line([program("cc"), "--version"])


def configure(_folder: Path, ports: Ports, _shape: Shape) -> list[str]:
    return [str(build()), str(ports.listen), str(ports.upstream)]


PEER = Peer("relay", version, configure, frozenset())
