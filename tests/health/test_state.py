"""Thresholds, edges and flags of active checks: Envoy's rules."""

from __future__ import annotations

import pytest

from mesh.health.state import (
    ACTIVE,
    CHANGED,
    DEGRADED,
    EXCLUDED,
    FAILED,
    NETWORK,
    NETWORK_TIMEOUT,
    PASSIVE,
    PENDING,
    PENDING_CHANGE,
    TIMEOUT,
    UNCHANGED,
    Result,
    State,
)

GOOD, BAD = Result(), Result(NETWORK)


def state(*, healthy: bool = False, up: int = 2, down: int = 3) -> State:
    made = State(FAILED, up, down)
    if healthy:
        made.take(GOOD)
    return made


def transitions(of: State, *results: Result) -> list[str]:
    return [of.take(result).transition for result in results]


def test_the_first_success_makes_a_host_healthy_at_once() -> None:
    one = state(up=5)
    outcome = one.take(GOOD)
    assert (one.bits, outcome.transition, outcome.events) == (0, CHANGED, ["add_healthy_event"])


def test_after_a_first_failure_the_threshold_counts() -> None:
    one = state(up=2)
    assert transitions(one, BAD, GOOD, GOOD, GOOD) == [UNCHANGED, PENDING_CHANGE, CHANGED, UNCHANGED]
    assert not one.failed


def test_a_failure_in_between_begins_the_count_anew() -> None:
    one = state(up=2)
    assert transitions(one, BAD, GOOD, BAD, GOOD, GOOD) == [UNCHANGED, PENDING_CHANGE, UNCHANGED, PENDING_CHANGE, CHANGED]


def test_network_failures_count_to_the_threshold() -> None:
    one = state(healthy=True, down=3)
    assert transitions(one, BAD, BAD, GOOD, BAD, BAD, BAD) == [
        PENDING_CHANGE, PENDING_CHANGE, UNCHANGED, PENDING_CHANGE, PENDING_CHANGE, CHANGED,
    ]  # fmt: skip
    assert one.failed


@pytest.mark.parametrize("failure", [ACTIVE, PASSIVE])
def test_an_answer_that_says_no_makes_a_host_unhealthy_at_once(failure: str) -> None:
    one = state(healthy=True, down=9)
    assert transitions(one, Result(failure)) == [CHANGED]
    assert one.failed


def test_a_retriable_status_counts_to_the_threshold() -> None:
    one = state(healthy=True, down=2)
    assert transitions(one, Result(ACTIVE, retriable=True), Result(ACTIVE, retriable=True)) == [PENDING_CHANGE, CHANGED]


def test_a_timeout_shows_while_the_host_is_unhealthy_and_goes_with_another_failure() -> None:
    one = state(healthy=True, down=2)
    one.take(Result(NETWORK_TIMEOUT))
    assert one.bits == 0
    one.take(Result(NETWORK_TIMEOUT))
    assert one.bits == FAILED | TIMEOUT
    one.take(BAD)
    assert one.bits == FAILED
    one.take(Result(NETWORK_TIMEOUT))
    assert transitions(one, GOOD, GOOD) == [PENDING_CHANGE, CHANGED]
    assert one.bits == 0


def test_an_immediate_failure_excludes_until_the_host_is_healthy_again() -> None:
    one = state(healthy=True, up=2)
    one.take(Result(PASSIVE, immediate=True))
    assert one.bits == FAILED | EXCLUDED
    one.take(GOOD)
    assert one.bits == FAILED | EXCLUDED
    one.take(GOOD)
    assert one.bits == 0


def test_a_degraded_answer_is_a_change_of_its_own() -> None:
    one = state(healthy=True)
    outcome = one.take(Result(degraded=True))
    assert (one.bits, outcome.transition, outcome.events) == (DEGRADED, CHANGED, ["degraded_healthy_host"])
    assert one.take(Result(degraded=True)).transition == UNCHANGED
    outcome = one.take(GOOD)
    assert (one.bits, outcome.transition, outcome.events) == (0, CHANGED, ["no_longer_degraded_host"])


def test_degraded_does_not_hurry_a_host_that_comes_back() -> None:
    one = state(up=2)
    assert transitions(one, BAD, Result(degraded=True)) == [UNCHANGED, PENDING_CHANGE]
    assert one.bits == FAILED | DEGRADED


def test_a_pending_host_stops_being_pending_with_any_answer() -> None:
    for result, left in ((GOOD, 0), (BAD, FAILED)):
        one = State(FAILED | PENDING, 1, 1)
        assert one.take(result).transition == CHANGED
        assert one.bits == left


def test_events_of_failures_are_the_first_one_and_those_that_were_asked_for() -> None:
    one = state(down=2)
    assert one.take(BAD).events == ["health_check_failure_event"]
    assert one.take(BAD).events == []
    assert one.take(BAD, log_all_failures=True).events == ["health_check_failure_event"]
    up = state(healthy=True, down=1)
    assert up.take(BAD, log_all_failures=True).events == ["eject_unhealthy_event", "health_check_failure_event"]


def test_successes_are_told_when_asked_for_but_not_beside_an_addition() -> None:
    one = state()
    assert one.take(GOOD, log_all_successes=True).events == ["add_healthy_event"]
    assert one.take(GOOD, log_all_successes=True).events == ["successful_health_check_event"]
    assert one.take(GOOD).events == []
