"""Who is ejected, for how long, and when nobody is. On a clock that stands still; numbers by Envoy's documentation."""

from __future__ import annotations

from typing import Any

import pytest

from mesh.health.detector import FAILED_OUTLIER, Detector, spread
from meshcore.bind.spec import Address
from tests.health.doubles import Stage

GENEROUS = {"max_ejection_percent": 100}


class Counted:
    """The counters of one host."""

    def __init__(self, number: int) -> None:
        self.id = number
        self.ended: list[str] = []

    def end_run(self, name: str) -> None:
        self.ended.append(name)


def hosts(n: int) -> dict[Address, Counted]:
    return {Address("10.0.0.1", number): Counted(number) for number in range(1, n + 1)}


def detector(stage: Stage, n: int = 4, **settings: Any) -> Detector:
    made = stage.detector(**{**GENEROUS, **settings})
    made.set_hosts(hosts(n).items())
    return made


def ejected(one: Detector) -> list[int]:
    return sorted(address.port for address in one.bits())


def test_a_run_of_5xx_ejects_and_the_base_time_ends_it() -> None:
    stage = Stage()
    one = detector(stage)
    one.run_reported(2, "consecutive_5xx")
    assert ejected(one) == [2]
    assert stage.changes == [(Address("10.0.0.1", 2), FAILED_OUTLIER, 0)]
    assert stage.failed == [Address("10.0.0.1", 2)]
    stage.advance(29.9)
    assert ejected(one) == [2]
    stage.advance(0.1)
    assert ejected(one) == []
    assert stage.changes[1:] == [(Address("10.0.0.1", 2), 0, FAILED_OUTLIER)]
    names = ("detected_consecutive_5xx", "enforced_consecutive_5xx", "enforced_total", "consecutive_5xx", "total")
    assert [stage.counts[f"outlier_detection.ejections_{name}"] for name in names] == [1] * 5
    assert stage.gauges["outlier_detection.ejections_active"] == 0


def test_a_host_that_is_out_is_not_judged_again() -> None:
    stage = Stage()
    one = detector(stage)
    one.run_reported(1, "consecutive_5xx")
    one.run_reported(1, "consecutive_local_origin_failure")
    one.run_reported(99, "consecutive_5xx")
    assert stage.counts["outlier_detection.ejections_detected_consecutive_local_origin_failure"] == 0
    assert stage.gauges["outlier_detection.ejections_active"] == 1


def test_each_ejection_lasts_longer_up_to_the_maximum_and_trust_comes_back() -> None:
    stage = Stage()
    one = detector(stage, interval_ms=1000, base_ejection_time_ms=1000, max_ejection_time_ms=3000)
    lasted = []
    for _ in range(5):
        one.run_reported(1, "consecutive_5xx")
        began = stage.now
        while ejected(one):
            stage.advance(1.0)
        lasted.append(round(stage.now - began))
    assert lasted == [1, 2, 3, 3, 3]
    stage.advance(10.0)
    one.run_reported(1, "consecutive_5xx")
    stage.advance(1.0)
    assert ejected(one) == []


def test_one_interval_without_ejection_takes_one_step_back() -> None:
    stage = Stage()
    one = detector(stage, interval_ms=1000, base_ejection_time_ms=1000)
    for _ in range(3):
        one.run_reported(1, "consecutive_5xx")
        while ejected(one):
            stage.advance(1.0)
    stage.advance(2.0)
    one.run_reported(1, "consecutive_5xx")
    stage.advance(1.0)
    assert ejected(one) == [1]
    stage.advance(1.0)
    assert ejected(one) == []


def test_jitter_makes_an_ejection_longer() -> None:
    stage = Stage()
    stage.chance = 0.5
    one = detector(stage, interval_ms=100, base_ejection_time_ms=1000, max_ejection_time_jitter_ms=1000)
    one.run_reported(1, "consecutive_5xx")
    stage.advance(1.4)
    assert ejected(one) == [1]
    stage.advance(0.2)
    assert ejected(one) == []


@pytest.mark.parametrize(("percent", "n", "out"), [(50, 4, [1, 2]), (10, 4, []), (25, 4, [1]), (100, 2, [1, 2]), (0, 2, [])])
def test_no_more_than_the_share_is_ejected(percent: int, n: int, out: list[int]) -> None:
    stage = Stage()
    one = detector(stage, n, max_ejection_percent=percent)
    for number in range(1, n + 1):
        one.run_reported(number, "consecutive_5xx")
    assert ejected(one) == out
    assert stage.counts["outlier_detection.ejections_overflow"] == n - len(out)


def test_one_host_may_always_be_ejected_where_it_says_so() -> None:
    stage = Stage()
    one = detector(stage, 2, max_ejection_percent=0, always_eject_one_host=True)
    one.run_reported(1, "consecutive_5xx")
    one.run_reported(2, "consecutive_5xx")
    assert ejected(one) == [1]


