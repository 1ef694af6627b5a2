"""Custom SETTINGS are said to clients and hosts as a real Envoy says them: before those that have a name, and each once.

What only one of the two says is left out: we tell clients that their priorities are not used, Envoy tells hosts its limits for pushed streams.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from pathlib import Path
from typing import Any

import pytest

from mesh.testing import running
from tests.http2.envoy import envoy_with
from tests.http2.frames import PREFACE, frame
from tests.http2.server import http2_bootstrap

pytestmark = pytest.mark.slow
LIMIT_S = 20.0
SETTINGS, ACK = 4, 1
CONNECT_PROTOCOL, STREAMS, PRIORITIES = 8, 3, 9
CUSTOM = [(10, 0), (12, 10), (6, 100_000), (5, 20_000), (12, 10)]
NAMED_TOO = [(3, 7), (1, 100), (4, 70_000), (2, 0)]
Settings = list[tuple[int, int]]


def config(port: int, custom: Settings) -> dict[str, Any]:
    options = {"custom_settings_parameters": [{"identifier": setting, "value": value} for setting, value in custom]}
    return http2_bootstrap(port, options, hcm={"http2_protocol_options": options})


def first_settings(wire: socket.socket, skip: int = 0) -> Settings:
    """Of the first frame, which is SETTINGS; `skip` bytes stand before it."""
    head = b""
    while len(head) < skip + 9:
        head += wire.recv(skip + 9 - len(head))
    length, kind, flags = int.from_bytes(head[skip : skip + 3]), head[skip + 3], head[skip + 4]
    assert (kind, flags & ACK) == (SETTINGS, 0)
    body = b""
    while len(body) < length:
        body += wire.recv(length - len(body))
    return list(struct.iter_unpack(">HI", body))


def said_by(port: int, host: socket.socket) -> tuple[Settings, Settings]:
    """To a client, to a host."""
    with socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S) as client:
        client.sendall(PREFACE + frame(SETTINGS))
        down = first_settings(client)
    with socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S) as asking:
        asking.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        wire, _ = host.accept()
        with wire:
            wire.settimeout(LIMIT_S)
            up = first_settings(wire, len(PREFACE))
    return [one for one in down if one[0] != PRIORITIES], [one for one in up if one[0] != PRIORITIES]


async def said_by_envoy(host: socket.socket, custom: Settings, directory: Path) -> tuple[Settings, Settings]:
    async with envoy_with(config(host.getsockname()[1], custom), directory) as port:
        return await asyncio.to_thread(said_by, port, host)


@pytest.mark.parametrize("custom", [CUSTOM, NAMED_TOO], ids=["others", "those that have a name"])
def test_custom_settings_are_said_as_envoy_says_them(custom: Settings, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as host:
        host.settimeout(LIMIT_S)
        theirs = asyncio.run(said_by_envoy(host, custom, tmp_path))
        with running(config(host.getsockname()[1], custom)) as proxy:
            ours = said_by(proxy.port, host)
    assert ours[0] == theirs[0]
    assert ours[1] == [one for one in theirs[1] if one not in ((CONNECT_PROTOCOL, 0), (STREAMS, 1024))]
    assert [one for one in theirs[0] if one in custom] == list(dict.fromkeys(custom))


def test_a_custom_setting_of_priorities_is_the_only_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as host, running(config(host.getsockname()[1], [(PRIORITIES, 0)])) as proxy:
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=LIMIT_S) as client:
            client.sendall(PREFACE + frame(SETTINGS))
            assert [one for one in first_settings(client) if one[0] == PRIORITIES] == [(PRIORITIES, 0)]
