"""Asks a real Envoy: one route table, a list of raw requests, the answers.

Starts an upstream that answers with the request head it received, then Envoy, sends the requests one after the other,
each on a
connection of its own, and stops both. Everything is on loopback and bounded in time.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meshcore.bind import spec
from tests.peers.envoy import envoy_peer
from tests.peers.ports import PortReservation
from tests.route.to_envoy import route_config

ANSWER_S = 10.0
HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"


@dataclass
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: str

    def first(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)


def request(authority: str | None, path: str, headers: Any = (), method: str = "GET") -> bytes:
    lines = [f"{method} {path} HTTP/1.1"]
    if authority is not None:
        lines.append(f"host: {authority}")
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def read_head(raw: bytes) -> tuple[str, list[tuple[str, str]]]:
    first, *rest = raw.decode("latin-1").rstrip("\r\n").split("\r\n")
    return first, [(line.split(":", 1)[0].lower(), line.split(":", 1)[1].strip()) for line in rest]


async def _echo(extra: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n%s\r\n" % (len(head), extra) + head)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def _ask(port: int, raw: bytes) -> Answer:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(raw)
        first, headers = read_head(await reader.readuntil(b"\r\n\r\n"))
        length = next((int(value) for name, value in headers if name == "content-length"), 0)
        body = b"" if raw.startswith(b"HEAD ") else await reader.readexactly(length)
        return Answer(int(first.split(" ")[1]), headers, body.decode("latin-1"))
    finally:
        writer.close()


def bootstrap(
    routes: dict[str, Any], port: int, admin: int, upstream: int, clusters: set[str], hcm: dict[str, Any]
) -> dict[str, Any]:
    def address(number: int) -> dict[str, Any]:
        return {"socket_address": {"address": "127.0.0.1", "port_value": number}}

    manager = {
        "@type": HCM,
        "stat_prefix": "routes",
        "generate_request_id": False,
        "route_config": routes,
        "http_filters": [{"name": "router", "typed_config": {"@type": ROUTER, "suppress_envoy_headers": True}}],
        **hcm,
    }
    endpoint = {"endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(upstream)}}]}]}
    return {
        "admin": {"address": address(admin)},
        "static_resources": {
            "listeners": [
                {
                    "name": "routes",
                    "address": address(port),
                    "filter_chains": [{"filters": [{"name": "hcm", "typed_config": manager}]}],
                }
            ],
            "clusters": [
                {"name": name, "type": "STATIC", "load_assignment": {"cluster_name": name, **endpoint}}
                for name in sorted(clusters)
            ],
        },
    }


def clusters_of(table: spec.RouteTable) -> set[str]:
    found = {"unused"}
    for host in table.virtual_hosts:
        for route in host.routes:
            if isinstance(route.action, spec.Forward):
                found |= {part.cluster for part in route.action.weighted} or {route.action.cluster}
    return found


async def _run(
    table: spec.RouteTable,
    requests: list[bytes],
    directory: Path,
    answer_index: bool,
    extra: bytes,
    hcm: dict[str, Any],
) -> list[Answer]:
    upstream = await asyncio.start_server(lambda r, w: _echo(extra, r, w), "127.0.0.1", 0)
    with PortReservation() as ports:
        port, admin = ports.reserve(), ports.pick()
        plan = bootstrap(
            route_config(table, answer_index),
            port,
            admin,
            upstream.sockets[0].getsockname()[1],
            clusters_of(table),
            hcm,
        )
        path = directory / "envoy.json"
        path.write_text(json.dumps(plan))
        async with envoy_peer(path, directory, admin):
            answers = [await asyncio.wait_for(_ask(port, raw), ANSWER_S) for raw in requests]
    upstream.close()
    return answers


def ask_envoy(
    table: spec.RouteTable,
    requests: list[bytes],
    directory: Path,
    *,
    answer_index: bool = False,
    response_headers: Any = (),
    hcm: dict[str, Any] | None = None,
) -> list[Answer]:
    """Envoy's answers to `requests`, in order. `response_headers` are what the upstream adds to its answer."""
    extra = "".join(f"{name}: {value}\r\n" for name, value in response_headers).encode("latin-1")
    return asyncio.run(_run(table, requests, directory, answer_index, extra, hcm or {}))
