"""Health of hosts that serve Thrift: active checks by a call, and outlier detection by replies."""

from __future__ import annotations

from typing import Any

import pytest

import mesh
from mesh.testing import until
from tests.thrift_proxy.talk import PROTOCOLS, TRANSPORTS, Client, Server, bootstrap, call, cluster, error_of, listener, route

pytestmark = pytest.mark.slow

LIMIT_S = 30.0
THRIFT = "type.googleapis.com/envoy.extensions.health_checkers.thrift.v3.Thrift"
NO_PANIC = {"common_lb_config": {"healthy_panic_threshold": {"value": 0}}}


def check(method: str, transport: str, protocol: str) -> dict[str, Any]:
    config = {"@type": THRIFT, "method_name": method, "transport": TRANSPORTS[transport], "protocol": PROTOCOLS[protocol]}
    return {
        "timeout": "10s",
        "interval": "0.1s",
        "unhealthy_threshold": 1,
        "healthy_threshold": 1,
        "custom_health_check": {"name": "envoy.health_checkers.thrift", "typed_config": config},
    }


def wait_for(proxy: mesh.Proxy, stat: str, value: int) -> None:
    until(lambda: proxy.stats.get(stat) == value, f"{stat} == {value}", LIMIT_S)


WAYS = [
    ("framed", "binary"),
    ("framed", "binary/non-strict"),
    ("unframed", "compact"),
    ("header", "binary"),
    ("header", "compact"),
]


@pytest.mark.parametrize(("transport", "protocol"), WAYS)
def test_a_host_whose_check_fails_is_not_called(transport: str, protocol: str) -> None:
    way: dict[str, Any] = {"transport": transport, "protocol": protocol}
    with Server(transport, protocol) as server:
        good = cluster("good", server.port, health_checks=[check("ping", transport, protocol)], **way, **NO_PANIC)
        bad = cluster("bad", server.port, health_checks=[check("exc", transport, protocol)], **way, **NO_PANIC)
        routes = [route("bad", "lost"), route("good")]
        with mesh.Proxy(bootstrap([listener("main", 0, routes)], [good, bad]), concurrency=1) as proxy:
            wait_for(proxy, "cluster.good.membership_healthy", 1)
            wait_for(proxy, "cluster.bad.health_check.failure", int(proxy.stats["cluster.bad.health_check.failure"]) or 1)
            with Client(proxy.listeners["main"].port) as client:
                reply = client.ask(call("add"))
                assert reply is not None and reply.type == "reply"
                assert error_of(client.ask(call("lost"))) == (6, "no healthy upstream for 'bad'")
        assert proxy.live_objects() == 0


def test_a_host_that_answers_with_exceptions_is_ejected() -> None:
    ejects = {"consecutive_5xx": 3, "base_ejection_time": "600s", "max_ejection_percent": 100, "interval": "600s"}
    with Server() as server:
        up = cluster("up", server.port, outlier_detection=ejects, **NO_PANIC)
        with (
            mesh.Proxy(bootstrap([listener("main", 0, [route("up")])], [up]), concurrency=1) as proxy,
            Client(proxy.listeners["main"].port) as client,
        ):
            for _ in range(3):
                reply = client.ask(call("exc"))
                assert error_of(reply) == (6, "boom")
            wait_for(proxy, "cluster.up.outlier_detection.ejections_active", 1)
            # The gauge is the main thread's; the worker hears of the ejection a moment later.
            replies: list[Any] = []
            until(lambda: replies.append(client.ask(call("add"))) or replies[-1].type == "exception", "a refused call")
            assert error_of(replies[-1]) == (6, "no healthy upstream for 'up'")
