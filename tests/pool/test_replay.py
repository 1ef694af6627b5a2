"""A request that meets an upstream connection which its server has just given up: sent once more where that is safe, exactly
once, and only there."""

from __future__ import annotations

import socket

import pytest

from mesh.testing import Running, Upstream, Wire, bootstrap, running, until

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


def request(method: str, body: bytes = b"") -> bytes:
    length = b"content-length: %d\r\n" % len(body) if body else b""
    return method.encode() + b" / HTTP/1.1\r\nhost: a\r\n" + length + b"\r\n" + body


def serves_one_then(end: str) -> object:
    """Answers one request; the connection ends only when the next one has come, which is the race in slow motion."""

    def script(wire: Wire) -> None:
        wire.read_request()
        wire.send(OK)
        wire.read_until(b"\r\n\r\n")
        if end == "reset":
            wire.reset()
        elif end == "close":
            wire.close()
        else:
            wire.send(b"HTTP/1.1 200")
            wire.close()

    return script


def serves(up_of: list[Upstream]) -> object:
    def script(wire: Wire) -> None:
        while True:
            up_of[0].note(wire.read_request())
            wire.send(OK)

    return script


def stale(p: Running, up: Upstream) -> None:
    """One request that leaves an idle connection in the pool."""
    assert p.get().status == 200
    assert len(up.connections) == 1


@pytest.mark.parametrize("end", ["close", "reset"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_an_idempotent_request_is_sent_again_once_on_a_fresh_connection(method: str, end: str) -> None:
    box: list[Upstream] = []
    with Upstream(serves_one_then(end), serves(box)) as up, running(bootstrap(up.port)) as p:  # type: ignore[arg-type]
        box.append(up)
        stale(p, up)
        with p.client() as client:
            client.send(request(method))
            assert client.read_response(method).status == 200
        assert len(up.connections) == 2
        assert [r.method for r in up.requests] == [method]
        assert p.up("upstream_rq_replayed") == 1
        assert p.up("upstream_rq_retry") == 0


@pytest.mark.parametrize("end", ["close", "reset"])
def test_a_post_is_never_sent_twice(end: str) -> None:
    with Upstream(serves_one_then(end), _fails) as up, running(bootstrap(up.port)) as p:  # type: ignore[arg-type]
        stale(p, up)
        with p.client() as client:
            client.send(request("POST", b"x" * 10))
            assert client.read_response().status == 503
        assert len(up.connections) == 1
        assert p.up("upstream_rq_replayed") == 0


def _fails(wire: Wire) -> None:
    raise AssertionError("a second connection was not to be opened")


def test_a_small_body_goes_out_again_whole() -> None:
    box: list[Upstream] = []
    body = bytes(range(256)) * 100
    with Upstream(serves_one_then("close"), serves(box)) as up:  # type: ignore[arg-type]
        box.append(up)
        with running(bootstrap(up.port)) as p:
            stale(p, up)
            with p.client() as client:
                client.send(request("PUT", body))
                assert client.read_response().status == 200
            assert [r.body for r in up.requests] == [body]


def test_a_second_stale_connection_is_the_answer() -> None:
    """Only one replay: the fresh connection dies as well, and the client hears of it."""
    with Upstream(serves_one_then("close"), _dies) as up, running(bootstrap(up.port)) as p:  # type: ignore[arg-type]
        stale(p, up)
        assert p.get().status == 503
        assert len(up.connections) == 2
        assert p.up("upstream_rq_replayed") == 1


def _dies(wire: Wire) -> None:
    wire.read_request()


def test_a_first_use_that_fails_is_not_replayed() -> None:
    with Upstream(_dies) as up, running(bootstrap(up.port)) as p:
        assert p.get().status == 503
        assert len(up.connections) == 1
        assert p.up("upstream_rq_replayed") == 0


def test_an_answer_that_had_begun_is_not_replayed() -> None:
    with Upstream(serves_one_then("partly"), _fails) as up, running(bootstrap(up.port)) as p:  # type: ignore[arg-type]
        stale(p, up)
        assert p.get().status in (502, 503)
        assert p.up("upstream_rq_replayed") == 0


def test_a_retry_policy_still_has_all_its_retries_after_a_replay() -> None:
    route = {"retry_policy": {"retry_on": "reset", "num_retries": 1, "retry_back_off": {"base_interval": "0.001s"}}}
    box: list[Upstream] = []
    with Upstream(serves_one_then("close"), _dies, serves(box)) as up:  # type: ignore[arg-type]
        box.append(up)
        with running(bootstrap(up.port, route=route)) as p:
            stale(p, up)
            assert p.get().status == 200
            assert (p.up("upstream_rq_replayed"), p.up("upstream_rq_retry")) == (1, 1)


def test_all_idle_connections_that_the_upstream_closes_leave_the_pool() -> None:
    with Upstream() as up, running(bootstrap(up.port)) as p:
        clients = [p.client() for _ in range(8)]
        for client in clients:
            client.send(request("GET"))
        for client in clients:
            assert client.read_response().status == 200
        open_before = p.up("upstream_cx_active")
        assert open_before >= 1
        up.close_connections()
        until(lambda: p.up("upstream_cx_active") == 0, "the end of the idle connections")
        for client in clients:
            client.send(request("GET"))
            assert client.read_response().status == 200
            client.close()
        assert p.up("upstream_cx_destroy_remote") == open_before


def test_an_upstream_that_restarts_under_load_costs_no_idempotent_request() -> None:
    with Upstream() as up, running(bootstrap(up.port)) as p, p.client() as client:
        for n in range(300):
            if n % 10 == 5:
                up.close_connections()
            client.send(request("GET"))
            message = client.read_response()
            # The server's own end of a connection it serves is a failure that nobody can hide once it is the second one.
            assert message.status == 200, (n, message)


def test_unasked_bytes_on_an_idle_connection_close_it() -> None:
    with Upstream() as up, running(bootstrap(up.port)) as p:
        assert p.get().status == 200
        up.connections[0].socket.send(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
        until(lambda: p.up("upstream_cx_active") == 0)
        assert p.get().body == b"ok"
        assert up.connections[0].socket.family == socket.AF_INET
