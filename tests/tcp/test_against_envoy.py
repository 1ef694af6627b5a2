"""TCP proxy: the same conversations through Envoy and through us; what both ends saw, log lines and statistics are the same."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import mesh
from tests.admin.asking import ask
from tests.peers.envoy import envoy_peer
from tests.peers.ports import PortReservation

pytestmark = pytest.mark.slow

TYPES = "type.googleapis.com/envoy.extensions."
LIMIT_S = 5.0
FORMAT = (
    "%RESPONSE_FLAGS% %RESPONSE_CODE% %BYTES_RECEIVED% %BYTES_SENT% %UPSTREAM_CLUSTER% %UPSTREAM_TRANSPORT_FAILURE_REASON% %PROTOCOL% "
    "%DOWNSTREAM_LOCAL_CLOSE_REASON% %UPSTREAM_LOCAL_CLOSE_REASON% %ACCESS_LOG_TYPE% %UPSTREAM_REQUEST_ATTEMPT_COUNT% "
    "%DOWNSTREAM_WIRE_BYTES_SENT% %UPSTREAM_WIRE_BYTES_SENT% %UPSTREAM_PROTOCOL% %DOWNSTREAM_DETECTED_CLOSE_TYPE%\n"
)
Talk = Callable[[socket.socket], list[object]]


# --- both ends ------------------------------------------------------------------------------------------------------


def serve(connection: socket.socket, seen: list[bytes]) -> None:
    """Sends back in capitals; `rst` is answered by a reset, `fin` by `done` and a FIN, a FIN by `bye`."""
    with connection, contextlib.suppress(OSError):
        while True:
            got = connection.recv(65536)
            seen.append(got)
            if got == b"rst":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            if got == b"fin":
                connection.sendall(b"done")
                connection.shutdown(socket.SHUT_WR)
            elif got == b"":
                connection.sendall(b"bye")
                return
            else:
                connection.sendall(got.upper())


class Upstream:
    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        self.seen: list[list[bytes]] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.seen.append([])
                threading.Thread(target=serve, args=(connection, self.seen[-1]), daemon=True).start()


def heard(wire: socket.socket) -> object:
    try:
        return wire.recv(100)
    except OSError as error:
        return type(error).__name__


def say(wire: socket.socket, words: bytes) -> object:
    wire.sendall(words)
    return heard(wire)


def client_ends_first(wire: socket.socket) -> list[object]:
    first = say(wire, b"hello")
    wire.shutdown(socket.SHUT_WR)
    return [first, heard(wire), heard(wire)]


def upstream_ends_first(wire: socket.socket) -> list[object]:
    found = [say(wire, b"fin"), heard(wire)]
    wire.shutdown(socket.SHUT_WR)
    return found


def upstream_resets(wire: socket.socket) -> list[object]:
    return [say(wire, b"hello"), say(wire, b"rst")]


def client_resets(wire: socket.socket) -> list[object]:
    found = [say(wire, b"hello")]
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return found


def nobody_speaks(wire: socket.socket) -> list[object]:
    return [say(wire, b"hello"), heard(wire)]


def only_listens(wire: socket.socket) -> list[object]:
    return [heard(wire)]


# --- cases ----------------------------------------------------------------------------------------------------------


CASES: dict[str, tuple[dict[str, Any], Talk]] = {
    "client_ends_first": ({"cluster": "up"}, client_ends_first),
    "upstream_ends_first": ({"cluster": "up"}, upstream_ends_first),
    "upstream_resets": ({"cluster": "up"}, upstream_resets),
    "client_resets": ({"cluster": "up"}, client_resets),
    "idle": ({"cluster": "up", "idle_timeout": "0.4s"}, nobody_speaks),
    "old": ({"cluster": "up", "max_downstream_connection_duration": "0.4s"}, nobody_speaks),
    "connected_line": ({"cluster": "up", "access_log_options": {"flush_access_log_on_connected": True}}, client_ends_first),
    "weighted": (
        {"weighted_clusters": {"clusters": [{"name": "dead", "weight": 1}, {"name": "dead", "weight": 3}]}},
        only_listens,
    ),
    "refused": ({"cluster": "dead"}, only_listens),
    "refused_three_times": ({"cluster": "dead", "max_connect_attempts": 3}, only_listens),
    "no_host": ({"cluster": "empty"}, only_listens),
    "no_cluster": ({"cluster": "nowhere"}, only_listens),
    "overflow": ({"cluster": "tight"}, only_listens),
}


def cluster(name: str, port: int | None, **more: Any) -> dict[str, Any]:
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    hosts = [] if port is None else [{"endpoint": {"address": address}}]
    return {"name": name, "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": hosts}]}, **more}


def bootstrap(ports: dict[str, int], admin: int, upstream: int, directory: Path) -> dict[str, Any]:
    def listener(name: str, fields: dict[str, Any]) -> dict[str, Any]:
        log = {
            "name": "log",
            "typed_config": {
                "@type": TYPES + "access_loggers.file.v3.FileAccessLog",
                "path": str(directory / f"{name}.log"),
                "log_format": {"text_format_source": {"inline_string": FORMAT}},
            },
        }
        proxy = {"@type": TYPES + "filters.network.tcp_proxy.v3.TcpProxy", "stat_prefix": name, "access_log": [log], **fields}
        return {
            "name": name,
            "address": {"socket_address": {"address": "127.0.0.1", "port_value": ports[name]}},
            "filter_chains": [{"filters": [{"name": "tcp", "typed_config": proxy}]}],
        }

    return {
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": admin}}},
        "static_resources": {
            "listeners": [listener(name, fields) for name, (fields, _) in CASES.items()],
            "clusters": [
                cluster("up", upstream),
                cluster("dead", 1),
                cluster("empty", None),
                cluster("tight", upstream, circuit_breakers={"thresholds": [{"max_connections": 0}]}),
            ],
        },
    }


# --- observation ----------------------------------------------------------------------------------------------------


def play(ports: dict[str, int], admin: int, upstream: Upstream, directory: Path) -> dict[str, Any]:
    """What each conversation showed."""
    found: dict[str, Any] = {}
    for name, (_, talk) in CASES.items():
        before = len(upstream.seen)
        with socket.create_connection(("127.0.0.1", ports[name]), timeout=LIMIT_S) as wire:
            client = talk(wire)
        log = directory / f"{name}.log"
        wanted = 2 if name == "connected_line" else 1
        end = time.monotonic() + LIMIT_S
        # The file is Envoy's: nothing tells when it was written.
        while (not log.exists() or log.read_text().count("\n") < wanted) and time.monotonic() < end:
            time.sleep(0.02)
        written = [in_order(line) for line in log.read_text().splitlines()]
        found[name] = {"client": client, "upstream": upstream.seen[before:], "log": written}
    lines = ask(admin, "/stats?filter=^(tcp|cluster)\\.").body.splitlines()
    values = (line.split(": ") for line in lines)
    found["stats"] = {name: int(value) for name, value in values if value.isdigit() and counted(name)}
    return found


def in_order(line: str) -> str:
    """Flags by name: Envoy prints them as they were set, we print them as they are numbered."""
    flags, _, rest = line.partition(" ")
    return ",".join(sorted(flags.split(","))) + " " + rest


def counted(name: str) -> bool:
    """The statistics of connections; others are compared elsewhere."""
    if name.startswith("tcp."):
        return name.rpartition(".")[2] in TCP
    return ".upstream_cx_" in name and "buffered" not in name and "http" not in name and name.count(".") == 2


TCP = (
    "downstream_cx_total", "downstream_cx_no_route", "downstream_cx_rx_bytes_total", "downstream_cx_tx_bytes_total", "idle_timeout",
    "max_downstream_connection_duration", "downstream_flow_control_paused_reading_total",
    "downstream_flow_control_resumed_reading_total",
)  # fmt: skip


async def through_envoy(ports: dict[str, int], admin: int, upstream: Upstream, directory: Path) -> dict[str, Any]:
    file = directory / "envoy.json"
    file.write_text(json.dumps(bootstrap(ports, admin, upstream.port, directory)))
    async with envoy_peer(file, directory, admin):
        return await asyncio.to_thread(play, ports, admin, upstream, directory)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    theirs, ours = tmp_path_factory.mktemp("envoy"), tmp_path_factory.mktemp("mesh")
    upstream = Upstream()
    with PortReservation() as reserved:
        ports = {name: reserved.pick() for name in CASES}
        admin = reserved.pick()
        expected = asyncio.run(through_envoy(ports, admin, upstream, theirs))
        with mesh.Proxy(bootstrap(ports, admin, upstream.port, ours), concurrency=1) as proxy:
            found = play(ports, admin, upstream, ours)
        assert proxy.live_objects() == 0
    upstream.listener.close()
    yield expected, found


@pytest.mark.parametrize("name", CASES)
def test_a_conversation_is_that_of_envoy(seen: tuple[dict[str, Any], dict[str, Any]], name: str) -> None:
    expected, found = seen
    assert found[name] == expected[name]


def test_statistics_are_those_of_envoy(seen: tuple[dict[str, Any], dict[str, Any]]) -> None:
    expected, found = seen
    assert expected["stats"]
    shared = expected["stats"].keys() & found["stats"].keys()
    assert {name: found["stats"][name] for name in shared} == {name: expected["stats"][name] for name in shared}
    # What only Envoy counts has not happened.
    assert not [name for name in expected["stats"].keys() - shared if expected["stats"][name]]
