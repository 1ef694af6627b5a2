"""The local rate limit over several workers and many clients: buckets are shared, and no client pushes another one out."""

from __future__ import annotations

from typing import Any

import pytest

import mesh
from tests.filters.bootstrap import bootstrap
from tests.filters.wire import ask

TYPE = "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"
ALWAYS = {"default_value": {"numerator": 100}}


def limit(tokens: int, **more: Any) -> dict[str, Any]:
    config = {
        "@type": TYPE,
        "stat_prefix": "rl",
        "token_bucket": {"max_tokens": tokens, "fill_interval": "3600s"},
        "filter_enabled": ALWAYS,
        "filter_enforced": ALWAYS,
        **more,
    }
    return {"name": "rl", "typed_config": config}


def hello(**more: Any) -> list[dict[str, Any]]:
    return [{"match": {"prefix": "/"}, "direct_response": {"status": 200}, **more}]


@pytest.mark.slow
def test_two_workers_share_one_bucket_to_the_token() -> None:
    with mesh.Proxy(bootstrap(limit(20), routes=hello()), concurrency=2) as proxy:
        port = proxy.listeners["main"].port
        answers = [ask(port).status for _ in range(40)]
        assert (answers.count(200), answers.count(429)) == (20, 20)
        assert proxy.stats["rl.http_local_rate_limit.ok"] == 20


@pytest.mark.slow
def test_a_hundred_clients_keep_a_bucket_each() -> None:
    rules = {"actions": [{"request_headers": {"header_name": "x-who", "descriptor_key": "who"}}]}
    one_each = [{"entries": [{"key": "who"}], "token_bucket": {"max_tokens": 1, "fill_interval": "3600s"}}]
    chain = limit(1000, descriptors=one_each, rate_limits=[rules])
    with mesh.Proxy(bootstrap(chain, routes=hello()), concurrency=1) as proxy:
        port = proxy.listeners["main"].port
        first = [ask(port, "/", ("x-who", f"client {n}")).status for n in range(100)]
        again = [ask(port, "/", ("x-who", f"client {n}")).status for n in range(100)]
    assert set(first) == {200} and set(again) == {429}
