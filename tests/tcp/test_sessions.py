"""TCP sessions under pressure: slow readers, many bytes both ways, a host that is gone, listeners that change, and nothing left over."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

import mesh
from mesh.testing import until
from mesh.testing.upstream import Upstream
from mesh.testing.wire import Wire

TYPES = "type.googleapis.com/envoy.extensions.filters.network."
LIMIT_S = 10.0
BYTES = 8 << 20
HEADER_INPUT = "type.googleapis.com/envoy.type.matcher.v3.HttpRequestHeaderMatchInput"


def bootstrap(*ports: int, listener: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """A listener that carries bytes to the ports of a cluster."""
    proxy = {"@type": TYPES + "tcp_proxy.v3.TcpProxy", "stat_prefix": "main", "cluster": "up", **fields}
    hosts = [{"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}} for port in ports]
    main = {
        "name": "main",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [{"filters": [{"name": "tcp", "typed_config": proxy}]}],
        **(listener or {}),
    }
    up = {"name": "up", "load_assignment": {"cluster_name": "up", "endpoints": [{"lb_endpoints": hosts}]}}
    return {"static_resources": {"listeners": [main], "clusters": [up]}}


def dial(proxy: mesh.Proxy, receive_buffer: int = 0) -> socket.socket:
    wire = socket.socket()
    wire.settimeout(LIMIT_S)
    if receive_buffer:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    wire.connect(("127.0.0.1", proxy.listeners["main"].port))
    return wire


def everything(wire: socket.socket) -> bytes:
    parts = []
    while part := wire.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


@pytest.fixture
def free_port() -> Iterator[int]:
    """A port that nobody listens on, for as long as the test runs."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])


