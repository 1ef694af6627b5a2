"""A reader that is slower than the writer: the fast side is stopped at the watermark, and nothing is lost for it."""

from __future__ import annotations

import contextlib
import threading

import pytest

from mesh.testing import Ended, Running, Upstream, Wire, bootstrap, cluster, running

LIMIT = 64 * 1024
SMALL = 8 * 1024
BIG = 8 << 20
GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
GET_CLOSE = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"


def big(wire: Wire) -> None:
    """Answers with BIG bytes, over and over; how many went out is kept in `sent`."""
    try:
        while True:
            wire.read_request()
            wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % BIG)
            for _ in range(BIG // LIMIT):
                wire.send(b"x" * LIMIT)
    except (Ended, OSError, TimeoutError):
        pass


@pytest.mark.slow
def test_a_response_ends_whole_for_a_client_that_reads_it_slower_than_the_delayed_close_time() -> None:
    hcm = {"delayed_close_timeout": "0.5s"}
    config = bootstrap(0, hcm=hcm, per_connection_buffer_limit_bytes=4 << 20)
    with Upstream(big) as up:
        config["static_resources"]["clusters"] = [cluster("up", up.port)]
        with running(config) as p, p.client(receive_buffer=SMALL) as client:
            client.send(GET_CLOSE)
            client.read_until(b"\r\n\r\n")
            got = 0
            while p.up("upstream_cx_rx_bytes_total") < BIG:
                got += len(client.read_exactly(SMALL))
            pause = threading.Event()
            while got < BIG:
                got += len(client.read_exactly(min(BIG - got, 256 * 1024)))
                pause.wait(0.05)
            assert client.ended()


@pytest.mark.slow
def test_pipelined_answers_do_not_pile_up_for_a_client_that_does_not_read() -> None:
    route = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "x" * 4000}}}
    total = 20_000
    with running(bootstrap(routes=[route], per_connection_buffer_limit_bytes=LIMIT)) as p, p.client(receive_buffer=SMALL) as client:
        writer = threading.Thread(target=lambda: _send_all(client, GET * total), daemon=True)
        writer.start()
        p.wait_stat("http.test.downstream_rq_total", 10)
        _settles(p, "http.test.downstream_rq_total")
        answered = p.down("downstream_rq_total")
        # What the kernel's buffers and one watermark hold, far from all.
        assert answered * 4100 < 8 << 20
        got = 0
        while got < total:
            assert client.read_response().status == 200
            got += 1
        writer.join(5)
        assert not writer.is_alive()


def _send_all(client: Wire, data: bytes) -> None:
    with contextlib.suppress(OSError):
        client.send(data)


def _settles(p: Running, name: str) -> None:
    """Waits until a counter stands still."""
    before = -1
    while before != (now := p.stat(name)):
        before = now
        threading.Event().wait(0.1)


@pytest.mark.slow
def test_pipelined_big_responses_are_stopped_at_the_watermark() -> None:
    with (
        Upstream(big) as up,
        running(bootstrap(up.port, per_connection_buffer_limit_bytes=LIMIT)) as p,
        p.client(receive_buffer=SMALL) as client,
    ):
        client.send(GET * 4)
        client.read_until(b"\r\n\r\n")
        _settles(p, "cluster.up.upstream_cx_rx_bytes_total")
        assert p.up("upstream_cx_rx_bytes_total") < 2 * BIG
        client.reset()
