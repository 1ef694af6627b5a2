"""Host sets: health, priorities and the load that each of them gets, as Envoy computes it; hosts stay the same over updates."""

from __future__ import annotations

from typing import Any

import pytest

from meshcore.bind.cluster_hosts import HEALTH_BITS
from meshcore.bind.cluster_table import ClusterTable
from meshcore.bind.spec import Address, Cluster, Endpoint
from meshcore.bind.stats import StatsRegistry

OUTLIER = HEALTH_BITS["failed_outlier_check"]
PENDING = HEALTH_BITS["pending_active_hc"]


def table(**settings: Any) -> ClusterTable:
    return ClusterTable(Cluster("c", **settings), 0, StatsRegistry())


def address(n: int) -> Address:
    return Address("127.0.0.1", 8000 + n)


def hosts(*priorities: str) -> tuple[Endpoint, ...]:
    """One letter per host: h(ealthy), d(egraded), u(nhealthy), x (draining); one word per priority."""
    names = {"h": "healthy", "d": "degraded", "u": "unhealthy", "x": "draining"}
    found = [(names[letter], priority) for priority, word in enumerate(priorities) for letter in word]
    return tuple(Endpoint(address(n), health=health, priority=at) for n, (health, at) in enumerate(found))


@pytest.mark.parametrize(
    ("priorities", "loads"),
    [
        (["hhhh"], [(100, 0, False)]),
        (["hhhu"], [(100, 0, False)]),
        (["hhuu", "hhhh"], [(70, 0, False), (30, 0, False)]),
        (["huuu", "hhhh"], [(35, 0, False), (65, 0, False)]),
        (["uuuu", "hhhh"], [(0, 0, False), (100, 0, False)]),
        (["huuu", "huuu"], [(50, 0, True), (50, 0, True)]),
        (["huuu"], [(100, 0, True)]),
        (["uuuu"], [(100, 0, True)]),
        (["uuuuuu", "uu"], [(75, 0, True), (25, 0, True)]),
        (["dddd"], [(0, 100, False)]),
        (["hddd"], [(35, 65, False)]),
        (["huuu", "dddd"], [(35, 0, False), (0, 65, False)]),
        (["huuu", "duuu"], [(50, 0, True), (50, 0, True)]),
        (["huuuu", "duuu", "hh"], [(28, 0, False), (0, 0, False), (72, 0, False)]),
        (["hhxx"], [(100, 0, False)]),
        (["", "hh"], [(0, 0, False), (100, 0, False)]),
        ([""], [(100, 0, True)]),
    ],
)
def test_load_divides_over_priorities_by_availability(priorities: list[str], loads: list[tuple[int, int, bool]]) -> None:
    assert table().hosts.host_set(hosts(*priorities)).loads() == loads


def test_without_a_panic_threshold_nobody_panics() -> None:
    assert table(healthy_panic_threshold=0.0).hosts.host_set(hosts("uuuu")).loads() == [(100, 0, False)]


def test_the_overprovisioning_factor_decides_when_load_spills() -> None:
    assert table(overprovisioning_factor=100).hosts.host_set(hosts("hhhu", "hh")).loads()[0][0] == 75
    assert table(overprovisioning_factor=200).hosts.host_set(hosts("hhuu", "hh")).loads()[0][0] == 100


def test_availability_may_count_weights_instead_of_hosts() -> None:
    heavy = tuple(Endpoint(address(n), weight=w, health=h) for n, (w, h) in enumerate([(9, "healthy"), (1, "unhealthy")]))
    assert table(overprovisioning_factor=100, weighted_priority_health=True).hosts.host_set((*heavy, *hosts("", "hh"))).loads()[0][0] == 90


def test_membership_counts_each_kind_of_host() -> None:
    assert table().hosts.host_set(hosts("hhdux")).membership() == (5, 2, 1, 1)


def test_health_bits_make_a_new_set_only_when_a_balancer_would_see_it() -> None:
    found = table().hosts
    found.host_set(hosts("hhh"))
    out = found.set_health([(address(0), OUTLIER, 0), (address(9), OUTLIER, 0)])
    assert out is not None
    assert out.membership() == (3, 2, 0, 0)
    assert found.set_health([(address(0), HEALTH_BITS["failed_active_hc"], 0)]) is None
    back = found.set_health([(address(0), 0, OUTLIER | HEALTH_BITS["failed_active_hc"])])
    assert back is not None
    assert back.membership() == (3, 3, 0, 0)
    pending = found.set_health([(address(1), PENDING, 0)])
    assert pending is not None
    assert pending.membership() == (3, 3, 0, 1)


def test_health_found_out_survives_an_update_and_configured_health_follows_it() -> None:
    found = table().hosts
    found.host_set(hosts("hhu"))
    found.set_health([(address(0), OUTLIER, 0)])
    assert found.host_set(hosts("hhh")).membership() == (3, 2, 0, 0)
    assert [flags for _endpoint, flags, _stats in found.host_stats()] == ["/failed_outlier_check", "healthy", "healthy"]


def test_a_host_that_leaves_and_returns_starts_anew() -> None:
    found = table().hosts
    found.host_set(hosts("hh"))
    found.set_health([(address(1), OUTLIER, 0)])
    found.host_set(hosts("h"))
    assert found.host_set(hosts("hh")).membership() == (2, 2, 0, 0)


def test_the_same_address_twice_is_two_hosts() -> None:
    one = Endpoint(address(1))
    assert table().hosts.host_set((one, one)).membership() == (2, 2, 0, 0)
