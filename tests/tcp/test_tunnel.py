"""TCP sessions through HTTP: one proxy asks for the tunnels, another ends them; many bytes, slow readers, shared connections."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest

import mesh
from mesh.testing.upstream import Upstream
from mesh.testing.wire import Wire
from tests.tcp.test_sessions import BYTES, bootstrap, dial, everything

HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
HTTP2 = {
    "typed_extension_protocol_options": {
        OPTIONS: {"@type": f"type.googleapis.com/{OPTIONS}", "explicit_http_config": {"http2_protocol_options": {}}}
    }
}


def ends_tunnels(port: int) -> dict[str, Any]:
    """A proxy that answers CONNECT and POST, and carries what follows to `port`."""
    ends = {"cluster": "up", "upgrade_configs": [{"upgrade_type": "CONNECT", "connect_config": {"allow_post": True}}]}
    routes = [{"match": {"connect_matcher": {}}, "route": ends}, {"match": {"prefix": "/"}, "route": ends}]
    manager = {
        "@type": HCM, "stat_prefix": "ends", "upgrade_configs": [{"upgrade_type": "CONNECT"}],
        "http2_protocol_options": {"allow_connect": True},
        "http_filters": [
            {"name": "router", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}
        ],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
    }  # fmt: skip
    config = bootstrap(port)
    config["static_resources"]["listeners"][0]["filter_chains"] = [{"filters": [{"name": "http", "typed_config": manager}]}]
    return config


def asks_for_tunnels(port: int, http2: bool, **fields: Any) -> dict[str, Any]:
    config = bootstrap(port, tunneling_config={"hostname": "far:1", **fields}, listener={"per_connection_buffer_limit_bytes": 8192})
    if http2:
        config["static_resources"]["clusters"][0] |= HTTP2
    return config


def echo(wire: Wire) -> None:
    while got := wire.socket.recv(1 << 16):
        wire.send(got)


@pytest.mark.slow
@pytest.mark.parametrize("http2", [False, True])
@pytest.mark.parametrize("post", [False, True])
def test_all_bytes_arrive_both_ways_through_small_buffers(http2: bool, post: bool) -> None:
    payload = bytes(range(256)) * (BYTES // 256)
    with Upstream(echo) as up, mesh.Proxy(ends_tunnels(up.port), concurrency=1) as far:
        config = asks_for_tunnels(far.listeners["main"].port, http2, use_post=post)
        with mesh.Proxy(config, concurrency=1) as near:
            with dial(near, receive_buffer=1 << 16) as wire:
                sender = threading.Thread(target=wire.sendall, args=(payload,))
                sender.start()
                got = bytearray()
                while len(got) < BYTES:
                    part = wire.recv(1 << 16)
                    assert part
                    got += part
                sender.join()
            assert got == payload
            assert near.stats["tcp.main.downstream_cx_rx_bytes_total"] == BYTES
        assert near.live_objects() == 0
    assert far.live_objects() == 0


def test_sessions_share_a_connection_over_http2_and_end_each_direction_alone() -> None:
    with Upstream(lambda wire: wire.send(everything(wire.socket))) as up, mesh.Proxy(ends_tunnels(up.port), concurrency=1) as far:
        with mesh.Proxy(asks_for_tunnels(far.listeners["main"].port, True), concurrency=1) as near:
            wires = [dial(near) for _ in range(5)]
            for n, wire in enumerate(wires):
                wire.sendall(b"%d" % n)
                wire.shutdown(socket.SHUT_WR)
            assert [everything(wire) for wire in wires] == [b"%d" % n for n in range(5)]
            for wire in wires:
                wire.close()
            assert near.stats["cluster.up.upstream_rq_total"] == 5
            assert near.stats["cluster.up.upstream_cx_http2_total"] == near.stats["cluster.up.upstream_cx_total"]
        assert near.live_objects() == 0
    assert far.live_objects() == 0


@pytest.mark.parametrize("http2", [False, True])
def test_stopping_ends_tunnels(http2: bool) -> None:
    with Upstream(echo) as up, mesh.Proxy(ends_tunnels(up.port), concurrency=1) as far:
        with mesh.Proxy(asks_for_tunnels(far.listeners["main"].port, http2), concurrency=1) as near:
            wires = [dial(near) for _ in range(10)]
            for wire in wires:
                wire.sendall(b"hello")
            assert [wire.recv(5, socket.MSG_WAITALL) for wire in wires] == [b"hello"] * 10
            near.stop()
            assert [everything(wire) for wire in wires] == [b""] * 10
            for wire in wires:
                wire.close()
        assert near.live_objects() == 0
    assert far.live_objects() == 0


def test_a_host_that_no_header_can_hold_opens_no_tunnel() -> None:
    """It may come from the client, as a server name. Envoy opens a connection, writes nothing and leaves the client hanging."""
    says = {"text_format_source": {"inline_string": "a:1 HTTP/1.1\r\nx-evil: 1\r\nx: "}}
    facts = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.set_filter_state.v3.Config",
        "on_new_connection": [{"object_key": "who", "factory_key": "envoy.string", "format_string": says}],
    }
    with Upstream(echo) as up:
        config = bootstrap(up.port, tunneling_config={"hostname": "%FILTER_STATE(who:PLAIN)%"})
        chain = config["static_resources"]["listeners"][0]["filter_chains"][0]
        chain["filters"] = [{"name": "facts", "typed_config": facts}, *chain["filters"]]
        with mesh.Proxy(config, concurrency=1) as near:
            with dial(near) as wire:
                assert wire.recv(1) == b""
            assert near.stats["tcp.main.downstream_cx_total"] == 1
            assert near.stats["cluster.up.upstream_cx_total"] == 0
    assert near.live_objects() == 0


def test_a_post_path_needs_a_post() -> None:
    with pytest.raises(mesh.ConfigError) as refused:
        mesh.Proxy(bootstrap(1, tunneling_config={"hostname": "a", "post_path": "/x"}))
    at = "static_resources.listeners[0].filter_chains[0].filters[0].typed_config.tunneling_config.post_path"
    assert [problem.path for problem in refused.value.problems] == [at]
