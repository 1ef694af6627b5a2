"""Calls through the proxy: pipelined, multiplexed, oneway, in any pieces; what its own exceptions say, and that nothing is left over."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from mesh.codec import thrift
from mesh.codec.thrift import Type
from tests.thrift_proxy.running import Running
from tests.thrift_proxy.talk import Failing, Server, call, cluster, error_of, route


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture
def free_port() -> Iterator[int]:
    """A port that nobody listens on, for as long as the test runs."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])


def twitter(port: int) -> dict[str, Any]:
    return cluster("twitter", port, transport="framed", protocol="twitter")


def test_calls_of_one_connection_share_an_upstream_connection_when_they_follow_one_another(server: Server) -> None:
    with Running([route("up")], [cluster("up", server.port)]) as proxy, proxy.client() as client:
        for seqid in (7, 7, 1 << 30):
            reply = client.ask(call("add", seqid))
            assert reply is not None
            assert (reply.name, reply.type, reply.seqid, reply.fields) == ("add", "reply", seqid, {0: (Type.I32, 7)})
        assert [message.seqid for message in server.got] == [0, 1, 2]
        assert server.connections == 1
        assert proxy["thrift.main.request_call"] == proxy["thrift.main.response_success"] == 3
        assert proxy["cluster.up.thrift.upstream_resp_success"] == 3


def test_pipelined_calls_overtake_one_that_takes_long(server: Server) -> None:
    with Running([route("up")], [cluster("up", server.port)]) as proxy, proxy.client() as client:
        client.send(call("held", 1), call("add", 2))
        seen = [client.read(), client.ask(call("add", 3))]
        server.released.set()
        seen.append(client.read())
        assert [(one.name, one.seqid) for one in seen if one] == [("add", 2), ("add", 3), ("held", 1)]
        assert server.connections == 2


def test_a_oneway_call_gets_nothing_and_the_next_call_its_reply(server: Server) -> None:
    with Running([route("up")], [cluster("up", server.port)]) as proxy, proxy.client() as client:
        client.send(call("note", 1, type="oneway"))
        reply = client.ask(call("add", 2))
        assert reply is not None and reply.seqid == 2
        assert [message.type for message in server.got] == ["oneway", "call"]
        assert proxy["thrift.main.request_oneway"] == 1


def test_routes_by_service_and_strips_it(server: Server) -> None:
    routes = [
        {"match": {"service_name": "people"}, "route": {"cluster": "up", "strip_service_name": True}},
        {"match": {"method_name": "places:find"}, "route": {"cluster": "up"}},
    ]
    with Running(routes, [cluster("up", server.port)]) as proxy, proxy.client() as client:
        assert [getattr(client.ask(call(name)), "name", None) for name in ("people:find", "places:find")] == ["find", "places:find"]
        assert error_of(client.ask(call("things:find"))) == (1, "no route for method 'things:find'")
        assert client.closed()


def test_a_header_names_the_cluster(server: Server) -> None:
    by_header = {"match": {"method_name": ""}, "route": {"cluster_header": "X-Cluster"}}
    with Running([by_header], [cluster("up", server.port)]) as proxy, proxy.client() as client:
        reply = client.ask(call("add", transport="header", headers=((b"x-cluster", b"up"),)))
        assert reply is not None and reply.type == "reply"
        assert error_of(client.ask(call("add", transport="header", headers=((b"x-cluster", b"gone"),)))) == (6, "unknown cluster 'gone'")


@pytest.mark.parametrize(
    ("method", "text"),
    [
        ("none", "no healthy upstream for 'none'"),
        ("gone", "unknown cluster 'gone'"),
        ("dead", "connection failure before response start: remote connection failure '127.0.0.1:{dead}'"),
        ("close", "connection failure before response start: remote connection failure '127.0.0.1:{up}'"),
        ("half", "connection failure before response complete: remote connection failure '127.0.0.1:{up}'"),
    ],
)
def test_a_call_that_fails_is_answered_and_its_connection_closed(server: Server, free_port: int, method: str, text: str) -> None:
    routes = [*(route(name, name) for name in ("none", "gone", "dead")), route("up")]
    clusters = [cluster("none"), cluster("dead", free_port), cluster("up", server.port)]
    with Running(routes, clusters) as proxy, proxy.client() as client:
        reply = client.ask(call(method, 9))
        assert error_of(reply) == (6, text.format(dead=free_port, up=server.port))
        assert reply is not None and reply.seqid == 9
        assert client.closed()


