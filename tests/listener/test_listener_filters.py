"""Connections in the hands of listener and network filters: big first bytes, changes and ends meanwhile, limits over all workers."""

from __future__ import annotations

import socket
import struct
from pathlib import Path
from typing import Any

import pytest

import mesh
from mesh.testing import until
from mesh.testing.upstream import Upstream
from mesh.testing.wire import Wire

pytestmark = pytest.mark.slow

TYPES = "type.googleapis.com/envoy.extensions.filters"
LIMIT_S = 20.0
HTTP = {"name": "http", "typed_config": {"@type": TYPES + ".listener.http_inspector.v3.HttpInspector"}}
ECHO = {"name": "echo", "typed_config": {"@type": TYPES + ".network.echo.v3.Echo"}}
PROXY = {"name": "proxied", "typed_config": {"@type": TYPES + ".listener.proxy_protocol.v3.ProxyProtocol"}}


def bootstrap(*filters: dict[str, Any], name: str = "", cluster: int = 0, **listener: Any) -> dict[str, Any]:
    """A listener with one chain of these network filters."""
    main = {
        "name": "main",
        "stat_prefix": "main",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [{"name": name, "filters": list(filters)}],
        **listener,
    }
    host = {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": cluster}}}}
    up = {"name": "up", "load_assignment": {"cluster_name": "up", "endpoints": [{"lb_endpoints": [host]}]}}
    return {"static_resources": {"listeners": [main], "clusters": [up] if cluster else []}}


def dial(proxy: mesh.Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.listeners["main"].port), timeout=LIMIT_S)


def ended(wire: socket.socket) -> bool:
    try:
        return wire.recv(100) == b""
    except ConnectionResetError:
        return True


def under_inspection(proxy: mesh.Proxy, wanted: int) -> None:
    """Waits until listener filters look at so many connections."""
    becomes(proxy, "listener.main.downstream_pre_cx_active", wanted)


def becomes(proxy: mesh.Proxy, gauge: str, wanted: int) -> None:
    until(lambda: proxy.stats[gauge] == wanted, f"{gauge} == {wanted}", LIMIT_S)


def hears(wire: socket.socket, words: bytes) -> bool:
    wire.sendall(words)
    got = b""
    while len(got) < len(words):
        if not (part := wire.recv(65536)):
            return False
        got += part
    return got == words


def test_a_big_first_write_goes_on_whole_and_in_order() -> None:
    words = b"POST / HTTP/1.1\r\n" + bytes(range(256)) * 8192
    got: list[bytes] = []

    def take(wire: Wire) -> None:
        while part := wire.socket.recv(1 << 16):
            got.append(part)
        wire.send(b"thanks")

    tcp = {"name": "tcp", "typed_config": {"@type": TYPES + ".network.tcp_proxy.v3.TcpProxy", "stat_prefix": "t", "cluster": "up"}}
    with Upstream(take) as up, mesh.Proxy(bootstrap(tcp, cluster=up.port, listener_filters=[HTTP]), concurrency=1) as proxy:
        with dial(proxy) as wire:
            wire.sendall(words)
            wire.shutdown(socket.SHUT_WR)
            assert wire.recv(100) == b"thanks"
        assert b"".join(got) == words
    assert proxy.live_objects() == 0


def test_stopping_ends_connections_that_filters_still_look_at() -> None:
    with mesh.Proxy(bootstrap(ECHO, listener_filters=[HTTP]), concurrency=2) as proxy:
        wires = [dial(proxy) for _ in range(20)]
        for wire in wires:
            wire.sendall(b"GET")
        under_inspection(proxy, 20)
        proxy.stop()
        assert all(ended(wire) for wire in wires)
    assert proxy.live_objects() == 0


