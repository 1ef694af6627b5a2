"""The timing wheel against a dictionary of deadlines: every timer fires once, never early, at the first advance that reaches it."""

from __future__ import annotations

import random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from meshcore.bind.basetest import Alarmed

N = 6
WHICH = st.integers(0, N - 1)
# Distances at which levels of 256 slots begin, and their neighbours.
EDGES = [base + off for base in (0, 255, 256, 511, 65535, 65536, 131071, 2**24, 2**32 - 1, 2**32) for off in (-1, 0, 1) if base + off >= 0]
AHEAD = st.one_of(st.sampled_from(EDGES), st.integers(0, 600), st.integers(0, 70_000), st.integers(0, 2**34))


class WheelAgainstDeadlines(RuleBasedStateMachine):
    @initialize(now=st.one_of(st.just(0), st.integers(0, 2**20), st.just(2**33 - 3)))
    def begin(self, now: int) -> None:
        self.now = now
        self.wheel = Alarmed(now, N)
        self.due: dict[int, int] = {}

    @rule(i=WHICH, ahead=AHEAD)
    def arm(self, i: int, ahead: int) -> None:
        self.wheel.arm(i, self.now + ahead)
        # Nothing fires inside arm: what is due already waits for the next tick.
        self.due[i] = max(self.now + ahead, self.now + 1)

    @rule(i=WHICH)
    def cancel(self, i: int) -> None:
        self.wheel.cancel(i)
        self.due.pop(i, None)

    @rule(ahead=AHEAD)
    def advance(self, ahead: int) -> None:
        self._advance(self.now + ahead)

    @rule()
    def advance_to_where_it_says(self) -> None:
        if self.wheel.next is not None:
            self._advance(self.wheel.next)

    def _advance(self, to: int) -> None:
        fired = self.wheel.advance(to)
        expected = {i: due for i, due in self.due.items() if due <= to}
        assert dict(fired) == expected, (fired, expected)
        assert len(fired) == len(expected)
        assert [at for _, at in fired] == sorted(at for _, at in fired)
        self.due = {i: due for i, due in self.due.items() if due > to}
        self.now = max(self.now, to)

    @invariant()
    def it_knows_when_to_wake(self) -> None:
        if not hasattr(self, "wheel"):
            return
        assert self.wheel.armed == len(self.due)
        assert [self.wheel.is_armed(i) for i in range(N)] == [i in self.due for i in range(N)]
        wake = self.wheel.next
        if self.due:
            assert wake is not None
            assert self.now < wake <= min(self.due.values())
        else:
            assert wake is None


WheelAgainstDeadlines.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestWheelAgainstDeadlines = pytest.mark.slow(WheelAgainstDeadlines.TestCase)


@pytest.mark.parametrize("start", [0, 1, 255, 256, 65_535, 65_536, 2**24 - 1, 2**32 - 1])
def test_a_timer_fires_in_its_own_millisecond_when_time_goes_tick_by_tick(start: int) -> None:
    due = [start + ahead for ahead in (1, 2, 255, 256, 257, 511, 512, 767, 768, 1023, 1024)]
    wheel = Alarmed(start, len(due))
    for i, at in enumerate(due):
        wheel.arm(i, at)
    fired = {}
    for now in range(start + 1, start + 1100):
        for i, at in wheel.advance(now):
            fired[i] = (at, now)
    assert fired == {i: (at, at) for i, at in enumerate(due)}


def test_a_thousand_timers_all_fire_once_whatever_the_steps() -> None:
    dice = random.Random(7)
    wheel = Alarmed(1000, 1000)
    due = [1001 + int(dice.expovariate(1) * 10 ** dice.randrange(1, 7)) for _ in range(1000)]
    for i, at in enumerate(due):
        wheel.arm(i, at)
    fired: dict[int, int] = {}
    now = 1000
    while wheel.armed:
        now += dice.choice([1, 3, 250, 5000, 100_000])
        for i, at in wheel.advance(now):
            assert i not in fired
            assert due[i] == at <= now
            fired[i] = at
    assert len(fired) == 1000


def test_a_timer_may_arm_itself_again_when_it_fires() -> None:
    wheel = Alarmed(0, 1)
    wheel.repeat(0, 100)
    wheel.arm(0, 50)
    assert wheel.advance(400) == [(0, 50), (0, 150), (0, 250), (0, 350)]
    assert wheel.is_armed(0)


def test_a_timer_may_cancel_its_neighbours_when_it_fires() -> None:
    wheel = Alarmed(0, 3)
    for i in range(3):
        wheel.arm(i, 10)
        wheel.kill(i, (i + 1) % 3)
    fired = wheel.advance(10)
    assert len(fired) == 2
    assert wheel.armed == 0


def test_an_idle_hour_is_one_step() -> None:
    wheel = Alarmed(0, 1)
    wheel.arm(0, 3_600_000)
    wakes = 0
    while (wake := wheel.next) is not None:
        wheel.advance(wake)
        wakes += 1
    assert wakes <= 4


def test_time_that_goes_back_is_ignored() -> None:
    wheel = Alarmed(1000, 1)
    wheel.arm(0, 1010)
    assert wheel.advance(500) == []
    assert wheel.now == 1000
    assert wheel.advance(1010) == [(0, 1010)]
