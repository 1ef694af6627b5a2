"""TLS with clients: requests on open connections, handshakes, memory of idle connections, and ten thousand certificates behind SNI.

The certificates are P-256; hosts are spoken to in plain bytes, so that what is measured is the side of the clients.
"""

import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial

from bench import account, ask
from bench.failure import BenchFailure
from bench.load import paired, wrk
from bench.load.wrk import Load
from bench.machine import open_files
from bench.peers.peer import Feature, Peer, Shape
from bench.running import await_ready
from bench.scenarios.load import under_load
from bench.scenarios.scenario import Sample, Stand
from bench.scenarios.serving import Serving, started

NEEDS = frozenset({Feature.TLS})
SPARE_FILES = 200
WARM_REQUESTS = 200
LOAD_S = 120.0
SHAKING = 8  # connections at once


def client() -> ssl.SSLContext:
    """TLS 1.3 that believes everything."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    return made


def connect(context: ssl.SSLContext, port: int, name: str = "n0.example") -> ssl.SSLSocket:
    plain = socket.create_connection(("127.0.0.1", port), timeout=ask.PROBE_TIMEOUT_S)
    try:
        return context.wrap_socket(plain, server_hostname=name)
    except OSError:
        plain.close()
        raise


def answers(context: ssl.SSLContext, place: Serving) -> bool:
    try:
        with connect(context, place.ports.listen) as connection:
            return ask.exchange(connection, "/")[0] == 200
    except (OSError, ValueError):
        return False


@dataclass(frozen=True)
class TlsScenario:
    """`shakes`: None: requests by wrk on open connections; else handshakes, full or resumed, until the client says goodbye."""

    name: str
    title: str
    shakes: str | None = None
    unit: str = "us CPU / request"
    connections: int = 64
    needs: frozenset[Feature] = NEEDS
    baseline: str = ""
    also: Mapping[str, str] = field(default_factory=dict)
    headline: str = "us_per_request"

    def measure(self, stand: Stand, peer: Peer) -> Sample:
        core = stand.cores.load
        with started(stand, peer, Shape(certificates=1)) as place:
            await_ready(place.process, place.log, partial(answers, client(), place), peer.name)
            if self.shakes is None:
                drive = partial(wrk.drive, Load(self.connections, secure=True), place.ports.listen, core=core, folder=place.folder)
                return under_load(stand, peer, place, self.connections, drive)
            shake = partial(paired.drive, "shake", place.ports.listen, self.connections, (self.shakes,), core=core, folder=place.folder)
            return under_load(stand, peer, place, self.connections, shake)


@dataclass(frozen=True)
class TlsIdleScenario:
    """Opens `connections`, each of which has asked once, and leaves them open until the memory has been read."""

    connections: int = 2000
    name: str = "tls_idle"
    title: str = "idle TLS connection"
    headline: str = "kib_per_connection"
    unit: str = "KiB RSS / connection"
    needs: frozenset[Feature] = NEEDS
    baseline: str = ""
    also: Mapping[str, str] = field(default_factory=dict)

    def measure(self, stand: Stand, peer: Peer) -> Sample:
        if open_files() < self.connections + SPARE_FILES:
            raise BenchFailure(f"{self.connections} connections need a higher limit of open files than {open_files()}")
        context = client()
        with started(stand, peer, Shape(certificates=1)) as place, ExitStack() as opened:
            await_ready(place.process, place.log, partial(answers, context, place), peer.name)
            warm = opened.enter_context(connect(context, place.ports.listen))
            for _ in range(WARM_REQUESTS):
                _use(warm, peer)
            before_kib = account.rss_kib(place.pids())
            for _ in range(self.connections):
                _use(opened.enter_context(connect(context, place.ports.listen)), peer)
            after_kib = account.rss_kib(place.pids())
        return Sample({"kib_per_connection": (after_kib - before_kib) / self.connections}, self.connections, self.connections)


def _use(connection: ssl.SSLSocket, peer: Peer) -> None:
    try:
        status, _body = ask.exchange(connection, "/")
    except OSError as error:
        raise BenchFailure(f"{peer.name} gave up a connection: {error}") from error
    if status != 200:
        raise BenchFailure(f"{peer.name} answered {status}")


@dataclass(frozen=True)
class CertificatesScenario:
    """From exec to the first answer with all certificates loaded, and the memory that they take beside one."""

    certificates: int = 10_000
    name: str = "certs"
    title: str = "10,000 certificates behind SNI"
    headline: str = "ready_ms"
    unit: str = "ms until ready"
    needs: frozenset[Feature] = NEEDS
    baseline: str = ""
    also: Mapping[str, str] = field(default_factory=lambda: {"rss_mib": "MiB RSS more than one takes"})

    def measure(self, stand: Stand, peer: Peer) -> Sample:
        _one_ms, one_kib = self._start(stand, peer, 1)
        ready_ms, all_kib = self._start(stand, peer, self.certificates)
        return Sample({"ready_ms": ready_ms, "rss_mib": (all_kib - one_kib) / 1024})

    def _start(self, stand: Stand, peer: Peer, n: int) -> tuple[float, int]:
        context = client()
        with started(stand, peer, Shape(certificates=n, form="json")) as place:
            began_ns = time.monotonic_ns()
            await_ready(place.process, place.log, partial(answers, context, place), peer.name, LOAD_S)
            ready_ms = (time.monotonic_ns() - began_ns) / 1e6
            with connect(context, place.ports.listen, f"n{n - 1}.example") as last:
                _use(last, peer)
            return ready_ms, account.rss_kib(place.pids())


SCENARIOS = (
    TlsScenario("tls", "TLS 1.3 small GET, 64 connections"),
    TlsScenario("handshakes", "TLS 1.3 handshake, ECDSA P-256", "full", "us CPU / handshake", SHAKING),
    TlsScenario("handshakes_resumed", "TLS 1.2 handshake, resumed", "resumed", "us CPU / handshake", SHAKING),
    TlsIdleScenario(),
    CertificatesScenario(),
)
