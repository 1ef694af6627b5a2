"""Connections shared out evenly among workers, and what listening sockets tell accepted ones."""

from __future__ import annotations

import contextlib
import socket
from typing import Any

import pytest

import mesh
from mesh import sockets
from mesh.config import load
from mesh.testing import until

LIMIT_S = 20.0
ECHO = {"name": "echo", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo"}}
EXACT = {"connection_balance_config": {"exact_balance": {}}}


def bootstrap(runtime: dict[str, Any] | None = None, **listener: Any) -> dict[str, Any]:
    address = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
    main = {"name": "main", "stat_prefix": "main", "address": address, "filter_chains": [{"filters": [ECHO]}], **listener}
    layers = [{"name": "limits", "static_layer": runtime or {}}]
    return {"static_resources": {"listeners": [main]}, "layered_runtime": {"layers": layers}}


def dial(proxy: mesh.Proxy, stack: contextlib.ExitStack) -> socket.socket:
    """A connection that has got its first echo: it has a worker."""
    wire = stack.enter_context(socket.create_connection(("127.0.0.1", proxy.listeners["main"].port), timeout=LIMIT_S))
    wire.sendall(b"hello")
    assert wire.recv(100) == b"hello"
    return wire


def shares(proxy: mesh.Proxy, idle: list[int]) -> list[int]:
    """How much each worker has beyond what it has without connections."""
    return [now - before for now, before in zip(alive(proxy), idle, strict=True)]


def alive(proxy: mesh.Proxy) -> list[int]:
    return [worker.live() for worker in proxy._workers]


@pytest.mark.slow
@pytest.mark.parametrize("reuse", [True, False])
def test_each_worker_has_as_many_connections_as_the_others(reuse: bool) -> None:
    with mesh.Proxy(bootstrap(**EXACT, enable_reuse_port=reuse), concurrency=3) as proxy, contextlib.ExitStack() as stack:
        idle = alive(proxy)
        for _ in range(30):
            dial(proxy, stack)
        assert len(set(shares(proxy, idle))) == 1
        assert proxy.stats["listener.main.downstream_cx_active"] == 30
    assert proxy.live_objects() == 0


def test_who_loses_connections_gets_the_next_ones() -> None:
    with mesh.Proxy(bootstrap(**EXACT), concurrency=2) as proxy, contextlib.ExitStack() as stack:
        idle = alive(proxy)
        wires = [dial(proxy, stack) for _ in range(12)]
        for wire in wires[::2]:
            wire.close()
        until(lambda: proxy.stats["listener.main.downstream_cx_active"] == 6, "the ends")
        for _ in range(6):
            dial(proxy, stack)
        assert len(set(shares(proxy, idle))) == 1
    assert proxy.live_objects() == 0


def test_shares_outlive_a_change_of_the_listener() -> None:
    with mesh.Proxy(bootstrap(**EXACT), concurrency=2) as proxy, contextlib.ExitStack() as stack:
        for _ in range(5):
            dial(proxy, stack)
        proxy.apply(bootstrap(**EXACT, per_connection_buffer_limit_bytes=4096))
        for _ in range(5):
            dial(proxy, stack)
        proxy.apply(bootstrap())
        dial(proxy, stack)
        proxy.apply(bootstrap(**EXACT))
        dial(proxy, stack)
    assert proxy.live_objects() == 0


def test_the_limit_of_the_listener_holds_for_connections_that_change_workers() -> None:
    limit = {"envoy.resource_limits.listener.main.connection_limit": 4}
    with mesh.Proxy(bootstrap(limit, **EXACT), concurrency=2) as proxy, contextlib.ExitStack() as stack:
        for _ in range(4):
            dial(proxy, stack)
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", proxy.listeners["main"].port), timeout=LIMIT_S) as wire:
                assert wire.recv(1) == b""
        assert proxy.stats["listener.main.downstream_cx_overflow"] == 3
        stack.close()
        until(lambda: proxy.stats["listener.main.downstream_cx_active"] == 0, "the ends")
        dial(proxy, stack)
    assert proxy.live_objects() == 0


def test_removing_the_listener_closes_its_sockets_and_nothing_is_left() -> None:
    with mesh.Proxy(bootstrap(**EXACT), concurrency=3) as proxy, contextlib.ExitStack() as stack:
        wires = [dial(proxy, stack) for _ in range(9)]
        proxy.apply({"static_resources": {"listeners": []}})
        for wire in wires:
            wire.sendall(b"more")
            assert wire.recv(100) == b"more"
    assert proxy.live_objects() == 0


def test_a_limit_of_one_accept_per_event_serves_all_the_same() -> None:
    config = bootstrap(max_connections_to_accept_per_socket_event=1)
    with mesh.Proxy(config, concurrency=1) as proxy, contextlib.ExitStack() as stack:
        for _ in range(20):
            dial(proxy, stack)
        assert proxy.stats["listener.main.downstream_cx_total"] == 20
    assert proxy.live_objects() == 0


def test_keep_alive_of_a_listener_is_that_of_its_connections() -> None:
    config = bootstrap(tcp_keepalive={"keepalive_probes": 3, "keepalive_time": 60, "keepalive_interval": 7})
    _, descriptors = sockets.bind_all(load(config).plan.listeners[0], 1)
    with socket.socket(fileno=descriptors[0][0]) as server:
        server.setblocking(True)
        server.listen()
        with socket.create_connection(server.getsockname(), timeout=LIMIT_S), server.accept()[0] as accepted:
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            wanted = {socket.TCP_KEEPCNT: 3, socket.TCP_KEEPIDLE: 60, socket.TCP_KEEPINTVL: 7}
            assert {name: accepted.getsockopt(socket.IPPROTO_TCP, name) for name in wanted} == wanted


def test_a_balance_that_is_an_extension_is_refused_by_its_path() -> None:
    with pytest.raises(mesh.ConfigError) as refused:
        mesh.Proxy(bootstrap(connection_balance_config={"extend_balance": {"name": "mine"}}))
    at = "static_resources.listeners[0].connection_balance_config.extend_balance"
    assert at in {problem.path for problem in refused.value.problems}