def test_a_breaker_that_is_full_costs_the_call_and_not_the_connection(server: Server) -> None:
    limits = {"thresholds": [{"max_connections": 1, "max_pending_requests": 0}]}
    with Running([route("up")], [cluster("up", server.port, circuit_breakers=limits)]) as proxy, proxy.client() as client:
        for seqid in (1, 2):
            reply = client.ask(call("add", seqid))
            assert error_of(reply) == (6, "thrift upstream request: too many connections")
        assert proxy["thrift.main.request_call"] == 2
        assert proxy["cluster.up.upstream_rq_pending_overflow"] == 2


def test_a_connection_ends_after_its_last_call(server: Server) -> None:
    with Running([route("up")], [cluster("up", server.port)], max_requests_per_connection=2) as proxy, proxy.client() as client:
        client.send(call("add", 1), call("add", 2), call("add", 3))
        assert sorted(one.seqid for one in (client.read(), client.read()) if one) == [1, 2]
        assert client.closed()
        assert proxy["thrift.main.downstream_cx_max_requests"] == 1


@pytest.mark.parametrize("transport", ["framed", "unframed", "header"])
@pytest.mark.parametrize("protocol", ["binary", "compact"])
def test_calls_arrive_byte_by_byte(server: Server, transport: str, protocol: str) -> None:
    raw = thrift.encode(call("add", 3, transport, protocol))
    with Running([route("up")], [cluster("up", server.port)]) as proxy, proxy.client() as client:
        client.wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(len(raw)):
            client.send(raw[i : i + 1])
        reply = client.read()
        assert reply is not None and (reply.seqid, reply.fields) == (3, {0: (Type.I32, 7)})
        assert (reply.transport, reply.protocol) == (transport, protocol)


def test_a_call_that_waits_for_its_connection_keeps_its_payload(server: Server) -> None:
    with (
        Server("framed", "twitter") as finagle,
        Running([route("twitter", "first"), route("up")], [cluster("up", server.port), twitter(finagle.port)]) as proxy,
        proxy.client() as first,
        proxy.client() as second,
    ):
        # The answer to the request for the Twitter protocol is read over the bytes of the call that waits for it.
        first.send(call("first", 1, fields={1: (Type.STRING, b"kept")}))
        reply = second.ask(call("add", 2, fields={1: (Type.STRING, b"other")}))
        assert reply is not None and reply.fields == {0: (Type.STRING, b"other")}
        reply = first.read()
        assert reply is not None and reply.fields == {0: (Type.STRING, b"kept")}


@pytest.mark.parametrize("up", [("auto", "auto"), ("framed", "compact")], ids="_".join)
def test_a_compressed_call_goes_on_inflated(server: Server, up: tuple[str, str]) -> None:
    packed = thrift.encode(call("add", 3, "header", fields={1: (Type.STRING, b"x" * 500)}), zlib=True)
    assert len(packed) < 200
    clusters = [cluster("up", server.port, transport=up[0], protocol=up[1])]
    with Running([route("up")], clusters) as proxy, proxy.client() as client:
        for _ in range(2):
            reply = client.ask(packed)
            assert reply is not None and (reply.seqid, reply.fields) == (3, {0: (Type.STRING, b"x" * 500)})


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["framed", "unframed", "header"])
def test_a_payload_of_many_reads_is_the_same_behind_the_proxy(server: Server, transport: str) -> None:
    big = (Type.STRING, bytes(range(256)) * 8192)
    with Running([route("up")], [cluster("up", server.port)]) as proxy, proxy.client() as client:
        reply = client.ask(call("add", transport=transport, fields={1: big}))
        assert reply is not None and reply.fields == {0: big}


def test_a_client_that_goes_ends_its_calls_and_their_connections(server: Server) -> None:
    with Running([route("up")], [cluster("up", server.port)]) as proxy:
        with proxy.client() as client:
            client.send(call("held", 1), call("held", 2))
            server.wait_for(2)
        with proxy.client() as client:
            reply = client.ask(call("add"))
            assert reply is not None
        assert proxy["thrift.main.cx_destroy_remote_with_active_rq"] == 2
        assert proxy["thrift.main.request_active"] == 0


@pytest.mark.parametrize("says", [b"", b"\0\0\0\x20\x80\x01", b"HTTP/1.1 200 OK\r\n\r\n"], ids=["hangs_up", "breaks_off", "is_no_thrift"])
def test_a_host_that_fails_when_it_is_asked_for_the_twitter_protocol_is_an_exception(says: bytes) -> None:
    with Failing() as host, Running([route("twitter")], [twitter(host.port)]) as proxy, proxy.client() as client:
        host.says = says
        assert client.ask(call("add")) is not None
        assert client.closed()
        assert proxy["cluster.twitter.upstream_rq_active"] == 0