def test_what_is_not_enforced_is_only_counted_and_logged() -> None:
    stage = Stage()
    one = detector(stage, event_log_path="/log")
    one.run_reported(1, "consecutive_gateway_failure")
    assert ejected(one) == []
    assert stage.counts["outlier_detection.ejections_detected_consecutive_gateway_failure"] == 1
    assert stage.counts["outlier_detection.ejections_enforced_total"] == 0
    assert [(event["enforced"], event["num_ejections"]) for _, event in stage.logs.lines] == [(False, 0)]


def test_runtime_has_the_last_word() -> None:
    stage = Stage(outlier_detection__enforcing_consecutive_gateway_failure=100, outlier_detection__base_ejection_time_ms=100)
    one = detector(stage, interval_ms=100)
    one.run_reported(1, "consecutive_gateway_failure")
    assert ejected(one) == [1]
    stage.advance(0.1)
    assert ejected(one) == []


def test_the_run_begins_anew_after_it_was_judged() -> None:
    stage = Stage()
    one = stage.detector(**GENEROUS)
    counted = hosts(2)
    one.set_hosts(counted.items())
    one.run_reported(1, "consecutive_5xx")
    assert counted[Address("10.0.0.1", 1)].ended == ["consecutive_5xx"]
    stage.advance(30.0)
    assert set(counted[Address("10.0.0.1", 1)].ended[1:]) == {
        "consecutive_5xx", "consecutive_gateway_failure", "consecutive_local_origin_failure",
    }  # fmt: skip


def test_a_successful_check_ends_an_ejection_unless_it_may_not() -> None:
    for allowed in (True, False):
        stage = Stage()
        one = detector(stage, successful_active_health_check_uneject_host=allowed)
        one.run_reported(1, "consecutive_5xx")
        one.check_passed(Address("10.0.0.1", 1))
        one.check_passed(Address("10.0.0.1", 2))
        assert ejected(one) == ([] if allowed else [1])


def test_hosts_that_leave_give_their_place_back() -> None:
    stage = Stage()
    one = stage.detector(max_ejection_percent=50)
    counted = hosts(2)
    one.set_hosts(counted.items())
    one.run_reported(1, "consecutive_5xx")
    one.set_hosts(list(counted.items())[1:])
    assert stage.gauges["outlier_detection.ejections_active"] == 0
    one.stop()
    assert len(stage.agenda) == 0


# --- success rates ------------------------------------------------------------------------------------------------------


def sweep(stage: Stage, *volumes: tuple[int, int]) -> None:
    """One interval in which host 1, 2, ... answered so often, with so many errors."""
    stage.volumes = [(number, (total, errors, 0, 0)) for number, (total, errors) in enumerate(volumes, 1)]
    stage.advance(10.0)


def test_a_host_far_below_the_mean_is_ejected() -> None:
    # The documentation's example: 50, 100, 100, 100, 100 have mean 90, deviation 20 and, with a factor of 1.9, threshold 52.
    stage = Stage()
    one = detector(stage, 5, event_log_path="/log")
    sweep(stage, (100, 50), (100, 0), (100, 0), (100, 0), (100, 0))
    assert ejected(one) == [1]
    rates = one.rates["external"]
    assert (rates.average, rates.threshold, rates.hosts[Address("10.0.0.1", 1)]) == (90.0, 52.0, 50.0)
    assert stage.logs.lines[0][1]["eject_success_rate_event"] == {
        "host_success_rate": 50, "cluster_average_success_rate": 90, "cluster_success_rate_ejection_threshold": 52,
    }  # fmt: skip
    names = ("detected_success_rate", "enforced_success_rate", "success_rate", "total", "enforced_total")
    assert [stage.counts[f"outlier_detection.ejections_{name}"] for name in names] == [1] * 5


@pytest.mark.parametrize("settings", [{"success_rate_minimum_hosts": 6}, {"success_rate_request_volume": 101}])
def test_too_few_hosts_or_requests_are_not_judged(settings: dict[str, int]) -> None:
    stage = Stage()
    one = detector(stage, 5, **settings)
    sweep(stage, (100, 50), (100, 0), (100, 0), (100, 0), (100, 0))
    assert ejected(one) == []
    assert one.rates["external"].average == -1


def test_failure_percentage_looks_at_each_host_alone() -> None:
    stage = Stage()
    one = detector(stage, 5, enforcing_failure_percentage=100, enforcing_success_rate=0)
    sweep(stage, (50, 43), (50, 42), (50, 0), (50, 0), (49, 49))
    assert ejected(one) == []  # 86 % of 50, but the fifth had too little to make five hosts
    sweep(stage, (50, 43), (50, 42), (50, 0), (50, 0), (50, 0))
    assert ejected(one) == [1]
    assert stage.counts["outlier_detection.ejections_enforced_failure_percentage"] == 1


def test_local_origins_have_rates_of_their_own() -> None:
    stage = Stage()
    one = detector(stage, 5)
    stage.volumes = [(number, (0, 0, 100, 60 if number == 3 else 0)) for number in range(1, 6)]
    stage.advance(10.0)
    assert ejected(one) == [3]
    assert stage.counts["outlier_detection.ejections_enforced_local_origin_success_rate"] == 1
    assert one.rates["external"].hosts == {}


def test_spread_is_that_of_the_population() -> None:
    assert spread([50.0, 100.0, 100.0, 100.0, 100.0]) == (90.0, 20.0)
