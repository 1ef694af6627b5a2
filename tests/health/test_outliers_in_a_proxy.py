"""Outlier detection of a proxy that runs: real responses, real ejections."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mesh.testing import Refuser, Running, Wire, bootstrap, cluster, running, until
from tests.health.hosts import Host, check, flags, healthy_only, wait_flags

EJECTED = "/failed_outlier_check"
DETECTION = {"max_ejection_percent": 100, "base_ejection_time": "30s", "consecutive_5xx": 3, "interval": "0.02s"}


def outliers(**fields: Any) -> dict[str, Any]:
    return healthy_only(outlier_detection={**DETECTION, **fields})


def until_served(p: Running, host: Host, n: int) -> None:
    until(lambda: p.get().status and host.served >= n)


def test_three_errors_in_a_row_eject_a_host() -> None:
    with Host(500) as bad, Host() as good, running(bootstrap(clusters=[cluster("up", bad.port, good.port, **outliers())])) as p:
        until_served(p, bad, 3)
        wait_flags(p, bad, EJECTED)
        bad.served = 0
        assert {p.get().status for _ in range(6)} == {200}
        assert bad.served == 0
        assert p.stat("cluster.up.outlier_detection.ejections_active") == 1
        assert p.stat("cluster.up.outlier_detection.ejections_enforced_consecutive_5xx") == 1
        assert p.stat("cluster.up.membership_healthy") == 1


def test_an_error_that_is_not_in_a_row_does_not_count() -> None:
    with Host() as one, running(bootstrap(clusters=[cluster("up", one.port, **outliers())])) as p:
        for status in (500, 500, 200, 500, 500, 404, 500, 500):
            one.status = status
            assert p.get().status == status
        assert flags(p, one) == "healthy"
        assert p.stat("cluster.up.outlier_detection.ejections_detected_consecutive_5xx") == 0


def test_an_ejected_host_comes_back_when_its_time_is_over() -> None:
    with Host(500) as bad, Host() as good:
        up = cluster("up", bad.port, good.port, **outliers(base_ejection_time="0.1s"))
        with running(bootstrap(clusters=[up])) as p:
            until_served(p, bad, 3)
            wait_flags(p, bad, EJECTED)
            bad.status = 200
            wait_flags(p, bad, "healthy")
            bad.served = 0
            until_served(p, bad, 1)


def test_gateway_errors_are_a_run_of_their_own() -> None:
    settings = outliers(consecutive_gateway_failure=2, enforcing_consecutive_gateway_failure=100, enforcing_consecutive_5xx=0)
    with Host(500) as one, running(bootstrap(clusters=[cluster("up", one.port, **settings)])) as p:
        for status in (500, 500, 502, 500, 503):
            one.status = status
            p.get()
        assert flags(p, one) == "healthy"
        one.status = 504
        p.get()
        wait_flags(p, one, EJECTED)
        assert p.stat("cluster.up.outlier_detection.ejections_enforced_consecutive_gateway_failure") == 1


def test_two_runs_that_end_together_are_both_judged() -> None:
    with Host(502) as one:
        settings = outliers(consecutive_gateway_failure=3, consecutive_5xx=3)
        with running(bootstrap(clusters=[cluster("up", one.port, **settings)])) as p:
            for _ in range(3):
                p.get()
            wait_flags(p, one, EJECTED)
            assert p.stat("cluster.up.outlier_detection.ejections_detected_consecutive_gateway_failure") == 1
            assert p.stat("cluster.up.outlier_detection.ejections_enforced_consecutive_5xx") == 1


def test_a_host_that_cannot_be_reached_counts_as_503() -> None:
    with Refuser() as nobody, running(bootstrap(clusters=[cluster("up", nobody.port, **outliers())])) as p:
        for _ in range(3):
            assert p.get().status == 503
        wait_flags(p, nobody, EJECTED)  # type: ignore[arg-type]
        assert p.stat("cluster.up.outlier_detection.ejections_detected_consecutive_5xx") == 1


def test_origins_may_be_told_apart() -> None:
    split = outliers(split_external_local_origin_errors=True, consecutive_local_origin_failure=2)
    with Refuser() as nobody, running(bootstrap(clusters=[cluster("up", nobody.port, **split)])) as p:
        for _ in range(2):
            p.get()
        wait_flags(p, nobody, EJECTED)  # type: ignore[arg-type]
        assert p.stat("cluster.up.outlier_detection.ejections_enforced_consecutive_local_origin_failure") == 1
        assert p.stat("cluster.up.outlier_detection.ejections_detected_consecutive_5xx") == 0


def test_a_connection_that_breaks_counts() -> None:
    class Breaking(Host):
        def _serve(self, wire: Wire) -> None:
            wire.read_request()
            self.served += 1
            wire.reset()

    with Breaking() as one, running(bootstrap(clusters=[cluster("up", one.port, **outliers())])) as p:
        for _ in range(3):
            assert p.get().status == 503
        wait_flags(p, one, EJECTED)


def test_a_timeout_counts_as_504() -> None:
    class Silent(Host):
        def _serve(self, wire: Wire) -> None:
            wire.read_request()
            wire.socket.recv(1)

    settings = outliers(consecutive_gateway_failure=2, enforcing_consecutive_gateway_failure=100)
    with Silent() as one:
        up = bootstrap(clusters=[cluster("up", one.port, **settings)], route={"timeout": "0.02s"})
        with running(up) as p:
            for _ in range(2):
                assert p.get().status == 504
            wait_flags(p, one, EJECTED)


def test_a_success_rate_that_falls_behind_ejects() -> None:
    settings = outliers(
        consecutive_5xx=1000, success_rate_minimum_hosts=3, success_rate_request_volume=5, interval="0.3s",
        success_rate_stdev_factor=1000,
    )  # fmt: skip
    with Host(500) as bad, Host() as one, Host() as other:
        up = cluster("up", bad.port, one.port, other.port, **settings)
        with running(bootstrap(clusters=[up])) as p:
            until(lambda: p.get().status and flags(p, bad) == EJECTED)
            rates = p.proxy.health.rates("up")["external"]
            assert (rates.hosts[bad.address], rates.hosts[one.address]) == (0.0, 100.0)
            assert p.stat("cluster.up.outlier_detection.ejections_enforced_success_rate") == 1


def test_grpc_answers_count_by_what_they_say() -> None:
    with Host() as one:
        one.headers = "content-type: application/grpc\r\ngrpc-status: 14\r\n"
        with running(bootstrap(clusters=[cluster("up", one.port, **outliers())])) as p:
            for _ in range(3):
                p.get(content_type="application/grpc")
            wait_flags(p, one, EJECTED)


def test_a_passed_check_brings_a_host_back() -> None:
    with Host(500) as one:
        slow = check(interval="0.05s")
        up = cluster("up", one.port, health_checks=[slow], **outliers())
        with running(bootstrap(clusters=[up])) as p:
            for _ in range(3):
                p.get()
            until(lambda: p.stat("cluster.up.outlier_detection.ejections_enforced_total") == 1)
            one.status = 200
            wait_flags(p, one, "healthy")


def test_the_event_log_tells_who_and_why(tmp_path: Path) -> None:
    log = tmp_path / "outlier.log"
    with Host(500) as bad:
        source = bootstrap(clusters=[cluster("up", bad.port, **outliers(base_ejection_time="0.01s"))])
        source["cluster_manager"] = {"outlier_detection": {"event_log_path": str(log)}}
        with running(source) as p:
            for _ in range(3):
                p.get()
            until(lambda: log.exists() and len(log.read_text().splitlines()) >= 2)
    eject, uneject = (json.loads(line) for line in log.read_text().splitlines()[:2])
    assert (eject["type"], eject["action"], eject["enforced"], eject["num_ejections"]) == ("CONSECUTIVE_5XX", "EJECT", True, 1)
    assert (eject["upstream_url"], eject["eject_consecutive_event"]) == (f"127.0.0.1:{bad.port}", {})
    assert (uneject["action"], uneject["secs_since_last_action"]) == ("UNEJECT", "0")


def test_workers_share_the_count() -> None:
    with Host(500) as bad, running(bootstrap(clusters=[cluster("up", bad.port, **outliers(consecutive_5xx=8))]), concurrency=2) as p:
        for _ in range(8):
            p.get()
        wait_flags(p, bad, EJECTED)
        assert bad.served == 8
