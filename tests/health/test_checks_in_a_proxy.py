"""Active checks of a proxy that runs: who serves, who does not, and when that changes."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

import mesh.aio
from mesh.testing import Refuser, bootstrap, cluster, running, until
from tests.health.hosts import Host, check, endpoint, flags, healthy_only, wait_flags

UNHEALTHY = "/failed_active_hc"


def served(*hosts: Host) -> list[bool]:
    return [host.served > 0 for host in hosts]


def test_hosts_are_checked_before_the_proxy_serves() -> None:
    with Host() as good, Host(check_status=500) as bad:
        up = cluster("up", good.port, bad.port, health_checks=[check()], **healthy_only())
        with running(bootstrap(clusters=[up])) as p:
            assert (flags(p, good), flags(p, bad)) == ("healthy", UNHEALTHY)
            for _ in range(6):
                assert p.get().status == 200
            assert served(good, bad) == [True, False]
            assert p.stat("cluster.up.membership_healthy") == 1
            assert p.stat("cluster.up.health_check.healthy") == 1


def test_a_host_leaves_when_it_fails_and_comes_back_when_it_passes() -> None:
    with Host() as one, Host() as other:
        up = cluster("up", one.port, other.port, health_checks=[check(healthy_threshold=2)], **healthy_only())
        with running(bootstrap(clusters=[up])) as p:
            one.check_status = 503
            wait_flags(p, one, UNHEALTHY)
            one.served = 0
            for _ in range(4):
                p.get()
            assert served(one, other) == [False, True]
            one.check_status = 200
            wait_flags(p, one, "healthy")
            for _ in range(4):
                p.get()
            assert served(one) == [True]


def test_without_a_healthy_host_and_without_panic_there_is_no_answer() -> None:
    with Host(check_status=500) as bad:
        up = cluster("up", bad.port, health_checks=[check()], **healthy_only())
        with running(bootstrap(clusters=[up])) as p:
            assert p.get().status == 503
            bad.check_status = 200
            wait_flags(p, bad, "healthy")
            assert p.get().status == 200


def test_a_host_that_refuses_connections_is_a_network_failure() -> None:
    with Refuser() as nobody:
        up = cluster("up", nobody.port, health_checks=[check(unhealthy_threshold=3)], **healthy_only())
        with running(bootstrap(clusters=[up])) as p:
            p.wait_stat("cluster.up.health_check.network_failure", 3)
            assert p.stat("cluster.up.health_check.failure") >= 3
            assert p.stat("cluster.up.health_check.success") == 0


@pytest.mark.slow
def test_a_host_that_says_nothing_times_out() -> None:
    with Host() as one:
        one.check_headers = "x-wait: 1\r\n"
        stalled = check(timeout="0.3s", tcp_health_check={"receive": [{"text": "00"}]}, http_health_check=None)
        del stalled["http_health_check"]
        up = cluster("up", one.port, health_checks=[stalled], **healthy_only())
        with running(bootstrap(clusters=[up])) as p:
            assert flags(p, one) == "/failed_active_hc/active_hc_timeout"


def test_a_degraded_host_serves_only_when_the_others_cannot() -> None:
    with Host() as one, Host() as other:
        one.check_headers = "x-envoy-degraded: 1\r\n"
        up = cluster("up", one.port, other.port, health_checks=[check()], **healthy_only())
        with running(bootstrap(clusters=[up])) as p:
            assert flags(p, one) == "/degraded_active_hc"
            assert p.stat("cluster.up.membership_degraded") == p.stat("cluster.up.health_check.degraded") == 1
            other.check_status = 500
            wait_flags(p, other, UNHEALTHY)
            assert p.get().status == 200
            assert served(one, other) == [True, False]


def test_a_response_may_take_its_host_out_at_once() -> None:
    with Host() as one, Host() as other:
        slow = check(interval="30s", no_traffic_interval="30s")
        up = cluster("up", one.port, other.port, health_checks=[slow], **healthy_only())
        with running(bootstrap(clusters=[up])) as p:
            one.headers = "x-envoy-immediate-health-check-fail: 1\r\n"
            until(lambda: p.get().status == 200 and one.served > 0)
            wait_flags(p, one, "/failed_active_hc/excluded_via_immediate_hc_fail")
            assert p.stat("cluster.up.health_check.passive_failure") == 1
            until(lambda: p.stat("cluster.up.membership_excluded") == 1)


def test_connections_to_a_host_that_fails_are_closed() -> None:
    with Host() as one, Host() as other:
        up = cluster("up", one.port, other.port, health_checks=[check()], **healthy_only())
        with running(bootstrap(clusters=[up])) as p:
            until(lambda: p.get().status == 200 and one.served > 0 and other.served > 0)
            assert p.up("upstream_cx_active") == 2
            one.check_status = 500
            until(lambda: p.up("upstream_cx_active") == 1)


def test_what_a_host_says_of_its_checks_is_done() -> None:
    with Host() as host, Host() as door:
        hosts = [
            endpoint(host.port, health_check_config={"port_value": door.port, "hostname": "probe.example"}),
            endpoint(door.port, health_check_config={"disable_active_health_check": True}),
        ]
        up = cluster("up", health_checks=[check()], **healthy_only())
        up["load_assignment"]["endpoints"] = [{"lb_endpoints": hosts}]
        with running(bootstrap(clusters=[up])) as p:
            assert (flags(p, host), flags(p, door)) == ("healthy", "healthy")
            assert host.checks == []
            assert door.checks[0].get("host") == "probe.example"
            assert p.stat("cluster.up.health_check.healthy") == 1


def test_connections_of_checks_are_reused_unless_they_may_not_be() -> None:
    for reuse in (True, False):
        with Host() as one:
            up = cluster("up", one.port, health_checks=[check(reuse_connection=reuse)])
            with running(bootstrap(clusters=[up])):
                until(lambda one=one: len(one.checks) >= 4)
                assert (len(one.connections) == 1) == reuse


def test_the_event_log_is_written_as_it_happens(tmp_path: Path) -> None:
    log = tmp_path / "events.log"
    with Host() as one:
        up = cluster("up", one.port, health_checks=[check(event_log_path=str(log))])
        with running(bootstrap(clusters=[up])):
            one.check_status = 500
            until(lambda: len(log.read_text().splitlines()) >= 2)
        first, second = (json.loads(line) for line in log.read_text().splitlines()[:2])
    assert first["add_healthy_event"] == {"first_check": True}
    assert second["eject_unhealthy_event"] == {"failure_type": "ACTIVE", "http_status_code": 500}
    assert first["host"]["socket_address"]["port_value"] == one.port


def test_a_changed_cluster_is_checked_before_it_replaces_the_old_one() -> None:
    with Host() as old, Host() as new:
        before = cluster("up", old.port, health_checks=[check()], **healthy_only())
        with running(bootstrap(clusters=[before])) as p:
            fresh = cluster("up", new.port, health_checks=[check()], connect_timeout="7s", **healthy_only())
            p.proxy.apply(bootstrap(clusters=[fresh]))
            assert flags(p, new) == "healthy"
            assert p.get().status == 200
            p.proxy.apply(bootstrap(clusters=[cluster("up", new.port)]))
            until(lambda: "cluster.up.health_check.attempt" not in p.proxy.stats)


def test_hosts_that_are_added_serve_after_their_first_check() -> None:
    with Host() as one, Host() as late:
        late.check_status = 500
        up = cluster("up", one.port, health_checks=[check()], **healthy_only())
        with running(bootstrap(clusters=[up])) as p:
            p.proxy.apply(bootstrap(clusters=[cluster("up", one.port, late.port, health_checks=[check()], **healthy_only())]))
            until(lambda: len(late.checks) >= 2)
            assert flags(p, late) == UNHEALTHY
            late.check_status = 200
            wait_flags(p, late, "healthy")


@pytest.mark.parametrize("ignored", [False, True])
def test_a_healthy_host_that_is_not_named_any_more_stays_until_it_fails(ignored: bool) -> None:
    with Host() as one, Host() as other:
        up = cluster("up", one.port, other.port, health_checks=[check()], type="STRICT_DNS", **healthy_only())
        with running(bootstrap(clusters=[{**up, "ignore_health_on_host_removal": ignored}])) as p:
            wait_flags(p, other, "healthy")
            with p.proxy.published() as publisher:
                both = publisher.clusters["up"].endpoints
                publisher.set_hosts("up", both[:1])
                left = publisher.clusters["up"].endpoints
            assert left == (both[:1] if ignored else both)
            if ignored:
                return
            assert flags(p, other) == "/pending_dynamic_removal"
            assert p.stat("cluster.up.membership_total") == p.stat("cluster.up.membership_healthy") == 2
            other.check_status = 500
            until(lambda: p.stat("cluster.up.membership_total") == 1)
            with p.proxy.published() as publisher:
                assert publisher.clusters["up"].endpoints == both[:1]


def test_no_thread_runs_where_nothing_is_checked() -> None:
    with Host() as one, running(bootstrap(one.port)) as p:
        assert p.proxy.health is None


async def embedded(port: int) -> int:
    up = cluster("up", port, health_checks=[check()], **healthy_only())
    async with mesh.aio.Proxy(bootstrap(clusters=[up])) as proxy:
        return int(proxy.stats["cluster.up.membership_healthy"])


def test_a_proxy_inside_a_loop_checks_its_hosts_too() -> None:
    with Host() as one:
        assert asyncio.run(embedded(one.port)) == 1
