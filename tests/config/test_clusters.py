"""Clusters that are lowered once for many: what comes out is what each would have given alone, and nothing else is said of a plain host."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.config import ConfigError, load, read_bootstrap
from meshcore.bind import spec
from tests.config.boot import bootstrap

HOSTS = st.lists(st.tuples(st.sampled_from(["10.0.0.1", "127.0.0.1", "::1", "192.168.100.200"]), st.integers(1, 65535)), max_size=4)
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "connect_timeout": st.sampled_from(["1s", "2s"]),
        "alt_stat_name": st.sampled_from(["a", "b"]),
        "lb_policy": st.sampled_from(["ROUND_ROBIN", "RANDOM"]),
        "circuit_breakers": st.sampled_from([{"thresholds": [{"max_connections": 7}]}, {}]),
    },
)
EXTRAS = st.fixed_dictionaries(
    {},
    optional={"load_balancing_weight": st.integers(1, 3), "health_status": st.sampled_from(["HEALTHY", "UNHEALTHY"])},
)


def endpoint(host: str, port: int, extra: dict[str, Any]) -> dict[str, Any]:
    return {"endpoint": {"address": {"socket_address": {"address": host, "port_value": port}}}, **extra}


def cluster(name: str, settings: dict[str, Any], hosts: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": name, **settings, "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": hosts}]}}


def lowered(clusters: list[dict[str, Any]]) -> tuple[spec.Cluster, ...]:
    tree = bootstrap()
    tree["static_resources"]["clusters"] += clusters
    return load(tree).plan.clusters[1:]


@pytest.mark.slow
@given(st.lists(st.tuples(SETTINGS, HOSTS, EXTRAS), min_size=1, max_size=5))
def test_clusters_together_are_what_each_is_alone(drawn: list[tuple[dict[str, Any], list[tuple[str, int]], dict[str, Any]]]) -> None:
    clusters = [
        cluster(f"c{n}", settings, [endpoint(host, port, extra) for host, port in hosts])
        for n, (settings, hosts, extra) in enumerate(drawn)
    ]
    assert lowered(clusters) == tuple(lowered([one])[0] for one in clusters)


def test_a_problem_in_one_of_many_alike_is_told_with_its_place() -> None:
    clusters = [cluster(f"c{n}", {}, [endpoint("10.0.0.1", 80, {})]) for n in range(4)]
    clusters[2]["load_assignment"]["endpoints"][0]["lb_endpoints"][0] = endpoint("ten", 80, {})
    clusters[3]["name"] = ""
    with pytest.raises(ConfigError) as error:
        lowered(clusters)
    assert [problem.path for problem in error.value.problems] == [
        "static_resources.clusters[3].load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address.address",
        "static_resources.clusters[4].name",
    ]


@pytest.mark.slow
def test_two_thousand_clusters_are_read_in_a_moment() -> None:
    tree = bootstrap()
    hosts = [endpoint("10.0.0.1", 80 + n, {}) for n in range(10)]
    tree["static_resources"]["clusters"] += [cluster(f"c{n}", {}, hosts) for n in range(2000)]
    message = read_bootstrap(tree)
    began = time.process_time()
    assert len(load(message).plan.clusters) == 2001
    # It takes a tenth of a second; lowering each alone would take nearly one.
    assert time.process_time() - began < 0.5
