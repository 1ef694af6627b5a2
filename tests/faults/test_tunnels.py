"""Upgraded connections carry raw bytes both ways: under load, to slow readers, and when either end leaves in any way."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from mesh.testing import Upstream, Wire, bootstrap, running, until

MIB = 1 << 20
ASK = b"GET /ws HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n"
ACCEPT = b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n"
HOWS = ("close", "reset")


def upgrading(port: int, **fields: Any) -> dict[str, Any]:
    hcm = {"upgrade_configs": [{"upgrade_type": "websocket"}], "delayed_close_timeout": "0.02s", **fields.pop("hcm", {})}
    return bootstrap(port, hcm=hcm, **fields)


def leave(wire: Wire, how: str) -> None:
    if how == "reset":
        wire.reset()
    else:
        wire.close()


def echo(wire: Wire) -> None:
    wire.read_request()
    wire.send(ACCEPT)
    while data := wire.read_some():
        wire.send(data)


def test_bytes_go_both_ways_in_the_same_segment_as_the_heads() -> None:
    def script(wire: Wire) -> None:
        wire.read_request()
        wire.send(ACCEPT + b"hello")
        assert wire.read_exactly(5) == b"early"
        wire.send(b"bye")

    with Upstream(script) as up, running(upgrading(up.port)) as p, p.client() as client:
        client.send(ASK + b"early")
        assert client.read_response().status == 101
        assert client.read_exactly(8) == b"hellobye"
        assert client.ended()


@pytest.mark.parametrize("step", [0, 1])
def test_what_goes_in_comes_out(step: int) -> None:
    data = bytes(range(256)) * (1 if step else 16 * 1024)
    with Upstream(echo) as up, running(upgrading(up.port, per_connection_buffer_limit_bytes=32768)) as p, p.client() as client:
        client.send(ASK, step)
        assert client.read_response().status == 101
        sender = threading.Thread(target=client.send, args=(data, step))
        sender.start()
        assert client.read_exactly(len(data)) == data
        sender.join()
        assert p.down("downstream_cx_upgrades_active") == 1
    assert p.down("downstream_cx_upgrades_total") == 1


@pytest.mark.parametrize("how", HOWS)
def test_a_client_that_leaves_ends_the_upstream_side(how: str, tmp_path: Path) -> None:
    ended = threading.Event()

    def script(wire: Wire) -> None:
        wire.read_request()
        wire.send(ACCEPT)
        while wire.read_some():
            pass
        ended.set()

    log = tmp_path / "log"
    with Upstream(script) as up, running(upgrading(up.port, log=str(log))) as p:
        with p.client() as client:
            client.send(ASK)
            assert client.read_response().status == 101
            client.send(b"data")
            leave(client, how)
        assert ended.wait(10)
        until(lambda: p.down("downstream_cx_upgrades_active") == 0)
    assert log.read_text().startswith("101 ")


@pytest.mark.parametrize("how", HOWS)
def test_an_upstream_that_leaves_ends_the_client_side(how: str) -> None:
    def script(wire: Wire) -> None:
        wire.read_request()
        wire.send(ACCEPT)
        wire.read_exactly(4)
        leave(wire, how)

    with Upstream(script) as up, running(upgrading(up.port)) as p, p.client() as client:
        client.send(ASK)
        assert client.read_response().status == 101
        client.send(b"data")
        assert client.ended()
        until(lambda: p.down("downstream_cx_upgrades_active") == 0)


@pytest.mark.parametrize("how", HOWS)
def test_an_upstream_that_leaves_before_it_accepts_is_503(how: str) -> None:
    def script(wire: Wire) -> None:
        wire.read_request()
        leave(wire, how)

    with Upstream(script) as up, running(upgrading(up.port)) as p, p.client() as client:
        client.send(ASK)
        assert client.read_response().status == 503
        until(lambda: p.down("downstream_cx_upgrades_active") == 0)


def test_an_upstream_that_says_no_answers_as_usual() -> None:
    def script(wire: Wire) -> None:
        wire.read_request()
        wire.send(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno")
        wire.ended()

    with Upstream(script) as up, running(upgrading(up.port)) as p, p.client() as client:
        client.send(ASK)
        message = client.read_response()
        assert (message.status, message.body) == (403, b"no")


def test_an_accepted_upgrade_that_nobody_asked_for_is_a_gateway_error() -> None:
    def script(wire: Wire) -> None:
        wire.read_request()
        wire.send(ACCEPT)
        wire.ended()

    with Upstream(script) as up, running(upgrading(up.port)) as p:
        assert p.get().status in (502, 503)


@pytest.mark.slow
def test_a_slow_end_of_a_tunnel_stops_the_fast_one() -> None:
    def script(wire: Wire) -> None:
        wire.read_request()
        wire.send(ACCEPT)
        try:
            while True:
                wire.send(b"x" * MIB)
        except OSError:
            pass

    config = upgrading(0, per_connection_buffer_limit_bytes=65536)
    with Upstream(script) as up:
        for endpoint in config["static_resources"]["clusters"][0]["load_assignment"]["endpoints"][0]["lb_endpoints"]:
            endpoint["endpoint"]["address"]["socket_address"]["port_value"] = up.port
        with running(config) as p, p.client(receive_buffer=8192) as client:
            client.send(ASK)
            assert client.read_response().status == 101
            before = -1
            while before != (now := p.up("upstream_cx_rx_bytes_total")):
                before = now
                threading.Event().wait(0.1)
            assert now < 16 * MIB
            client.reset()


def test_a_tunnel_is_cut_when_the_proxy_stops_and_leaves_nothing() -> None:
    with Upstream(echo) as up, running(upgrading(up.port)) as p:
        client = p.client()
        client.send(ASK)
        assert client.read_response().status == 101
        assert p.proxy.drain(0.05) is False
        for worker in p.proxy._workers:
            worker.abort()
        assert client.ended()
        client.close()
        p.base = 0
