"""Places and their weights: each host gets the share that Envoy gives it.

The same clusters behind a real Envoy and behind mesh; chance decides the single pick, so shares are compared: over so many requests two
proxies that do the same differ by less than TOLERANCE but once in far more runs than there will be.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.envoy_hosts import Hosts, address, asked
from tests.peers.envoy import envoy_peer
from tests.peers.mesh import mesh_peer

TYPES = "type.googleapis.com/envoy.extensions.load_balancing_policies"
REQUESTS = 1500
TOLERANCE = 0.12
HOSTS = 8
OWN = {"region": "r", "zone": "a"}
ROUND = {"common_lb_config": {"zone_aware_lb_config": {"min_cluster_size": 1}}}
WEIGHTED = {"common_lb_config": {"locality_weighted_lb_config": {}}}


def place(zone: str, ports: list[int], *, sick: int = 0, weight: int = 0, **fields: Any) -> dict[str, Any]:
    """The hosts of a zone, the first `sick` of them unhealthy."""
    hosts = [
        {"endpoint": {"address": address(port)}, "health_status": "UNHEALTHY" if n < sick else "HEALTHY"} for n, port in enumerate(ports)
    ]
    found = {"locality": {"region": "r", "zone": zone}, "lb_endpoints": hosts, **fields}
    return {**found, "load_balancing_weight": weight} if weight else found


def cluster(name: str, *places: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": name, "endpoints": list(places)},
        **fields,
    }


def typed(message: str, **fields: Any) -> dict[str, Any]:
    policy = {"name": "p", "typed_config": {"@type": f"{TYPES}.{message}", **fields}}
    return {"load_balancing_policy": {"policies": [{"typed_extension_config": policy}]}}


def clusters(p: list[int]) -> list[dict[str, Any]]:
    zone_aware = {"locality_lb_config": {"zone_aware_lb_config": {"min_cluster_size": 1}}}
    return [
        cluster("direct", place("a", p[:3]), place("b", p[3:6]), **ROUND),
        cluster("most_elsewhere", place("a", p[:1]), place("b", p[1:]), **ROUND),
        cluster("most_here", place("a", p[:6]), place("b", p[6:]), **ROUND),
        cluster("three_places", place("a", p[:1]), place("b", p[1:4]), place("c", p[4:]), **ROUND),
        cluster("sick_here", place("a", p[:4], sick=2), place("b", p[4:]), **ROUND),
        cluster("nobody_here", place("b", p[:4]), place("c", p[4:]), **ROUND),
        cluster("too_small", place("a", p[:2]), place("b", p[2:4]), common_lb_config={"zone_aware_lb_config": {"min_cluster_size": 6}}),
        cluster(
            "half_of_them", place("a", p[:4]), place("b", p[4:]),
            common_lb_config={"zone_aware_lb_config": {"min_cluster_size": 1, "routing_enabled": {"value": 50}}},
        ),
        cluster("least_request", place("a", p[:2]), place("b", p[2:]), **typed("least_request.v3.LeastRequest", **zone_aware)),
        cluster("random", place("a", p[:2]), place("b", p[2:]), **typed("random.v3.Random", **zone_aware)),
        cluster("second_priority", place("a", p[:4], sick=3), place("b", p[4:], priority=1), **ROUND),
        cluster("weighted", place("a", p[:4], weight=1), place("b", p[4:], weight=3), **WEIGHTED),
        cluster("weighted_and_sick", place("a", p[:4], sick=3, weight=3), place("b", p[4:], weight=1), **WEIGHTED),
        cluster("weighted_three", place("a", p[:2], weight=5), place("b", p[2:4], weight=1), place("c", p[4:], weight=2), **WEIGHTED),
        cluster("proxies", place("a", p[:2]), place("b", p[2:4])),
    ]  # fmt: skip


FIELDS = {"node": {"id": "n", "cluster": "c", "locality": OWN}, "cluster_manager": {"local_cluster_name": "proxies"}}


async def shares(folder: Path, make: Any, found: list[dict[str, Any]]) -> dict[str, Counter[int]]:
    folder.mkdir()
    async with asked(folder, found, make=make, fields=FIELDS) as client:
        return {one["name"]: Counter([await client.port(one["name"]) for _ in range(REQUESTS)]) for one in found}


async def both(folder: Path) -> tuple[list[dict[str, Any]], dict[str, Counter[int]], dict[str, Counter[int]]]:
    hosts = Hosts()
    await hosts.open(HOSTS)
    try:
        found = clusters(hosts.ports)
        return found, await shares(folder / "envoy", envoy_peer, found), await shares(folder / "mesh", mesh_peer, found)
    finally:
        hosts.close()


@pytest.mark.slow
def test_hosts_get_the_shares_that_envoy_gives_them(tmp_path: Path) -> None:
    found, theirs, ours = asyncio.run(both(tmp_path))
    different = {
        (one["name"], port): (theirs[one["name"]][port] / REQUESTS, ours[one["name"]][port] / REQUESTS)
        for one in found
        for port in theirs[one["name"]].keys() | ours[one["name"]].keys()
        if abs(theirs[one["name"]][port] - ours[one["name"]][port]) > TOLERANCE * REQUESTS
    }
    assert different == {}
