"""The gradient controller and the admission history, without a proxy: time is a number, nothing sleeps."""

from __future__ import annotations

import pytest

from meshcore.bind.limitstest import Controller, History


def measured(rtt_ms: int = 10, **settings: int) -> Controller:
    """A controller whose ideal round trip is known, 5 requests after its begin."""
    controller = Controller(**settings)
    for n in range(5):
        assert controller.admit(n * rtt_ms)
        controller.answered(n * rtt_ms, (n + 1) * rtt_ms)
    return controller


def window(controller: Controller, begin_ms: int, rtt_ms: int, n: int = 4) -> None:
    """Requests of one sample window, one after another."""
    for _ in range(n):
        assert controller.admit(begin_ms)
        controller.answered(begin_ms, begin_ms + rtt_ms)


def test_it_begins_with_the_least_and_measures() -> None:
    controller = Controller(least=2)
    assert controller.gauges()["min_rtt_calculation_active"] == 1
    assert [controller.admit(0), controller.admit(0), controller.admit(0)] == [True, True, False]
    controller.cancel()
    assert controller.admit(1)


def test_so_many_answers_end_the_measurement() -> None:
    controller = measured(rtt_ms=20)
    assert controller.gauges()["min_rtt_calculation_active"] == 0
    assert controller.gauges()["min_rtt_msecs"] in (19, 20)
    assert controller.limit == 3


def test_a_steady_latency_opens_the_limit_by_its_root_and_the_buffer() -> None:
    controller = measured()
    limits = []
    for n in range(4):
        window(controller, 60 + 100 * n, 10)
        assert controller.admit(160 + 100 * n)
        controller.cancel()
        limits.append(controller.limit)
    assert limits == sorted(limits) and limits[0] > 3
    assert controller.gauges()["concurrency_limit"] == controller.limit


def test_a_worse_latency_closes_it_by_half_at_most() -> None:
    controller = measured(least=1, most=1000)
    for n in range(8):
        window(controller, 60 + 100 * n, 10, 1)
    controller.admit(860)
    controller.cancel()
    before = controller.limit
    assert before > 8
    window(controller, 861, 60, 1)
    controller.admit(960)
    assert before / 2 <= controller.limit < before


def test_it_stays_between_the_least_and_the_most() -> None:
    controller = measured(most=5)
    for n in range(6):
        window(controller, 60 + 100 * n, 10)
    assert controller.limit == 5


def test_a_window_without_requests_changes_nothing() -> None:
    controller = measured()
    window(controller, 60, 10)
    controller.admit(200)
    controller.cancel()
    before = controller.limit
    assert controller.admit(900)
    assert controller.limit == before


def test_after_the_interval_it_measures_again_and_returns_to_its_limit() -> None:
    controller = measured()
    for n in range(4):
        window(controller, 60 + 100 * n, 10)
    controller.admit(500)
    controller.cancel()
    before = controller.limit
    assert controller.admit(1100)
    assert (controller.limit, controller.gauges()["min_rtt_calculation_active"]) == (3, 1)
    controller.answered(1100, 1110)
    for n in range(4):
        assert controller.admit(1110 + n)
        controller.answered(1110 + n, 1120 + n)
    assert controller.limit == before


def test_what_was_sent_before_a_measurement_is_not_timed() -> None:
    controller = measured(count=1)
    assert controller.admit(1000)
    assert controller.admit(1020)
    controller.answered(1000, 1070)
    assert controller.gauges()["min_rtt_calculation_active"] == 1
    controller.answered(1020, 1080)
    assert controller.gauges()["min_rtt_calculation_active"] == 0


def test_five_windows_at_the_least_make_it_doubt_the_ideal() -> None:
    controller = measured(interval_ms=100_000)
    for n in range(5):
        window(controller, 60 + 100 * n, 80, 1)
        assert controller.gauges()["min_rtt_calculation_active"] == 0
    controller.admit(600)
    assert controller.gauges()["min_rtt_calculation_active"] == 1


def test_a_fixed_ideal_is_never_measured() -> None:
    controller = Controller(fixed_ms=20, interval_ms=0)
    assert controller.gauges()["min_rtt_msecs"] == 20
    for n in range(8):
        window(controller, 100 * n, 90, 1)
    assert controller.gauges()["min_rtt_calculation_active"] == 0


def test_without_history_everybody_is_let_in() -> None:
    assert not History(30).refuses(0, 0)


@pytest.mark.parametrize(("random", "refused"), [(0, True), (7_999, True), (8_000, False), (9_999, False)])
def test_when_everything_fails_the_chance_is_the_greatest(random: int, refused: bool) -> None:
    history = History(30)
    for _ in range(1000):
        history.record(False, 0)
    assert history.refuses(1, random) == refused


def test_above_the_threshold_nobody_is_refused() -> None:
    history = History(30)
    for n in range(100):
        history.record(n >= 5, 0)
    assert not history.refuses(1, 0)
    history.record(False, 2)
    assert history.refuses(3, 0)


def test_aggression_raises_the_chance() -> None:
    history = History(30)
    for n in range(100):
        history.record(n % 2 == 0, 0)
    chance = next(random for random in range(10_000) if not history.refuses(1, random))
    more = next(random for random in range(10_000) if not history.refuses(1, random, aggression=2.0))
    assert 4_600 < chance < 4_800 and 6_700 < more < 6_900


def test_what_is_older_than_the_window_is_forgotten() -> None:
    history = History(3)
    for second in range(6):
        history.record(False, second * 1000)
    assert history.refuses(6_000, 0)
    assert not history.refuses(8_001, 0)


def test_few_requests_a_second_are_never_refused() -> None:
    history = History(30)
    for n in range(100):
        history.record(False, n * 100)
    assert history.refuses(10_000, 0, least_rps=10)
    assert not history.refuses(10_000, 0, least_rps=12)
