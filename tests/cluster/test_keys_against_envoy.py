"""A key lands on the host on which Envoy puts it, in every kind of cluster that hashes.

The same clusters go through a real Envoy, which is asked for each key, and through mesh's own configuration and balancers.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mesh.config import load
from meshcore.bind.balancertest import Picker, xxh64
from meshcore.bind.spec import Address
from tests.cluster.envoy_hosts import Hosts, address, bootstrap, envoy

KEYS = [f"key-{n}" for n in range(150)]
TYPES = "type.googleapis.com/envoy.extensions.load_balancing_policies"


def host(port: int, **fields: Any) -> dict[str, Any]:
    hostname = fields.pop("hostname", "")
    return {"endpoint": {"address": address(port), "hostname": hostname}, **fields}


def group(hosts: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    return {"lb_endpoints": hosts, **fields}


def facts(**values: Any) -> dict[str, Any]:
    return {"filter_metadata": {"envoy.lb": values}}


def cluster(name: str, policy: str, groups: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    return {
        "name": name,
        "type": "STATIC",
        "lb_policy": policy,
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": groups},
        **fields,
    }


def typed(name: str, message: str, groups: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    config = {"name": "p", "typed_config": {"@type": f"{TYPES}.{message}", **fields}}
    found = cluster(name, "ROUND_ROBIN", groups, load_balancing_policy={"policies": [{"typed_extension_config": config}]})
    del found["lb_policy"]
    return found


def both_hashes(name: str, groups: list[dict[str, Any]], **fields: Any) -> list[dict[str, Any]]:
    return [
        cluster(f"{name}_ring", "RING_HASH", groups, **fields),
        cluster(f"{name}_maglev", "MAGLEV", groups, **fields),
    ]


def clusters(ports: list[int]) -> list[dict[str, Any]]:
    plain = [host(port) for port in ports]
    weighted = [host(port, load_balancing_weight=1 + n * n) for n, port in enumerate(ports)]
    named = [host(port, hostname=f"h{n}.example") for n, port in enumerate(ports)]
    keyed = [host(port, metadata=facts(hash_key=f"k{n}")) for n, port in enumerate(ports)]
    sick = [host(port, health_status="UNHEALTHY" if n == 2 else "HEALTHY") for n, port in enumerate(ports)]
    dying = [host(port, health_status="UNHEALTHY" if n > 1 else "HEALTHY") for n, port in enumerate(ports)]
    places = [
        group(plain[:2], locality={"zone": "b"}, load_balancing_weight=1),
        group(plain[2:5], locality={"zone": "a"}, load_balancing_weight=5),
        group(plain[5:], locality={"zone": "c"}),
    ]
    halves = [group(sick[:4]), group(plain[4:], priority=1)]
    ill = [group([host(p, health_status="UNHEALTHY") for p in ports[:3]] + plain[3:4]), group(plain[4:], priority=1)]
    hostname = {"common_lb_config": {"consistent_hashing_lb_config": {"use_hostname_for_hashing": True}}}
    bounded = {"common_lb_config": {"consistent_hashing_lb_config": {"hash_balance_factor": 110}}}
    weighted_places = {"common_lb_config": {"locality_weighted_lb_config": {}}}
    return [
        *both_hashes("plain", [group(plain)]),
        *both_hashes("one", [group(plain[:1])]),
        *both_hashes("backwards", [group(plain[::-1])]),
        *both_hashes("fewer", [group(plain[:3] + plain[4:])]),
        *both_hashes("weighted", [group(weighted)]),
        *both_hashes("hostname", [group(named)], type="STRICT_DNS", **hostname),
        *both_hashes("keyed", [group(keyed)]),
        *both_hashes("sick", [group(sick)]),
        *both_hashes("panic", [group(dying)]),
        *both_hashes("places", places, **weighted_places),
        *both_hashes("unweighted_places", places),
        *both_hashes("priorities", halves),
        *both_hashes("spilling", ill),
        *both_hashes("bounded", [group(plain)], **bounded),
        cluster("murmur", "RING_HASH", [group(weighted)], ring_hash_lb_config={"hash_function": "MURMUR_HASH_2"}),
        cluster("small_ring", "RING_HASH", [group(weighted)], ring_hash_lb_config={"minimum_ring_size": 3, "maximum_ring_size": 20}),
        cluster("big_ring", "RING_HASH", [group(plain)], ring_hash_lb_config={"minimum_ring_size": 5000}),
        cluster("small_table", "MAGLEV", [group(weighted)], maglev_lb_config={"table_size": 41}),
        typed("typed_ring", "ring_hash.v3.RingHash", [group(plain)], hash_function="MURMUR_HASH_2", minimum_ring_size=64),
        typed(
            "own_policy",
            "maglev.v3.Maglev",
            [group(plain)],
            consistent_hashing_lb_config={"hash_policy": [{"header": {"header_name": "x-key"}}]},
        ),
    ]


def ours(config: list[dict[str, Any]]) -> dict[str, list[int]]:
    """{cluster: the port for each key}, through mesh's configuration."""
    plan = load(bootstrap(0, 0, config, [], {})).plan
    found = {}
    for spec in plan.clusters:
        hosts = tuple(target.endpoint(Address(target.hostname, target.port)) for target in spec.dns)
        picker = Picker(replace(spec, endpoints=spec.endpoints or hosts))
        chosen = [picker.pick(xxh64(key.encode())) for key in KEYS]
        found[spec.name] = [0 if one is None else int(one.rpartition(":")[2]) for one in chosen]
    return found


async def theirs(folder: Path, hosts: Hosts, config: list[dict[str, Any]]) -> dict[str, list[int]]:
    async with envoy(folder, config) as asked:
        return {one["name"]: await asked.all(one["name"], KEYS) for one in config}


@pytest.fixture(scope="module")
def chosen(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    async def play() -> tuple[dict[str, list[int]], dict[str, list[int]]]:
        hosts = Hosts()
        await hosts.open(7)
        try:
            config = clusters(hosts.ports)
            return await theirs(tmp_path_factory.mktemp("envoy"), hosts, config), ours(config)
        finally:
            hosts.close()

    return asyncio.run(play())


NAMES = [one["name"] for one in clusters(list(range(1, 8)))]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_key_lands_on_envoys_host(chosen: tuple[dict[str, list[int]], dict[str, list[int]]], name: str) -> None:
    envoys, own = chosen
    assert own[name] == envoys[name]
    assert 0 not in own[name]


