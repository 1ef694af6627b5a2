"""The bare byte relay: compiled from bench/relay/relay.c whenever the source is newer than the program."""

from pathlib import Path

from bench.compiled import compiled
from bench.machine import ROOT
from bench.peers.peer import Feature, Peer, Ports, Shape
from bench.running import first_line, program

SOURCE = ROOT / "bench" / "relay" / "relay.c"


def version() -> str:
    return first_line([program("cc"), "--version"])


def configure(_folder: Path, ports: Ports, _shape: Shape) -> list[str]:
    return [str(compiled(SOURCE)), str(ports.listen), str(ports.upstream)]


PEER = Peer("relay", version, configure, frozenset({Feature.TCP, Feature.THRIFT}))
