"""A conversation that ends at each of its bytes, comes byte by byte, or is damaged somewhere: the proxy serves the next client, and
nothing of the broken one stays alive (`running` looks for that)."""

from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import Iterator

import h2.config
import h2.connection
import pytest

from mesh.testing import Running, Upstream, bootstrap, running
from tests.http2.peer import Http2Client

SEEDS = range(8)
DAMAGED = 40  # conversations per seed


def conversation() -> bytes:
    """What a client sends for a GET, a POST with trailers, a reset and a PING."""
    made = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    made.initiate_connection()
    head = [(":method", "GET"), (":scheme", "http"), (":path", "/one"), (":authority", "a"), ("x-a", "b")]
    made.send_headers(1, head, end_stream=True)
    made.send_headers(3, [(":method", "POST"), *head[1:]])
    made.send_data(3, b"some body", pad_length=3)
    made.send_headers(3, [("sum", "7")], end_stream=True)
    made.send_headers(5, head)
    made.reset_stream(5, 8)
    made.ping(b"12345678")
    return made.data_to_send()


CONVERSATION = conversation()


@pytest.fixture(scope="module")
def proxy() -> Iterator[Running]:
    with Upstream() as up, running(bootstrap(up.port, hcm={"delayed_close_timeout": "0.05s"})) as p:
        yield p


def say(port: int, data: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock, contextlib.suppress(OSError):
        sock.sendall(data)


def served(proxy: Running) -> None:
    proxy.quiet()
    with Http2Client(proxy.port) as client:
        assert client.ask().status == 200


def test_a_conversation_that_ends_at_each_of_its_bytes(proxy: Running) -> None:
    for end in range(len(CONVERSATION)):
        say(proxy.port, CONVERSATION[:end])
    served(proxy)


def test_a_conversation_in_single_bytes_is_understood(proxy: Running) -> None:
    before = proxy.down("downstream_rq_http2_total")
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(CONVERSATION[:24])        # AUTO wants the preface in the first bytes, as Envoy does
        for at in range(24, len(CONVERSATION)):
            sock.sendall(CONVERSATION[at : at + 1])
        proxy.wait_stat("http.test.downstream_rq_http2_total", before + 3)
    served(proxy)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_a_damaged_conversation_harms_nobody_else(proxy: Running, seed: int) -> None:
    chance = random.Random(seed)
    with Http2Client(proxy.port) as neighbour:
        for _ in range(DAMAGED):
            data = bytearray(CONVERSATION)
            for _ in range(chance.randint(1, 6)):
                data[chance.randrange(24, len(data))] = chance.randrange(256)
            say(proxy.port, bytes(data))
        assert neighbour.ask().status == 200
    served(proxy)
