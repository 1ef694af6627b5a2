"""A client that leaves, by FIN or RST, at every step: its upstream connection is closed, the log says DC, nothing stays."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from mesh.testing import Message, Upstream, Wire, bootstrap, running, until

HOWS = ("close", "reset")
HEAD = b"POST /p HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n"
CHUNKED = b"POST /p HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
GET = b"GET /p HTTP/1.1\r\nhost: a\r\n\r\n"


def leave(wire: Wire, how: str) -> None:
    if how == "reset":
        wire.reset()
    else:
        wire.close()


@pytest.mark.parametrize("how", HOWS)
def test_before_a_byte_leaves_no_trace(how: str) -> None:
    with running(bootstrap(1)) as p:
        leave(p.client(), how)
        p.wait_stat("http.test.downstream_cx_destroy", 1)
        assert p.down("downstream_rq_total") == 0


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("cut", [1, 4, 17, len(GET) - 2, len(GET) - 1])
def test_inside_the_head_asks_no_upstream(how: str, cut: int) -> None:
    with Upstream() as up, running(bootstrap(up.port)) as p:
        with p.client() as client:
            client.send(GET[:cut])
            p.wait_stat("http.test.downstream_cx_rx_bytes_total", cut)
            leave(client, how)
        p.wait_stat("http.test.downstream_cx_destroy", 1)
        assert up.connections == []


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("part", [HEAD, HEAD + b"01234", CHUNKED, CHUNKED + b"5\r\n012", CHUNKED + b"5\r\n01234\r\n0\r\n"])
def test_inside_an_upload_closes_the_upstream_connection(how: str, part: bytes, tmp_path: Path) -> None:
    ended = threading.Event()

    def script(wire: Wire) -> None:
        wire.read_until(b"\r\n\r\n")
        up.note(Message("", []))
        while wire.read_some():
            pass
        ended.set()

    log = tmp_path / "log"
    with Upstream(script) as up, running(bootstrap(up.port, log=str(log))) as p:
        with p.client() as client:
            client.send(part)
            up.wait_requests(1)
            leave(client, how)
        assert ended.wait(10)
        assert p.up("upstream_cx_destroy_local_with_active_rq") == 1
        assert p.down("downstream_cx_destroy_remote_active_rq") == 1
    assert log.read_text().startswith("0 DC downstream_remote_disconnect 1 /p")


@pytest.mark.parametrize("how", HOWS)
def test_while_the_answer_is_awaited_closes_the_upstream_connection(how: str, tmp_path: Path) -> None:
    ended = threading.Event()

    def script(wire: Wire) -> None:
        up.note(wire.read_request())
        if wire.ended():
            ended.set()

    log = tmp_path / "log"
    with Upstream(script) as up, running(bootstrap(up.port, log=str(log))) as p:
        with p.client() as client:
            client.send(GET)
            up.wait_requests(1)
            leave(client, how)
        assert ended.wait(10)
    assert log.read_text().startswith("0 DC downstream_remote_disconnect 1 /p")


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("framing", ["content-length: 100000000", "transfer-encoding: chunked", "x: until-close"])
def test_inside_a_download_closes_the_upstream_connection(how: str, framing: str, tmp_path: Path) -> None:
    ended = threading.Event()

    def script(wire: Wire) -> None:
        wire.read_request()
        piece = b"x" * 65536
        if "chunked" in framing:
            piece = b"10000\r\n" + piece + b"\r\n"
        try:
            wire.send(f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n".encode())
            while True:
                wire.send(piece)
        except OSError:
            ended.set()

    log = tmp_path / "log"
    with Upstream(script) as up, running(bootstrap(up.port, log=str(log))) as p:
        with p.client() as client:
            client.send(GET)
            client.read_exactly(200_000)
            leave(client, how)
        assert ended.wait(10)
    assert log.read_text().startswith("200 DC downstream_remote_disconnect 1 /p")


@pytest.mark.parametrize("how", HOWS)
def test_while_its_try_waits_for_a_connection_cancels_it(how: str) -> None:
    """The one connection that the breaker allows is taken by somebody else."""
    hold = threading.Event()

    def script(wire: Wire) -> None:
        up.note(wire.read_request())
        hold.wait(10)
        wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        wire.ended()

    with Upstream(script) as up:
        config = bootstrap(up.port)
        limits = {"thresholds": [{"max_connections": 1}]}
        config["static_resources"]["clusters"][0]["circuit_breakers"] = limits
        with running(config) as p, p.client() as first:
            first.send(GET)
            up.wait_requests(1)
            with p.client() as second:
                second.send(GET)
                until(lambda: p.up("upstream_rq_pending_active") == 1)
                leave(second, how)
            until(lambda: p.up("upstream_rq_pending_active") == 0)
            assert p.up("upstream_rq_cancelled") == 1
            hold.set()
            assert first.read_response().body == b"ok"


def test_after_the_response_keeps_the_upstream_connection_for_others() -> None:
    with Upstream() as up, running(bootstrap(up.port)) as p:
        for how in HOWS * 3:
            client = p.client()
            client.send(GET)
            assert client.read_response().body == b"ok"
            leave(client, how)
            p.quiet()
        assert len(up.connections) == 1


@pytest.mark.slow
def test_ten_thousand_connections_opened_and_dropped_leave_nothing() -> None:
    with Upstream() as up, running(bootstrap(up.port), concurrency=2) as p:
        for n in range(10_000):
            client = p.client()
            if n % 3 == 0:
                client.send(GET[: n % len(GET)])
            leave(client, HOWS[n % 2])
        assert p.get().body == b"ok"
        until(lambda: p.down("downstream_cx_active") == 0)
        # A client that resets before it is accepted is not counted.
        assert p.down("downstream_cx_total") <= 10_001
