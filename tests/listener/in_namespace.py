"""Interception with the kernel's own rules: run by test_interception.py as `python -m tests.listener.in_namespace NAME`, in a network
namespace of its own, where it may change addresses, routes and iptables as it likes. Ends with status 0 when all is as it should be."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import mesh

LIMIT_S = 20.0
OURS, HOST, OTHER = "10.9.9.1", "10.9.9.9", "10.9.9.8"
CATCH, PORT = 15001, 8080
MARK = 7
TYPES = "type.googleapis.com/envoy.extensions.filters"
ORIGINAL_DST = {"name": "dst", "typed_config": {"@type": TYPES + ".listener.original_dst.v3.OriginalDst"}}
MARKED = {
    "source_address": {"address": "0.0.0.0", "port_value": 0},
    "socket_options": [{"level": 1, "name": socket.SO_MARK, "int_value": MARK}],
}


def run(line: str) -> None:
    subprocess.run(line.split(), check=True, timeout=LIMIT_S)


def prepare() -> None:
    run("ip link set lo up")
    for address in (OURS, HOST, OTHER):
        run(f"ip addr add {address}/32 dev lo")


def redirect_all() -> None:
    """Every connection to a port from 8080 to 8089 goes to the catching one, but those of the proxy itself."""
    run(f"iptables -t nat -A OUTPUT -p tcp --dport 8080:8089 -m mark ! --mark {MARK} -j REDIRECT --to-ports {CATCH}")


def address(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}


def says(text: str) -> dict[str, Any]:
    config = {"@type": TYPES + ".network.direct_response.v3.Config", "response": {"inline_string": text}}
    return {"filters": [{"name": "says", "typed_config": config}]}


def carries() -> dict[str, Any]:
    config = {"@type": TYPES + ".network.tcp_proxy.v3.TcpProxy", "stat_prefix": "t", "cluster": "up"}
    return {"filters": [{"name": "carries", "typed_config": config}]}


def asks_http() -> dict[str, Any]:
    routes = [{"match": {"prefix": "/"}, "route": {"cluster": "up"}}]
    config = {
        "@type": TYPES + ".network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "h",
        "route_config": {"name": "r", "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        "http_filters": [{"name": "router", "typed_config": {"@type": TYPES + ".http.router.v3.Router"}}],
    }
    return {"filters": [{"name": "http", "typed_config": config}]}


def listener(name: str, host: str, port: int, chain: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"name": name, "stat_prefix": name, "address": address(host, port), "filter_chains": [chain], **fields}


@contextlib.contextmanager
def proxy(listeners: list[dict[str, Any]], **cluster: Any) -> Iterator[mesh.Proxy]:
    up = [{"name": "up", **cluster}] if cluster else []
    with mesh.Proxy({"static_resources": {"listeners": listeners, "clusters": up}}, concurrency=2) as running:
        yield running
    assert running.live_objects() == 0


class Server(threading.Thread):
    """Says to every connection who it is and whom it sees, as a response of HTTP."""

    def __init__(self, host: str) -> None:
        super().__init__(daemon=True)
        self.socket = socket.create_server((host, PORT))
        self.start()

    def run(self) -> None:
        while True:
            connection, peer = self.socket.accept()
            with connection:
                connection.recv(1000)
                body = f"{connection.getsockname()[0]} sees {peer[0]}".encode()
                connection.sendall(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))


def hears(host: str, port: int, source: str = OURS) -> str:
    """What a client is told last."""
    with socket.create_connection((host, port), timeout=LIMIT_S, source_address=(source, 0)) as wire:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            wire.sendall(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        got = b""
        with contextlib.suppress(ConnectionResetError):
            while part := wire.recv(1000):
                got += part
    return got.rpartition(b"\r\n")[2].decode()


# --- what is tried --------------------------------------------------------------------------------------------------


def redirected(chain: dict[str, Any]) -> None:
    redirect_all()
    Server(HOST)
    catching = listener("catch", "0.0.0.0", CATCH, chain, listener_filters=[ORIGINAL_DST])
    with proxy([catching], type="ORIGINAL_DST", lb_policy="CLUSTER_PROVIDED", upstream_bind_config=MARKED) as running:
        assert hears(HOST, PORT).startswith(f"{HOST} sees ")
        assert running.stats["cluster.up.upstream_cx_total"] == 1
        # Nobody redirected this one, so no host is known.
        assert "sees" not in hears(HOST, CATCH)


def redirected_bytes() -> None:
    redirected(carries())


def redirected_requests() -> None:
    redirected(asks_http())


def handed_over() -> None:
    redirect_all()
    listeners = [
        listener("catch", "0.0.0.0", CATCH, says("nobody's"), listener_filters=[ORIGINAL_DST], use_original_dst=True),
        listener("exact", HOST, 8080, says("exact"), bind_to_port=False),
        listener("port", "0.0.0.0", 8081, says("port"), bind_to_port=False),
    ]
    with proxy(listeners) as running:
        assert hears(HOST, 8080) == "exact"
        assert hears(OTHER, 8080) == "nobody's"
        assert hears(OTHER, 8081) == "port"
        assert hears(HOST, 8081) == "port"
        assert [running.stats[f"listener.{name}.downstream_cx_total"] for name in ("catch", "exact", "port")] == [1, 1, 2]
        assert not running.stats["listener.catch.downstream_pre_cx_active"]


def transparent() -> None:
    run(f"iptables -t mangle -A PREROUTING -p tcp -d {HOST} --dport {PORT} -j TPROXY --on-port {CATCH} --tproxy-mark 1")
    run(f"iptables -t mangle -A OUTPUT -p tcp -d {HOST} --dport {PORT} -m mark ! --mark {MARK} -j MARK --set-mark 1")
    run("ip rule add fwmark 1 lookup 100")
    run("ip route add local 0.0.0.0/0 dev lo table 100")
    catching = listener("catch", "0.0.0.0", CATCH, says("caught"), listener_filters=[ORIGINAL_DST], transparent=True, use_original_dst=True)
    exact = listener("exact", HOST, PORT, says("meant"), bind_to_port=False)
    with proxy([catching]):
        assert hears(HOST, PORT) == "caught"
    with proxy([catching, exact]):
        assert hears(HOST, PORT) == "meant"


def in_the_clients_name() -> None:
    Server(HOST)
    source = {"name": "src", "typed_config": {"@type": TYPES + ".listener.original_src.v3.OriginalSrc", "mark": MARK}}
    hosts = [{"lb_endpoints": [{"endpoint": {"address": address(HOST, PORT)}}]}]
    for chain in (carries(), asks_http()):
        catching = listener("catch", "0.0.0.0", CATCH, chain, listener_filters=[source])
        with proxy([catching], load_assignment={"cluster_name": "up", "endpoints": hosts}):
            assert hears(OTHER, CATCH, OURS) == f"{HOST} sees {OURS}"
            assert hears(OTHER, CATCH, OTHER) == f"{HOST} sees {OTHER}"


SCENARIOS = {made.__name__: made for made in (redirected_bytes, redirected_requests, handed_over, transparent, in_the_clients_name)}

if __name__ == "__main__":
    prepare()
    SCENARIOS[sys.argv[1]]()
