"""The cookie that a hash policy makes: written as Envoy writes it, of the same value, and it brings the client back to the same host."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

import mesh
from meshcore.bind.balancertest import xxh64
from tests.cluster.envoy_hosts import Hosts, bootstrap, envoy
from tests.cluster.test_keys_against_envoy import cluster, group, host

COOKIE = {"name": "sid", "ttl": "7s", "path": "/p", "attributes": [{"name": "SameSite", "value": "Lax"}, {"name": "Secure"}]}
POLICY: list[dict[str, Any]] = [{"cookie": COOKIE}]
Answer = tuple[list[str], str]


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, cookie: str = "") -> Answer:
    """(set-cookie values, the host that answered)."""
    line = f"cookie: {cookie}\r\n" if cookie else ""
    writer.write(f"GET /c HTTP/1.1\r\nhost: a\r\n{line}\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    found = re.search(r"content-length: (\d+)", head)
    assert found is not None
    body = await reader.readexactly(int(found[1]))
    return re.findall(r"(?m)^set-cookie: (.*)\r$", head), body.decode()


async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, list[Answer]]:
    """(the value that a cookie of this connection has, answers)."""
    me, peer = writer.get_extra_info("sockname"), writer.get_extra_info("peername")
    value = f"{xxh64(f'{me[0]}:{me[1]}{peer[0]}:{peer[1]}'.encode()):016x}"
    answers = [await ask(reader, writer), await ask(reader, writer), await ask(reader, writer, f'x=1; sid="{value}"')]
    return value, answers


async def against(kind: str, folder: Path) -> tuple[str, list[Answer]]:
    hosts = Hosts()
    await hosts.open(5)
    try:
        config = [cluster("c", "RING_HASH", [group([host(port) for port in hosts.ports])])]
        if kind == "envoy":
            async with envoy(folder, config, hash_policy=POLICY) as asked:
                return await play(asked.reader, asked.writer)
        tree = bootstrap(0, 0, config, POLICY, {})
        del tree["admin"]
        with mesh.Proxy(tree, concurrency=1) as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.listeners["in"].port)
            try:
                return await play(reader, writer)
            finally:
                writer.close()
    finally:
        hosts.close()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["envoy", "mesh"])
def test_a_client_without_the_cookie_gets_it_and_comes_back_with_it(kind: str, tmp_path: Path) -> None:
    value, (first, second, third) = asyncio.run(against(kind, tmp_path))
    assert first[0] == [f'sid="{value}"; Max-Age=7; Path=/p; SameSite=Lax; Secure; HttpOnly']
    assert second == first
    assert third == ([], first[1])
