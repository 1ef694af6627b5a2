"""Tunnels through HTTP/2 streams: many bytes both ways, what the settings say; and runtime keys about streams taken back."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Any

import h2.settings
import pytest

import mesh
from mesh.codec import http2
from mesh.testing import LIMIT_S, Upstream, Wire, bootstrap, cluster, running
from tests.http2.peer import Answer, Http2Client

WEBSOCKET: dict[str, Any] = {"upgrade_configs": [{"upgrade_type": "websocket"}], "http2_protocol_options": {"allow_connect": True}}
AGREED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
MUCH = bytes(range(256)) * 4096


def open_tunnel(client: Http2Client) -> int:
    stream = client.connection.get_next_available_stream_id()
    client.answers[stream] = Answer()
    head = [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":path", "/"), (":authority", "a")]
    client.connection.send_headers(stream, head)
    client.flush()
    return stream


def echo(wire: Wire) -> None:
    with contextlib.suppress(OSError):
        wire.read_request()
        wire.send(AGREED)
        while piece := wire.socket.recv(65536):
            wire.send(piece)


def echo_http2(wire: Wire) -> None:
    """As `echo`, over HTTP/2."""
    host = http2.Connection("server", allow_connect=True)
    with contextlib.suppress(OSError):
        wire.send(host.output())
        while piece := wire.socket.recv(65536):
            for event in host.feed(piece):
                if isinstance(event, http2.RequestHead):
                    host.respond(event.stream, 200)
                elif isinstance(event, http2.Data):
                    host.send(event.stream, event.data)
            wire.send(host.output())


@contextlib.contextmanager
def tunnel(port: int, version: int) -> Iterator[Callable[[bytes], bytes]]:
    """A tunnel that speaks; the function says something and returns as many bytes of the answer."""
    if version == 2:
        with Http2Client(port) as client:
            stream = open_tunnel(client)

            def say(text: bytes) -> bytes:
                before = len(client.answers[stream].body)
                client.send(stream, text)
                while len(client.answers[stream].body) < before + len(text):
                    assert client.read()
                return client.answers[stream].body[before:]

            yield say
        return
    with socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S) as sock, sock.makefile("rb") as answers:
        sock.sendall(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
        while answers.readline().strip():
            pass

        def say_plain(text: bytes) -> bytes:
            sock.sendall(text)
            return answers.read(len(text))

        yield say_plain


def silent(wire: Wire) -> None:
    with contextlib.suppress(OSError):     # the proxy may end it with RST
        while wire.socket.recv(65536):
            pass


@pytest.mark.slow
def test_many_bytes_go_both_ways_through_two_tunnels_of_one_connection() -> None:
    with Upstream(echo) as up, running(bootstrap(up.port, hcm=WEBSOCKET)) as proxy, Http2Client(proxy.port) as client:
        tunnels = [open_tunnel(client), open_tunnel(client)]
        for at in range(0, len(MUCH), 65536):
            for stream in tunnels:
                client.send(stream, MUCH[at : at + 65536])
        for stream in tunnels:
            while len(client.answers[stream].body) < len(MUCH) and client.read():
                pass
            assert client.answers[stream].status == 200
            assert client.answers[stream].body == MUCH
        assert proxy.down("downstream_cx_upgrades_active") == 2
        for stream in tunnels:
            client.cancel(stream)
        client.sock.close()
        proxy.quiet()


@pytest.mark.parametrize("client", [1, 2])
@pytest.mark.parametrize("host", [1, 2])
def test_a_tunnel_outlives_a_drain(client: int, host: int) -> None:
    with Upstream(echo if host == 1 else echo_http2) as up:
        fields = {"http2_protocol_options": {"allow_connect": True}} if host == 2 else {}
        config = bootstrap(clusters=[cluster("up", up.port, **fields)], hcm=WEBSOCKET)
        with mesh.Proxy(config, concurrency=1) as proxy:
            with tunnel(next(iter(proxy.listeners.values())).port, client) as say:
                assert say(b"before") == b"before"
                assert not proxy.drain(0)
                assert say(b"after") == b"after"
            assert proxy.drain(LIMIT_S)


@pytest.mark.parametrize("allowed", [False, True])
def test_settings_say_whether_connect_is_allowed(allowed: bool) -> None:
    hcm = {"http2_protocol_options": {"allow_connect": allowed}}
    with Upstream() as up, running(bootstrap(up.port, hcm=hcm)) as proxy, Http2Client(proxy.port) as client:
        assert client.ask().status == 200
        assert client.connection.remote_settings[h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL] == allowed


def take_back(keys: dict[str, int], streams: int) -> int:
    """Opens that many streams only to reset them; how often that was too much."""
    layers = [{"name": "keys", "static_layer": {f"overload.premature_reset_{key}": value for key, value in keys.items()}}]
    with Upstream(silent) as up:
        config = {**bootstrap(up.port), "layered_runtime": {"layers": layers}}
        with running(config) as proxy, Http2Client(proxy.port) as client:
            with contextlib.suppress(OSError):
                for _ in range(streams):
                    client.cancel(client.request("/"))
                if streams < keys["total_stream_count"]:
                    client.ping()
                else:
                    client.wait_close()
            client.sock.close()
            proxy.quiet()
            return proxy.down("downstream_rq_too_many_premature_resets")


def test_runtime_says_how_many_early_resets_are_too_many() -> None:
    assert take_back({"total_stream_count": 10}, 30) == 1


def test_fewer_early_resets_than_runtime_allows() -> None:
    assert take_back({"total_stream_count": 100}, 20) == 0
