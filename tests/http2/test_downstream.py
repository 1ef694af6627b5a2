"""HTTP/2 clients in front of an HTTP/1 upstream: streams, bodies, trailers, windows, resets, GOAWAY, and codec_type."""

from __future__ import annotations

import socket

import pytest

from mesh.testing import Running, Upstream, Wire, bootstrap, cluster, running, until
from tests.http2.peer import Http2Client

QUICK = {"delayed_close_timeout": "0.05s", "drain_timeout": "0.05s"}


def echo(wire: Wire) -> None:
    """Answers every request with its body, and says which path it had."""
    while True:
        request = wire.read_request()
        head = f"HTTP/1.1 200 OK\r\nx-path: {request.target}\r\ncontent-length: {len(request.body)}\r\n\r\n"
        wire.send(head.encode() + request.body)


@pytest.fixture
def proxy() -> object:
    with Upstream(echo) as up, running(bootstrap(up.port, hcm=QUICK)) as p:
        yield p


def test_a_request_is_answered(proxy: Running) -> None:
    with Http2Client(proxy.port) as client:
        answer = client.ask("/one")
    assert (answer.status, answer.header("x-path"), answer.ended) == (200, "/one", True)
    assert answer.header("connection") is None and answer.header("transfer-encoding") is None
    proxy.quiet()
    assert (proxy.down("downstream_cx_http2_total"), proxy.down("downstream_rq_http2_total")) == (1, 1)
    assert (proxy.down("downstream_cx_http2_active"), proxy.down("downstream_rq_http1_total")) == (0, 0)


def test_an_http1_client_is_served_on_the_same_port(proxy: Running) -> None:
    with Http2Client(proxy.port) as client:
        assert client.ask().status == 200
    assert proxy.get("/two").status == 200


def test_streams_run_side_by_side(proxy: Running) -> None:
    with Http2Client(proxy.port) as client:
        streams = {client.request(f"/{n}"): f"/{n}" for n in range(50)}
        for stream, path in streams.items():
            assert client.answer(stream).header("x-path") == path


def test_a_body_longer_than_all_windows_passes_both_ways(proxy: Running) -> None:
    body = bytes(range(256)) * 8000
    with Http2Client(proxy.port) as client:
        stream = client.request("/", method="POST", body=body, extra=[("content-length", str(len(body)))])
        assert client.answer(stream).body == body


def test_a_body_without_a_length_becomes_chunked(proxy: Running) -> None:
    with Http2Client(proxy.port) as client:
        stream = client.request("/", method="POST", end=False)
        client.send(stream, b"one ")
        client.send(stream, b"two", end=True)
        assert client.answer(stream).body == b"one two"


def test_a_client_that_cancels_ends_its_stream_alone(proxy: Running) -> None:
    with Http2Client(proxy.port) as client:
        stream = client.request("/", method="POST", end=False)
        client.send(stream, b"half")
        proxy.wait_stat("http.test.downstream_rq_active", 1)
        client.cancel(stream)
        assert client.ask("/after").status == 200
        proxy.wait_stat("http.test.downstream_rq_rx_reset", 1)
    proxy.quiet()
    assert proxy.down("downstream_rq_active") == 0


def test_an_abort_of_the_client_ends_all_of_its_streams(proxy: Running) -> None:
    client = Http2Client(proxy.port)
    for _ in range(5):
        client.request("/", method="POST", end=False)
    proxy.wait_stat("http.test.downstream_rq_active", 5)
    client.sock.close()
    proxy.quiet()
    assert proxy.down("downstream_cx_destroy_remote_active_rq") == 1


@pytest.mark.slow
def test_a_window_that_stays_closed_holds_the_upstream_and_nobody_else() -> None:
    size = 8 << 20

    def big(wire: Wire) -> None:
        while True:
            request = wire.read_request()
            body = b"x" * (size if request.target == "/big" else 2)
            wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)

    with Upstream(big, big) as up, running(bootstrap(up.port)) as p, Http2Client(p.port, credit=False) as client:
        stream = client.request("/big")
        until(lambda: p.up("upstream_flow_control_paused_reading_total") > 0, "a paused upstream")
        client.connection.increment_flow_control_window(1 << 20)     # of the connection: the stream's own stays closed
        client.flush()
        assert client.ask("/small").body == b"xx"
        client.credit = True
        client.connection.increment_flow_control_window(size)
        client.connection.increment_flow_control_window(size, stream)
        client.flush()
        assert len(client.answer(stream).body) == size


def test_trailers_of_a_request_become_those_of_a_chunked_body() -> None:
    def upstream(wire: Wire) -> None:
        wire.read_until(b"\r\nsum: 7\r\n\r\n")
        wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

    with Upstream(upstream) as up:
        trailing = cluster("up", up.port, http_protocol_options={"enable_trailers": True})
        with running(bootstrap(clusters=[trailing])) as p, Http2Client(p.port) as client:
            stream = client.request("/", method="POST", end=False)
            client.send(stream, b"body")
            client.trailers(stream, [("sum", "7")])
            assert client.answer(stream).status == 200


def test_the_last_request_of_a_connection_is_announced_and_then_it_ends() -> None:
    options = {**QUICK, "common_http_protocol_options": {"max_requests_per_connection": 2}}
    with Upstream(echo) as up, running(bootstrap(up.port, hcm=options)) as p:
        with Http2Client(p.port) as client:
            assert client.ask("/1").status == 200
            stream = client.request("/2", method="POST", end=False)
            client.wait_goaway()
            assert client.goaway == (2**31 - 1, 0)
            client.send(stream, b"last", end=True)
            assert client.answer(stream).body == b"last"
            client.wait_close()
            assert client.goaway == (stream, 0)
        p.quiet()
        assert p.down("downstream_cx_max_requests_reached") == 1


def test_bytes_that_are_no_frames_end_the_connection(proxy: Running) -> None:
    with Http2Client(proxy.port) as client:
        client.ask()
        client.raw(b"\x00\x00\x00\x01\x00\x00\x00\x00\x00")      # HEADERS on stream 0
        client.wait_close()
    proxy.quiet()
    assert proxy.down("downstream_cx_protocol_error") == 1


def test_http2_alone_refuses_http1() -> None:
    with running(bootstrap(hcm={"codec_type": "HTTP2", **QUICK})) as p, socket.create_connection(("127.0.0.1", p.port), timeout=10) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        while sock.recv(4096):
            pass
        p.quiet()
        assert p.down("downstream_cx_protocol_error") == 1
