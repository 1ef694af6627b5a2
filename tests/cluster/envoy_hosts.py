"""A real Envoy, or mesh, in front of hosts that say who they are: which host does it choose for which request?

One route `/<cluster>` per cluster; the answer is the port of the host. Used by the tests that hold mesh's balancers against Envoy's. Must
not know what is expected. Ends with the `async with`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

from tests.peers.envoy import envoy_peer
from tests.peers.ports import PortReservation
from tests.peers.process import Peer

HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"


class Hosts:
    """Servers on free ports, each of which answers with its own port."""

    def __init__(self) -> None:
        self.ports: list[int] = []
        self._servers: list[asyncio.Server] = []

    async def open(self, n: int) -> None:
        for _ in range(n):
            server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
            self._servers.append(server)
            self.ports.append(server.sockets[0].getsockname()[1])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = str(writer.get_extra_info("sockname")[1]).encode()
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(port), port))
        writer.close()

    def close(self) -> None:
        for server in self._servers:
            server.close()


class Asked:
    """One keep-alive connection to the proxy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def port(self, cluster: str, headers: Iterable[tuple[str, str]] = (), query: str = "") -> int:
        """The host that answered; 0 when none did."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
        self.writer.write(f"GET /{cluster}{query} HTTP/1.1\r\nhost: a\r\n{lines}\r\n".encode())
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        body = await self.reader.readexactly(length)
        return int(body) if b" 200 " in head[:20] else 0

    async def all(self, cluster: str, keys: Iterable[str]) -> list[int]:
        """The hosts of these values of x-key."""
        return [await self.port(cluster, [("x-key", key)]) for key in keys]


Parts = list[dict[str, Any]]


def bootstrap(admin: int, port: int, clusters: Parts, hash_policy: Parts, extra: dict[str, Any]) -> dict[str, Any]:
    def route(name: str) -> dict[str, Any]:
        action = {"cluster": name, "hash_policy": hash_policy, "timeout": "5s", **extra.get(name, {})}
        return {"match": {"path_separated_prefix": f"/{name}"}, "route": action}

    hosts = [{"name": "all", "domains": ["*"], "routes": [route(one["name"]) for one in clusters]}]
    hcm = {
        "@type": HCM,
        "stat_prefix": "in",
        "route_config": {"virtual_hosts": hosts},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": ROUTER}}],
    }
    chain = {"filters": [{"name": "hcm", "typed_config": hcm}]}
    listener = {"name": "in", "address": address(port), "filter_chains": [chain]}
    return {
        "admin": {"address": address(admin)},
        "static_resources": {"listeners": [listener], "clusters": clusters},
    }


def address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


KEY = [{"header": {"header_name": "x-key"}}]


def envoy(
    folder: Path, clusters: list[dict[str, Any]], *, hash_policy: list[dict[str, Any]] = KEY, extra: dict[str, Any] | None = None
) -> contextlib.AbstractAsyncContextManager[Asked]:
    """`extra`: fields of the RouteAction, by cluster."""
    return asked(folder, clusters, hash_policy=hash_policy, extra=extra)


@contextlib.asynccontextmanager
async def asked(
    folder: Path,
    clusters: list[dict[str, Any]],
    *,
    make: Callable[[Path, Path, int], Peer] = envoy_peer,
    hash_policy: list[dict[str, Any]] = KEY,
    extra: dict[str, Any] | None = None,
    fields: dict[str, Any] | None = None,
) -> AsyncIterator[Asked]:
    """The proxy that `make` starts; `fields`: of its bootstrap."""
    with PortReservation() as ports:
        admin, port = ports.pick(), ports.pick()
        file = folder / "bootstrap.json"
        file.write_text(json.dumps({**bootstrap(admin, port, clusters, hash_policy, extra or {}), **(fields or {})}))
        async with make(file, folder, admin):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                yield Asked(reader, writer)
            finally:
                writer.close()
