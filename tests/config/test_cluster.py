"""Cluster, its hosts, its limits and its protocol options in the plan."""

from __future__ import annotations

from typing import Any

import pytest

from mesh.config import ConfigError, load
from meshcore.bind import spec
from tests.config.plans import cluster, everything

EXTENSIONS = "type.googleapis.com/envoy.extensions"
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def by_name(clusters: tuple[spec.Cluster, ...], name: str) -> spec.Cluster:
    return next(one for one in clusters if one.name == name)


def test_a_plain_cluster_has_envoys_defaults() -> None:
    found = cluster(cluster={"connect_timeout": "<remove>"})
    host = spec.Endpoint(spec.Address("127.0.0.1", 8001))
    assert found == spec.Cluster("web", endpoints=(host,), dns_failure_max_ms=5000)
    assert (found.connect_timeout_ms, found.buffer_limit, found.max_response_headers_bytes) == (5000, 2**20, 81920)


def test_each_setting_lands_where_the_engine_reads_it() -> None:
    found = everything().clusters[0]
    assert found.endpoints == (
        spec.Endpoint(
            spec.Address("127.0.0.1", 8001),
            weight=5,
            hostname="one",
            health="draining",
            metadata='{"envoy.transport_socket_match":{"tls":false}}',
            socket_labels=(("tls", "false"),),
        ),
        spec.Endpoint(spec.Address("/tmp/up.sock", -1)),
        spec.Endpoint(
            spec.Address("127.0.0.1", 8002),
            priority=1,
            locality=spec.Locality("r", "z", "s"),
            locality_weight=3,
            metadata='{"envoy.lb":{"canary":true,"hash_key":"k","stage":"beta"}}',
            canary=True,
            hash_key="k",
            locality_socket_labels=(("tls", "true"),),
        ),
    )
    assert (found.overprovisioning_factor, found.weighted_priority_health) == (120, True)
    assert (found.lb.policy, found.alt_stat_name, found.connect_timeout_ms, found.buffer_limit) == ("random", "alt", 250, 4096)
    assert found.default == spec.Thresholds(1, 2, 3, 4, track_remaining=True, max_connection_pools=9, max_connections_per_host=6)
    assert found.high == spec.Thresholds(5, 6, 7, retry_budget=(30.0, 4))
    assert found.queue == spec.RequestQueue(50, 200, adaptive=True, target_ms=10, interval_ms=300)
    assert found.bind_address == spec.Address("127.0.0.2", 0)
    assert found.tcp_keepalive == (3, 4, 5)
    assert found.healthy_panic_threshold == 12.5
    assert found.idle_timeout_ms == 1000
    assert found.max_connection_duration_ms == 2000
    assert found.max_response_headers_count == 3
    assert found.max_response_headers_bytes == 4096
    assert found.max_stream_duration_ms == 5000
    assert found.max_requests_per_connection == 6
    assert found.underscores == "drop"


def test_a_dns_cluster_keeps_its_names_and_times() -> None:
    found = by_name(everything().clusters, "names")
    assert (found.kind, found.endpoints) == ("logical_dns", ())
    assert found.dns == (
        spec.DnsTarget(
            "web.internal",
            80,
            weight=2,
            endpoint_hostname="shown",
            health="degraded",
            locality=spec.Locality("r"),
            locality_weight=2,
            metadata='{"envoy.lb":{"canary":true,"hash_key":"k"}}',
            canary=True,
            hash_key="k",
        ),
    )
    assert (found.dns_refresh_ms, found.dns_failure_base_ms, found.dns_failure_max_ms) == (1000, 2000, 3000)
    assert (found.dns_jitter_ms, found.dns_lookup_family) == (4000, "v4_preferred")


def test_failures_refresh_like_successes_unless_told() -> None:
    plain = cluster(cluster={"type": "STRICT_DNS", "dns_refresh_rate": "2s"})
    assert (plain.dns_failure_base_ms, plain.dns_failure_max_ms) == (2000, 2000)
    backing = cluster(cluster={"type": "STRICT_DNS", "dns_failure_refresh_rate": {"base_interval": "1s"}})
    assert (backing.dns_failure_base_ms, backing.dns_failure_max_ms) == (1000, 10_000)


@pytest.mark.parametrize(("all_in_one", "kind"), [(False, "strict_dns"), (True, "logical_dns")])
def test_the_dns_cluster_extension_is_the_same_thing(all_in_one: bool, kind: str) -> None:
    config = {
        "@type": f"{EXTENSIONS}.clusters.dns.v3.DnsCluster",
        "all_addresses_in_single_endpoint": all_in_one,
        "dns_lookup_family": "V6_ONLY",
        "dns_refresh_rate": "7s",
    }
    found = cluster(cluster={"cluster_type": {"name": "dns", "typed_config": config}})
    assert (found.kind, found.dns_lookup_family, found.dns_refresh_ms) == (kind, "v6_only", 7000)


def test_older_fields_of_the_cluster_do_the_same() -> None:
    found = cluster(
        cluster={
            "max_requests_per_connection": 4,
            "common_http_protocol_options": {"idle_timeout": "3s"},
            "http_protocol_options": {"enable_trailers": True},
        }
    )
    assert (found.max_requests_per_connection, found.idle_timeout_ms) == (4, 3000)
    assert found.http1 == spec.Http1Options(enable_trailers=True)


def test_following_the_downstream_protocol_is_http1() -> None:
    options = {
        "@type": f"type.googleapis.com/{HTTP_OPTIONS}",
        "use_downstream_protocol_config": {"http_protocol_options": {"enable_trailers": True}},
    }
    found = cluster(cluster={"typed_extension_protocol_options": {HTTP_OPTIONS: options}})
    assert found.http1.enable_trailers


