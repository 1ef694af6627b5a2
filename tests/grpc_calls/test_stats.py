"""What grpc_stats counts of real calls, and where it shows: statistics, histograms, Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from mesh.admin.stats_prometheus import render
from mesh.testing import Running, running, until
from tests.grpc_calls.service import Echo, channel, method, serving
from tests.http2.server import http2_bootstrap

LIMIT_S = 30
TYPE = "type.googleapis.com/envoy.extensions.filters.http."
STATS = {
    "name": "stats",
    "typed_config": {"@type": TYPE + "grpc_stats.v3.FilterConfig", "stats_for_all_methods": True, "enable_upstream_stats": True},
}
ROUTER = {"name": "router", "typed_config": {"@type": TYPE + "router.v3.Router"}}


@pytest.fixture
def proxy() -> Iterator[Running]:
    hcm: dict[str, Any] = {"http_filters": [STATS, ROUTER], "delayed_close_timeout": "0.05s"}
    with serving(Echo()) as port, running(http2_bootstrap(port, hcm=hcm), concurrency=2) as p:
        yield p


def counted(proxy: Running, name: str) -> dict[str, int]:
    """What is counted of one method, once all of its calls are."""
    prefix = f"cluster.up.grpc.test.Echo.{name}."
    until(lambda: proxy.down("downstream_rq_active") == 0, "the end of all calls")
    return {key.removeprefix(prefix): int(value) for key, value in proxy.proxy.stats.items() if key.startswith(prefix)}


def test_calls_and_messages_of_each_method_are_counted(proxy: Running) -> None:
    for _ in range(3):
        with channel(proxy.port) as made:
            assert method(made, "Unary")(b"hello", timeout=LIMIT_S) == b"hello"
            assert len(list(method(made, "Many", "unary_stream")(b"50", timeout=LIMIT_S))) == 50
            assert method(made, "Collect", "stream_unary")((b"x" for _ in range(7)), timeout=LIMIT_S) == b"7"
            with pytest.raises(grpc.RpcError):
                method(made, "Fail")(b"", timeout=LIMIT_S, metadata=[("x-code", "PERMISSION_DENIED")])
    both = {"request_message_count": 3, "response_message_count": 3, "success": 3, "total": 3, "0": 3}
    assert counted(proxy, "Unary") == both
    assert counted(proxy, "Many") == {**both, "response_message_count": 150}
    assert counted(proxy, "Collect") == {**both, "request_message_count": 21}
    assert counted(proxy, "Fail") == {"request_message_count": 3, "failure": 3, "total": 3, "7": 3}


def test_prometheus_has_service_and_method_as_labels(proxy: Running) -> None:
    with channel(proxy.port) as made:
        assert method(made, "Unary")(b"hello", timeout=LIMIT_S) == b"hello"
    counted(proxy, "Unary")
    registry = proxy.proxy.registry
    registry.flush()
    page = render(list(registry.samples()), list(registry.histograms()))
    labels = 'envoy_grpc_bridge_method="Echo",envoy_grpc_bridge_service="test",envoy_cluster_name="up"'
    assert f"envoy_cluster_grpc_Unary_success{{{labels}}} 1\n" in page
    assert f"envoy_cluster_grpc_Unary_upstream_rq_time_count{{{labels}}} 1\n" in page


def test_methods_that_nobody_has_cost_no_more_than_the_bound(proxy: Running) -> None:
    with channel(proxy.port) as made:
        for number in range(50):
            with pytest.raises(grpc.RpcError) as refused:
                made.unary_unary(f"/s/{number}")(b"", timeout=LIMIT_S)
            assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    until(lambda: proxy.down("downstream_rq_active") == 0, "the end of all calls")
    assert sum(key.startswith("cluster.up.grpc.s.") and key.endswith(".12") for key in proxy.proxy.stats) == 50
    assert "stats.overflow" not in proxy.proxy.stats
