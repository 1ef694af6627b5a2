"""When checks are made, what they count, and what becomes of hosts that come and go. On a clock that stands still."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mesh.health.state import ACTIVE, FAILED, NETWORK, PENDING, Result
from meshcore.bind.health_spec import EndpointCheck
from meshcore.bind.spec import Address
from tests.health.doubles import TCP, Stage, endpoint

GOOD, BAD = Result(), Result(NETWORK)
EDGES = replace(
    TCP, interval_ms=1000, unhealthy_interval_ms=2000, unhealthy_edge_interval_ms=3000, healthy_edge_interval_ms=4000,
    no_traffic_interval_ms=5000, no_traffic_healthy_interval_ms=6000, timeout_ms=60_000,
)  # fmt: skip


def next_check_in(stage: Stage, result: Result) -> float:
    """Answers the only host's check; how long until its next one, which is then under way."""
    probe = next(iter(stage.probes.values()))
    asked, began = probe.started, stage.now
    probe.answer(result)
    for _ in range(100):
        if probe.started > asked:
            break
        due = stage.agenda.next_due
        assert due is not None
        stage.advance(due - stage.now)
    return round(stage.now - began, 6)


def test_hosts_are_checked_as_soon_as_they_are_known() -> None:
    stage = Stage()
    stage.checker().set_endpoints([endpoint(1), endpoint(2)])
    assert [probe.started for probe in stage.probes.values()] == [1, 1]
    assert stage.counts["health_check.attempt"] == 2


def test_intervals_depend_on_health_edges() -> None:
    stage = Stage()
    stage.checker(EDGES).set_endpoints([endpoint(1)])
    assert next_check_in(stage, GOOD) == 1.0
    assert next_check_in(stage, GOOD) == 1.0
    assert next_check_in(stage, BAD) == 3.0  # one failure of two
    assert next_check_in(stage, BAD) == 2.0
    assert next_check_in(stage, BAD) == 2.0
    assert next_check_in(stage, GOOD) == 4.0  # one success of two
    assert next_check_in(stage, GOOD) == 1.0


def test_intervals_without_traffic_are_their_own_until_there_was_some() -> None:
    stage = Stage()
    stage.traffic = False
    stage.checker(EDGES).set_endpoints([endpoint(1)])
    assert next_check_in(stage, BAD) == 5.0
    assert next_check_in(stage, GOOD) == 5.0
    assert next_check_in(stage, GOOD) == 6.0
    stage.traffic = True
    assert next_check_in(stage, GOOD) == 1.0
    stage.traffic = False
    assert next_check_in(stage, GOOD) == 1.0


def test_jitter_is_added_to_the_interval() -> None:
    stage = Stage()
    stage.chance = 0.5
    stage.checker(replace(EDGES, interval_jitter_ms=1000, interval_jitter_percent=20)).set_endpoints([endpoint(1)])
    assert next_check_in(stage, GOOD) == 1.0 + 0.1 + 0.5


def test_initial_jitter_delays_the_first_check() -> None:
    stage = Stage()
    stage.chance = 0.25
    stage.checker(replace(EDGES, initial_jitter_ms=2000)).set_endpoints([endpoint(1)])
    stage.advance(0.499)
    assert stage.probes[Address("10.0.0.1", 1)].started == 0
    stage.advance(0.001)
    assert stage.probes[Address("10.0.0.1", 1)].started == 1


@pytest.mark.parametrize(("key", "value", "seconds"), [("min_interval", 7000, 7.0), ("max_interval", 300, 0.3)])
def test_runtime_bounds_the_interval(key: str, value: int, seconds: float) -> None:
    stage = Stage(**{f"health_check__{key}": value})
    stage.checker(EDGES).set_endpoints([endpoint(1)])
    assert next_check_in(stage, GOOD) == seconds


def test_a_check_that_takes_too_long_is_given_up_and_counted() -> None:
    stage = Stage()
    stage.checker(replace(TCP, unhealthy_threshold=1)).set_endpoints([endpoint(1)])
    probe = stage.probes[Address("10.0.0.1", 1)]
    stage.advance(1.0)
    assert probe.aborted == 1
    assert stage.counts["health_check.failure"] == stage.counts["health_check.network_failure"] == 1
    stage.advance(5.0)
    assert probe.started == 2


