"""The request queue: requests above max_requests wait, in order, for a bounded time and in a bounded number."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from mesh.config import ConfigError, load
from mesh.testing import Running, Upstream, Wire, bootstrap, running, until
from mesh.testing.bootstrap import TYPE, cluster


def queued(port: int, *, limit: int = 1, **value: Any) -> dict[str, Any]:
    struct = {"@type": "type.googleapis.com/xds.type.v3.TypedStruct", "type_url": "mesh.extensions.RequestQueue", "value": value}
    made = cluster(
        "up",
        port,
        circuit_breakers={"thresholds": [{"max_requests": limit}]},
        typed_extension_protocol_options={"mesh.extensions.request_queue": struct},
    )
    return bootstrap(clusters=[made])


class Steps:
    """Answers one request per `go`, with its path; `paths` in order of arrival."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self._turns = threading.Semaphore(0)

    def __call__(self, wire: Wire) -> None:
        while True:
            self.paths.append(wire.read_request().target)
            self._turns.acquire(timeout=10)
            wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

    def go(self, n: int = 1) -> None:
        self._turns.release(n)


def ask(p: Running, path: str) -> Wire:
    client = p.client()
    client.send(f"GET {path} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
    return client


def waiting(p: Running, n: int) -> None:
    until(lambda: p.up("upstream_rq_queued") == n, f"{n} waiting requests")


def passes(interval: float) -> None:
    """The time that the queue must not have been empty: that it has passed is no event."""
    threading.Event().wait(interval)


@pytest.fixture
def steps() -> Iterator[Steps]:
    yield Steps()


def test_requests_above_the_limit_wait_and_are_served_in_order(steps: Steps) -> None:
    with Upstream(steps) as up, running(queued(up.port, deadline="8s")) as p:
        clients = []
        for n in range(4):
            clients.append(ask(p, f"/{n}"))
            until(lambda: len(steps.paths) == 1, "the first request")
            waiting(p, n)
        steps.go(4)
        assert [client.read_response().status for client in clients] == [200] * 4
        assert steps.paths == ["/0", "/1", "/2", "/3"]
        assert p.up("upstream_rq_active_overflow") == 0
        for client in clients:
            client.close()


def test_who_waits_longer_than_the_deadline_gets_a_503(steps: Steps) -> None:
    with Upstream(steps) as up, running(queued(up.port, deadline="0.05s")) as p:
        first = ask(p, "/0")
        until(lambda: len(steps.paths) == 1, "the first request")
        late = ask(p, "/1").read_response()
        assert (late.status, late.get("x-envoy-overloaded")) == (503, "true")
        assert p.up("upstream_rq_queue_timeout") == 1
        steps.go()
        assert first.read_response().status == 200
        first.close()


def test_a_full_queue_answers_at_once(steps: Steps) -> None:
    with Upstream(steps) as up, running(queued(up.port, max_waiting=1, deadline="8s")) as p:
        first = ask(p, "/0")
        until(lambda: len(steps.paths) == 1, "the first request")
        second = ask(p, "/1")
        waiting(p, 1)
        assert ask(p, "/2").read_response().status == 503
        assert p.up("upstream_rq_queue_overflow") == 1
        steps.go(2)
        assert (first.read_response().status, second.read_response().status) == (200, 200)
        first.close()
        second.close()


def test_a_client_that_leaves_leaves_the_queue(steps: Steps) -> None:
    with Upstream(steps) as up, running(queued(up.port, deadline="8s")) as p:
        first = ask(p, "/0")
        until(lambda: len(steps.paths) == 1, "the first request")
        second = ask(p, "/gone")
        waiting(p, 1)
        second.close()
        until(lambda: p.down("downstream_rq_active") == 1, "the end of the second request")
        third = ask(p, "/2")
        waiting(p, 2)
        steps.go(2)
        assert (first.read_response().status, third.read_response().status) == (200, 200)
        assert steps.paths == ["/0", "/2"]
        first.close()
        third.close()


def test_under_lasting_overload_the_newest_goes_first_and_waits_briefly(steps: Steps) -> None:
    config = {"order": "ADAPTIVE_LIFO", "deadline": "9s", "target": "5s", "interval": "0.05s"}
    with Upstream(steps) as up, running(queued(up.port, **config)) as p:
        clients = [ask(p, "/0")]
        until(lambda: len(steps.paths) == 1, "the first request")
        clients.append(ask(p, "/old"))
        waiting(p, 1)
        passes(0.1)
        clients.append(ask(p, "/new"))
        waiting(p, 2)
        steps.go(3)
        assert [client.read_response().status for client in clients] == [200] * 3
        assert steps.paths == ["/0", "/new", "/old"]
        for client in clients:
            client.close()


def test_adaptive_target_cuts_the_wait_short(steps: Steps) -> None:
    config = {"order": "ADAPTIVE_LIFO", "deadline": "9s", "target": "0.005s", "interval": "0.001s"}
    with Upstream(steps) as up, running(queued(up.port, **config)) as p:
        clients = [ask(p, "/0")]
        until(lambda: len(steps.paths) == 1, "the first request")
        clients.append(ask(p, "/patient"))
        waiting(p, 1)
        passes(0.01)
        assert ask(p, "/brief").read_response().status == 503
        steps.go(2)
        assert [client.read_response().status for client in clients] == [200] * 2
        for client in clients:
            client.close()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"max_waiting": 0}, "a number from 1 on is accepted"),
        ({"order": "LIFO"}, "one of FIFO, ADAPTIVE_LIFO is accepted"),
        ({"deadline": "fast"}, "is not a duration"),
        ({"dedline": "1s"}, "did you mean"),
    ],
)
def test_a_mistake_is_refused_with_its_path(value: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match="typed_extension_protocol_options") as found:
        load(queued(1, **value))
    assert text in str(found.value)


def test_another_type_is_refused() -> None:
    config = queued(1)
    options = config["static_resources"]["clusters"][0]["typed_extension_protocol_options"]
    options["mesh.extensions.request_queue"] = {"@type": TYPE + "extensions.filters.http.router.v3.Router"}
    with pytest.raises(ConfigError, match="a request queue may be"):
        load(config)
