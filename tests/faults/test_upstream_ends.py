"""An upstream that leaves, by FIN or RST, at every step of its answer: the client gets a whole answer, a 5xx, or a response
that it can see is cut. Never a whole-looking response that is not, and never silence."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from mesh.testing import Cutter, Message, Running, Upstream, Wire, bootstrap, cluster, running

GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
LENGTH = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n0123456789"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\n0123\r\n6\r\n456789\r\n0\r\n\r\n"
HEAD_END = LENGTH.index(b"\r\n\r\n") + 4
HOWS = ("close", "reset")


def proxied(port: int, **fields: Any) -> AbstractContextManager[Running]:
    """A client learns of a cut after the delayed close: it is short here."""
    return running(bootstrap(port, hcm={"delayed_close_timeout": "0.01s"}, **fields))


def leave(wire: Wire, how: str) -> None:
    if how == "reset":
        wire.reset()
    else:
        wire.close()


def answers(data: bytes, how: str, step: int = 0) -> Upstream:
    def script(wire: Wire) -> None:
        wire.read_request()
        if data:
            wire.send(data, step)
        leave(wire, how)

    return Upstream(script)


def ask(p: Running) -> Message:
    with p.client() as client:
        client.send(GET)
        return client.read_response()


@pytest.mark.parametrize("how", HOWS)
def test_at_accept_is_503(how: str) -> None:
    with Upstream(lambda wire: leave(wire, how)) as up, proxied(up.port) as p:
        assert ask(p).status == 503


@pytest.mark.parametrize("how", HOWS)
def test_inside_the_request_is_503(how: str) -> None:
    def script(wire: Wire) -> None:
        wire.read_exactly(10)
        leave(wire, how)

    with Upstream(script) as up, proxied(up.port) as p:
        assert ask(p).status == 503


@pytest.mark.parametrize("how", HOWS)
def test_after_the_request_is_503_uc(how: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with answers(b"", how) as up, proxied(up.port, log=str(log)) as p:
        assert ask(p).status == 503
        assert p.up("upstream_rq_503") == 1
        assert p.up("upstream_cx_destroy_remote_with_active_rq") == 1
    assert log.read_text().startswith("503 UC upstream_reset_before_response_started{connection_termination} 1 /")


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("cut", range(1, HEAD_END))
def test_inside_the_response_head_is_a_gateway_error(how: str, cut: int) -> None:
    with answers(LENGTH[:cut], how) as up, proxied(up.port) as p:
        assert ask(p).status in (502, 503)


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("cut", range(HEAD_END, len(LENGTH)))
def test_inside_a_body_of_known_length_cuts_the_response(how: str, cut: int) -> None:
    with answers(LENGTH[:cut], how) as up, proxied(up.port) as p:
        message = ask(p)
        assert message.status in ((200,) if how == "close" else (200, 503))
        if message.status == 200:
            assert not message.complete
            assert b"0123456789".startswith(message.body)


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("cut", range(CHUNKED.index(b"\r\n\r\n") + 4, len(CHUNKED)))
def test_inside_a_chunked_body_cuts_the_response(how: str, cut: int) -> None:
    with answers(CHUNKED[:cut], how) as up, proxied(up.port) as p:
        message = ask(p)
        assert message.status in ((200,) if how == "close" else (200, 503))
        if message.status == 200:
            assert not message.complete
            assert b"0123456789".startswith(message.body)


def test_the_bytes_before_the_cut_arrive() -> None:
    with answers(LENGTH[:-3], "close") as up, proxied(up.port) as p:
        assert ask(p).body == b"0123456"


def test_a_body_that_ends_with_the_connection_is_whole_after_fin() -> None:
    with answers(b"HTTP/1.1 200 OK\r\n\r\n0123456789", "close") as up, proxied(up.port) as p:
        message = ask(p)
        assert (message.status, message.body, message.complete) == (200, b"0123456789", True)
        assert message.get("transfer-encoding") == "chunked"


def test_a_body_that_ends_with_the_connection_is_cut_after_rst() -> None:
    arrived = threading.Event()

    def script(wire: Wire) -> None:
        wire.read_request()
        wire.send(b"HTTP/1.1 200 OK\r\n\r\n0123456789")
        arrived.wait(10)
        wire.reset()

    with Upstream(script) as up, proxied(up.port) as p, p.client() as client:
        client.send(GET)
        client.read_until(b"0123456789")
        arrived.set()
        assert b"0\r\n\r\n" not in client.read_all()


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("data", [LENGTH, CHUNKED])
def test_after_a_whole_body_the_response_is_whole(how: str, data: bytes) -> None:
    def script(wire: Wire) -> None:
        wire.read_request()
        wire.send(data)
        if how == "close":
            wire.close()
            return
        up.wait_for(lambda: bool(up.requests), "the client's word")
        wire.reset()

    with Upstream(script) as up, proxied(up.port) as p:
        message = ask(p)
        assert (message.status, message.body, message.complete) == (200, b"0123456789", True)
        up.note(message)


@pytest.mark.parametrize("data", [LENGTH, CHUNKED])
def test_one_byte_at_a_time_changes_nothing(data: bytes) -> None:
    with answers(data, "close", step=1) as up, proxied(up.port) as p, p.client() as client:
        client.send(GET, step=1)
        message = client.read_response()
        assert (message.status, message.body, message.complete) == (200, b"0123456789", True)


def test_bytes_that_nobody_asked_for_close_the_connection_and_reach_no_one() -> None:
    def script(wire: Wire) -> None:
        wire.read_request()
        wire.send(LENGTH + b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")
        wire.ended()

    with Upstream(script) as up, proxied(up.port) as p, p.client() as client:
        for n in range(3):
            client.send(GET)
            assert client.read_response().body == b"0123456789"
            up.wait_connections(n + 1)
        assert p.up("upstream_cx_total") == 3


def test_a_client_of_a_dead_upstream_does_not_disturb_its_neighbours() -> None:
    with answers(LENGTH[:-1], "reset") as bad, Upstream() as good:
        config = bootstrap(
            hcm={"delayed_close_timeout": "0.01s"},
            routes=[
                {"match": {"prefix": "/bad"}, "route": {"cluster": "bad"}},
                {"match": {"prefix": "/"}, "route": {"cluster": "good"}},
            ],
            clusters=[cluster("bad", bad.port), cluster("good", good.port)],
        )
        with running(config) as p, p.client() as steady:
            for _ in range(20):
                p.get("/bad")
                steady.send(GET)
                assert steady.read_response().body == b"ok"


@pytest.mark.parametrize("how", HOWS)
def test_a_wire_cut_at_any_byte_of_the_answer_never_looks_whole(how: str) -> None:
    with Upstream(_answer_forever) as up:
        for cut in range(1, len(LENGTH), 5):
            with Cutter(up.port, cut_down=cut, how=how) as wire, proxied(wire.port) as p:
                message = ask(p)
                assert message.status >= 500 or not message.complete


def _answer_forever(wire: Wire) -> None:
    while True:
        wire.read_request()
        wire.send(LENGTH)
