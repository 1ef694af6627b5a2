"""A Thrift proxy that drains: calls under way end with their replies, which say so in a header; idle connections go."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

import mesh
from mesh.testing import until
from tests.thrift_proxy.talk import Client, Server, bootstrap, call, cluster, listener, route

DRAIN = (b":drain", b"true")


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as made:
        yield made


def proxy_for(server: Server) -> mesh.Proxy:
    source = bootstrap([listener("main", 0, [route("up")], "header")], [cluster("up", server.port)])
    return mesh.Proxy(source, concurrency=1, drain_strategy="immediate")


@pytest.mark.slow
def test_a_call_under_way_ends_with_a_reply_that_says_drain(server: Server) -> None:
    with proxy_for(server) as proxy:
        port = proxy.listeners["main"].port
        with Client(port, "header") as busy, Client(port, "header") as idle:
            for client in (busy, idle):
                assert (reply := client.ask(call("add", transport="header"))) is not None and DRAIN not in reply.headers
            busy.send(call("held", 7, "header"))
            server.wait_for(3)
            ending = threading.Thread(target=proxy.drain, args=(60,))
            ending.start()
            assert idle.closed()
            server.released.set()
            assert (reply := busy.read()) is not None and (reply.type, reply.seqid) == ("reply", 7)
            assert DRAIN in reply.headers
            assert busy.closed()
            ending.join()
    assert proxy.live_objects() == 0


def test_a_listener_that_drains_says_so_and_serves_on(server: Server) -> None:
    with proxy_for(server) as proxy, Client(proxy.listeners["main"].port, "header") as client:
        assert (reply := client.ask(call("add", transport="header"))) is not None and DRAIN not in reply.headers
        proxy.drain_listeners(stop_after_s=60)
        until(lambda: DRAIN in getattr(client.ask(call("add", transport="header")), "headers", ()), "a reply that says drain")
        assert proxy.stats["thrift.main.downstream_response_drain_close"] >= 1
        assert proxy.stats["thrift.main.cx_destroy_local_with_active_rq"] == 0
