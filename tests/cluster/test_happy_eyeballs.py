"""Hosts with several addresses: the order in which they are dialled, and who wins."""

from __future__ import annotations

from typing import Any

import pytest

from mesh.testing import Refuser, Stalled, Upstream, bootstrap, cluster, ok, running
from mesh.testing.bootstrap import address
from meshcore.bind.spec import Address, HappyEyeballs

V4 = [Address(f"10.0.0.{n}", 80) for n in range(4)]
V6 = [Address(f"::{n}", 80) for n in range(4)]
ASK = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"


@pytest.mark.parametrize(
    ("rule", "given", "wanted"),
    [
        (HappyEyeballs(), V4, V4),
        (HappyEyeballs(), [V6[0], V6[1], V4[0], V4[1]], [V6[0], V4[0], V6[1], V4[1]]),
        (HappyEyeballs(), [V4[0], V6[0], V6[1]], [V4[0], V6[0], V6[1]]),
        (HappyEyeballs("v4"), [V6[0], V6[1], V4[0], V4[1]], [V4[0], V6[0], V4[1], V6[1]]),
        (HappyEyeballs("v6", 2), [V4[0], V6[0], V6[1], V6[2]], [V6[0], V6[1], V4[0], V6[2]]),
        (HappyEyeballs("v6"), V4, V4),
    ],
)
def test_families_take_turns(rule: HappyEyeballs, given: list[Address], wanted: list[Address]) -> None:
    assert rule.order(given) == tuple(wanted)


def at(*ports: int) -> dict[str, Any]:
    """One host at several ports."""
    endpoint = {"address": address(ports[0]), "additional_addresses": [{"address": address(port)} for port in ports[1:]]}
    return cluster("up", load_assignment={"cluster_name": "up", "endpoints": [{"lb_endpoints": [{"endpoint": endpoint}]}]})


@pytest.mark.slow
def test_a_silent_address_is_overtaken_and_nothing_stays_open() -> None:
    with (
        Stalled() as silent,
        Upstream(ok) as up,
        running(bootstrap(clusters=[at(silent.port, up.port)])) as proxy,
        proxy.client() as client,
    ):
        client.send(ASK)
        assert client.read_response().status == 200


def test_a_refusal_moves_on_at_once() -> None:
    with (
        Refuser() as closed,
        Upstream(ok) as up,
        running(bootstrap(clusters=[at(closed.port, closed.port, up.port)])) as proxy,
        proxy.client() as client,
    ):
        client.send(ASK)
        assert client.read_response().status == 200


@pytest.mark.slow
def test_a_client_that_leaves_ends_the_race() -> None:
    with (
        Stalled() as one,
        Stalled() as other,
        running(bootstrap(clusters=[at(one.port, other.port)])) as proxy,
        proxy.client() as client,
    ):
        client.send(ASK)
        proxy.wait_stat("cluster.up.upstream_cx_total", 2)
