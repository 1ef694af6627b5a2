"""Balancers choose as they say: order, shares, load, refusals, places, slow start and latency, host by host."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshcore.bind.balancertest import Picker
from meshcore.bind.cluster_hosts import HEALTH_BITS
from meshcore.bind.spec import Address, Cluster, Endpoint, LoadBalancer, Locality, SlowStart, ZoneAware

DOWN = HEALTH_BITS["failed_active_hc"]
ALL_POLICIES = ("round_robin", "least_request", "random", "ring_hash", "maglev", "peak_ewma", "least_latency")


def at(n: int) -> Address:
    return Address("10.0.0.1", 1000 + n)


def name(n: int) -> str:
    return f"10.0.0.1:{1000 + n}"


def hosts(weights: Iterable[int], **fields: Any) -> tuple[Endpoint, ...]:
    return tuple(Endpoint(at(n), weight=weight, **fields) for n, weight in enumerate(weights))


def picker(endpoints: tuple[Endpoint, ...], lb: LoadBalancer | None = None, seed: int = 1, **settings: Any) -> Picker:
    return Picker(Cluster("c", endpoints=endpoints, lb=lb or LoadBalancer(), **settings), seed)


def turn(found: list[str | None], n: int) -> list[str | None]:
    """The cycle of `found`, begun where host 0 comes first."""
    start = found.index(name(0))
    return found[start : start + n]


@pytest.mark.parametrize("seed", range(5))
def test_round_robin_goes_through_the_hosts_in_order(seed: int) -> None:
    assert turn(picker(hosts([1] * 4), seed=seed).picks(12), 4) == [name(n) for n in range(4)]


@given(st.lists(st.integers(1, 20), min_size=2, max_size=12), st.integers(0, 1000), st.sampled_from(["round_robin", "least_request"]))
@settings(max_examples=60, deadline=None)
def test_weights_are_shares_whatever_the_start(weights: list[int], seed: int, policy: str) -> None:
    rounds = 5
    found = Counter(picker(hosts(weights), LoadBalancer(policy), seed).picks(rounds * sum(weights)))
    for n, weight in enumerate(weights):
        assert abs(found[name(n)] - rounds * weight) <= (2 if len(set(weights)) > 1 or policy == "round_robin" else 10**6)


def test_a_host_of_great_weight_is_not_served_in_one_go() -> None:
    found = picker(hosts([4, 1, 1])).picks(60)
    gaps = [n for n, one in enumerate(found) if one != name(0)]
    assert max(b - a for a, b in itertools.pairwise(gaps)) <= 5


def test_random_ignores_weights() -> None:
    found = Counter(picker(hosts([100, 1]), LoadBalancer("random")).picks(4000))
    assert 1800 < found[name(0)] < 2200


def test_least_request_prefers_the_less_loaded_of_two() -> None:
    one = picker(hosts([1, 1]), LoadBalancer("least_request", choice_count=20))
    one.set_active(name(0), 5)
    assert Counter(one.picks(200))[name(1)] == 200


def test_a_full_scan_finds_the_least_loaded_and_draws_among_equals() -> None:
    one = picker(hosts([1] * 50), LoadBalancer("least_request", full_scan=True))
    for n in range(50):
        one.set_active(name(n), 0 if n in (7, 31) else 3)
    found = Counter(one.picks(400))
    assert set(found) == {name(7), name(31)}
    assert min(found.values()) > 120


@pytest.mark.parametrize(("bias", "share"), [(0.0, 0.5), (1.0, 0.25)])
def test_load_weighs_as_much_as_the_bias_says(bias: float, share: float) -> None:
    one = picker(hosts([2, 2, 1]), LoadBalancer("least_request", active_request_bias=bias))
    one.set_active(name(0), 1)
    found = Counter(one.picks(3000))
    assert found[name(0)] / (found[name(0)] + found[name(1)]) == pytest.approx(share if bias == 0 else 1 / 3, abs=0.02)


@pytest.mark.parametrize("policy", ALL_POLICIES)
def test_every_policy_survives_shrinking_growing_and_losing_all_hosts(policy: str) -> None:
    one = picker(hosts([1] * 5), LoadBalancer(policy))
    assert set(one.picks(400)) <= {name(n) for n in range(5)}
    one.update(hosts([1] * 2))
    assert set(one.picks(200)) == {name(0), name(1)}
    one.update(())
    assert one.pick() is None
    one.update(hosts([3, 1, 2]))
    assert set(one.picks(300)) == {name(0), name(1), name(2)}


@pytest.mark.parametrize("policy", ALL_POLICIES)
def test_unhealthy_hosts_get_nothing_and_come_back(policy: str) -> None:
    one = picker(hosts([1] * 4), LoadBalancer(policy))
    one.set_health([(at(1), DOWN, 0)])
    assert name(1) not in one.picks(200)
    one.set_health([(at(1), 0, DOWN)])
    assert name(1) in one.picks(400)


@pytest.mark.parametrize("policy", ALL_POLICIES)
def test_panic_uses_every_host_and_is_counted(policy: str) -> None:
    one = picker(hosts([1] * 4), LoadBalancer(policy))
    one.set_health([(at(n), DOWN, 0) for n in range(3)])
    assert len(set(one.picks(400))) == 4
    assert one.counted() == {"lb_healthy_panic": 400}


@pytest.mark.parametrize("policy", ALL_POLICIES)
def test_a_refused_host_is_chosen_anew_as_often_as_allowed(policy: str) -> None:
    one = picker(hosts([1] * 3), LoadBalancer(policy))
    assert {one.pick(hash=n << 58, refused=[name(0)], retries=60) for n in range(60)} == {name(1), name(2)}
    assert name(0) in {one.pick(hash=n << 55, refused=[name(0)], retries=0) for n in range(400)}
    assert one.pick(refused=[name(n) for n in range(3)], retries=4) is not None


def test_load_of_a_retry_moves_it_to_another_priority() -> None:
    one = picker((Endpoint(at(0)), Endpoint(at(1), priority=1)))
    assert set(one.picks(20)) == {name(0)}
    assert {one.pick(load=[(0, 0), (100, 0)]) for _ in range(20)} == {name(1)}


def test_degraded_hosts_take_what_healthy_ones_cannot() -> None:
    one = picker((Endpoint(at(0)), *(Endpoint(at(n), health="degraded") for n in (1, 2, 3))))
    found = Counter(one.picks(4000))
    assert found[name(0)] / 4000 == pytest.approx(0.35, abs=0.03)


# --- places ---------------------------------------------------------------------------------------------------------


def placed(*counts: tuple[str, int, int]) -> tuple[Endpoint, ...]:
    """(zone, hosts, weight of the zone)..."""
    found = [Endpoint(at(0), locality=Locality(zone=zone), locality_weight=weight) for zone, n, weight in counts for _ in range(n)]
    return tuple(replace(one, address=at(n)) for n, one in enumerate(found))


def test_localities_share_by_weight_and_their_hosts_evenly() -> None:
    one = picker(placed(("a", 1, 3), ("b", 2, 1)), LoadBalancer(locality_weighted=True))
    found = Counter(one.picks(800))
    assert abs(found[name(0)] - 600) <= 3
    assert abs(found[name(1)] - 100) <= 3


def test_a_locality_that_lost_hosts_loses_weight() -> None:
    one = picker(placed(("a", 2, 1), ("b", 2, 1)), LoadBalancer(locality_weighted=True))
    one.set_health([(at(0), DOWN, 0)])
    found = Counter(one.picks(1700))
    assert found[name(1)] / 1700 == pytest.approx(0.7 / 1.7, abs=0.01)


def zoned(upstream: tuple[Endpoint, ...], proxies: tuple[Endpoint, ...], **zone: Any) -> Picker:
    home = Locality(zone="a")
    one = picker(upstream, LoadBalancer(zone_aware=ZoneAware(min_cluster_size=1, **zone)), own_locality=home)
    one.follow(picker(proxies, own_locality=home).hosts())
    return one


def test_a_zone_with_room_keeps_all_its_requests() -> None:
    one = zoned(placed(("a", 3, 0), ("b", 3, 0)), placed(("a", 2, 0), ("b", 2, 0)))
    assert {name(0), name(1), name(2)} == set(one.picks(300))
    assert one.counted() == {"lb_zone_routing_all_directly": 300}


def test_a_zone_without_enough_room_sends_the_rest_where_there_is_some() -> None:
    one = zoned(placed(("a", 1, 0), ("b", 2, 0), ("c", 1, 0)), placed(("a", 2, 0), ("b", 1, 0), ("c", 1, 0)))
    found = Counter(one.picks(4000))
    assert found[name(0)] / 4000 == pytest.approx(0.5, abs=0.03)
    assert found[name(3)] == 0
    counted = one.counted()
    assert counted["lb_zone_routing_sampled"] + counted["lb_zone_routing_cross_zone"] == 4000


def test_a_forced_zone_keeps_everything_while_it_has_enough_hosts() -> None:
    upstream, proxies = placed(("a", 1, 0), ("b", 5, 0)), placed(("a", 3, 0), ("b", 1, 0))
    assert set(zoned(upstream, proxies, force_local_zone=1).picks(100)) == {name(0)}
    assert len(set(zoned(upstream, proxies, force_local_zone=2).picks(400))) == 6


def test_a_small_cluster_and_a_lone_zone_are_not_routed_by_zone() -> None:
    home = Locality(zone="a")
    one = picker(placed(("a", 1, 0), ("b", 2, 0)), LoadBalancer(), own_locality=home)
    one.follow(picker(placed(("a", 1, 0), ("b", 1, 0)), own_locality=home).hosts())
    assert len(set(one.picks(100))) == 3


# --- time -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["round_robin", "least_request"])
def test_a_new_host_starts_slowly_and_ends_with_its_share(policy: str) -> None:
    one = picker(hosts([1, 1, 1]), LoadBalancer(policy, slow_start=SlowStart(60_000)))
    one.set_age(name(0), 100)
    one.set_age(name(1), 100)
    one.set_age(name(2), 0)
    early = Counter(one.picks(2100))[name(2)]
    assert 80 < early < 130
    one.advance(30)
    one.picks(100)
    middle = Counter(one.picks(2500))[name(2)]
    assert 450 < middle < 550
    one.advance(100)
    one.picks(100)
    assert abs(Counter(one.picks(300))[name(2)] - 100) <= 3


def test_peak_ewma_leaves_a_slow_host_and_tries_it_again_later() -> None:
    one = picker(hosts([1] * 4), LoadBalancer("peak_ewma", decay_ms=1000))
    for n in range(4):
        one.observe(name(n), 1)
    one.observe(name(2), 500)
    assert Counter(one.picks(400))[name(2)] == 0
    one.advance(20)
    for n in (0, 1, 3):
        one.observe(name(n), 1)
    assert Counter(one.picks(400))[name(2)] > 100


def test_peak_ewma_counts_what_is_under_way() -> None:
    one = picker(hosts([1, 1]), LoadBalancer("peak_ewma"))
    for n in range(2):
        one.observe(name(n), 10)
    one.set_active(name(0), 9)
    assert set(one.picks(50)) == {name(1)}


def test_least_latency_fills_no_queue_beyond_its_bound() -> None:
    one = picker(hosts([1] * 3), LoadBalancer("least_latency", queue_size=2, choice_count=3))
    one.observe(name(0), 1)
    one.observe(name(1), 50)
    one.observe(name(2), 50)
    assert Counter(one.picks(300))[name(0)] > 180
    one.set_active(name(0), 2)
    assert set(one.picks(100)) == {name(1), name(2)}
    one.set_active(name(1), 2)
    assert set(one.picks(100)) == {name(2)}
    one.set_active(name(2), 2)
    assert one.pick() is None


# --- hashing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["ring_hash", "maglev"])
def test_a_bounded_host_overflows_to_the_same_others_and_never_beyond_its_share(policy: str) -> None:
    one = picker(hosts([1] * 4), LoadBalancer(policy, hash_balance_factor=125))
    first = one.pick(hash=12345)
    assert first is not None
    active = dict.fromkeys((name(n) for n in range(4)), 0)
    for _ in range(200):
        chosen = one.pick(hash=12345)
        assert chosen is not None
        active[chosen] += 1
        one.set_active(chosen, active[chosen])
    assert active[first] == max(active.values())
    assert max(active.values()) <= 1.25 * 200 / 4 + 2


@pytest.mark.parametrize("policy", ["ring_hash", "maglev"])
def test_losing_a_host_moves_few_keys(policy: str) -> None:
    keys = [n * 0x9E3779B97F4A7C15 % 2**64 for n in range(2000)]
    one = picker(hosts([1] * 10), LoadBalancer(policy))
    before = [one.pick(hash=key) for key in keys]
    one.update(hosts([1] * 9))
    moved = sum(a != b for a, b in zip(before, (one.pick(hash=key) for key in keys), strict=True) if a != name(9))
    assert moved < 260


def test_gauges_of_rings_and_tables_say_how_even_they_are() -> None:
    assert picker(hosts([1, 3]), LoadBalancer("ring_hash")).hosts().gauges() == {
        "ring_hash_lb.size": 1024,
        "ring_hash_lb.min_hashes_per_host": 256,
        "ring_hash_lb.max_hashes_per_host": 768,
    }
    found = picker(hosts([1, 1]), LoadBalancer("maglev", table_size=13)).hosts().gauges()
    assert found == {"maglev_lb.min_entries_per_host": 6, "maglev_lb.max_entries_per_host": 7}
