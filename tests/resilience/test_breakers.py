"""Circuit breakers seen while they are open: per cluster, priority and host, their gauges, and what a full one answers."""

from __future__ import annotations

import threading

from mesh.testing import Running, Upstream, Wire, bootstrap, running, until
from mesh.testing.bootstrap import cluster

REQUEST = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"


class Gate:
    """Answers when it is opened."""

    def __init__(self) -> None:
        self.opened = threading.Event()

    def __call__(self, wire: Wire) -> None:
        while True:
            wire.read_request()
            self.opened.wait(5)
            wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")


def gauge(p: Running, name: str, priority: str = "default") -> int:
    return p.stat(f"cluster.up.circuit_breakers.{priority}.{name}")


def limits(*ports: int, route: dict[str, object] | None = None, **fields: object) -> dict[str, object]:
    return bootstrap(clusters=[cluster("up", *ports, circuit_breakers=fields)], route=route or {})


def test_the_gauges_show_what_is_left_while_requests_run() -> None:
    gate = Gate()
    config_of = {"thresholds": [{"max_connections": 2, "max_requests": 3, "max_connection_pools": 4, "track_remaining": True}]}
    with Upstream(gate) as up, running(limits(up.port, **config_of)) as p, p.client() as client:
        client.send(REQUEST)
        until(lambda: p.up("upstream_rq_active") == 1, "the request")
        assert [gauge(p, f"remaining_{name}") for name in ("cx", "rq", "cx_pools", "retries", "pending")] == [1, 2, 3, 3, 1024]
        assert [gauge(p, f"{name}_open") for name in ("cx", "rq", "cx_pool", "rq_retry", "rq_pending")] == [0] * 5
        gate.opened.set()
        assert client.read_response().status == 200
        until(lambda: gauge(p, "remaining_rq") == 3, "the end of the request")


def test_max_requests_answers_at_once_and_says_so() -> None:
    gate = Gate()
    with Upstream(gate) as up, running(limits(up.port, thresholds=[{"max_requests": 1}])) as p, p.client() as client:
        client.send(REQUEST)
        until(lambda: gauge(p, "rq_open") == 1, "an open breaker")
        refused = p.get()
        assert (refused.status, refused.get("x-envoy-overloaded")) == (503, "true")
        assert gauge(p, "rq_open", "high") == 0
        gate.opened.set()
        assert client.read_response().status == 200
        assert p.get().status == 200


def test_a_host_has_its_own_limit_of_connections() -> None:
    gate = Gate()
    with Upstream(gate) as up, running(limits(up.port, per_host_thresholds=[{"max_connections": 1}])) as p:
        with p.client() as one, p.client() as two:
            one.send(REQUEST)
            until(lambda: p.up("upstream_rq_active") == 1, "the first request")
            two.send(REQUEST)
            until(lambda: p.up("upstream_cx_overflow") == 1, "the refused connection")
            until(lambda: len(up.connections) == 1, "its arrival")
            gate.opened.set()
            assert one.read_response().status == 200
            assert two.read_response().status == 200
        assert p.up("upstream_cx_total") == 1


def test_pools_that_have_emptied_make_room_for_others() -> None:
    def once(wire: Wire) -> None:
        wire.read_request()
        wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")

    one_pool = [{"max_connection_pools": 1, "track_remaining": True}]
    with Upstream(once) as one, Upstream(once) as two, running(limits(one.port, two.port, thresholds=one_pool)) as p:
        for _ in range(4):
            assert p.get().status == 200
            until(lambda: gauge(p, "remaining_cx_pools") == 1, "an empty pool")
        assert p.up("upstream_cx_pool_overflow") == 0


def test_a_pool_too_many_is_refused() -> None:
    gate = Gate()
    one_pool = [{"max_connection_pools": 1}]
    with Upstream(gate) as one, Upstream(gate) as two, running(limits(one.port, two.port, thresholds=one_pool)) as p:
        client = p.client()
        client.send(REQUEST)
        until(lambda: p.up("upstream_rq_active") == 1, "the first request")
        assert p.get().status == 503
        assert p.up("upstream_cx_pool_overflow") == 1
        gate.opened.set()
        assert client.read_response().status == 200
        client.close()


def test_a_retry_budget_grows_with_what_is_active() -> None:
    """Four requests hang, 50 % of five active ones are two retries: the fifth gets its retry, with none active it would not."""
    gate = Gate()

    def first_fails(wire: Wire) -> None:
        wire.read_request()
        wire.send(b"HTTP/1.1 503 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")

    route = {"retry_policy": {"retry_on": "5xx", "num_retries": 1, "retry_back_off": {"base_interval": "0.001s"}}}
    budget = [{"retry_budget": {"budget_percent": {"value": 50}, "min_retry_concurrency": 0}}]
    with Upstream(gate, gate, gate, gate, first_fails, gate) as up, running(limits(up.port, route=route, thresholds=budget)) as p:
        clients = [p.client() for _ in range(5)]
        for n, client in enumerate(clients[:4]):
            client.send(REQUEST)
            up.wait_connections(n + 1)
        until(lambda: p.up("upstream_rq_active") == 4, "four requests")
        clients[4].send(REQUEST)
        up.wait_connections(6)
        gate.opened.set()
        assert [client.read_response().status for client in clients] == [200] * 5
        assert (p.up("upstream_rq_retry"), p.up("upstream_rq_retry_overflow")) == (1, 0)
        for client in clients:
            client.close()
