"""The runner against the real Envoy: it is deterministic, narrows a refusal down, and survives a proxy that dies."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from tests.differential.case import Case, load_cases, parse_case
from tests.differential.observation import Observation
from tests.differential.run import ProxyRun
from tests.differential.session import compare_proxies
from tests.peers.envoy import envoy_peer
from tests.peers.ports import PortReservation
from tests.peers.process import Peer

# A proxy that answers /ready, accepts on every listener of its bootstrap and dies when a request names it to.
MORTAL = """
import json, socketserver, sys, threading, os
bootstrap = json.load(open(sys.argv[1]))
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        line = self.rfile.readline()
        if b"/die" in line:
            os._exit(7)
        while self.rfile.readline().strip():
            pass
        body = b"a.b: 1\\n"
        head = b"HTTP/1.1 200 OK\\r\\nconnection: close\\r\\ncontent-length: %d\\r\\n\\r\\n"
        self.wfile.write(head % len(body) + body)
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = allow_reuse_port = True
    daemon_threads = True
addresses = [each["address"] for each in [*bootstrap["static_resources"]["listeners"], bootstrap["admin"]]]
servers = [Server(("127.0.0.1", each["socket_address"]["port_value"]), Handler) for each in addresses]
for server in servers[:-1]:
    threading.Thread(target=server.serve_forever, daemon=True).start()
servers[-1].serve_forever()
"""


def mortal_peer(bootstrap: Path, directory: Path, admin_port: int) -> Peer:
    # SO_REUSEPORT as a class attribute arrived in Python 3.11's socketserver.
    return Peer("mortal", [sys.executable, "-c", MORTAL, str(bootstrap)], directory, admin_port)


def play(start: object, cases: list[Case], directory: Path) -> dict[str, Observation]:
    with PortReservation() as reservation:
        run = ProxyRun(start, directory / "run", {case.name: reservation.reserve() for case in cases})  # type: ignore[arg-type]
        return asyncio.run(run.play(cases))


def case(name: str, **more: object) -> Case:
    return parse_case({"name": name, "send": f"GET /{name} HTTP/1.1\nHost: a", "linger_ms": 50, **more}, "tests")


@pytest.mark.slow
def test_envoy_against_itself_has_no_difference() -> None:
    every = load_cases()
    chosen = [each for each in every if each.subject in ("methods", "upgrade", "retries")]
    comparison = asyncio.run(compare_proxies(chosen, every, itself=True))
    assert {
        name: str(v.differences) + v.failure + v.broken for name, v in comparison.verdicts.items() if not v.same
    } == {}


@pytest.mark.slow
def test_refused_case_is_left_out_and_the_rest_is_measured(tmp_path: Path) -> None:
    cases = [
        case("first"),
        case("second", hcm={"no_such_field": 1}),
        case("third", cluster={"type": "NOT_A_TYPE"}),
        case("fourth"),
    ]
    seen = play(envoy_peer, cases, tmp_path)
    assert seen["first"].clients[0].received.startswith(b"HTTP/1.1 200")
    assert seen["fourth"].clients[0].received.startswith(b"HTTP/1.1 200")
    assert "no_such_field" in seen["second"].failure
    assert "NOT_A_TYPE" in seen["third"].failure


@pytest.mark.slow
def test_death_of_the_proxy_costs_only_the_case_that_killed_it(tmp_path: Path) -> None:
    seen = play(mortal_peer, [case("live"), case("die"), case("alive")], tmp_path)
    assert seen["live"].clients[0].received.startswith(b"HTTP/1.1 200")
    assert seen["alive"].clients[0].received.startswith(b"HTTP/1.1 200")
    assert "ended with 7" in seen["die"].failure


@pytest.mark.slow
def test_proxy_that_never_starts_fails_every_case_with_its_words(tmp_path: Path) -> None:
    def start(bootstrap: Path, directory: Path, admin_port: int) -> Peer:
        return Peer("mute", [sys.executable, "-c", "raise SystemExit('cannot do it')"], directory, admin_port)

    seen = play(start, [case("one"), case("two")], tmp_path)
    assert all("cannot do it" in each.failure for each in seen.values())
