"""The statistics pages from a registry: what is shown, in which order, split into which labels, refused with which
words.
"""

from __future__ import annotations

import json

import pytest

from mesh.admin import stats_json, stats_prometheus, stats_text
from mesh.admin.stats_query import BadQuery, StatsQuery
from meshcore.bind.stats import StatsRegistry


@pytest.fixture(scope="module")
def registry() -> StatsRegistry:
    registry = StatsRegistry(1 << 16)
    registry.add("cluster.web.upstream_rq_200", 3, lazy=True)
    registry.counter("cluster.web.upstream_rq_503", lazy=True)
    registry.add("cluster.web.upstream_rq_total", 3)
    registry.counter("cluster.web.upstream_rq_timeout")
    registry.set_gauge("cluster.web.membership_total", 2)
    registry.gauge("cluster.web.upstream_rq_active")
    registry.set_text("control_plane.identifier", 'say "hi"')
    for value in (1, 4, 4, 250):
        registry.record("cluster.web.upstream_rq_time", value)
    registry.histogram("cluster.web.upstream_cx_length_ms")
    registry.flush()
    return registry


def text(registry: StatsRegistry, **params: str) -> str:
    return stats_text.render(list(registry.samples()), list(registry.histograms()), StatsQuery.parse(params))


def prometheus(registry: StatsRegistry, **params: str) -> str:
    return stats_prometheus.render(list(registry.samples()), list(registry.histograms()), StatsQuery.parse(params))


SUMMARY = (
    "P0(1.05,1.05) P25(1.05,1.05) P50(4.033333333333333,4.033333333333333) P75(4.066666666666666,4.066666666666666) "
    "P90(255,255) "
    "P95(255,255) P99(255,255) P99.5(255,255) P99.9(255,255) P100(255,255)"
)


def test_the_text_page_shows_texts_then_scalars_then_histograms(registry: StatsRegistry) -> None:
    assert text(registry) == (
        'control_plane.identifier: "say "hi""\n'
        "cluster.web.membership_total: 2\n"
        "cluster.web.upstream_rq_200: 3\n"
        "cluster.web.upstream_rq_active: 0\n"
        "cluster.web.upstream_rq_timeout: 0\n"
        "cluster.web.upstream_rq_total: 3\n"
        "cluster.web.upstream_cx_length_ms: No recorded values\n"
        f"cluster.web.upstream_rq_time: {SUMMARY}\n"
    )


def test_used_only_hides_what_was_never_touched(registry: StatsRegistry) -> None:
    shown = text(registry, usedonly="")
    assert "upstream_rq_timeout" not in shown
    assert "upstream_rq_active" not in shown
    assert "cx_length" not in shown
    assert "membership_total: 2\n" in shown


def test_filters_search_in_the_whole_name(registry: StatsRegistry) -> None:
    assert (
        text(registry, filter="rq_(200|total)$") == "cluster.web.upstream_rq_200: 3\ncluster.web.upstream_rq_total: 3\n"
    )
    inverted = text(registry, filter="upstream", invert_filter="")
    assert inverted == 'control_plane.identifier: "say "hi""\ncluster.web.membership_total: 2\n'


def test_a_type_picks_one_kind(registry: StatsRegistry) -> None:
    assert text(registry, type="TextReadouts") == 'control_plane.identifier: "say "hi""\n'
    assert text(registry, type="Gauges") == "cluster.web.membership_total: 2\ncluster.web.upstream_rq_active: 0\n"
    assert text(registry, type="Histograms", usedonly="") == f"cluster.web.upstream_rq_time: {SUMMARY}\n"


def test_a_detailed_histogram_shows_its_bins(registry: StatsRegistry) -> None:
    assert text(registry, type="Histograms", usedonly="", histogram_buckets="detailed") == (
        "cluster.web.upstream_rq_time:\n  totals=1,0.1:1, 4,0.1:2, 250,10:1\n  intervals=1,0.1:1, 4,0.1:2, 250,10:1\n"
        f"  summary={SUMMARY}\n"
    )


@pytest.mark.parametrize(
    ("params", "complaint"),
    [
        ({"format": "xml"}, "usage: /stats?format=(html|active-html|json|prometheus|text)\n\n"),
        ({"type": "gauges"}, "invalid &type= param"),
        (
            {"histogram_buckets": "x"},
            "usage: /stats?histogram_buckets=(cumulative|disjoint|detailed|summary|prometheusnative)\n",
        ),
        ({"filter": "["}, "Invalid regex: unterminated character set at position 0"),
    ],
)
def test_bad_queries_are_refused_with_what_would_be_accepted(params: dict[str, str], complaint: str) -> None:
    with pytest.raises(BadQuery) as refused:
        StatsQuery.parse(params)
    assert str(refused.value) == complaint


