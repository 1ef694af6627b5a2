"""Mirrored requests: they never hold the client up, and nothing of them is left when it leaves."""

from __future__ import annotations

import threading

import mesh
from mesh.testing import Refuser, Running, Upstream, Wire, bootstrap, running, until
from mesh.testing.bootstrap import cluster

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


def mirrored(up: int, copy: int, **fields: object) -> dict[str, object]:
    route = {"request_mirror_policies": [{"cluster": "copy"}]}
    return bootstrap(clusters=[cluster("up", up), cluster("copy", copy, **fields)], route=route)


def active(p: Running) -> int:
    return p.stat("cluster.copy.upstream_rq_active")


def test_the_client_is_answered_while_the_mirror_hangs() -> None:
    release = threading.Event()

    def hangs(wire: Wire) -> None:
        wire.read_request()
        release.wait(5)
        wire.send(OK)

    with Upstream() as up, Upstream(hangs) as copy, running(mirrored(up.port, copy.port)) as p:
        assert p.get().status == 200
        assert active(p) == 1
        release.set()
        until(lambda: active(p) == 0, "the end of the mirrored request")
        assert p.stat("cluster.copy.internal.upstream_rq_200") == 1


def test_a_mirror_that_is_down_costs_the_client_nothing() -> None:
    with Upstream() as up, Refuser() as copy, running(mirrored(up.port, copy.port)) as p:
        for _ in range(5):
            assert p.get().status == 200
        until(lambda: p.stat("cluster.copy.upstream_rq_503") == 5, "five failed mirrored requests")


def test_a_mirror_that_does_not_read_is_given_up_and_counted() -> None:
    def deaf(wire: Wire) -> None:
        wire.read_until(b"\r\n\r\n")
        gone.wait(5)

    gone = threading.Event()
    size = 8 * 1024 * 1024
    with Upstream() as up, Upstream(deaf, receive_buffer=4096) as copy, running(mirrored(up.port, copy.port)) as p:
        client = p.client()
        client.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % size)
        copy.wait_connections(1)
        client.send(b"x" * size)
        assert client.read_response().status == 200
        assert p.up("retry_or_shadow_abandoned") == 1
        assert active(p) == 0
        gone.set()
        client.close()


def test_the_client_that_leaves_inside_its_body_ends_the_mirrored_request() -> None:
    def waits(wire: Wire) -> None:
        wire.read_until(b"half")
        wire.ended()

    with Upstream(waits) as up, Upstream(waits) as copy, running(mirrored(up.port, copy.port)) as p:
        with p.client() as client:
            client.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nhalf")
            up.wait_connections(1)
            copy.wait_connections(1)
            until(lambda: active(p) == 1, "the mirrored request")
        until(lambda: active(p) == 0, "its end")


def test_a_mirrored_request_under_way_does_not_keep_the_proxy_alive() -> None:
    def hangs(wire: Wire) -> None:
        wire.read_request()
        wire.ended()

    with Upstream() as up, Upstream(hangs) as copy:
        with mesh.Proxy(mirrored(up.port, copy.port), concurrency=1) as proxy:
            assert Running(proxy).get().status == 200
            assert proxy.stats["cluster.copy.upstream_rq_active"] == 1
        assert proxy.live_objects() == 0
