"""Asks Envoy itself what it makes of every case of the HTTP/1 corpus: one process, one listener per set of options.

For a request the verdict is Envoy's access log of that connection, entry by entry, and what its upstream received; for a response
it is the log entry of the request that was answered with it, and the body that the client got. Must not judge: the test compares.
Runs on the caller's asyncio loop; all sockets and the process end in `ask`.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mesh.codec import Data, ProtocolError, RequestHead, RequestParser, ResponseHead, ResponseParser
from tests.codec.corpus import Case, text
from tests.peers.envoy import envoy_peer
from tests.peers.ports import PortReservation

TYPE = "type.googleapis.com/envoy."
HTTP = TYPE + "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
UPSTREAM = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
ANSWER_S = 2.0
LOGS_S = 5.0
AT_ONCE = 40
CODEC_OPTIONS = ("accept_http_10", "allow_absolute_url", "allow_chunked_length", "allow_custom_methods", "enable_trailers")
LOG = {
    "connection": "%DOWNSTREAM_REMOTE_PORT%>%DOWNSTREAM_LOCAL_PORT%",
    "code": "%RESPONSE_CODE%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "method": "%REQ(:METHOD)%",
    "path": "%REQ(:PATH)%",
    "authority": "%REQ(:AUTHORITY)%",
}


@dataclass
class Verdict:
    log: list[dict[str, Any]] = field(default_factory=list)
    received: list[tuple[RequestHead, str]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    body: str = ""


def address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def options_key(case: Case) -> str:
    return json.dumps([case.kind, case.options], sort_keys=True)


def manager_options(options: dict[str, Any]) -> dict[str, Any]:
    """The corpus's options as fields of HttpConnectionManager (or of a cluster's options, without the size)."""
    codec = {key: options[key] for key in CODEC_OPTIONS if key in options}
    common: dict[str, Any] = {}
    if "max_headers" in options:
        common["max_headers_count"] = options["max_headers"]
    if "underscores" in options:
        action = {"reject": "REJECT_REQUEST", "drop": "DROP_HEADER"}[options["underscores"]]
        common["headers_with_underscores_action"] = action
    if "accept_http_10" in options:
        codec["default_host_for_http_10"] = "default"
    out: dict[str, Any] = {"http_protocol_options": codec, "common_http_protocol_options": common}
    if "max_head_bytes" in options:
        out["max_request_headers_kb"] = options["max_head_bytes"] // 1024
    return out


def listener(name: str, port: int, cluster: str, options: dict[str, Any], log: Path) -> dict[str, Any]:
    upgrade = {"upgrade_type": "CONNECT", "connect_config": {}}
    routes = [
        {"match": {"connect_matcher": {}}, "route": {"cluster": cluster, "upgrade_configs": [upgrade]}},
        {"match": {"prefix": "/"}, "route": {"cluster": cluster, "timeout": "1s"}},
    ]
    manager = {
        "@type": HTTP,
        "stat_prefix": name,
        "upgrade_configs": [{"upgrade_type": "websocket"}, {"upgrade_type": "CONNECT"}],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        "http_filters": [{"name": "router", "typed_config": {"@type": TYPE + "extensions.filters.http.router.v3.Router"}}],
        "access_log": [
            {
                "name": "file",
                "typed_config": {
                    "@type": TYPE + "extensions.access_loggers.file.v3.FileAccessLog",
                    "path": str(log),
                    "log_format": {"json_format": LOG},
                },
            }
        ],
        **options,
    }
    return {"name": name, "address": address(port), "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}]}


def cluster(name: str, port: int, options: dict[str, Any]) -> dict[str, Any]:
    http = {key: value for key, value in manager_options(options).items() if key != "max_request_headers_kb"}
    http["common_http_protocol_options"]["max_requests_per_connection"] = 1
    codec = {key: value for key, value in http.pop("http_protocol_options").items() if key != "default_host_for_http_10"}
    return {
        "name": name,
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(port)}}]}],
        },
        "typed_extension_protocol_options": {
            UPSTREAM: {
                "@type": TYPE[:-6] + UPSTREAM,
                "explicit_http_config": {"http_protocol_options": codec},
                **http,
            }
        },
    }


class Asking:
    def __init__(self, cases: list[Case], directory: Path, ports: PortReservation) -> None:
        self.cases = cases
        self.directory = directory
        self.log = directory / "access.log"
        self.keys = sorted({options_key(case) for case in cases})
        self.listeners = {key: ports.reserve() for key in self.keys}
        self.admin = ports.pick()
        self.verdicts = {case.name: Verdict() for case in cases}
        self.by_name = {case.name: case for case in cases}
        self.connections: dict[str, str] = {}
        self._at_once = asyncio.Semaphore(AT_ONCE)

    def bootstrap(self, upstream: int) -> dict[str, Any]:
        listeners, clusters = [], []
        for i, key in enumerate(self.keys):
            kind, options = json.loads(key)
            clusters.append(cluster(f"c{i}", upstream, options if kind == "response" else {"enable_trailers": True}))
            asked = manager_options(options) if kind == "request" else {}
            listeners.append(listener(f"l{i}", self.listeners[key], f"c{i}", asked, self.log))
        return {"admin": {"address": address(self.admin)}, "static_resources": {"listeners": listeners, "clusters": clusters}}

    async def upstream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers a request with the response of the case that it names, or with 200; records what came."""
        parser = RequestParser(max_head_bytes=1 << 20, max_headers=1024, allow_custom_methods=True, enable_trailers=True)
        head: RequestHead | None = None
        body = ""
        try:
            while True:
                data = await reader.read(65536)
                for event in parser.feed(data) if data else []:
                    if isinstance(event, RequestHead):
                        head, body = event, ""
                        if event.framing == "raw":
                            self._answer(head, body, writer)
                    elif isinstance(event, Data):
                        body += text(event.data)
                    elif head is not None and type(event).__name__ == "End":
                        self._answer(head, body, writer)
                if not data:
                    break
        except (ProtocolError, OSError):
            pass
        finally:
            writer.close()

    def _answer(self, head: RequestHead, body: str, writer: asyncio.StreamWriter) -> None:
        name = dict(head.headers).get(b"x-case", b"").decode()
        case = self.by_name.get(name)
        if case is None:
            self.unnamed.append((head, body))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            return
        writer.write(case.raw)
        if case.eof:
            writer.close()

    async def ask(self) -> dict[str, Verdict]:
        self.unnamed: list[tuple[RequestHead, str]] = []
        server = await asyncio.start_server(self.upstream, "127.0.0.1", 0)
        path = self.directory / "bootstrap.json"
        path.write_text(json.dumps(self.bootstrap(server.sockets[0].getsockname()[1])))
        async with envoy_peer(path, self.directory, self.admin):
            await asyncio.gather(*(self._one(case) for case in self.cases))
            await self._read_log()
        server.close()
        return self.verdicts

    async def _one(self, case: Case) -> None:
        async with self._at_once:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.listeners[options_key(case)])
            here, there = writer.get_extra_info("sockname"), writer.get_extra_info("peername")
            self.connections[f"{here[1]}>{there[1]}"] = case.name
            try:
                await asyncio.wait_for(self._talk(case, reader, writer), ANSWER_S)
            except (TimeoutError, OSError, ProtocolError):
                pass
            finally:
                writer.close()

    async def _talk(self, case: Case, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads = [body for kind, *body in case.events if kind == "request"]
        parser = ResponseParser()
        if case.kind == "response":
            method = case.methods[0] if case.methods else "GET"
            parser.expect(method.encode())
            writer.write(f"{method} / HTTP/1.1\r\nHost: a\r\nX-Case: {case.name}\r\n\r\n".encode())
            expected = 1
        else:
            for head in heads:
                parser.expect(head[0]["method"].encode())
            writer.write(case.raw)
            expected = case.events.count(["end"]) + (case.error is not None)
            expected = expected or sum(head[0]["framing"] == "raw" for head in heads)
        verdict = self.verdicts[case.name]
        ended = 0
        while ended < expected and (data := await reader.read(65536)):
            for event in parser.feed(data):
                if isinstance(event, ResponseHead) and not event.interim:
                    verdict.statuses.append(event.status)
                    ended += event.framing == "raw"
                elif isinstance(event, Data):
                    verdict.body += text(event.data)
                elif type(event).__name__ == "End":
                    ended += 1

    async def _read_log(self) -> None:
        """Fills the logs once every connection has an entry; Envoy writes them when a connection is gone."""
        loop = asyncio.get_running_loop()
        limit = loop.time() + LOGS_S
        while loop.time() < limit:
            entries = [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []
            seen = {entry["connection"] for entry in entries}
            if set(self.connections) <= seen:
                break
            # A log file of another process: nothing here to await but time.
            await asyncio.sleep(0.05)
        for entry in entries:
            name = self.connections.get(entry["connection"])
            if name is not None:
                self.verdicts[name].log.append(entry)


async def ask(cases: list[Case], directory: Path) -> dict[str, Verdict]:
    """What Envoy says to each case, by name. `directory` gets the bootstrap, the log and Envoy's output."""
    with PortReservation() as ports:
        return await Asking(cases, directory, ports).ask()
