"""Retries: which failures are worth another try, how many there are, where the next one goes, and what is counted."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from mesh.testing import Refuser, Running, Upstream, Wire, bootstrap, cluster, running

FAST = {"base_interval": "0.001s", "max_interval": "0.002s"}


def policy(retry_on: str, n: int = 1, **fields: Any) -> dict[str, Any]:
    return {"retry_policy": {"retry_on": retry_on, "num_retries": n, "retry_back_off": FAST, **fields}}


class Statuses:
    """A script that answers one status after the other, over all connections; the last one for ever."""

    def __init__(self, *statuses: int, headers: str = "") -> None:
        self.left = list(statuses)
        self.headers = headers
        self.bodies: list[bytes] = []

    def __call__(self, wire: Wire) -> None:
        while True:
            self.bodies.append(wire.read_request().body)
            status = self.left.pop(0) if len(self.left) > 1 else self.left[0]
            extra = self.headers if status >= 400 else ""
            wire.send(f"HTTP/1.1 {status} X\r\n{extra}content-length: 3\r\n\r\n{status}".encode())


def resets(wire: Wire) -> None:
    wire.read_request()
    wire.reset()


def ok(wire: Wire) -> None:
    while True:
        wire.read_request()
        wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")


def counts(p: Running) -> dict[str, int]:
    names = ("retry", "retry_success", "retry_limit_exceeded", "retry_overflow")
    return {name: p.up(f"upstream_rq_{name}") for name in names}


@pytest.mark.parametrize(
    ("retry_on", "status", "again"),
    [
        ("5xx", 500, True),
        ("5xx", 599, True),
        ("5xx", 404, False),
        ("gateway-error", 502, True),
        ("gateway-error", 503, True),
        ("gateway-error", 504, True),
        ("gateway-error", 500, False),
        ("retriable-4xx", 409, True),
        ("retriable-4xx", 404, False),
        ("connect-failure", 503, False),
        ("reset", 503, False),
        ("gateway-error,retriable-4xx", 409, True),
    ],
)
def test_a_status_is_tried_again_when_the_policy_names_it(retry_on: str, status: int, again: bool) -> None:
    script = Statuses(status, 200)
    with Upstream(script) as up, running(bootstrap(up.port, route=policy(retry_on))) as p:
        assert p.get().status == (200 if again else status)
        assert len(script.bodies) == 1 + again
        assert counts(p)["retry"] == counts(p)["retry_success"] == again


def test_named_status_codes_are_tried_again() -> None:
    script = Statuses(418, 429, 200)
    route = policy("retriable-status-codes", 3, retriable_status_codes=[418, 429])
    with Upstream(script) as up, running(bootstrap(up.port, route=route)) as p:
        assert p.get().status == 200
        assert counts(p)["retry"] == 2


@pytest.mark.parametrize("n", [0, 1, 3])
def test_the_last_answer_goes_to_the_client_when_the_tries_are_over(n: int, tmp_path: Path) -> None:
    script = Statuses(503)
    log = tmp_path / "log"
    with Upstream(script) as up, running(bootstrap(up.port, route=policy("5xx", n), log=str(log))) as p:
        message = p.get()
        assert (message.status, message.body) == (503, b"503")
        assert len(script.bodies) == n + 1
        assert counts(p)["retry"] == n
        assert counts(p)["retry_limit_exceeded"] == 1
        assert p.up("upstream_rq_total") == n + 1
    assert log.read_text().startswith(f"503 URX via_upstream {n + 1} /")


@pytest.mark.parametrize("retry_on", ["reset", "5xx", "gateway-error"])
def test_a_reset_is_tried_again(retry_on: str) -> None:
    with Upstream(resets, ok) as up, running(bootstrap(up.port, route=policy(retry_on))) as p:
        assert p.get().status == 200
        assert counts(p)["retry_success"] == 1


def test_a_reset_is_not_a_connect_failure(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with Upstream(resets) as up, running(bootstrap(up.port, route=policy("connect-failure"), log=str(log))) as p:
        assert p.get().status == 503
        assert counts(p)["retry"] == 0
    assert log.read_text().startswith("503 UC ")


def test_a_response_that_has_begun_is_never_tried_again() -> None:
    def cut(wire: Wire) -> None:
        wire.read_request()
        wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
        wire.close()

    hcm = {"delayed_close_timeout": "0.01s"}
    with Upstream(cut, ok) as up, running(bootstrap(up.port, route=policy("5xx,reset"), hcm=hcm)) as p:
        assert not p.get().complete
        assert len(up.connections) == 1


def test_a_refused_connect_goes_to_another_host() -> None:
    with Refuser() as dead, Upstream(ok) as alive, running(bootstrap(dead.port, alive.port, route=policy("connect-failure", 1))) as p:
        for _ in range(10):
            assert p.get().status == 200
        assert counts(p)["retry"] == counts(p)["retry_success"] > 0


def test_without_a_policy_there_is_one_try() -> None:
    script = Statuses(503)
    with Upstream(script) as up, running(bootstrap(up.port)) as p:
        assert p.get().status == 503
        assert len(script.bodies) == 1
        assert counts(p) == {"retry": 0, "retry_success": 0, "retry_limit_exceeded": 0, "retry_overflow": 0}


@pytest.mark.parametrize("n", [1, 5000, 300_000])
def test_the_body_goes_out_whole_on_each_try(n: int) -> None:
    body = bytes(range(256)) * (n // 256 + 1)
    script = Statuses(503, 503, 200)
    with Upstream(script) as up, running(bootstrap(up.port, route=policy("5xx", 2))) as p, p.client() as client:
        client.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        assert client.read_response().status == 200
        assert script.bodies == [body] * 3


def test_a_chunked_body_goes_out_whole_on_each_try() -> None:
    script = Statuses(503, 200)
    with Upstream(script) as up, running(bootstrap(up.port, route=policy("5xx", 2))) as p, p.client() as client:
        client.send(b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
        client.send(b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", step=3)
        assert client.read_response().status == 200
        assert script.bodies == [b"hello world"] * 2


def test_a_body_over_the_buffer_limit_has_one_try() -> None:
    script = Statuses(503, 200)
    body = b"x" * 100_000
    config = bootstrap(1, route=policy("5xx"), per_connection_buffer_limit_bytes=32768)
    with Upstream(script) as up:
        config["static_resources"]["clusters"] = [cluster("up", up.port)]
        with running(config) as p, p.client() as client:
            client.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
            assert client.read_response().status == 503
            assert script.bodies == [body]
            assert p.up("retry_or_shadow_abandoned") == 1


def test_the_pause_between_tries_stays_under_its_maximum() -> None:
    script = Statuses(503)
    backoff = {"base_interval": "0.005s", "max_interval": "0.01s"}
    route = policy("5xx", 20, retry_back_off=backoff)
    with Upstream(script) as up, running(bootstrap(up.port, route=route)) as p:
        start = time.monotonic()
        assert p.get().status == 503
        assert time.monotonic() - start < 20 * 0.01 + 1.0
        assert len(script.bodies) == 21


def test_an_internal_client_may_ask_for_retries() -> None:
    script = Statuses(503, 503, 200)
    hcm = {"internal_address_config": {"cidr_ranges": [{"address_prefix": "10.0.0.0", "prefix_len": 8}]}}
    with Upstream(script) as up, running(bootstrap(up.port, hcm=hcm)) as p:
        assert p.get("/", x_envoy_retry_on="5xx", x_envoy_max_retries="2", x_forwarded_for="10.0.0.1").status == 200
        assert counts(p)["retry"] == 2


def test_an_external_client_may_not() -> None:
    script = Statuses(503, 200)
    with Upstream(script) as up, running(bootstrap(up.port, hcm={"use_remote_address": True})) as p:
        assert p.get("/", x_envoy_retry_on="5xx", x_envoy_max_retries="2").status == 503
        assert len(script.bodies) == 1


def test_the_attempt_count_is_told_to_both_sides() -> None:
    seen: list[str | None] = []

    def script(wire: Wire) -> None:
        while True:
            seen.append(wire.read_request().get("x-envoy-attempt-count"))
            status = 503 if len(seen) < 3 else 200
            wire.send(b"HTTP/1.1 %d X\r\ncontent-length: 0\r\n\r\n" % status)

    host = {"include_request_attempt_count": True, "include_attempt_count_in_response": True}
    with Upstream(script) as up, running(bootstrap(up.port, route=policy("5xx", 3), virtual_host=host)) as p:
        assert p.get().get("x-envoy-attempt-count") == "3"
        assert seen == ["1", "2", "3"]


def test_a_client_that_leaves_between_tries_ends_them() -> None:
    script = Statuses(503)
    slow = {"base_interval": "300s", "max_interval": "600s"}       # the wait is random from 0 on
    with Upstream(script) as up:
        clusters = [cluster("up", up.port, circuit_breakers={"thresholds": [{"max_retries": 1}]})]
        with running(bootstrap(clusters=clusters, route=policy("5xx", 5, retry_back_off=slow))) as p:
            with p.client() as client:
                client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
                p.wait_stat("cluster.up.circuit_breakers.default.rq_retry_open", 1)
            p.quiet()
            assert len(script.bodies) == 1