@pytest.mark.parametrize(
    ("fields", "protocol"),
    [
        ({}, "http1"),
        ({"http2_protocol_options": {"max_concurrent_streams": 7}}, "http2"),
        ({"http2_protocol_options": {"max_concurrent_streams": 7}, "protocol_selection": "USE_DOWNSTREAM_PROTOCOL"}, "downstream"),
    ],
)
def test_the_older_fields_say_what_an_upstream_speaks(fields: dict[str, Any], protocol: str) -> None:
    found = cluster(cluster=fields)
    assert found.protocol == protocol
    assert found.http2.max_concurrent_streams == (7 if fields else 1024)


@pytest.mark.parametrize(
    ("choice", "protocol"), [("explicit_http_config", "http2"), ("use_downstream_protocol_config", "downstream")]
)
def test_protocol_options_say_what_an_upstream_speaks(choice: str, protocol: str) -> None:
    options = {"@type": f"type.googleapis.com/{HTTP_OPTIONS}", choice: {"http2_protocol_options": {"hpack_table_size": 0}}}
    found = cluster(cluster={"typed_extension_protocol_options": {HTTP_OPTIONS: options}})
    assert (found.protocol, found.http2.hpack_table_size) == (protocol, 0)


def test_a_protocol_that_tls_would_choose_is_refused_without_tls() -> None:
    options = {"@type": f"type.googleapis.com/{HTTP_OPTIONS}", "auto_config": {}}
    with pytest.raises(ConfigError, match="auto_config: needs a transport_socket of TLS"):
        cluster(cluster={"typed_extension_protocol_options": {HTTP_OPTIONS: options}})


@pytest.mark.parametrize(("wanted", "asked"), [([], ("h2", "http/1.1")), (["http/1.1"], ("http/1.1",))])
def test_a_protocol_that_tls_chooses_is_asked_for(wanted: list[str], asked: tuple[str, ...]) -> None:
    options = {"@type": f"type.googleapis.com/{HTTP_OPTIONS}", "auto_config": {"http2_protocol_options": {"hpack_table_size": 0}}}
    kind = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
    socket = {"name": "tls", "typed_config": {"@type": kind, "common_tls_context": {"alpn_protocols": wanted}}}
    found = cluster(cluster={"typed_extension_protocol_options": {HTTP_OPTIONS: options}, "transport_socket": socket})
    assert (found.protocol, found.http2.hpack_table_size) == ("auto", 0)
    assert found.tls is not None
    assert found.tls.alpn == asked


def test_the_health_of_a_host_is_what_its_status_says() -> None:
    for status in ("UNKNOWN", "HEALTHY", "UNHEALTHY", "DRAINING", "TIMEOUT", "DEGRADED"):
        wanted = {"UNKNOWN": "healthy", "HEALTHY": "said_healthy"}.get(status, status.lower())
        assert cluster(endpoint={"health_status": status}).endpoints[0].health == wanted


def test_metadata_of_a_host_names_its_canary_and_its_hash_key() -> None:
    facts = {"canary": True, "hash_key": "k", "stage": "b"}
    found = cluster(endpoint={"metadata": {"filter_metadata": {"envoy.lb": facts, "other": {"n": 1}}}}).endpoints[0]
    assert (found.canary, found.hash_key) == (True, "k")
    assert found.metadata == '{"envoy.lb":{"canary":true,"hash_key":"k","stage":"b"},"other":{"n":1}}'


def test_a_second_entry_for_one_priority_is_refused_because_it_would_be_ignored() -> None:
    with pytest.raises(ConfigError, match=r"thresholds\[1\].priority: the thresholds of DEFAULT stand here twice"):
        cluster(cluster={"circuit_breakers": {"thresholds": [{"max_requests": 1}, {"max_requests": 2}]}})


def test_a_preconnect_ratio_of_one_asks_for_nothing() -> None:
    assert cluster(cluster={"preconnect_policy": {"per_upstream_preconnect_ratio": 1.0}}) == cluster()
    assert cluster(cluster={"preconnect_policy": {"per_upstream_preconnect_ratio": 2.5}}).preconnect_per_host == 2.5
    with pytest.raises(ConfigError, match="'predictive_preconnect_ratio' is not implemented yet"):
        cluster(cluster={"preconnect_policy": {"predictive_preconnect_ratio": 2.0}})


def test_a_pool_of_what_each_request_needs_is_what_there_is_anyway() -> None:
    def pool(kind: str) -> dict[str, Any]:
        return {"upstream_config": {"name": "p", "typed_config": {"@type": f"{EXTENSIONS}.upstreams.http.{kind}"}}}

    assert cluster(cluster=pool("generic.v3.GenericConnectionPoolProto")) == cluster()
    with pytest.raises(ConfigError, match="'upstream_config' is not implemented yet"):
        cluster(cluster=pool("tcp.v3.TcpConnectionPoolProto"))


def test_connections_ahead_are_refused_where_a_tcp_proxy_would_need_them() -> None:
    proxy = {"@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", "stat_prefix": "t", "cluster": "c"}
    tree = {
        "static_resources": {
            "listeners": [
                {
                    "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
                    "filter_chains": [{"filters": [{"name": "t", "typed_config": proxy}]}],
                }
            ],
            "clusters": [{"name": "c", "preconnect_policy": {"per_upstream_preconnect_ratio": 1.5}}],
        }
    }
    with pytest.raises(ConfigError, match=r"typed_config.cluster: 'per_upstream_preconnect_ratio' of 'c' is not implemented"):
        load(tree)
    proxy["tunneling_config"] = {"hostname": "h:1"}  # type: ignore[assignment]
    assert load(tree).plan.clusters[0].preconnect_per_host == 1.5