def test_all_bytes_arrive_both_ways_through_small_buffers() -> None:
    payload = bytes(range(256)) * (BYTES // 256)

    def echo(wire: Wire) -> None:
        wire.send(everything(wire.socket))

    small = {"per_connection_buffer_limit_bytes": 4096}
    with Upstream(echo) as up, mesh.Proxy(bootstrap(up.port, listener=small), concurrency=1) as proxy:
        with dial(proxy, receive_buffer=1 << 16) as wire:
            wire.sendall(payload)
            wire.shutdown(socket.SHUT_WR)
            until(lambda: proxy.stats["cluster.up.upstream_flow_control_paused_reading_total"] > 0, "a pause of the upstream")
            assert everything(wire) == payload
        assert proxy.stats["tcp.main.downstream_cx_rx_bytes_total"] == BYTES
        assert proxy.stats["tcp.main.downstream_cx_tx_bytes_total"] == BYTES
        paused = proxy.stats["cluster.up.upstream_flow_control_paused_reading_total"]
        assert paused > 0
        assert paused == proxy.stats["cluster.up.upstream_flow_control_resumed_reading_total"]
    assert proxy.live_objects() == 0


def test_a_second_host_is_tried_when_the_first_refuses(free_port: int) -> None:
    with Upstream(lambda wire: wire.send(b"here")) as up:
        config = bootstrap(free_port, up.port, max_connect_attempts=2)
        with mesh.Proxy(config, concurrency=1) as proxy:
            for _ in range(4):
                with dial(proxy) as wire:
                    assert everything(wire) == b"here"
            assert proxy.stats["cluster.up.upstream_cx_connect_fail"] >= 1
    assert proxy.live_objects() == 0


def test_a_host_that_refuses_connections_is_ejected(free_port: int) -> None:
    config = bootstrap(free_port)
    watch = {"consecutive_5xx": 1, "interval": "3600s", "max_ejection_percent": 100}
    config["static_resources"]["clusters"][0] |= {"outlier_detection": watch}
    with mesh.Proxy(config, concurrency=1) as proxy:
        with dial(proxy) as wire:
            assert everything(wire) == b""
        until(lambda: proxy.stats["cluster.up.outlier_detection.ejections_active"] == 1, "the ejection")
    assert proxy.live_objects() == 0


def test_open_sessions_outlive_a_changed_listener_and_new_ones_use_it() -> None:
    def echo(wire: Wire) -> None:
        while got := wire.socket.recv(100):
            wire.send(got)

    with Upstream(echo) as up, mesh.Proxy(bootstrap(up.port), concurrency=1) as proxy:
        config = bootstrap(up.port, stat_prefix="changed")
        config["static_resources"]["listeners"][0]["address"]["socket_address"]["port_value"] = 0
        with dial(proxy) as old:
            old.sendall(b"one")
            assert old.recv(10) == b"one"
            proxy.apply(config)
            old.sendall(b"two")
            assert old.recv(10) == b"two"
            with dial(proxy) as new:
                new.sendall(b"three")
                assert new.recv(10) == b"three"
            assert proxy.stats["tcp.changed.downstream_cx_total"] == 1
    assert proxy.live_objects() == 0


def test_stopping_ends_sessions_in_every_state(free_port: int) -> None:
    with Upstream(lambda wire: wire.socket.recv(10)) as up, mesh.Proxy(bootstrap(up.port), concurrency=1) as proxy:
        wires = [dial(proxy) for _ in range(50)]
        up.wait_connections(50)
        proxy.stop()
        assert [everything(wire) for wire in wires] == [b""] * 50
        for wire in wires:
            wire.close()
    assert proxy.live_objects() == 0


def refuses(delay: str) -> dict[str, Any]:
    """Everybody is refused, after so long."""
    everybody = {"permissions": [{"any": True}], "principals": [{"any": True}]}
    rules = {"action": "DENY", "policies": {"all": everybody}}
    config = {"@type": TYPES + "rbac.v3.RBAC", "stat_prefix": "guard.", "rules": rules, "delay_deny": delay}
    return {"name": "rules", "typed_config": config}


def test_stopping_ends_refused_connections_that_are_still_kept() -> None:
    with Upstream(lambda wire: wire.socket.recv(10)) as up:
        config = bootstrap(up.port)
        config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"].insert(0, refuses("3600s"))
        with mesh.Proxy(config, concurrency=1) as proxy, dial(proxy) as wire:
            wire.sendall(b"hello")
            until(lambda: proxy.stats["guard.rbac.denied"] > 0, "the refusal")
            proxy.stop()
            with contextlib.suppress(ConnectionResetError):  # what it said was not read
                assert everything(wire) == b""
        assert proxy.live_objects() == 0


def test_a_host_is_dialled_when_the_client_has_said_something() -> None:
    early = {"upstream_connect_mode": "ON_DOWNSTREAM_DATA", "max_early_data_bytes": 1}
    with (
        Upstream(lambda wire: wire.send(everything(wire.socket))) as up,
        mesh.Proxy(bootstrap(up.port, **early), concurrency=1) as proxy,
        dial(proxy) as silent,
        dial(proxy) as wire,
    ):
        wire.sendall(b"hello" * 1000)
        wire.shutdown(socket.SHUT_WR)
        assert everything(wire) == b"hello" * 1000
        assert proxy.stats["cluster.up.upstream_cx_total"] == 1
        proxy.stop()
        assert everything(silent) == b""
    assert proxy.live_objects() == 0


def test_a_matcher_of_connections_cannot_look_at_requests() -> None:
    header = {"name": "h", "typed_config": {"@type": HEADER_INPUT, "header_name": "x"}}
    action = {"name": "a", "typed_config": {"@type": "type.googleapis.com/envoy.config.rbac.v3.Action", "name": "all"}}
    tree = {"matcher_tree": {"input": header, "exact_match_map": {"map": {"y": {"action": action}}}}}
    config = bootstrap(1)
    rules = {"name": "rules", "typed_config": {"@type": TYPES + "rbac.v3.RBAC", "stat_prefix": "g", "matcher": tree}}
    config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"].insert(0, rules)
    with pytest.raises(mesh.ConfigError) as refused:
        mesh.Proxy(config)
    at = "static_resources.listeners[0].filter_chains[0].filters[0].typed_config.matcher"
    assert [problem.path for problem in refused.value.problems] == [at]


def echo(wire: Wire) -> None:
    while got := wire.socket.recv(100):
        wire.send(got)


@pytest.mark.parametrize("how", ["listener", "health"])
def test_sessions_end_with_the_next_bytes_once_the_listener_drains(how: str) -> None:
    config = {"check_drain_close": True}
    with Upstream(echo) as up, mesh.Proxy(bootstrap(up.port, **config), concurrency=1, drain_strategy="immediate") as proxy:
        with dial(proxy) as wire:
            wire.sendall(b"one")
            assert wire.recv(10) == b"one"
            if how == "listener":
                proxy.drain_listeners()
            else:
                proxy.set_health(False)
            assert proxy.stats["tcp.main.downstream_cx_drain_close"] == 0
            wire.sendall(b"two")
            assert everything(wire) in (b"", b"two")
        until(lambda: proxy.stats["tcp.main.downstream_cx_drain_close"] == 1, "the end")
    assert proxy.live_objects() == 0


def dialled(port: int) -> socket.socket:
    """The proxy's own end of its connection to a port, which is a socket of this process; a copy of it."""
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            copy = socket.socket(fileno=os.dup(int(name)))
            with contextlib.suppress(OSError):
                if copy.getpeername() == ("127.0.0.1", port):
                    return copy
            copy.close()
    raise AssertionError(f"nobody is connected to {port}")


def test_keep_alive_of_a_cluster_is_that_of_its_connections() -> None:
    with Upstream(echo) as up:
        config = bootstrap(up.port)
        alive = {"keepalive_probes": 4, "keepalive_time": 61, "keepalive_interval": 8}
        config["static_resources"]["clusters"][0]["upstream_connection_options"] = {"tcp_keepalive": alive}
        with mesh.Proxy(config, concurrency=1) as proxy, dial(proxy) as wire:
            wire.sendall(b"one")
            assert wire.recv(10) == b"one"
            with dialled(up.port) as host:
                assert host.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
                wanted = {socket.TCP_KEEPCNT: 4, socket.TCP_KEEPIDLE: 61, socket.TCP_KEEPINTVL: 8}
                assert {name: host.getsockopt(socket.IPPROTO_TCP, name) for name in wanted} == wanted


def test_sessions_that_do_not_look_at_drains_live_on() -> None:
    with Upstream(echo) as up, mesh.Proxy(bootstrap(up.port), concurrency=1, drain_strategy="immediate") as proxy, dial(proxy) as wire:
        proxy.set_health(False)
        for _ in range(2):
            wire.sendall(b"one")
            assert wire.recv(10) == b"one"
    assert proxy.live_objects() == 0


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"upstream_connect_mode": "ON_DOWNSTREAM_TLS_HANDSHAKE"}, "upstream_connect_mode"),
        ({"upstream_connect_mode": "ON_DOWNSTREAM_DATA"}, "upstream_connect_mode"),
        ({"on_demand": {"timeout": "1s"}}, "on_demand"),
    ],
)
def test_what_is_not_there_is_refused_by_its_path(fields: dict[str, Any], path: str) -> None:
    with pytest.raises(mesh.ConfigError) as refused:
        mesh.Proxy(bootstrap(1, **fields))
    at = "static_resources.listeners[0].filter_chains[0].filters[0].typed_config."
    assert [problem.path for problem in refused.value.problems] == [at + path]
