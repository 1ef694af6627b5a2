"""The statistics pages against a real Envoy's: its own numbers are read from one page and rendered by us as the other
pages.

The admin server's own counters, memory and time move between two requests and are left out of both sides.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from mesh.admin import stats_json, stats_prometheus, stats_text
from mesh.admin.stats_query import StatsQuery
from meshcore.bind.distribution import Distribution, HistogramSample, Sample
from tests.observe.real_envoy import Observed, observe

pytestmark = pytest.mark.slow

RESTLESS = r"admin|memory|uptime|dispatcher|recent_lookups|initialization_time"
KEEP = f"&invert_filter&filter={RESTLESS}"
QUERIES = {
    "text": "/stats?histogram_buckets=summary",
    "used": "/stats?usedonly",
    "counters": "/stats?type=Counters",
    "gauges": "/stats?type=Gauges",
    "cumulative": "/stats?histogram_buckets=cumulative",
    "disjoint": "/stats?histogram_buckets=disjoint",
    "detailed": "/stats?histogram_buckets=detailed",
    "filtered": "/stats?type=All",
    "json": "/stats?format=json",
    "json_used": "/stats?format=json&usedonly",
    "json_cumulative": "/stats?format=json&histogram_buckets=cumulative",
    "json_disjoint": "/stats?format=json&histogram_buckets=disjoint",
    "json_detailed": "/stats?format=json&histogram_buckets=detailed",
    "json_histograms": "/stats?format=json&type=Histograms",
    "prometheus": "/stats/prometheus?usedonly",
    "prometheus_all": "/stats/prometheus?histogram_buckets=cumulative",
    "prometheus_summary": "/stats/prometheus?histogram_buckets=summary",
}
PAGES = {name: page + KEEP for name, page in QUERIES.items()}
ROUTES = {
    "name": "rc",
    "virtual_hosts": [
        {
            "name": "shop",
            "domains": ["*"],
            "virtual_clusters": [
                {"name": "carts", "headers": [{"name": ":path", "string_match": {"prefix": "/cart"}}]}
            ],
            "routes": [
                {"match": {"prefix": "/direct"}, "direct_response": {"status": 201}},
                {"match": {"prefix": "/dead"}, "route": {"cluster": "dead"}},
                {"match": {"prefix": "/"}, "route": {"cluster": "live"}, "stat_prefix": "main"},
            ],
        }
    ],
}

TYPE = "type.googleapis.com/envoy.extensions.filters."
ANY_POLICY = {"permissions": [{"any": True}], "principals": [{"any": True}]}
FILTERS = [
    ("rbac.v3.RBAC", {"rules_stat_prefix": "rules", "rules": {"policies": {"all": ANY_POLICY}}}),
    ("fault.v3.HTTPFault", {}),
    (
        "local_ratelimit.v3.LocalRateLimit",
        {"stat_prefix": "limited", "token_bucket": {"max_tokens": 1000, "fill_interval": "1s"}},
    ),
    ("router.v3.Router", {}),
]


def more_names(config: dict[str, Any]) -> None:
    """Adds what has names of many shapes: filters, TCP listeners with and without a prefix, a cluster with dots and
    health checks.
    """
    resources = config["static_resources"]
    for address, names in (("127.0.0.1", {"name": "t4", "stat_prefix": "named"}), ("::1", {"name": "t6"})):
        proxy = {"@type": TYPE + "network.tcp_proxy.v3.TcpProxy", "stat_prefix": "my.tcp", "cluster": "live"}
        resources["listeners"].append(
            {
                **names,
                "address": {"socket_address": {"address": address, "port_value": 0}},
                "filter_chains": [{"filters": [{"name": "envoy.filters.network.tcp_proxy", "typed_config": proxy}]}],
            }
        )
    checked = {**resources["clusters"][0], "name": "has.dots", "outlier_detection": {}}
    del checked["alt_stat_name"]
    check = {
        "timeout": "1s",
        "interval": "9s",
        "unhealthy_threshold": 1,
        "healthy_threshold": 1,
        "http_health_check": {"path": "/"},
    }
    resources["clusters"].append({**checked, "health_checks": [check]})


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Observed:
    paths = ["/cart", "/", "/direct", "/dead", "/close", *["/cart/more"] * 8]
    requests = [f"GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".encode() for path in paths]
    return observe(
        tmp_path_factory.mktemp("envoy"),
        requests=[*requests, b"garbage\r\n\r\n"],
        pages=list(PAGES.values()),
        hcm={
            "route_config": ROUTES,
            "http_filters": [
                {"name": name, "typed_config": {"@type": f"{TYPE}http.{name}", **settings}}
                for name, settings in FILTERS
            ],
        },
        extend=more_names,
        flushed=lambda text: re.search(r"http\.ingress\.downstream_rq_time: P0\(", text) is not None,
    )


@pytest.fixture(scope="module")
def stats(seen: Observed) -> tuple[list[Sample], list[HistogramSample]]:
    """Envoy's statistics as ours, from its detailed JSON page."""
    entries = json.loads(seen.pages[PAGES["json_detailed"]])["stats"]
    gauges = {line.partition(": ")[0] for line in seen.pages[PAGES["gauges"]].splitlines()}
    used = {line.partition(": ")[0] for line in seen.pages[PAGES["used"]].splitlines()}
    samples = [
        Sample(e["name"], "gauge" if e["name"] in gauges else "counter", e["value"], e["name"] in used)
        for e in entries
        if "name" in e
    ]
    (details,) = [e["histograms"]["details"] for e in entries if "histograms" in e]
    histograms = [HistogramSample(d["name"], counted(d["intervals"]), counted(d["totals"])) for d in details]
    assert len(samples) > 200
    assert any(h.total.count > 5 for h in histograms)
    return samples, histograms


def counted(bins: list[dict[str, float]]) -> Distribution:
    return Distribution.counting({int(b["lower_bound"]): int(b["count"]) for b in bins})


def asked(name: str) -> StatsQuery:
    """Our query for a page of QUERIES, without the filter: the samples are filtered already."""
    params = dict(part.partition("=")[::2] for part in QUERIES[name].partition("?")[2].split("&"))
    return StatsQuery.parse(params)


@pytest.mark.parametrize(
    "name", ["text", "used", "counters", "gauges", "cumulative", "disjoint", "detailed", "filtered"]
)
def test_the_text_page_is_envoys(name: str, seen: Observed, stats: tuple[list[Sample], list[HistogramSample]]) -> None:
    assert stats_text.render(*stats, asked(name)).splitlines() == seen.pages[PAGES[name]].splitlines()


@pytest.mark.parametrize(
    "name", ["json", "json_used", "json_cumulative", "json_disjoint", "json_detailed", "json_histograms"]
)
def test_the_json_page_is_envoys(name: str, seen: Observed, stats: tuple[list[Sample], list[HistogramSample]]) -> None:
    assert stats_json.render(*stats, asked(name)) == seen.pages[PAGES[name]]


@pytest.mark.parametrize("name", ["prometheus", "prometheus_all", "prometheus_summary"])
def test_the_prometheus_page_is_envoys(
    name: str, seen: Observed, stats: tuple[list[Sample], list[HistogramSample]]
) -> None:
    assert stats_prometheus.render(*stats, asked(name)).splitlines() == seen.pages[PAGES[name]].splitlines()