def test_what_changes_is_told_once_with_the_bits() -> None:
    stage = Stage()
    one = stage.checker(EDGES)
    one.set_endpoints([endpoint(1)])
    address = Address("10.0.0.1", 1)
    next_check_in(stage, GOOD)
    next_check_in(stage, GOOD)
    next_check_in(stage, Result(ACTIVE))
    assert [(who, on) for who, on, _ in stage.changes] == [(address, 0), (address, FAILED)]
    assert stage.changes[0][2] & FAILED
    assert stage.failed == [address]
    assert stage.answers == [(address, True), (address, True), (address, False)]


def test_gauges_follow_hosts_and_their_health() -> None:
    stage = Stage()
    one = stage.checker()
    one.set_endpoints([endpoint(1), endpoint(2)])
    first, second = stage.probes.values()
    first.answer(Result(degraded=True))
    second.answer(GOOD)
    assert stage.gauges == {"health_check.healthy": 2, "health_check.degraded": 1}
    one.set_endpoints([endpoint(2)])
    assert stage.gauges == {"health_check.healthy": 1, "health_check.degraded": 0}
    one.stop()
    assert stage.gauges == {"health_check.healthy": 0, "health_check.degraded": 0}
    assert len(stage.agenda) == 0


def test_a_host_that_leaves_is_checked_no_more_and_one_that_stays_goes_on() -> None:
    stage = Stage()
    one = stage.checker()
    one.set_endpoints([endpoint(1), endpoint(2)])
    kept, gone = stage.probes.values()
    kept.answer(GOOD)
    one.set_endpoints([endpoint(1, weight=7), endpoint(3)])
    assert gone.aborted == 1
    gone.answer(GOOD)
    assert one.bits() == {Address("10.0.0.1", 1): 0, Address("10.0.0.1", 3): FAILED}
    assert stage.counts["health_check.success"] == 1


def test_a_host_that_says_so_is_not_checked() -> None:
    stage = Stage()
    stage.checker().set_endpoints([endpoint(1, check=EndpointCheck(disabled=True)), endpoint(2)])
    assert list(stage.probes) == [Address("10.0.0.1", 2)]


def test_first_results_are_waited_for() -> None:
    stage, told = Stage(), []
    one = stage.checker(ignore_new_hosts_until_first_hc=True)
    one.on_first = lambda: told.append("done")
    one.set_endpoints([endpoint(1), endpoint(2), endpoint(3)])
    assert set(one.bits().values()) == {FAILED | PENDING}
    first, second, _third = stage.probes.values()
    first.answer(GOOD)
    second.answer(BAD)
    assert told == []
    one.set_endpoints([endpoint(1), endpoint(2)])
    assert told == ["done"]


def test_a_response_that_wants_the_host_out_is_a_passive_failure() -> None:
    stage = Stage()
    one = stage.checker()
    one.set_endpoints([endpoint(1)])
    stage.probes[Address("10.0.0.1", 1)].answer(GOOD)
    one.fail_now(Address("10.0.0.1", 1))
    one.fail_now(Address("10.0.0.9", 9))
    assert stage.counts["health_check.passive_failure"] == 1
    assert one.sessions[Address("10.0.0.1", 1)].state.failed


def test_the_event_log_tells_what_happened() -> None:
    stage = Stage()
    stage.checker(replace(EDGES, event_log_path="/log")).set_endpoints([endpoint(1)])
    next_check_in(stage, BAD)
    next_check_in(stage, GOOD)
    next_check_in(stage, GOOD)
    stage.checker(EDGES)
    kinds = [next(key for key in event if key.endswith("_event")) for _, event in stage.logs.lines]
    assert kinds == ["health_check_failure_event", "add_healthy_event"]
    assert stage.logs.lines[0][1]["health_check_failure_event"] == {
        "failure_type": "NETWORK", "first_check": True, "http_status_code": 0,
    }  # fmt: skip
    assert stage.logs.lines[1][1]["add_healthy_event"] == {"first_check": False}
    assert {path for path, _ in stage.logs.lines} == {"/log"}


@pytest.mark.slow
def test_ten_thousand_hosts_cost_no_more_each_than_one() -> None:
    stage = Stage()
    stage.checker(replace(TCP, initial_jitter_ms=5000)).set_endpoints([endpoint(n) for n in range(10_000)])
    stage.advance(0.01)
    for probe in stage.probes.values():
        probe.answer(GOOD)
    assert stage.gauges["health_check.healthy"] == 10_000
    assert len(stage.agenda) == 10_000
