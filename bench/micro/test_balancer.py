"""Balancers: nanoseconds per choice and milliseconds per rebuilt set, for 10, 1,000 and 100,000 hosts.

The choice is measured without Python between two choices; a rebuild is what an endpoint update costs the main thread, with the specs
already there. Weighted lists go through the schedule, which is O(log hosts).
"""

from __future__ import annotations

from typing import Any

import pytest

from meshcore.bind.balancertest import Picker
from meshcore.bind.spec import Address, Cluster, Endpoint, LoadBalancer

SIZES = (10, 1000, 100_000)
POLICIES = ("round_robin", "least_request", "random", "ring_hash", "maglev", "peak_ewma", "least_latency")
PICKS = 100_000


def hosts(n: int, weighted: bool = False) -> tuple[Endpoint, ...]:
    return tuple(Endpoint(Address(f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}", 80), weight=1 + i % 7 if weighted else 1) for i in range(n))


def cluster(policy: str, n: int, weighted: bool = False) -> Cluster:
    table = 5_000_011 if n > 10_000 else 65_537
    return Cluster("c", endpoints=hosts(n, weighted), lb=LoadBalancer(policy, table_size=table))


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("policy", POLICIES)
def test_pick(benchmark: Any, policy: str, n: int) -> None:
    one = Picker(cluster(policy, n))
    assert one.run(1000) == 1000
    benchmark.extra_info["ns_per_pick"] = "mean of a round / 100,000"
    benchmark(one.run, PICKS)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("policy", ["round_robin", "least_request"])
def test_pick_by_weight(benchmark: Any, policy: str, n: int) -> None:
    one = Picker(cluster(policy, n, weighted=True))
    assert one.run(1000) == 1000
    benchmark(one.run, PICKS)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("policy", ["round_robin", "ring_hash", "maglev"])
def test_rebuild(benchmark: Any, policy: str, n: int) -> None:
    spec = cluster(policy, n)
    one = Picker(spec)
    benchmark.pedantic(one.update, args=(spec.endpoints,), rounds=3)
