"""Listening sockets: options, own addresses, Unix names and modes; and how many connections there may be."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path
from typing import Any

import pytest

import mesh
from mesh import sockets
from mesh.testing import until
from mesh.testing.upstream import Upstream
from mesh.testing.wire import Wire
from meshcore.bind import spec

LIMIT_S = 20.0
TYPES = "type.googleapis.com/envoy.extensions.filters.network."
ECHO = {"name": "echo", "typed_config": {"@type": TYPES + "echo.v3.Echo"}}
TCP = {"name": "tcp", "typed_config": {"@type": TYPES + "tcp_proxy.v3.TcpProxy", "stat_prefix": "t", "cluster": "up"}}
ELSEWHERE = "192.0.2.7"  # RFC 5737: nobody's
ANY = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}


def bootstrap(
    last: dict[str, Any], cluster: dict[str, Any] | None = None, runtime: dict[str, Any] | None = None, **listener: Any
) -> dict[str, Any]:
    main = {"name": "main", "stat_prefix": "main", "address": ANY, "filter_chains": [{"filters": [last]}], **listener}
    return {
        "static_resources": {"listeners": [main], "clusters": [cluster] if cluster else []},
        "layered_runtime": {"layers": [{"name": "limits", "static_layer": runtime or {}}]},
    }


def cluster_of(up: Upstream, **fields: Any) -> dict[str, Any]:
    host = {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": up.port}}}}
    return {"name": "up", "load_assignment": {"cluster_name": "up", "endpoints": [{"lb_endpoints": [host]}]}, **fields}


def bound(address: spec.Address, workers: int = 1, **fields: Any) -> list[socket.socket]:
    """The first socket of each worker."""
    _, fds = sockets.bind_all(spec.Listener("main", address, (), **fields), workers)
    return [socket.socket(fileno=each[0]) for each in fds]


def dial(proxy: mesh.Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.listeners["main"].port), timeout=LIMIT_S)


def asks(wire: socket.socket) -> bytes:
    wire.settimeout(LIMIT_S)
    wire.sendall(b"hello")
    try:
        return wire.recv(100)
    except ConnectionResetError:
        return b""


def test_a_free_bound_listener_takes_an_address_that_nobody_has() -> None:
    with pytest.raises(OSError, match=r"listener 'main': cannot bind 192\.0\.2\.7"):
        bound(spec.Address(ELSEWHERE, 0))
    (made,) = bound(spec.Address(ELSEWHERE, 0), freebind=True)
    with made:
        assert made.getsockname()[0] == ELSEWHERE


def test_options_are_set_before_and_after_binding() -> None:
    before = spec.SocketOption(socket.SOL_SOCKET, socket.SO_KEEPALIVE, struct.pack("i", 1))
    after = spec.SocketOption(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, struct.pack("i", 77), bound=True)
    (made,) = bound(spec.Address("127.0.0.1", 0), socket_options=(before, after))
    with made:
        assert made.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert made.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 77


def test_an_option_that_the_kernel_does_not_know_is_an_error_and_leaves_nothing_open() -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="listener 'main'"):
        bound(spec.Address("127.0.0.1", 0), workers=3, socket_options=(spec.SocketOption(socket.SOL_SOCKET, 9999, b"\1\0\0\0"),))
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("reuse", [True, False])
def test_workers_have_sockets_of_their_own_or_share_one(reuse: bool) -> None:
    made = bound(spec.Address("127.0.0.1", 0), workers=2, reuse_port=reuse)
    try:
        assert made[0].getsockname() == made[1].getsockname()
        inodes = {os.fstat(one.fileno()).st_ino for one in made}
        assert len(inodes) == (2 if reuse else 1)
        assert made[0].getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT) == reuse
    finally:
        for one in made:
            one.close()


def test_one_socket_serves_all_workers() -> None:
    with mesh.Proxy(bootstrap(ECHO, enable_reuse_port=False), concurrency=2) as proxy:
        for _ in range(10):
            with dial(proxy) as wire:
                assert asks(wire) == b"hello"
    assert proxy.live_objects() == 0


def test_a_unix_socket_has_the_mode_that_it_is_given(tmp_path: Path) -> None:
    path = tmp_path / "main.sock"
    address = {"pipe": {"path": str(path), "mode": 0o640}}
    with mesh.Proxy(bootstrap(ECHO, address=address), concurrency=1), socket.socket(socket.AF_UNIX) as wire:
        assert path.stat().st_mode & 0o777 == 0o640
        wire.connect(str(path))
        assert asks(wire) == b"hello"


def test_an_abstract_name_is_listened_on_and_dialled(tmp_path: Path) -> None:
    name = f"@mesh-test-{os.getpid()}-{tmp_path.name}"
    inner = {"name": "inner", "address": {"pipe": {"path": name}}, "filter_chains": [{"filters": [ECHO]}]}
    host = {"endpoint": {"address": {"pipe": {"path": name}}}}
    config = bootstrap(TCP, {"name": "up", "load_assignment": {"cluster_name": "up", "endpoints": [{"lb_endpoints": [host]}]}})
    config["static_resources"]["listeners"].append(inner)
    with mesh.Proxy(config, concurrency=1) as proxy, dial(proxy) as wire:
        assert asks(wire) == b"hello"
        with socket.socket(socket.AF_UNIX) as direct:
            direct.connect("\0" + name[1:])
            assert asks(direct) == b"hello"
    assert proxy.live_objects() == 0


def test_hosts_are_dialled_of_the_own_address_of_their_family() -> None:
    seen: list[str] = []

    def note(wire: Wire) -> None:
        seen.append(wire.socket.getpeername()[0])
        wire.send(wire.socket.recv(100))

    sources = {
        "source_address": {"address": "::1", "port_value": 0},
        "extra_source_addresses": [{"address": {"address": "127.0.0.9", "port_value": 0}}],
        "socket_options": [{"level": socket.SOL_SOCKET, "name": socket.SO_KEEPALIVE, "int_value": 1}],
    }
    with Upstream(note) as up:
        config = bootstrap(TCP, cluster_of(up, upstream_bind_config=sources))
        with mesh.Proxy(config, concurrency=1) as proxy, dial(proxy) as wire:
            assert asks(wire) == b"hello"
    assert seen == ["127.0.0.9"]


def test_a_dial_that_the_kernel_refuses_is_a_failed_connect() -> None:
    strange = {"source_address": {"address": "127.0.0.1", "port_value": 0}, "socket_options": [{"level": 1, "name": 9999, "int_value": 1}]}
    with Upstream() as up, mesh.Proxy(bootstrap(TCP, cluster_of(up, upstream_bind_config=strange)), concurrency=1) as proxy:
        with dial(proxy) as wire:
            assert wire.recv(10) == b""
        assert proxy.stats["cluster.up.upstream_cx_connect_fail"] == 1
    assert proxy.live_objects() == 0


@pytest.mark.parametrize(
    ("key", "stat"),
    [
        ("envoy.resource_limits.listener.main.connection_limit", "downstream_cx_overflow"),
        ("overload.global_downstream_max_connections", "downstream_global_cx_overflow"),
    ],
)
def test_a_connection_above_the_limit_is_closed_and_counted_until_another_has_gone(key: str, stat: str) -> None:
    with mesh.Proxy(bootstrap(ECHO, runtime={key: 2}), concurrency=2) as proxy:
        open_ones = [dial(proxy) for _ in range(2)]
        assert [asks(wire) for wire in open_ones] == [b"hello", b"hello"]
        with dial(proxy) as third:
            assert asks(third) == b""
        assert proxy.stats[f"listener.main.{stat}"] == 1
        open_ones.pop().close()
        until(lambda: proxy.stats["listener.main.downstream_cx_active"] == 1, "the end of one connection", LIMIT_S)
        with dial(proxy) as fourth:
            assert asks(fourth) == b"hello"
        open_ones.pop().close()
    assert proxy.live_objects() == 0


def test_a_listener_that_ignores_the_global_limit_takes_connections_above_it() -> None:
    config = bootstrap(ECHO, runtime={"overload.global_downstream_max_connections": 0}, ignore_global_conn_limit=True)
    with mesh.Proxy(config, concurrency=1) as proxy, dial(proxy) as wire:
        assert asks(wire) == b"hello"
