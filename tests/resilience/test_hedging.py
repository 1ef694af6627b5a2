"""Tries beside each other: the two modes of HedgePolicy that Envoy only declares, and what is left when one try has won."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from mesh.testing import Running, Upstream, Wire, bootstrap, running, until
from mesh.testing.bootstrap import cluster

OK = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s"
BAD = b"HTTP/1.1 503 No\r\ncontent-length: 3\r\n\r\nbad"


def answers(name: bytes, seen: list[bytes] | None = None) -> Callable[[Wire], object]:
    def script(wire: Wire) -> None:
        while True:
            request = wire.read_request()
            if seen is not None:
                seen.append(request.body)
            wire.send(OK % (len(name), name))

    return script


def bad(wire: Wire) -> None:
    while True:
        wire.read_request()
        wire.send(BAD)


class Hangs:
    """Reads a request and says nothing; `gone` is set when the proxy gives it up."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.gone = threading.Event()

    def __call__(self, wire: Wire) -> None:
        wire.read_request()
        self.asked.set()
        wire.ended()
        self.gone.set()


def hedged(ports: list[int], policy: dict[str, object], **fields: object) -> dict[str, object]:
    return bootstrap(clusters=[cluster("up", *ports, **fields)], route={"hedge_policy": policy})


def hedges(p: Running) -> dict[str, int]:
    return {name: p.up(f"upstream_rq_hedge{name}") for name in ("", "_success", "_abandoned", "_overflow")}


def test_two_requests_begin_at_once_and_the_first_good_answer_wins() -> None:
    slow = Hangs()
    with Upstream(slow) as one, Upstream(answers(b"fast")) as two, running(hedged([one.port, two.port], {"initial_requests": 2})) as p:
        assert p.get().body == b"fast"
        assert slow.gone.wait(5)
        found = hedges(p)
        assert (found[""], found["_abandoned"], found["_overflow"]) == (1, 1, 0)
        assert p.up("upstream_rq_total") == 2
        assert p.up("upstream_rq_200") == 1


def test_the_extra_try_goes_to_another_host() -> None:
    seen_one: list[bytes] = []
    seen_two: list[bytes] = []
    gate = threading.Barrier(2)

    def both(seen: list[bytes]) -> Callable[[Wire], object]:
        def script(wire: Wire) -> None:
            while True:
                seen.append(wire.read_request().body)
                gate.wait(5)
                wire.send(OK % (2, b"ok"))

        return script

    with Upstream(both(seen_one)) as one, Upstream(both(seen_two)) as two:
        config = hedged([one.port, two.port], {"initial_requests": 2}, lb_policy="RANDOM")
        with running(config) as p:
            assert p.get().status == 200
    assert (len(seen_one), len(seen_two)) == (1, 1)


def test_a_bad_answer_waits_for_a_better_one() -> None:
    release = threading.Event()

    def late(wire: Wire) -> None:
        wire.read_request()
        release.wait(5)
        wire.send(OK % (4, b"late"))

    with Upstream(bad) as one, Upstream(late) as two, running(hedged([one.port, two.port], {"initial_requests": 2})) as p:
        client = p.client()
        client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        two.wait_connections(1)
        until(lambda: p.up("upstream_rq_active") == 1, "the end of the bad try")
        release.set()
        assert client.read_response().body == b"late"
        client.close()


def test_when_all_answers_are_bad_the_last_one_counts() -> None:
    with Upstream(bad) as one, Upstream(bad) as two, running(hedged([one.port, two.port], {"initial_requests": 2})) as p:
        assert p.get().status == 503
        assert p.up("upstream_rq_total") == 2
        assert p.up("upstream_rq_503") == 1


def test_a_connection_that_fails_leaves_it_to_the_others() -> None:
    def cut(wire: Wire) -> None:
        wire.read_request()

    with Upstream(cut) as one, Upstream(answers(b"ok")) as two, running(hedged([one.port, two.port], {"initial_requests": 2})) as p:
        for _ in range(6):
            assert p.get().status == 200


def test_every_try_gets_the_whole_body() -> None:
    seen: list[bytes] = []
    body = bytes(range(256)) * 40
    gate = threading.Barrier(2)

    def script(wire: Wire) -> None:
        seen.append(wire.read_request().body)
        gate.wait(5)
        wire.send(OK % (2, b"ok"))

    with Upstream(script) as one, Upstream(script) as two, running(hedged([one.port, two.port], {"initial_requests": 2})) as p:
        with p.client() as client:
            client.send(b"PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % len(body) + body[:100])
            one.wait_connections(1)
            two.wait_connections(1)
            client.send(body[100:])
            assert client.read_response().status == 200
        assert seen == [body, body]


def test_a_body_that_outgrows_its_buffer_goes_to_the_tries_that_have_a_connection() -> None:
    seen: list[int] = []
    size = 400_000
    gate = threading.Barrier(2)

    def script(wire: Wire) -> None:
        seen.append(len(wire.read_request().body))
        gate.wait(5)
        wire.send(OK % (2, b"ok"))

    with Upstream(script) as one, Upstream(script) as two, running(hedged([one.port, two.port], {"initial_requests": 2})) as p:
        with p.client() as client:
            client.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % size)
            one.wait_connections(1)
            two.wait_connections(1)
            until(lambda: p.up("upstream_rq_active") == 2, "both heads")
            client.send(b"x" * size)
            assert client.read_response().status == 200
        assert seen == [size, size]


@pytest.mark.parametrize(("numerator", "extra"), [(0, 0), (100, 1)])
def test_the_chance_of_an_additional_request(numerator: int, extra: int) -> None:
    policy = {"additional_request_chance": {"numerator": numerator}}
    with Upstream(answers(b"a")) as one, Upstream(answers(b"b")) as two, running(hedged([one.port, two.port], policy)) as p:
        for _ in range(5):
            assert p.get().status == 200
        assert p.up("upstream_rq_hedge") == 5 * extra


def test_hedging_cannot_exceed_the_breaker_of_retries() -> None:
    limits = {"thresholds": [{"max_retries": 1}]}
    with Upstream(answers(b"a")) as one:
        config = hedged([one.port], {"initial_requests": 4}, circuit_breakers=limits)
        with running(config) as p:
            assert p.get().status == 200
            found = hedges(p)
            assert (found[""], found["_overflow"]) == (1, 1)
            assert p.stat("cluster.up.circuit_breakers.default.rq_retry_open") == 0


def test_the_client_that_leaves_takes_all_tries_with_it() -> None:
    first, second = Hangs(), Hangs()
    with Upstream(first) as one, Upstream(second) as two, running(hedged([one.port, two.port], {"initial_requests": 2})) as p:
        with p.client() as client:
            client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            assert first.asked.wait(5)
            assert second.asked.wait(5)
        assert first.gone.wait(5)
        assert second.gone.wait(5)


def test_attempt_counts_tell_the_tries_apart() -> None:
    counts: list[str] = []
    gate = threading.Barrier(2)

    def script(wire: Wire) -> None:
        counts.append(wire.read_request().get("x-envoy-attempt-count") or "")
        gate.wait(5)
        wire.send(OK % (2, b"ok"))

    with Upstream(script) as one, Upstream(script) as two:
        config = bootstrap(
            clusters=[cluster("up", one.port, two.port)],
            route={"hedge_policy": {"initial_requests": 2}},
            virtual_host={"include_request_attempt_count": True},
        )
        with running(config) as p:
            assert p.get().status == 200
    assert sorted(counts) == ["1", "2"]
