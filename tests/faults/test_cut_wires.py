"""A wire between two good ends that drips, is cut at any byte in either direction, or falls silent."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import pytest

from mesh.testing import Cutter, Ended, Running, Upstream, Wire, bootstrap, connect, running

POST = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 26\r\n\r\nabcdefghijklmnopqrstuvwxyz"
REPLY = b"HTTP/1.1 200 OK\r\ncontent-length: 26\r\n\r\n"


def echo(wire: Wire) -> None:
    while True:
        body = wire.read_request().body
        wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)


def proxied(port: int, **fields: Any) -> AbstractContextManager[Running]:
    return running(bootstrap(port, hcm={"delayed_close_timeout": "0.01s"}, **fields))


def test_one_byte_per_segment_on_both_sides_changes_nothing() -> None:
    with Upstream(echo) as up, Cutter(up.port, step=1) as behind, proxied(behind.port) as p:
        with Cutter(p.port, step=1) as before, connect(before.port) as client:
            for _ in range(3):
                client.send(POST)
                assert client.read_response().body == POST[-26:]
        p.quiet()


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_request_cut_on_its_way_to_the_upstream_is_never_answered_with_success(how: str) -> None:
    with Upstream(echo) as up:
        for cut in range(1, 80, 6):
            with Cutter(up.port, cut_up=cut, how=how) as wire, proxied(wire.port) as p, p.client() as client:
                client.send(POST)
                assert client.read_response().status >= 500


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_client_cut_off_inside_its_request_leaves_no_trace(how: str) -> None:
    with Upstream(echo) as up, proxied(up.port) as p:
        for cut in range(1, len(POST) - 1, 6):
            with Cutter(p.port, cut_up=cut, how=how) as wire, connect(wire.port) as client:
                try:
                    client.send(POST)
                    assert client.read_response().status == 400
                except (Ended, OSError):
                    pass
        p.quiet()
        assert p.down("downstream_rq_2xx") == 0


@pytest.mark.parametrize("cut", [1, len(REPLY) - 1])
def test_a_wire_that_falls_silent_before_the_answer_ends_in_the_route_timeout(cut: int) -> None:
    with (
        Upstream(echo) as up,
        Cutter(up.port, cut_down=cut, how="stall") as wire,
        proxied(wire.port, route={"timeout": "0.1s"}) as p,
        p.client() as client,
    ):
        client.send(POST)
        assert client.read_response().status == 504
        assert p.up("upstream_rq_timeout") == 1


def test_a_wire_that_falls_silent_inside_the_body_cuts_the_response() -> None:
    with (
        Upstream(echo) as up,
        Cutter(up.port, cut_down=len(REPLY) + 5, how="stall") as wire,
        proxied(wire.port, route={"timeout": "0.1s"}) as p,
        p.client() as client,
    ):
        client.send(POST)
        message = client.read_response()
        assert (message.status, message.body, message.complete) == (200, b"abcde", False)


def test_a_wire_that_heals_is_used_again() -> None:
    policy = {"retry_on": "reset,connect-failure", "num_retries": 3, "retry_back_off": {"base_interval": "0.001s"}}
    with (
        Upstream(echo) as up,
        Cutter(up.port, cut_down=10, how="reset", cuts=2) as wire,
        proxied(wire.port, route={"retry_policy": policy}) as p,
        p.client() as client,
    ):
        for _ in range(3):
            client.send(POST)
            assert client.read_response().body == POST[-26:]
        assert wire.connections == 3
