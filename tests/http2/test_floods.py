"""What a hostile HTTP/2 client does to cost more than it pays: each is counted under Envoy's name, and its connection ends while
others go on. And what looks like it and is none: an answer of very many frames.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from mesh.testing import Running, Upstream, Wire, bootstrap, running
from tests.http2.peer import Http2Client
from tests.http2.server import Call, Http2Server, http2_bootstrap

DATA, PRIORITY, RST_STREAM, PING, WINDOW_UPDATE = 0, 2, 3, 6, 8


def frame(kind: int, stream: int, payload: bytes = b"", flags: int = 0) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


@pytest.fixture
def proxy() -> Iterator[Running]:
    with Upstream() as up, running(bootstrap(up.port, hcm={"delayed_close_timeout": "0.05s"})) as p:
        yield p


def flood(proxy: Running, data: bytes, counter: str, open_stream: bool = False) -> None:
    """Sends it on one connection while another one is served before and after."""
    with Http2Client(proxy.port) as neighbour, Http2Client(proxy.port) as client:
        assert neighbour.ask().status == 200
        if open_stream:
            client.request("/", method="POST", end=False)
        with contextlib.suppress(OSError):
            client.raw(data)
        client.wait_close()
        assert neighbour.ask().status == 200
    assert proxy.stat(f"http2.{counter}") == 1
    proxy.quiet()


def test_empty_data_frames(proxy: Running) -> None:
    flood(proxy, frame(DATA, 1) * 3, "inbound_empty_frames_flood", open_stream=True)


def test_priority_frames(proxy: Running) -> None:
    flood(proxy, frame(PRIORITY, 3, b"\0\0\0\0\x10") * 400, "inbound_priority_frames_flood")


def test_window_updates(proxy: Running) -> None:
    flood(proxy, frame(WINDOW_UPDATE, 0, b"\0\0\0\1") * 40, "inbound_window_update_frames_flood")


def test_pings_whose_answers_nobody_reads(proxy: Running) -> None:
    flood(proxy, frame(PING, 0, b"12345678") * 3000, "outbound_control_flood")


@pytest.mark.slow
def test_streams_that_are_opened_to_be_taken_back() -> None:
    def silent(wire: Wire) -> None:
        with contextlib.suppress(OSError):     # the proxy may end it with RST
            while wire.socket.recv(65536):
                pass

    with Upstream(silent) as up, running(bootstrap(up.port)) as p, Http2Client(p.port) as client:
        with contextlib.suppress(OSError):
            for _ in range(300):
                client.cancel(client.request("/"))
        client.wait_close()
        p.quiet()
        assert p.down("downstream_rq_too_many_premature_resets") == 1


@pytest.mark.slow
def test_a_slow_reader_of_a_long_answer_is_no_flood() -> None:
    piece, pieces = b"x" * 100, 12_000  # more frames than may wait (10,000)

    def answer(call: Call) -> None:
        call.connection.send_headers(call.stream, [(":status", "200")])
        call.link.flush()
        for _ in range(pieces):
            while call.connection.local_flow_control_window(call.stream) < len(piece):
                call.connection.receive_data(call.link.sock.recv(65536))
            call.connection.send_data(call.stream, piece)
            call.link.flush()
        call.connection.end_stream(call.stream)
        call.link.flush()

    with Http2Server(answer) as up, running(http2_bootstrap(up.port)) as p, Http2Client(p.port) as client:
        got = client.answer(client.request("/"))
        assert len(got.body) == len(piece) * pieces
        assert p.stat("http2.outbound_flood") == 0
