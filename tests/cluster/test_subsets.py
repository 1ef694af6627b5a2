"""Subsets: an index of parts that shares hosts with the whole, follows its updates, and costs one lookup."""

from __future__ import annotations

from typing import Any

import pytest

from meshcore.bind.balancertest import Picker
from meshcore.bind.cluster_hosts import HEALTH_BITS
from meshcore.bind.load_balancer import effective_fallbacks
from meshcore.bind.spec import Address, Cluster, Endpoint, LoadBalancer, Subsets, SubsetSelector

BY_STAGE = SubsetSelector(("stage",))
POLICIES = ("round_robin", "least_request", "random", "ring_hash", "maglev", "peak_ewma", "least_latency")


def at(n: int) -> Address:
    return Address("10.0.0.1", 1000 + n)


def name(n: int) -> str:
    return f"10.0.0.1:{1000 + n}"


def staged(*stages: str) -> tuple[Endpoint, ...]:
    return tuple(Endpoint(at(n), metadata=f'{{"envoy.lb":{{"stage":"{stage}"}}}}') for n, stage in enumerate(stages))


def picker(endpoints: tuple[Endpoint, ...], policy: str = "round_robin", **fields: Any) -> Picker:
    subsets = Subsets(**{"selectors": (BY_STAGE,), **fields})
    return Picker(Cluster("c", endpoints=endpoints, lb=LoadBalancer(policy, subsets=subsets)))


def chosen(one: Picker, stage: str, n: int = 60) -> set[str | None]:
    return {one.pick(hash=i << 56, criteria=f'{{"stage":"{stage}"}}') for i in range(n)}


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_chooses_within_the_subset(policy: str) -> None:
    one = picker(staged("a", "b", "a", "b"), policy)
    assert chosen(one, "a") == {name(0), name(2)}
    assert chosen(one, "b") == {name(1), name(3)}
    assert chosen(one, "c") == {None}
    assert one.counted() == {"lb_subsets_selected": 120}


def test_subsets_come_and_go_with_their_hosts() -> None:
    one = picker(staged("a", "b"))
    assert one.hosts().subsets() == (2, 0)
    one.update(staged("a", "a"))
    assert one.hosts().subsets() == (1, 0)
    assert chosen(one, "a") == {name(0), name(1)}
    assert chosen(one, "b") == {None}


def test_a_sick_host_leaves_its_subset_too() -> None:
    one = picker(staged("a", "a", "a", "b"))
    one.set_health([(at(1), HEALTH_BITS["failed_outlier_check"], 0)])
    assert chosen(one, "a") == {name(0), name(2)}


def test_a_thousand_subsets_are_told_apart() -> None:
    one = picker(staged(*(f"s{n}" for n in range(1000))))
    assert all(chosen(one, f"s{n}", 1) == {name(n)} for n in range(0, 1000, 37))


def test_one_host_may_stand_for_its_subset() -> None:
    single = SubsetSelector(("stage",), single_host_per_subset=True)
    one = picker(staged("a", "a", "b"), selectors=(single,))
    assert chosen(one, "a") == {name(0)}
    assert one.hosts().subsets() == (2, 1)


def test_selectors_whose_keys_begin_an_earlier_one_have_no_fallback_of_their_own() -> None:
    selectors = [SubsetSelector(keys, "any_endpoint") for keys in (("a", "b"), ("a",), ("b",), ("a", "b", "c"))]
    assert effective_fallbacks(selectors) == ["any_endpoint", "not_defined", "any_endpoint", "any_endpoint"]