def test_a_connection_under_inspection_goes_on_with_the_changed_listener() -> None:
    with mesh.Proxy(bootstrap(ECHO, name="old", listener_filters=[PROXY]), concurrency=1) as proxy:
        wire, other = dial(proxy), dial(proxy)
        wire.sendall(b"PROXY TCP4 1.2.3.4 5.6.7.8 ")
        other.sendall(b"PROXY UNKNOWN\r\n")
        assert hears(other, b"here")
        under_inspection(proxy, 1)
        proxy.apply(bootstrap(ECHO, name="new", listener_filters=[PROXY]))
        wire.sendall(b"1 2\r\n")
        assert hears(wire, b"hello")
        wire.close()
        other.close()
    assert proxy.live_objects() == 0


def test_another_listener_filter_ends_those_under_inspection() -> None:
    with mesh.Proxy(bootstrap(ECHO, listener_filters=[PROXY]), concurrency=1) as proxy, dial(proxy) as wire:
        wire.sendall(b"PROXY TCP4 1.2.3.4 5.6.7.8 ")
        under_inspection(proxy, 1)
        proxy.apply(bootstrap(ECHO))
        assert ended(wire)
        with dial(proxy) as new:
            assert hears(new, b"hello")
    assert proxy.live_objects() == 0


def test_wrong_proxy_headers_of_all_listeners_are_counted_together() -> None:
    config = bootstrap(ECHO, listener_filters=[PROXY])
    listeners = config["static_resources"]["listeners"]
    listeners.append({**listeners[0], "name": "second", "stat_prefix": "second"})
    with mesh.Proxy(config, concurrency=1) as proxy:
        for name in ("main", "second"):
            with socket.create_connection(("127.0.0.1", proxy.listeners[name].port), timeout=LIMIT_S) as wire:
                wire.sendall(b"PROXY TCP4 1.2.3.4 224.0.0.1 1 2\r\n")
                assert ended(wire)
        assert proxy.stats["downstream_cx_proxy_proto_error"] == proxy.stats["proxy_proto.versions.v1.error"] == 2
    assert proxy.live_objects() == 0


def test_what_tlvs_say_of_a_connection_survives_a_change_and_ends_with_it(tmp_path: Path) -> None:
    rule = {"tlv_type": 225, "on_tlv_present": {"key": "one"}}
    proxied = {"name": "proxied", "typed_config": {**PROXY["typed_config"], "rules": [rule]}}
    line = {"text_format_source": {"inline_string": "%DYNAMIC_METADATA(envoy.filters.listener.proxy_protocol:one)%\n"}}
    logger = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"
    log = {"@type": logger, "path": str(tmp_path / "log"), "log_format": line}
    kept: dict[str, Any] = {"listener_filters": [proxied], "access_log": [{"name": "file", "typed_config": log}]}
    head = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x14\1\2\3\4\5\6\7\x08\0\1\0\2\xe1\0\5first"
    with mesh.Proxy(bootstrap(ECHO, name="old", **kept), concurrency=1) as proxy:
        with dial(proxy) as wire, dial(proxy) as partial:
            partial.sendall(head[:30])
            wire.sendall(head)
            assert hears(wire, b"hello")
            under_inspection(proxy, 1)
            proxy.apply(bootstrap(ECHO, name="new", **kept))
            partial.sendall(head[30:])
            assert hears(partial, b"hello")
        becomes(proxy, "listener.main.downstream_cx_active", 0)
    assert (tmp_path / "log").read_text() == "first\nfirst\n"
    assert proxy.live_objects() == 0


@pytest.mark.parametrize(
    ("said", "settings", "counted"),
    [
        (b"GET / HTTP/1.1\r\n", {}, "tls_not_found"),
        (b"GET / HTTP/1.1\r\n" + bytes(300), {"max_client_hello_size": 256}, "client_hello_too_large"),
        (b"\x16\x03\x01\x01\x10\x01\0\x01\x0c" + bytes(300), {"max_client_hello_size": 256}, "client_hello_too_large"),
    ],
)
def test_what_ends_for_its_client_hello_is_counted_once(said: bytes, settings: dict[str, int], counted: str) -> None:
    kind = TYPES + ".listener.tls_inspector.v3.TlsInspector"
    filters = [{"name": "tls", "typed_config": {"@type": kind, "close_connection_on_client_hello_parsing_errors": True, **settings}}]
    with mesh.Proxy(bootstrap(ECHO, listener_filters=filters), concurrency=1) as proxy, dial(proxy) as wire:
        wire.sendall(said)
        assert ended(wire)
        assert {name: n for name, n in proxy.stats.items() if name.startswith("tls_inspector.") and n} == {f"tls_inspector.{counted}": 1}


