"""PROXY headers for hosts: what they say, and that a connection which names a client serves no other."""

from __future__ import annotations

import contextlib
import socket
from typing import Any

import pytest

import mesh
from mesh.testing import until
from mesh.testing.upstream import Upstream
from mesh.testing.wire import Ended, Wire

LIMIT_S = 20.0
TYPES = "type.googleapis.com/envoy.extensions."
NETWORK = TYPES + "filters.network."
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
ASK = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
LISTENER_PROXY = {"@type": TYPES + "filters.listener.proxy_protocol.v3.ProxyProtocol", "pass_through_tlvs": {"match_type": "INCLUDE_ALL"}}


def bootstrap(up: Upstream, config: dict[str, Any], *, http: bool, told: bool = False) -> dict[str, Any]:
    """`told`: clients begin with a PROXY header of their own."""
    last: dict[str, Any] = {"@type": NETWORK + "tcp_proxy.v3.TcpProxy", "stat_prefix": "t", "cluster": "up"}
    if http:
        routes = [{"match": {"prefix": "/"}, "route": {"cluster": "up"}}]
        last = {
            "@type": NETWORK + "http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "h",
            "route_config": {"name": "r", "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
            "http_filters": [{"name": "router", "typed_config": {"@type": TYPES + "filters.http.router.v3.Router"}}],
        }
    main = {
        "name": "main",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [{"filters": [{"name": "last", "typed_config": last}]}],
        "listener_filters": [{"name": "proxy", "typed_config": LISTENER_PROXY}] if told else [],
    }
    raw = {"name": "raw", "typed_config": {"@type": TYPES + "transport_sockets.raw_buffer.v3.RawBuffer"}}
    transport = {
        "@type": TYPES + "transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport",
        "config": config,
        "transport_socket": raw,
    }
    host = {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": up.port}}}}
    cluster = {
        "name": "up",
        "load_assignment": {"cluster_name": "up", "endpoints": [{"lb_endpoints": [host]}]},
        "transport_socket": {"name": "told", "typed_config": transport},
    }
    return {"static_resources": {"listeners": [main], "clusters": [cluster]}}


def keep(heads: list[bytes], size: int = 0) -> Any:
    """A host that reads a header of `size` bytes (0: a line), then answers requests."""

    def serve(wire: Wire) -> None:
        head = b""
        while len(head) < size if size else not head.endswith(b"\r\n"):
            head += wire.socket.recv(1)
        heads.append(head)
        with contextlib.suppress(Ended):
            while True:
                wire.read_request()
                wire.send(ANSWER)

    return serve


def echo(heads: list[bytes], size: int) -> Any:
    def serve(wire: Wire) -> None:
        head = b""
        while len(head) < size:
            head += wire.socket.recv(size - len(head))
        heads.append(head)
        wire.send(wire.socket.recv(100))

    return serve


def answer_of(wire: socket.socket, words: bytes = ASK, wanted: bytes = ANSWER[-2:]) -> bool:
    wire.sendall(words)
    got = b""
    while not got.endswith(wanted):
        if not (part := wire.recv(4096)):
            return False
        got += part
    return True


@pytest.mark.slow
def test_requests_of_two_clients_go_over_connections_of_their_own_and_those_of_one_share_them() -> None:
    heads: list[bytes] = []
    with Upstream(keep(heads)) as up, mesh.Proxy(bootstrap(up, {"version": "V1"}, http=True), concurrency=1) as proxy:
        port = proxy.listeners["main"].port
        with (
            socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S) as first,
            socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S) as second,
        ):
            for _ in range(3):
                assert answer_of(first)
                assert answer_of(second)
            ports = [wire.getsockname()[1] for wire in (first, second)]
        assert heads == [b"PROXY TCP4 127.0.0.1 127.0.0.1 %d %d\r\n" % (client, port) for client in ports]
        assert proxy.stats["cluster.up.upstream_cx_total"] == 2
    assert proxy.live_objects() == 0


@pytest.mark.slow
def test_many_clients_come_and_go_and_nothing_is_left() -> None:
    heads: list[bytes] = []
    with Upstream(keep(heads)) as up, mesh.Proxy(bootstrap(up, {"version": "V1"}, http=True), concurrency=1) as proxy:
        for _ in range(150):
            with socket.create_connection(("127.0.0.1", proxy.listeners["main"].port), timeout=LIMIT_S) as wire:
                assert answer_of(wire)
        assert len(set(heads)) == 150
        proxy.apply(bootstrap(up, {"version": "V2"}, http=True))
    assert proxy.live_objects() == 0


V2_LOCAL = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"


def test_version_2_passes_tlvs_on_and_adds_its_own_which_win() -> None:
    tlvs = b"\xc8\x00\x03old\xe1\x00\x02hi"
    addresses = bytes([1, 2, 3, 4, 5, 6, 7, 8, 3, 0xE8, 1, 0xBB])
    head = b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + (len(addresses) + len(tlvs)).to_bytes(2, "big") + addresses + tlvs
    config = {"version": "V2", "pass_through_tlvs": {"match_type": "INCLUDE_ALL"}, "added_tlvs": [{"type": 200, "value": "bmV3"}]}
    heads: list[bytes] = []
    with (
        Upstream(echo(heads, len(head))) as up,
        mesh.Proxy(bootstrap(up, config, http=False, told=True), concurrency=1) as proxy,
        socket.create_connection(("127.0.0.1", proxy.listeners["main"].port), timeout=LIMIT_S) as wire,
    ):
        assert answer_of(wire, head + b"hello", b"hello")
    assert heads == [head.replace(b"old", b"new")]
    assert proxy.live_objects() == 0


def test_a_health_check_of_such_a_cluster_begins_with_a_header_that_names_nobody() -> None:
    heads: list[bytes] = []
    with Upstream(echo(heads, len(V2_LOCAL))) as up:
        config = bootstrap(up, {"version": "V2"}, http=False)
        config["static_resources"]["clusters"][0]["health_checks"] = [
            {"timeout": "5s", "interval": "60s", "unhealthy_threshold": 1, "healthy_threshold": 1, "tcp_health_check": {}}
        ]
        with mesh.Proxy(config, concurrency=1) as proxy:
            until(lambda: heads, "the check")
            assert heads == [V2_LOCAL]
        assert proxy.live_objects() == 0


def test_a_socket_below_that_is_no_byte_stream_is_refused_by_path() -> None:
    with Upstream() as up:
        config = bootstrap(up, {"version": "V1"}, http=False)
        inner = {"name": "t", "typed_config": {"@type": TYPES + "transport_sockets.alts.v3.Alts", "handshaker_service": "a:1"}}
        config["static_resources"]["clusters"][0]["transport_socket"]["typed_config"]["transport_socket"] = inner
        with pytest.raises(mesh.ConfigError) as refused:
            mesh.Proxy(config)
    at = "static_resources.clusters[0]."
    assert {problem.path for problem in refused.value.problems} == {at + "transport_socket.typed_config.transport_socket.typed_config"}
