"""What a cluster says of all requests that come to it, and when its connections begin anew: what two proxies on one wire do not show."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mesh.testing import Running, Upstream, Wire, bootstrap, cluster, running, until
from meshcore.bind.spec import Address
from tests.health.hosts import Host, check, healthy_only

OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
TCP_PROXY = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"


def with_options(name: str, port: int, **fields: Any) -> dict[str, Any]:
    options = {"@type": f"type.googleapis.com/{OPTIONS}", "explicit_http_config": {"http_protocol_options": {}}, **fields}
    return cluster(name, port, typed_extension_protocol_options={OPTIONS: options})


def test_mirrors_of_a_cluster_stand_in_place_of_those_of_the_route() -> None:
    with Upstream() as up, Upstream() as copy, Upstream() as other:
        clusters = [
            with_options("up", up.port, request_mirror_policies=[{"cluster": "copy"}]),
            cluster("copy", copy.port),
            cluster("other", other.port),
        ]
        with running(bootstrap(clusters=clusters, route={"request_mirror_policies": [{"cluster": "other"}]})) as p:
            assert p.get().status == 200
            until(lambda: p.stat("cluster.copy.upstream_rq_200") == 1, "the mirrored request")
            assert p.stat("cluster.other.upstream_rq_total") == 0


@pytest.mark.parametrize("drains", [False, True])
def test_a_change_of_hosts_makes_pools_begin_anew_where_that_is_wanted(drains: bool) -> None:
    with Upstream() as one, Upstream() as two:
        up = cluster("up", one.port, type="STRICT_DNS", common_lb_config={"close_connections_on_host_set_change": drains})
        with running(bootstrap(clusters=[up])) as p:
            assert p.get().status == 200
            assert len(one.connections) == 1
            with p.proxy.published() as publisher:
                first = publisher.clusters["up"].endpoints
                both = (*first, replace(first[0], address=Address("127.0.0.1", two.port)))
                publisher.set_hosts("up", both)
            assert p.up("upstream_cx_destroy") == drains
            with p.proxy.published() as publisher:
                publisher.set_hosts("up", first)
            assert p.up("upstream_cx_destroy") == drains


def through_tcp(p: Running) -> Wire:
    client = p.client()
    client.send(b"GET /x HTTP/1.1\r\nhost: a\r\n\r\n")
    assert client.read_response().status == 200
    return client


@pytest.mark.slow
@pytest.mark.parametrize("cuts", [False, True])
def test_a_host_that_fails_its_checks_loses_its_tcp_connections_where_that_is_wanted(cuts: bool) -> None:
    proxy = {"@type": TCP_PROXY, "stat_prefix": "t", "cluster": "up"}
    with Host() as host:
        up = cluster("up", host.port, health_checks=[check()], close_connections_on_host_health_failure=cuts, **healthy_only())
        config = bootstrap(clusters=[up])
        config["static_resources"]["listeners"][0]["filter_chains"] = [{"filters": [{"name": "t", "typed_config": proxy}]}]
        with running(config) as p:
            client = through_tcp(p)
            host.check_status = 500
            until(lambda: p.stat("cluster.up.membership_healthy") == 0, "the failed check")
            if cuts:
                assert client.ended()
            else:
                client.send(b"GET /y HTTP/1.1\r\nhost: a\r\n\r\n")
                assert client.read_response().status == 200
            client.close()


def test_connections_of_one_client_serve_no_other() -> None:
    with Upstream() as up:
        config = bootstrap(clusters=[cluster("up", up.port, connection_pool_per_downstream_connection=True)])
        with running(config) as p:
            first, second = p.client(), p.client()
            for client in (first, second, first, second):
                client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
                assert client.read_response().status == 200
            assert len(up.connections) == 2
            first.close()
            second.close()
