"""Rate limits by a grpcio service: what becomes of a question when its client, its time or its service ends. What is the same as Envoy is
compared in tests/differential/cases/filter_ratelimit.yaml."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

import mesh
from mesh.testing import Running, Upstream, bootstrap, cluster, connect, running, until
from mesh.testing.bootstrap import ROUTER
from tests.grpc_calls.limiter import Limiter, limiter_cluster, service

LIMIT = "type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimit"
SAYS = {"rate_limits": [{"actions": [{"request_headers": {"header_name": "x-say", "descriptor_key": "say"}}]}]}
LONG = "30s"


def source(limiter: Limiter, port: int, **fields: Any) -> dict[str, Any]:
    config = {"@type": LIMIT, "domain": "d", "timeout": LONG, "rate_limit_service": service("limiter"), **fields}
    filters = [{"name": "rl", "typed_config": config}, {"name": "router", "typed_config": {"@type": ROUTER}}]
    clusters = [cluster("up", port), limiter_cluster("limiter", limiter.port)]
    return bootstrap(clusters=clusters, hcm={"http_filters": filters}, route={"cluster": "up", "timeout": "60s", **SAYS})


@contextmanager
def limited(limiter: Limiter, concurrency: int = 1, **fields: Any) -> Iterator[Running]:
    """A proxy that asks the service about every request with `x-say`, and an upstream that answers `ok`."""
    with Upstream() as up, running(source(limiter, up.port, **fields), concurrency=concurrency) as proxy:
        yield proxy


@pytest.fixture
def limiter() -> Iterator[Limiter]:
    with Limiter() as made:
        yield made


def test_the_service_decides(limiter: Limiter) -> None:
    with limited(limiter) as proxy:
        assert proxy.get(x_say="fine").status == 200
        refused = proxy.get(x_say="over")
        assert (refused.status, refused.body, refused.get("x-limited")) == (429, b"slow down", "true")
        assert proxy.get().status == 200
        assert limiter.asked["d"] == [[(("say", "fine"),)], [(("say", "over"),)]]
        assert (proxy.up("ratelimit.ok"), proxy.up("ratelimit.over_limit")) == (1, 1)
        assert limiter.metadata[0]["x-envoy-internal"] == "true"


def test_a_client_that_leaves_cancels_its_question(limiter: Limiter) -> None:
    with limited(limiter) as proxy:
        with proxy.client() as client:
            client.send(b"GET / HTTP/1.1\r\nhost: a\r\nx-say: held\r\n\r\n")
            assert limiter.started.wait(30)
        assert limiter.cancelled.wait(30)
        proxy.wait_stat("cluster.limiter.upstream_rq_tx_reset", 1)
        assert proxy.up("upstream_rq_total") == 0


@pytest.mark.parametrize(("deny", "status"), [(False, 200), (True, 500)])
def test_a_question_that_takes_too_long_is_an_error(limiter: Limiter, deny: bool, status: int) -> None:
    with limited(limiter, timeout="0.05s", failure_mode_deny=deny) as proxy:
        assert proxy.get(x_say="held").status == status
        assert proxy.up("ratelimit.error") == 1
        assert proxy.up("ratelimit.failure_mode_allowed") == (not deny)
        assert proxy.stat("cluster.limiter.upstream_rq_timeout") == 1


def test_a_service_that_stops_in_the_middle_is_an_error(limiter: Limiter) -> None:
    with limited(limiter, failure_mode_deny=True) as proxy, proxy.client() as client:
        client.send(b"GET / HTTP/1.1\r\nhost: a\r\nx-say: held\r\n\r\n")
        assert limiter.started.wait(30)
        limiter.server.stop(None)
        assert client.read_response().status == 500
        assert proxy.up("ratelimit.error") == 1


def test_a_body_waits_for_the_answer(limiter: Limiter) -> None:
    with limited(limiter) as proxy, proxy.client() as client:
        client.send(b"POST / HTTP/1.1\r\nhost: a\r\nx-say: held\r\ncontent-length: 100000\r\n\r\n" + b"x" * 100_000)
        assert limiter.started.wait(30)
        assert proxy.up("upstream_rq_total") == 0
        limiter.release.set()
        assert client.read_response().status == 200


def test_a_proxy_that_stops_lets_go_of_a_question(limiter: Limiter) -> None:
    with Upstream() as up, mesh.Proxy(source(limiter, up.port), concurrency=1) as proxy:
        with connect(proxy.listeners["main"].port) as client:
            client.send(b"GET / HTTP/1.1\r\nhost: a\r\nx-say: held\r\n\r\n")
            assert limiter.started.wait(30)
            proxy.stop()
        assert proxy.live_objects() == 0


@pytest.mark.slow
def test_questions_of_many_requests_share_a_connection(limiter: Limiter) -> None:
    with limited(limiter, concurrency=2) as proxy, ThreadPoolExecutor(16) as pool:
        said = ["over" if number % 3 == 0 else "fine" for number in range(300)]
        statuses = list(pool.map(lambda word: proxy.get(x_say=word).status, said))
        assert statuses == [429 if word == "over" else 200 for word in said]
        until(lambda: proxy.stat("cluster.limiter.upstream_rq_active") == 0, "the end of all questions")
        assert proxy.stat("cluster.limiter.upstream_rq_total") == 300
        assert proxy.stat("cluster.limiter.upstream_cx_total") <= 4
