"""A host dies under load: with retries on, no idempotent request fails."""

from __future__ import annotations

import contextlib
import os
import resource
import threading

import pytest

from mesh.testing import Ended, Running, Upstream, Wire, bootstrap, running, until
from mesh.testing.bootstrap import cluster

POLICY = {
    "retry_on": "connect-failure,reset,gateway-error",
    "num_retries": 3,
    "retry_host_predicate": [
        {
            "name": "previous",
            "typed_config": {"@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"},
        }
    ],
    "host_selection_retry_max_attempts": 5,
    "retry_back_off": {"base_interval": "0.001s", "max_interval": "0.005s"},
}
CLIENTS = 4
BOTH = pytest.mark.parametrize("io_uring", [True, False], ids=["io_uring", "epoll"])


class Load:
    """Keep-alive clients that ask until they are told to stop, on a thread each."""

    def __init__(self, p: Running) -> None:
        self.statuses: list[int] = []
        self._running = p
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def _ask(self) -> None:
        with self._running.client() as client:
            while not self._over.is_set():
                client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
                self.statuses.append(client.read_response().status)

    def more(self, n: int) -> None:
        """Waits for n more answers."""
        target = len(self.statuses) + n
        until(lambda: len(self.statuses) >= target, f"{n} more answers")

    def stop(self) -> list[int]:
        self._over.set()
        for thread in self._threads:
            thread.join(10)
        return self.statuses


@BOTH
@pytest.mark.slow
def test_no_idempotent_request_fails_when_a_host_dies_under_load(io_uring: bool) -> None:
    limits = {"thresholds": [{"max_retries": 100}]}
    with Upstream() as lives, Upstream() as dies:
        made = cluster("up", lives.port, dies.port, circuit_breakers=limits)
        with running(bootstrap(clusters=[made], route={"retry_policy": POLICY}), io_uring=io_uring) as p:
            load = Load(p)
            load.more(100)
            dies.stop()
            load.more(300)
            statuses = load.stop()
            assert set(statuses) == {200}
            assert p.up("upstream_rq_retry") > 0


@BOTH
@pytest.mark.slow
def test_no_idempotent_request_fails_while_a_host_restarts_again_and_again(io_uring: bool) -> None:
    limits = {"thresholds": [{"max_retries": 100}]}
    def serves(wire: Wire) -> None:
        with contextlib.suppress(Ended, OSError):
            while True:
                wire.read_request()
                wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

    with Upstream() as lives, Upstream(serves) as restarts:
        made = cluster("up", lives.port, restarts.port, circuit_breakers=limits)
        with running(bootstrap(clusters=[made], route={"retry_policy": POLICY}), io_uring=io_uring) as p:
            load = Load(p)
            for _ in range(10):
                load.more(30)
                restarts.close_connections()
            assert set(load.stop()) == {200}


def test_without_descriptors_an_upstream_connection_is_a_clear_503() -> None:
    with Upstream() as up, running(bootstrap(up.port)) as p, p.client() as client:
        client.send(b"OPTIONS / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\n")
        up.wait_connections(1)
        client.send(b"x")
        assert client.read_response().status == 200
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        up.close_connections()
        until(lambda: p.up("upstream_cx_active") == 0, "the end of the idle connection")
        up.wait_for(lambda: all(wire.socket.fileno() < 0 for wire in up.connections), "the end of its other side")
        free = os.dup(0)
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, before[1]))
        try:
            client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            refused = client.read_response()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
        assert refused.status == 503
        assert b"remote connection failure" in refused.body
        client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        assert client.read_response().status == 200
