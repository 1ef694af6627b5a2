"""Calls through a real Envoy's thrift_proxy: our codec is the client before it and the server behind it.

One Envoy, a listener for each way downstream and a cluster for each way upstream; the name of the called service chooses the cluster.
Every call is seen three times: as it was sent, as the server got it, and as the reply came back. Must not judge what it saw.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from mesh.codec import thrift
from mesh.codec.thrift import Decoder, Message, Trace
from tests.peers.envoy import envoy_peer
from tests.peers.ports import PortReservation

Way = tuple[str, str]
PACKAGE = "type.googleapis.com/envoy.extensions.filters.network.thrift_proxy.v3."
PROTOCOLS = {"binary": "BINARY", "binary/non-strict": "LAX_BINARY", "compact": "COMPACT", "twitter": "TWITTER"}
UPGRADE = "__can__finagle__trace__v3__"
TIMEOUT_S = 10


def thrift_options(kind: str, way: Way) -> dict[str, Any]:
    return {"@type": PACKAGE + kind, "transport": way[0].upper(), "protocol": PROTOCOLS[way[1]]}


def listener(way: Way, port: int, upstreams: list[Way]) -> dict[str, Any]:
    routes = [{"match": {"service_name": service(up)}, "route": {"cluster": service(up)}} for up in upstreams]
    proxy = thrift_options("ThriftProxy", way) | {"stat_prefix": "t", "route_config": {"name": "r", "routes": routes}}
    chain = {"filters": [{"name": "envoy.filters.network.thrift_proxy", "typed_config": proxy}]}
    return {"name": service(way), "address": address(port), "filter_chains": [chain]}


def cluster(way: Way, port: int) -> dict[str, Any]:
    options = {"envoy.filters.network.thrift_proxy": thrift_options("ThriftProtocolOptions", way)}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address(port)}}]}]
    assignment = {"cluster_name": service(way), "endpoints": endpoints}
    return {"name": service(way), "load_assignment": assignment, "typed_extension_protocol_options": options}


def address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def service(way: Way) -> str:
    return f"{way[0]}_{way[1].replace('/', '_')}"


class Server:
    """Answers each call with its own arguments, and keeps what it got."""

    def __init__(self, way: Way) -> None:
        self.way = way
        self.got: list[Message] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        decoder = Decoder(transport=self.way[0], protocol=self.way[1])
        while data := await reader.read(65536):
            for message in decoder.feed(data):
                if message.name != UPGRADE:
                    self.got.append(message)
                writer.write(thrift.encode(message._replace(type="reply", trace=message.trace and Trace())))
        writer.close()


async def one_call(port: int, way: Way, message: Message) -> Message:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    decoder = Decoder(transport=way[0], protocol=way[1])
    messages = [message._replace(transport=way[0], protocol=way[1])]
    if way[1] == "twitter":
        messages = [Message(UPGRADE, "call", 0, {}, (), *way), messages[0]._replace(trace=Trace(1, 2))]
    found: list[Message] = []
    for sent in messages:
        writer.write(thrift.encode(sent))
        found.clear()
        while not found:
            found += decoder.feed(await reader.read(65536))
    writer.close()
    return found[0]


async def calls(directory: Path, downstreams: list[Way], upstreams: list[Way], message: Message) -> dict[tuple[Way, Way], Any]:
    """{(downstream, upstream): (what the server got, the reply)}, one call for each pair."""
    servers = {way: Server(way) for way in upstreams}
    seen = {}
    with PortReservation() as ports:
        at = {way: ports.pick() for way in downstreams}
        admin = ports.pick()
        sockets = [await asyncio.start_server(servers[way].serve, "127.0.0.1", 0) for way in upstreams]
        clusters = [cluster(way, running.sockets[0].getsockname()[1]) for way, running in zip(upstreams, sockets, strict=True)]
        listeners = [listener(way, port, upstreams) for way, port in at.items()]
        resources = {"listeners": listeners, "clusters": clusters}
        file = directory / "envoy.json"
        file.write_text(json.dumps({"admin": {"address": address(admin)}, "static_resources": resources}))
        async with envoy_peer(file, directory, admin, log_level="error"):
            for down in downstreams:
                for up in upstreams:
                    named = message._replace(name=f"{service(up)}:{message.name}")
                    reply = await asyncio.wait_for(one_call(at[down], down, named), TIMEOUT_S)
                    seen[down, up] = (servers[up].got.pop(), reply)
        for running in sockets:
            running.close()
    return seen
