"""The histograms of track_cluster_stats against a real Envoy's: the same requests, the same values in the same buckets."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.observe.real_envoy import Observed, observe
from tests.peers.envoy import envoy_peer
from tests.peers.mesh import mesh_peer

pytestmark = pytest.mark.slow

PAGE = "/stats?format=json&histogram_buckets=detailed&filter=^cluster.live_alt.upstream_r[qs]_"
ENDPOINTS = "/stats?filter=^cluster.live_alt.endpoint"
PROMETHEUS = "/stats/prometheus?filter=^cluster.live_alt.endpoint"
SIZES = [f"upstream_{way}_{what}" for way in ("rq", "rs") for what in ("headers_size", "headers_count", "body_size")]
BUDGETS = ["upstream_rq_timeout_budget_percent_used", "upstream_rq_timeout_budget_per_try_percent_used"]
LARGE = 5000
REQUESTS = [
    b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    b"GET /a/path?with=query HTTP/1.1\r\nhost: a.example\r\nx-more: 1\r\nx-more: 2\r\nx-empty:\r\nconnection: close\r\n\r\n",
    b"GET /grpc HTTP/1.1\r\nhost: a\r\nx-grpc: 0\r\nconnection: close\r\n\r\n",
    b"POST /close HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    b"GET /dead HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    b"PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 7\r\nconnection: close\r\n\r\nseven b",
    b"PUT / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"PUT /large HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s" % (LARGE, b"x" * LARGE),
]


def tracked(config: dict[str, Any]) -> None:
    config["stats_flush_interval"] = "0.1s"
    manager = config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    for route in manager["route_config"]["virtual_hosts"][0]["routes"]:
        if "route" in route:
            route["route"]["timeout"] = "3600s"  # of which no machine is slow enough to need a hundredth
    for cluster in config["static_resources"]["clusters"]:
        cluster["track_cluster_stats"] = {name: True for name in ("timeout_budgets", "request_response_sizes", "per_endpoint_stats")}


def largest_seen(text: str) -> bool:
    return re.search(r"live_alt\.upstream_rq_body_size: .*P100\([^,]*,[45]\d{3}", text) is not None


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Observed]:
    return {
        peer.__name__: observe(
            tmp_path_factory.mktemp("peer"),
            requests=REQUESTS,
            pages=[PAGE, ENDPOINTS, PROMETHEUS],
            flushed=largest_seen,
            extend=tracked,
            start=peer,
        )
        for peer in (envoy_peer, mesh_peer)
    }


def totals(seen: Observed) -> dict[str, Any]:
    found = json.loads(seen.pages[PAGE])["stats"][-1]["histograms"]["details"]
    return {one["name"].removeprefix("cluster.live_alt."): one["totals"] for one in found}


@pytest.mark.parametrize("name", SIZES)
def test_sizes_are_those_that_envoy_sees(both: dict[str, Observed], name: str) -> None:
    envoy, ours = totals(both["envoy_peer"])[name], totals(both["mesh_peer"])[name]
    assert sum(bucket["count"] for bucket in envoy) >= len(REQUESTS) - 2
    assert ours == envoy


@pytest.mark.parametrize("name", BUDGETS)
def test_a_timeout_that_was_hardly_used_counts_as_nothing(both: dict[str, Observed], name: str) -> None:
    envoy, ours = totals(both["envoy_peer"])[name], totals(both["mesh_peer"])[name]
    assert [bucket["lower_bound"] for bucket in envoy] == [0]
    assert ours == envoy


def endpoint_lines(seen: Observed, page: str) -> dict[str, str]:
    """What is said of the host, without its port and without what depends on how connections are used again."""
    text = re.sub(rf"(?<!\d){seen.ports['upstream']}(?!\d)", "PORT", seen.pages[page])
    lines = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
    return {name: "" if "cx_" in name else value for name, _, value in lines if "rq_pending_active" not in name}


@pytest.mark.parametrize("page", [ENDPOINTS, PROMETHEUS])
def test_each_host_has_envoys_statistics(both: dict[str, Observed], page: str) -> None:
    envoy, ours = (endpoint_lines(both[peer], page) for peer in ("envoy_peer", "mesh_peer"))
    assert len(envoy) == 9
    assert ours == envoy


def test_a_cluster_that_is_not_asked_keeps_none(tmp_path: Path) -> None:
    seen = observe(tmp_path, requests=REQUESTS[:1], pages=[PAGE], start=mesh_peer)
    assert not {*SIZES, *BUDGETS} & totals(seen).keys()
