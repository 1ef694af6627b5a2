"""Circuit breakers: what is over the limit is answered at once with 503 UO, and every resource is given back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mesh.testing import Refuser, Running, Upstream, Wire, bootstrap, cluster, running, until

GET = b"GET /b HTTP/1.1\r\nhost: a\r\n\r\n"


class Gate:
    """A script whose answers wait until the gate is opened."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.up: Upstream | None = None

    def __call__(self, wire: Wire) -> None:
        assert self.up is not None
        while True:
            self.up.note(wire.read_request())
            self.open.wait(10)
            wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")


@contextmanager
def limited(log: Path | None = None, route: dict[str, Any] | None = None, **limits: int) -> Iterator[tuple[Running, Gate]]:
    gate = Gate()
    with Upstream(gate) as up:
        gate.up = up
        breaker = {"thresholds": [limits]}
        clusters = [cluster("up", up.port, circuit_breakers=breaker)]
        config = bootstrap(clusters=clusters, log=None if log is None else str(log), route=route)
        with running(config) as p:
            yield p, gate
            assert p.up("upstream_rq_active") == 0
            assert p.up("upstream_rq_pending_active") == 0


def test_pending_requests_over_the_limit_overflow(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with limited(log, max_connections=1, max_pending_requests=1) as (p, gate):
        assert gate.up is not None
        with p.client() as first, p.client() as second:
            first.send(GET)
            gate.up.wait_requests(1)
            second.send(GET)
            until(lambda: p.up("upstream_rq_pending_active") == 1)
            message = p.get("/b")
            assert message.status == 503
            assert message.get("x-envoy-overloaded") == "true"
            assert p.up("upstream_rq_pending_overflow") == 1
            assert p.up("upstream_cx_total") == 1
            gate.open.set()
            assert first.read_response().body == b"ok"
            assert second.read_response().body == b"ok"
        assert p.get("/b").body == b"ok"
    assert log.read_text().startswith("503 UO upstream_reset_before_response_started{overflow}")


def test_connections_over_the_limit_wait(tmp_path: Path) -> None:
    with limited(max_connections=2) as (p, gate):
        assert gate.up is not None
        clients = [p.client() for _ in range(6)]
        for client in clients:
            client.send(GET)
        gate.up.wait_requests(2)
        until(lambda: p.up("upstream_rq_pending_active") == 4)
        assert p.up("upstream_cx_active") == 2
        assert p.up("upstream_cx_overflow") > 0
        gate.open.set()
        for client in clients:
            assert client.read_response().body == b"ok"
            client.close()
        assert p.up("upstream_cx_total") == 2


def test_requests_over_the_limit_overflow(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with limited(log, max_requests=1) as (p, gate):
        assert gate.up is not None
        with p.client() as first:
            first.send(GET)
            gate.up.wait_requests(1)
            assert p.get("/b").status == 503
            gate.open.set()
            assert first.read_response().body == b"ok"
        for _ in range(3):
            assert p.get("/b").body == b"ok"
    assert log.read_text().startswith("503 UO upstream_reset_before_response_started{overflow}")


def test_retries_over_the_limit_overflow() -> None:
    """Two requests want to try again while one retry may be under way."""
    slow = {"base_interval": "3s", "max_interval": "5s"}
    route = {"retry_policy": {"retry_on": "connect-failure", "num_retries": 1, "retry_back_off": slow}}
    with Refuser() as up:
        breaker = {"thresholds": [{"max_retries": 1}]}
        config = bootstrap(clusters=[cluster("up", up.port, circuit_breakers=breaker)], route=route)
        with running(config) as p, p.client() as first:
            first.send(GET)
            p.wait_stat("cluster.up.circuit_breakers.default.rq_retry_open", 1)
            assert p.get("/b").status == 503
            assert p.up("upstream_rq_retry_overflow") == 1


def test_overflow_is_not_tried_again() -> None:
    route = {"retry_policy": {"retry_on": "5xx,reset,connect-failure", "num_retries": 3}}
    with limited(route=route, max_connections=1, max_pending_requests=1) as (p, gate):
        assert gate.up is not None
        with p.client() as first, p.client() as second:
            first.send(GET)
            gate.up.wait_requests(1)
            second.send(GET)
            until(lambda: p.up("upstream_rq_pending_active") == 1)
            assert p.get("/b").status == 503
            assert p.up("upstream_rq_retry") == 0
            gate.open.set()
            assert first.read_response().status == second.read_response().status == 200


def test_failures_give_back_what_they_took() -> None:
    """Each limit is one; a hundred failures of every kind later all still works."""

    def dies(wire: Wire) -> None:
        wire.read_request()
        if len(up.connections) % 3 == 0:
            wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nha")
        wire.reset()

    limits = {"max_connections": 1, "max_pending_requests": 1, "max_requests": 1, "max_retries": 1}
    fast = {"base_interval": "0.001s", "max_interval": "0.001s"}
    route = {"retry_policy": {"retry_on": "reset", "num_retries": 1, "retry_back_off": fast}}
    with Upstream(dies) as up:
        clusters = [cluster("up", up.port, circuit_breakers={"thresholds": [limits]})]
        config = bootstrap(clusters=clusters, route=route, hcm={"delayed_close_timeout": "0.01s"})
        with running(config) as p:
            for _ in range(100):
                p.get()
            assert p.up("upstream_rq_pending_overflow") == 0
            assert p.up("upstream_rq_retry_overflow") == 0
            up.scripts = (_serves,)
            assert p.get().body == b"ok"


def _serves(wire: Wire) -> None:
    while True:
        wire.read_request()
        wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