def limited(most: int, name: str = "same", **listener: Any) -> dict[str, Any]:
    config = {"@type": TYPES + ".network.connection_limit.v3.ConnectionLimit", "stat_prefix": "cl", "max_connections": most}
    return bootstrap({"name": "limit", "typed_config": config}, ECHO, name=name, **listener)


def test_a_connection_limit_counts_those_of_all_workers() -> None:
    with mesh.Proxy(limited(5), concurrency=3) as proxy:
        kept = []
        for _ in range(5):
            kept.append(dial(proxy))
            assert hears(kept[-1], b"hello")
        for _ in range(4):
            with dial(proxy) as wire:
                assert ended(wire)
        assert proxy.stats["connection_limit.cl.limited_connections"] == 4
        becomes(proxy, "connection_limit.cl.active_connections", 5)
        for wire in kept:
            wire.close()
    assert proxy.live_objects() == 0


def test_a_connection_limit_remembers_over_changes_of_its_listener() -> None:
    with mesh.Proxy(limited(1), concurrency=1) as proxy, dial(proxy) as wire:
        assert hears(wire, b"hello")
        proxy.apply(limited(1, per_connection_buffer_limit_bytes=4096))
        with dial(proxy) as second:
            assert ended(second)
        assert hears(wire, b"still here")
    assert proxy.live_objects() == 0


def test_echo_holds_back_who_does_not_read() -> None:
    with mesh.Proxy(bootstrap(ECHO, per_connection_buffer_limit_bytes=4096), concurrency=1) as proxy, dial(proxy) as wire:
        wire.setblocking(False)
        sent = 0
        with pytest.raises(BlockingIOError):
            while sent < 1 << 28:
                sent += wire.send(b"x" * 65536)
        wire.settimeout(LIMIT_S)
        wire.shutdown(socket.SHUT_WR)
        got = 0
        while part := wire.recv(1 << 16):
            got += len(part)
        assert got == sent
    assert proxy.live_objects() == 0


def patient(name: str = "same", delay: str = "60s", **listener: Any) -> dict[str, Any]:
    config = limited(1, name, **listener)
    config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]["delay"] = delay
    return config


def test_a_connection_that_is_one_too_many_is_kept_over_changes_and_ends_with_the_proxy() -> None:
    with mesh.Proxy(patient(), concurrency=1) as proxy, dial(proxy) as first:
        assert hears(first, b"hello")
        with dial(proxy) as second, dial(proxy) as third:
            second.sendall(b"lost")
            becomes(proxy, "connection_limit.cl.limited_connections", 2)
            proxy.apply(patient(access_log=[]))
            proxy.apply(patient("other"))
            third.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            third.close()
            becomes(proxy, "connection_limit.cl.active_connections", 2)
            proxy.stop()
            assert ended(second)
    assert proxy.live_objects() == 0


def test_a_connection_that_is_one_too_many_may_say_no_more_than_the_buffer_limit() -> None:
    with mesh.Proxy(patient(delay="0.5s", per_connection_buffer_limit_bytes=4096), concurrency=1) as proxy, dial(proxy) as first:
        assert hears(first, b"hello")
        with dial(proxy) as second:
            second.settimeout(0.1)
            with pytest.raises((TimeoutError, ConnectionError)):
                for _ in range(1000):
                    second.sendall(bytes(65536))
            second.settimeout(LIMIT_S)
            assert ended(second)
    assert proxy.live_objects() == 0
