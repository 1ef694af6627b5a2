"""What passes between a client and a server that are one program: CPU microseconds of the proxy per question and answer.

Thrift calls, and bytes through TCP proxies. Envoy reads a Thrift payload that it does not change unless it is told `payload_passthrough`;
ours never does. So there are two questions: what a call costs where Envoy is told so (the relay shows what the system calls take of that),
and what it costs as both come, with the same small payload and with a record of a kilobyte.
"""

import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

from bench import ask
from bench.load import paired
from bench.peers.peer import Feature, Peer, Shape
from bench.running import await_ready
from bench.scenarios.load import under_load
from bench.scenarios.scenario import Sample, Stand
from bench.scenarios.serving import Serving, started


def listens(place: Serving) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", place.ports.listen), timeout=1):
        return True
    return False


@dataclass(frozen=True)
class PairedScenario:
    """`program` is bench/load/PROGRAM.c; `more` are the arguments of its load after port and connections."""

    name: str
    title: str
    program: str
    unit: str
    shape: Shape
    needs: frozenset[Feature]
    connections: int = 64
    more: tuple[str, ...] = ()
    baseline: str = ""
    also: Mapping[str, str] = field(default_factory=dict)
    headline: str = "us_per_request"

    def measure(self, stand: Stand, peer: Peer) -> Sample:
        core = stand.cores.load
        with paired.server(self.program, stand.folder, core) as port, started(replace(stand, upstream=port), peer, self.shape) as place:
            ready = partial(ask.answers, place.ports.admin, "/ready") if peer.has_admin else partial(listens, place)
            await_ready(place.process, place.log, ready, peer.name)
            drive = partial(paired.drive, self.program, place.ports.listen, self.connections, self.more, core=core, folder=place.folder)
            return under_load(stand, peer, place, self.connections, drive)


STRUCT, TEXT, I64, LIST = 12, 11, 10, 15  # types on the wire
SMALL = 64
RECORDS = 9


def _field(type: int, id: int, value: bytes) -> bytes:
    return bytes([type]) + id.to_bytes(2, "big") + value


def _text(text: bytes) -> bytes:
    return len(text).to_bytes(4, "big") + text


def _small() -> str:
    """One string of 64 bytes."""
    return (_field(TEXT, 1, _text(b"x" * SMALL)) + b"\0").hex()


def _record() -> str:
    """A list of nine records of six numbers and two names: a kilobyte."""
    numbers = b"".join(_field(I64, id, (id << 33).to_bytes(8, "big")) for id in range(1, 7))
    one = numbers + _field(TEXT, 7, _text(b"user@example.com")) + _field(TEXT, 8, _text(b"A. N. Other")) + b"\0"
    people = bytes([STRUCT]) + RECORDS.to_bytes(4, "big") + one * RECORDS
    return (_field(STRUCT, 1, _field(LIST, 1, people) + b"\0") + b"\0").hex()


def _calls(name: str, title: str, thrift: str, payload: str) -> PairedScenario:
    return PairedScenario(name, title, "thrift", "us CPU / call", Shape(thrift=thrift), frozenset({Feature.THRIFT}), more=(payload,))


_TCP = frozenset({Feature.TCP})
SCENARIOS = (
    _calls("thrift", "Thrift call, 64 connections", "pass", _small()),
    _calls("thrift_default", "Thrift call, payload_passthrough not set", "default", _small()),
    _calls("thrift1k", "... of a record of 1 KiB each way", "default", _record()),
    PairedScenario("tcp", "TCP, 64 bytes and back, 64 connections", "tcp", "us CPU / message", Shape(tcp=True), _TCP, more=("64",)),
    PairedScenario("tcp_bulk", "TCP, 1 MiB at a time, 8 connections", "tcp", "us CPU / MiB", Shape(tcp=True), _TCP, 8, ("1048576",)),
)
