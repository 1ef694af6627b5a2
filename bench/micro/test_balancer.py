"""Balancers: what a choice costs, and what a host set that changed costs to build again, for 10, 1,000 and 100,000 hosts.

The choice is measured without Python between two choices. A rebuild is what an endpoint update costs the main thread, with the specs
already there: `one_host` changes one of the hosts and carries the others over, `all_hosts` replaces every one, `same` is a set that is
sent again. Weighted lists go through the schedule, which is O(log hosts). `python -m bench.micro_rows balancer` keeps the rows.
"""

from __future__ import annotations

from itertools import cycle
from typing import Any

import pytest

from meshcore.bind.balancertest import Picker
from meshcore.bind.spec import Address, Cluster, Endpoint, LoadBalancer

SIZES = (10, 1000, 100_000)
POLICIES = ("round_robin", "least_request", "random", "ring_hash", "maglev", "peak_ewma", "least_latency")
PICKS = 100_000
ROUNDS = 5


def hosts(n: int, net: int = 10, weighted: bool = False) -> tuple[Endpoint, ...]:
    return tuple(Endpoint(Address(f"{net}.{i >> 16}.{i >> 8 & 255}.{i & 255}", 80), weight=1 + i % 7 if weighted else 1) for i in range(n))


def cluster(policy: str, n: int, weighted: bool = False) -> Cluster:
    table = 5_000_011 if n > 10_000 else 65_537
    return Cluster("c", endpoints=hosts(n, weighted=weighted), lb=LoadBalancer(policy, table_size=table))


def pick(benchmark: Any, group: str, one: Picker) -> None:
    assert one.run(1000) == 1000
    benchmark.group = group
    benchmark.extra_info["rounds_per_call"] = PICKS
    benchmark.pedantic(one.run, args=(PICKS,), rounds=ROUNDS * 4, warmup_rounds=1)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("policy", POLICIES)
def test_pick(benchmark: Any, policy: str, n: int) -> None:
    pick(benchmark, f"pick of {n}", Picker(cluster(policy, n)))


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("policy", ["round_robin", "least_request"])
def test_pick_by_weight(benchmark: Any, policy: str, n: int) -> None:
    pick(benchmark, f"pick of {n} by weight", Picker(cluster(policy, n, weighted=True)))


@pytest.mark.parametrize("change", ["same", "one_host", "all_hosts"])
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("policy", POLICIES)
def test_rebuild(benchmark: Any, policy: str, n: int, change: str) -> None:
    spec = cluster(policy, n)
    one = Picker(spec)
    other = {
        "same": spec.endpoints,
        "one_host": (*spec.endpoints[:-1], hosts(1, net=11)[0]),
        "all_hosts": hosts(n, net=11),
    }[change]
    turns = cycle([other, spec.endpoints])
    benchmark.group = f"rebuild {n}, {change}"
    benchmark.pedantic(lambda: one.update(next(turns)), rounds=ROUNDS)
