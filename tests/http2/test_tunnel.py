"""Tunnels through HTTP/2 streams: many bytes both ways, what the settings say; and runtime keys about streams taken back."""

from __future__ import annotations

import contextlib
from typing import Any

import h2.settings
import pytest

from mesh.testing import Upstream, Wire, bootstrap, running
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
        seen = b""
        while b"\r\n\r\n" not in seen:
            seen += wire.socket.recv(65536)
        wire.send(AGREED)
        while piece := wire.socket.recv(65536):
            wire.send(piece)


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
