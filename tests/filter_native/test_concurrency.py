"""Adaptive concurrency in a proxy of several workers: one limit for all of them, and a place is free again when its stream is cut."""

from __future__ import annotations

from typing import Any

import pytest

import mesh
from mesh.testing import until
from tests.filters.bootstrap import bootstrap
from tests.filters.wire import Client, ask

TYPE = "type.googleapis.com/envoy.extensions.filters.http."
GAUGES = "http.ingress.adaptive_concurrency.gradient_controller."
DEADLINE_S = 20.0


def concurrency(least: int) -> dict[str, Any]:
    gradient = {
        "concurrency_limit_params": {"concurrency_update_interval": "1000s"},
        "min_rtt_calc_params": {"interval": "1000s", "min_concurrency": least},
    }
    config = {"@type": TYPE + "adaptive_concurrency.v3.AdaptiveConcurrency", "gradient_controller_config": gradient}
    return {"name": "cc", "typed_config": config}


def stall() -> dict[str, Any]:
    """Requests with x-slow stay here."""
    config = {
        "@type": TYPE + "fault.v3.HTTPFault",
        "delay": {"fixed_delay": "1000s", "percentage": {"numerator": 100}},
        "headers": [{"name": "x-slow", "present_match": True}],
    }
    return {"name": "fault", "typed_config": config}


def wait_stat(proxy: mesh.Proxy, name: str, value: int) -> None:
    until(lambda: proxy.stats[name] == value, f"{name} == {value}", DEADLINE_S)


@pytest.mark.slow
def test_all_workers_share_the_limit_and_a_cut_stream_gives_its_place_back() -> None:
    with mesh.Proxy(bootstrap(concurrency(2), stall()), concurrency=2) as proxy:
        port = proxy.listeners["main"].port
        assert proxy.stats[GAUGES + "concurrency_limit"] == 2
        with Client(port) as first, Client(port) as second:
            first.send("/", ("x-slow", "1"))
            second.send("/", ("x-slow", "1"))
            wait_stat(proxy, "http.ingress.fault.active_faults", 2)
            refused = ask(port)
            assert (refused.status, refused.text) == (503, "reached concurrency limit")
            assert proxy.stats[GAUGES + "rq_blocked"] == 1
        wait_stat(proxy, "http.ingress.downstream_rq_active", 0)
        assert ask(port).status == 200


@pytest.mark.slow
def test_gauges_add_up_over_workers_and_configurations() -> None:
    with mesh.Proxy(bootstrap(concurrency(2)), concurrency=2) as proxy:
        port = proxy.listeners["main"].port
        assert {ask(port).status for _ in range(8)} == {200}
        assert proxy.stats[GAUGES + "min_rtt_calculation_active"] == 1
        proxy.apply(bootstrap(concurrency(7), port=port))
        assert {ask(port).status for _ in range(8)} == {200}
        assert proxy.stats[GAUGES + "concurrency_limit"] == 7
