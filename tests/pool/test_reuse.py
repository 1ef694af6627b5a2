"""When an upstream connection is used again, and when it is not; how many there are, and who waits for them."""

from __future__ import annotations

import threading

import pytest

from mesh.testing import Refuser, Upstream, Wire, bootstrap, cluster, running, until

GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


def test_requests_one_after_the_other_share_one_connection() -> None:
    with Upstream() as up, running(bootstrap(up.port)) as p:
        for _ in range(10):
            assert p.get().status == 200
        assert len(up.connections) == 1


def test_requests_at_once_have_a_connection_each() -> None:
    meet = threading.Barrier(5)

    def script(wire: Wire) -> None:
        wire.read_request()
        meet.wait(10)
        wire.send(OK)
        wire.ended()

    with Upstream(script) as up, running(bootstrap(up.port)) as p:
        clients = [p.client() for _ in range(5)]
        for client in clients:
            client.send(GET)
        for client in clients:
            assert client.read_response().body == b"ok"
            client.close()
        assert p.up("upstream_cx_total") == 5


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
    ],
)
def test_an_upstream_that_says_close_is_believed(answer: bytes) -> None:
    def script(wire: Wire) -> None:
        wire.read_request()
        wire.send(answer)
        wire.ended()

    with Upstream(script) as up, running(bootstrap(up.port)) as p:
        for n in range(3):
            assert p.get().body == b"ok"
            assert len(up.connections) == n + 1
        assert p.up("upstream_cx_close_notify") == 3


def test_a_connection_serves_no_more_than_its_maximum() -> None:
    with Upstream() as up:
        config = bootstrap(clusters=[cluster("up", up.port, http={"max_requests_per_connection": 2})])
        with running(config) as p:
            for _ in range(6):
                assert p.get().status == 200
            assert len(up.connections) == 3
            assert p.up("upstream_cx_max_requests") == 3


@pytest.mark.slow
def test_an_idle_connection_is_closed_after_its_time() -> None:
    with Upstream() as up:
        config = bootstrap(clusters=[cluster("up", up.port, http={"idle_timeout": "0.15s"})])
        with running(config, idle_upstreams=False) as p:
            assert p.get().status == 200
            assert p.up("upstream_cx_active") == 1
            until(lambda: p.up("upstream_cx_active") == 0)
            assert p.up("upstream_cx_idle_timeout") == 1
            assert p.get().status == 200


@pytest.mark.slow
def test_a_connection_over_its_age_is_closed_after_its_request() -> None:
    hold = threading.Event()

    def script(wire: Wire) -> None:
        up.note(wire.read_request())
        hold.wait(10)
        wire.send(OK)
        wire.ended()

    with Upstream(script) as up:
        config = bootstrap(clusters=[cluster("up", up.port, http={"max_connection_duration": "0.1s"})])
        with running(config, idle_upstreams=False) as p, p.client() as client:
            client.send(GET)
            p.wait_stat("cluster.up.upstream_cx_max_duration_reached", 1)
            hold.set()
            assert client.read_response().body == b"ok"
            until(lambda: p.up("upstream_cx_active") == 0)


def test_a_refused_connect_is_503_uf_and_fails_all_who_wait() -> None:
    with Refuser() as up, running(bootstrap(up.port)) as p:
        for n in range(1, 4):
            message = p.get()
            assert message.status == 503
            assert b"remote connection failure" in message.body
            assert p.up("upstream_cx_connect_fail") == n
        assert p.up("upstream_cx_active") == 0


def test_those_who_wait_are_served_in_order_of_arrival() -> None:
    gates = [threading.Event() for _ in range(3)]
    seen: list[str] = []

    def script(wire: Wire) -> None:
        while True:
            request = wire.read_request()
            seen.append(request.target)
            up.note(request)
            gates[len(seen) - 1].wait(10)
            wire.send(OK)

    with Upstream(script) as up:
        limits = {"thresholds": [{"max_connections": 1}]}
        with running(bootstrap(clusters=[cluster("up", up.port, circuit_breakers=limits)])) as p:
            clients = []
            for n in range(3):
                client = p.client()
                client.send(b"GET /%d HTTP/1.1\r\nhost: a\r\n\r\n" % n)
                clients.append(client)
                if n == 0:
                    up.wait_requests(1)
                else:
                    until(lambda n=n: p.up("upstream_rq_pending_active") == n)  # type: ignore[misc]
            for gate, client in zip(gates, clients, strict=True):
                gate.set()
                assert client.read_response().body == b"ok"
                client.close()
            assert seen == ["/0", "/1", "/2"]
            assert len(up.connections) == 1


def test_hosts_that_leave_finish_what_they_serve() -> None:
    """An applied configuration without the old host: its request ends well, its connection goes, new ones go elsewhere."""
    hold = threading.Event()

    def script(wire: Wire) -> None:
        old.note(wire.read_request())
        hold.wait(10)
        wire.send(OK)
        wire.ended()

    with Upstream(script) as old, Upstream() as new, running(bootstrap(old.port, port=0)) as p, p.client() as client:
        client.send(GET)
        old.wait_requests(1)
        changed = bootstrap(new.port)
        p.proxy.apply(changed)
        assert p.get().body == b"ok"
        assert len(new.connections) == 1
        hold.set()
        assert client.read_response().body == b"ok"
        assert old.connections[0].socket.fileno() >= -1
        until(lambda: p.up("upstream_cx_active") == 1, "the end of the old host's connection")


def test_a_late_try_in_a_replaced_cluster_leaves_no_connection_behind() -> None:
    """The cluster is replaced while a stream waits for its next try, which still goes to the old one."""

    def script(wire: Wire) -> None:
        while True:
            up.note(wire.read_request())
            status = 503 if len(up.requests) == 1 else 200
            wire.send(b"HTTP/1.1 %d X\r\ncontent-length: 2\r\n\r\nok" % status)

    slow = {"base_interval": "0.2s", "max_interval": "0.2s"}
    route = {"retry_policy": {"retry_on": "5xx", "retry_back_off": slow}}
    with Upstream(script) as up, running(bootstrap(up.port, route=route)) as p:
        base = p.proxy.live_objects()
        with p.client() as client:
            client.send(GET)
            p.wait_stat("cluster.up.upstream_rq_retry", 1)
            changed = bootstrap(up.port, route=route)
            changed["static_resources"]["clusters"][0]["connect_timeout"] = "4s"
            p.proxy.apply(changed)
            assert client.read_response().status == 200
        until(lambda: p.proxy.live_objects() == base, "the end of the old cluster's connection")


def test_a_try_that_waits_for_a_host_that_leaves_is_still_served() -> None:
    """The only connection that the breaker allows is busy; the configuration without that host must not fail who waits."""
    hold = threading.Event()

    def script(wire: Wire) -> None:
        while True:
            old.note(wire.read_request())
            hold.wait(10)
            wire.send(OK)

    limits = {"thresholds": [{"max_connections": 1}]}
    with (
        Upstream(script) as old,
        Upstream() as new,
        running(bootstrap(clusters=[cluster("up", old.port, circuit_breakers=limits)])) as p,
    ):
        with p.client() as first, p.client() as second:
            first.send(GET)
            old.wait_requests(1)
            second.send(GET)
            until(lambda: p.up("upstream_rq_pending_active") == 1)
            p.proxy.apply(bootstrap(clusters=[cluster("up", new.port, circuit_breakers=limits)]))
            hold.set()
            assert first.read_response().body == b"ok"
            assert second.read_response().body == b"ok"
        assert len(old.connections) == 1
