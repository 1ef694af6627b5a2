"""Rate limits by a grpcio service: what becomes of a question when its client, its time or its service ends. What is the same as Envoy is
compared in tests/differential/cases/filter_ratelimit.yaml."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from envoy.service.ratelimit.v3 import rls_pb2
from google.protobuf import struct_pb2

import mesh
from mesh.testing import Running, Upstream, bootstrap, cluster, connect, running, until
from mesh.testing.bootstrap import ROUTER
from tests.grpc_calls.limiter import Limiter, limiter_cluster, raw_limiter, service

LIMIT = "type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimit"
SAYS = {"rate_limits": [{"actions": [{"request_headers": {"header_name": "x-say", "descriptor_key": "say"}}]}]}
LONG = "30s"


def source(limiter: int, port: int, **fields: Any) -> dict[str, Any]:
    """`limiter` and `port`: of the service and of the upstream."""
    config = {"@type": LIMIT, "domain": "d", "timeout": LONG, "rate_limit_service": service("limiter"), **fields}
    filters = [{"name": "rl", "typed_config": config}, {"name": "router", "typed_config": {"@type": ROUTER}}]
    clusters = [cluster("up", port), limiter_cluster("limiter", limiter)]
    return bootstrap(clusters=clusters, hcm={"http_filters": filters}, route={"cluster": "up", "timeout": "60s", **SAYS})


@contextmanager
def limited(limiter: Limiter, concurrency: int = 1, **fields: Any) -> Iterator[Running]:
    """A proxy that asks the service about every request with `x-say`, and an upstream that answers `ok`."""
    with Upstream() as up, running(source(limiter.port, up.port, **fields), concurrency=concurrency) as proxy:
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
    with Upstream() as up, mesh.Proxy(source(limiter.port, up.port), concurrency=1) as proxy:
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


def rich_answer() -> rls_pb2.RateLimitResponse:
    answer = rls_pb2.RateLimitResponse(overall_code=2, raw_body=b"slow down")
    answer.response_headers_to_add.add(key="x-one", value="1")
    answer.request_headers_to_add.add(key="x-two", value="2")
    status = answer.statuses.add(code=2, limit_remaining=3)
    status.current_limit.requests_per_unit, status.current_limit.unit, status.current_limit.name = 10, 2, "n"
    status.duration_until_reset.seconds = 7
    answer.dynamic_metadata.update({"a": [1, "x", True, None, {"deep": {"er": 1.5}}]})
    return answer


def test_headers_that_would_frame_the_message_anew_are_left_out() -> None:
    answer = rich_answer()
    for key in ("content-length", "transfer-encoding", "x bad", "", ":path"):
        answer.response_headers_to_add.add(key=key, value="1")
    answer.response_headers_to_add.add(key="x-end", value="a\r\nx-in: b")
    answer.statuses[0].current_limit.name = "a\r\nx-in: b"
    with (
        Upstream() as up,
        raw_limiter(iter([answer.SerializeToString()])) as port,
        running(source(port, up.port, enable_x_ratelimit_headers="DRAFT_VERSION_03")) as proxy,
    ):
        response = proxy.get(x_say="any")
    assert (response.status, response.body, response.get("x-one")) == (429, b"slow down", "1")
    assert {name for name, _ in response.headers} == {
        "content-length", "content-type", "x-one", "x-envoy-ratelimited", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset",
        "date", "server",
    }  # fmt: skip
    assert response.get("content-length") == "9"


def test_an_answer_with_nesting_without_end_is_read_without_harm() -> None:
    deep = struct_pb2.Value(string_value="x")
    raw = deep.SerializeToString()
    for _ in range(3000):
        inner = b"\x0a" + length(len(raw)) + raw
        raw = b"\x32" + length(len(inner)) + inner
    member = b"\x0a\x01a\x12" + length(len(raw)) + raw
    struct = b"\x0a" + length(len(member)) + member
    answer = b"\x08\x01\x32" + length(len(struct)) + struct
    with Upstream() as up, raw_limiter(iter([answer])) as port, running(source(port, up.port)) as proxy:
        assert proxy.get(x_say="any").status == 200


def length(n: int) -> bytes:
    """A varint."""
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


@pytest.mark.slow
def test_answers_that_are_cut_or_changed_anywhere_are_read_or_refused() -> None:
    whole = rich_answer().SerializeToString()
    changed = [whole[:at] for at in range(len(whole))]
    changed += [whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :] for at in range(len(whole)) for bit in (1, 0x80, 0xFF)]
    with (
        Upstream() as up,
        raw_limiter(iter(changed)) as port,
        running(source(port, up.port, failure_mode_deny=True, enable_x_ratelimit_headers="DRAFT_VERSION_03")) as proxy,
    ):
        with proxy.client() as client:
            for _ in changed:
                client.send(b"GET / HTTP/1.1\r\nhost: a\r\nx-say: any\r\n\r\n")
                assert client.read_response().status in (200, 429, 500)
        assert proxy.stat("cluster.limiter.upstream_rq_total") == len(changed)
