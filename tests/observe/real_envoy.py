"""Asks a real Envoy: log formats and raw requests in, log texts and admin pages out.

Starts an upstream on this loop, then Envoy, sends the requests one after the other on connections of their own, asks
the admin pages and stops Envoy, which writes its logs out as it ends. Everything is on loopback and bounded in time.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.peers.envoy import envoy_peer
from tests.peers.ports import PortReservation
from tests.peers.process import Peer

ANSWER_S = 10.0
TYPE = "type.googleapis.com/envoy.extensions."
HCM = TYPE + "filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = TYPE + "filters.http.router.v3.Router"
FILE_LOG = TYPE + "access_loggers.file.v3.FileAccessLog"
WITHOUT_QUERY = TYPE + "formatter.req_without_query.v3.ReqWithoutQuery"


@dataclass
class Observed:
    """`logs` by name; `pages` by admin path, as text; `ports`: listener, upstream and dead."""

    logs: dict[str, str] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The upstream: one answer per request head until the peer closes; /close closes without one."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            if b"/close" in head:
                return
            status = head.partition(b"x-grpc: ")[2].partition(b"\r\n")[0]
            own = b"grpc-status: " + status + b"\r\n" if status else b""
            writer.write(b"HTTP/1.1 200 OK\r\nx-b: bb\r\n" + own + b"content-length: 5\r\n\r\nhello")
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


def cluster(name: str, port: int) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}}
    return {
        "name": name,
        "alt_stat_name": name + "_alt",
        "type": "STATIC",
        "connect_timeout": "2s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def bootstrap(
    ports: dict[str, int], logs: dict[str, tuple[Path, dict[str, Any]]], hcm: dict[str, Any]
) -> dict[str, Any]:
    formatters = [{"name": "envoy.formatter.req_without_query", "typed_config": {"@type": WITHOUT_QUERY}}]
    access_log = [
        {
            "name": name,
            "typed_config": {
                "@type": FILE_LOG,
                "path": str(path),
                "log_format": {**log_format, "formatters": formatters},
            },
        }
        for name, (path, log_format) in logs.items()
    ]
    routes = [
        {
            "name": "direct",
            "match": {"prefix": "/direct"},
            "direct_response": {"status": 201, "body": {"inline_string": "dd"}},
        },
        {"name": "dead", "match": {"prefix": "/dead"}, "route": {"cluster": "dead"}},
        {"match": {"prefix": "/nocluster"}, "route": {"cluster_header": "x-cluster"}},
        {"name": "main", "match": {"prefix": "/"}, "route": {"cluster": "live"}},
    ]
    manager = {
        "@type": HCM,
        "stat_prefix": "ingress",
        "generate_request_id": True,
        "access_log": access_log,
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": ROUTER}}],
        "route_config": {"name": "rc", "virtual_hosts": [{"name": "vh", "domains": ["*"], "routes": routes}]},
        **hcm,
    }
    chain = {
        "name": "fc",
        "filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}],
    }
    listener = {
        "name": "l",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": ports["listener"]}},
        "filter_chains": [chain],
    }
    return {
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": ports["admin"]}}},
        "static_resources": {
            "listeners": [listener],
            "clusters": [cluster("live", ports["upstream"]), cluster("dead", ports["dead"])],
        },
    }


async def send(port: int, raw: bytes) -> bytes:
    """The whole answer to a request that asks for the connection to be closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(raw)
        return await asyncio.wait_for(reader.read(), ANSWER_S)
    finally:
        writer.close()


async def _observe(
    directory: Path,
    formats: dict[str, dict[str, Any]],
    requests: list[bytes],
    pages: list[str],
    hcm: dict[str, Any],
    flushed: Callable[[str], bool] | None,
    extend: Callable[[dict[str, Any]], None] | None,
    start: Callable[[Path, Path, int], Peer],
) -> Observed:
    seen = Observed()
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    with PortReservation() as ports:
        seen.ports = {
            "upstream": server.sockets[0].getsockname()[1],
            "listener": ports.reserve(),
            "admin": ports.pick(),
            "dead": ports.reserve(),
        }
        logs = {name: (directory / f"{name}.log", log_format) for name, log_format in formats.items()}
        path = directory / "bootstrap.json"
        config = bootstrap(seen.ports, logs, hcm)
        if extend is not None:
            extend(config)
        path.write_text(json.dumps(config))
        async with server, start(path, directory, seen.ports["admin"]) as peer:
            for raw in requests:
                await send(seen.ports["listener"], raw)
            limit = time.monotonic() + ANSWER_S
            while flushed is not None and time.monotonic() < limit:
                if flushed((await peer.admin("/stats")).body.decode()):
                    break
                # It flushes by its own timer: nothing here to await but time.
                await asyncio.sleep(0.05)
            for page in pages:
                seen.pages[page] = (await peer.admin(page)).body.decode()
    seen.logs = {name: file.read_bytes().decode("latin-1") for name, (file, _) in logs.items()}
    return seen


def observe(
    directory: Path,
    *,
    formats: dict[str, dict[str, Any]] | None = None,
    requests: list[bytes],
    pages: list[str] | None = None,
    hcm: dict[str, Any] | None = None,
    flushed: Callable[[str], bool] | None = None,
    extend: Callable[[dict[str, Any]], None] | None = None,
    start: Callable[[Path, Path, int], Peer] = envoy_peer,
) -> Observed:
    """One run of Envoy. `flushed`: the pages are asked once it says so of the text of /stats. `extend` changes the
    bootstrap. `start`: whom to ask instead.
    """
    return asyncio.run(_observe(directory, formats or {}, requests, pages or [], hcm or {}, flushed, extend, start))