def test_prometheus_has_no_disjoint_buckets(registry: StatsRegistry) -> None:
    with pytest.raises(BadQuery, match="unsupported prometheus histogram bucket mode"):
        prometheus(registry, histogram_buckets="disjoint")
    with pytest.raises(BadQuery, match="protobuf exposition"):
        prometheus(registry, histogram_buckets="prometheusnative")


def test_prometheus_gathers_metrics_and_labels(registry: StatsRegistry) -> None:
    page = prometheus(registry, text_readouts="", filter="rq_200|rq_total|membership|identifier")
    assert page == (
        "# TYPE envoy_cluster_upstream_rq counter\n"
        'envoy_cluster_upstream_rq{envoy_response_code="200",envoy_cluster_name="web"} 3\n'
        "# TYPE envoy_cluster_upstream_rq_total counter\n"
        'envoy_cluster_upstream_rq_total{envoy_cluster_name="web"} 3\n'
        "# TYPE envoy_cluster_membership_total gauge\n"
        'envoy_cluster_membership_total{envoy_cluster_name="web"} 2\n'
        "# TYPE envoy_control_plane_identifier gauge\n"
        'envoy_control_plane_identifier{text_value="say \\"hi\\""} 0\n'
    )


def test_prometheus_histograms_have_cumulative_buckets_sum_and_count(registry: StatsRegistry) -> None:
    lines = prometheus(registry, usedonly="", type="Histograms").splitlines()
    assert lines[0] == "# TYPE envoy_cluster_upstream_rq_time histogram"
    assert 'envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="web",le="5"} 3' in lines
    assert 'envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="web",le="3600000"} 4' in lines
    assert 'envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="web",le="+Inf"} 4' in lines
    assert lines[-1] == 'envoy_cluster_upstream_rq_time_count{envoy_cluster_name="web"} 4'


@pytest.mark.parametrize(
    ("name", "metric", "labels"),
    [
        ("cluster.a.b.upstream_rq_503", "cluster.b.upstream_rq", 'envoy_response_code="503",envoy_cluster_name="a"'),
        ("cluster.a.upstream_rq_5xx", "cluster.upstream_rq_xx", 'envoy_response_code_class="5",envoy_cluster_name="a"'),
        (
            "http.ingress.downstream_rq_2xx",
            "http.downstream_rq_xx",
            'envoy_response_code_class="2",envoy_http_conn_manager_prefix="ingress"',
        ),
        (
            "listener.127.0.0.1_80.http.p.downstream_rq_2xx",
            "listener.http.downstream_rq_xx",
            'envoy_response_code_class="2",envoy_http_conn_manager_prefix="p",envoy_listener_address="127.0.0.1_80"',
        ),
        ("listener.[__1]_80.downstream_cx_total", "listener.downstream_cx_total", 'envoy_listener_address="[__1]_80"'),
        (
            "listener.named.worker_3.downstream_cx_total",
            "listener.worker_downstream_cx_total",
            'envoy_worker_id="3",envoy_listener_address="named"',
        ),
        ("listener.admin.downstream_cx_total", "listener.admin.downstream_cx_total", ""),
        (
            "http.p.rds.my.rc-1.version",
            "http.rds.version",
            'envoy_rds_route_config="my.rc-1",envoy_http_conn_manager_prefix="p"',
        ),
        (
            "vhost.v.vcluster.c.upstream_rq_200",
            "vhost.vcluster.upstream_rq",
            'envoy_response_code="200",envoy_virtual_cluster="c",envoy_virtual_host="v"',
        ),
        ("server.live", "server.live", ""),
        ("cluster.a.lb_healthy_panic", "cluster.lb_healthy_panic", 'envoy_cluster_name="a"'),
    ],
)
def test_names_split_by_envoys_tag_rules(name: str, metric: str, labels: str) -> None:
    assert stats_prometheus.split_name(name) == (metric, labels)


def test_metric_names_hold_only_what_prometheus_allows() -> None:
    assert stats_prometheus.metric_name("cluster.has-dash.x:y") == "envoy_cluster_has_dash_x_y"


def test_json_puts_histograms_last_and_nothing_in_an_empty_page(registry: StatsRegistry) -> None:
    page = json.loads(stats_json.render(list(registry.samples()), list(registry.histograms())))
    assert page["stats"][0] == {"name": "control_plane.identifier", "value": 'say "hi"'}
    assert page["stats"][1] == {"name": "cluster.web.membership_total", "value": 2}
    details = page["stats"][-1]["histograms"]
    assert details["supported_quantiles"] == [0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100]
    assert details["computed_quantiles"][0]["values"][0] == {"cumulative": None, "interval": None}
    assert stats_json.render([], []) == '{"stats":[]}'
