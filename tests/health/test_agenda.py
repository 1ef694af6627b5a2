"""The agenda runs what is due, in order, and nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mesh.health.agenda import Agenda


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_jobs_run_when_they_are_due_and_in_order_of_entry_when_at_once() -> None:
    clock, ran = Clock(), []
    agenda = Agenda(clock)
    for name, wait in (("late", 2.0), ("a", 1.0), ("b", 1.0)):
        agenda.after(wait, lambda name=name: ran.append(name))
    assert agenda.run() == 0
    assert agenda.next_due == 101.0
    clock.now = 101.0
    assert agenda.run() == 2
    assert ran == ["a", "b"]
    clock.now = 102.0
    agenda.run()
    assert ran == ["a", "b", "late"]
    assert agenda.next_due is None


def test_a_cancelled_job_does_not_run_and_cancelling_twice_does_nothing() -> None:
    clock, ran = Clock(), []
    agenda = Agenda(clock)
    entry = agenda.after(0.0, lambda: ran.append("never"))
    other = agenda.after(0.0, lambda: ran.append("once"))
    agenda.cancel(entry)
    agenda.cancel(entry)
    agenda.cancel(None)
    assert len(agenda) == 1
    agenda.run()
    agenda.cancel(other)
    assert ran == ["once"]
    assert len(agenda) == 0


def test_whoever_drives_it_hears_of_something_sooner_only() -> None:
    clock, heard = Clock(), []
    agenda = Agenda(clock, lambda: heard.append(agenda.next_due))
    agenda.after(5.0, lambda: None)
    agenda.after(6.0, lambda: None)
    agenda.after(4.0, lambda: None)
    assert heard == [105.0, 104.0]


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=300))
def test_what_was_not_cancelled_runs_once_in_order_of_time(entries: list[tuple[int, bool]]) -> None:
    clock, ran = Clock(), []
    agenda = Agenda(clock)
    made = [(wait, keep, agenda.after(wait, lambda at=(wait, n): ran.append(at))) for n, (wait, keep) in enumerate(entries)]
    for _, keep, entry in made:
        if not keep:
            agenda.cancel(entry)
    clock.now += 50
    agenda.run()
    assert ran == sorted((wait, n) for n, (wait, keep) in enumerate(entries) if keep)


def test_ten_thousand_hosts_that_time_out_and_come_back_leave_nothing_behind() -> None:
    clock = Clock()
    agenda = Agenda(clock)
    entries = [agenda.after(5.0 + n / 10_000, lambda: None) for n in range(10_000)]
    for _ in range(5):
        for n, entry in enumerate(entries):
            agenda.cancel(entry)
            entries[n] = agenda.after(5.0, lambda: None)
    assert len(agenda) == 10_000
    clock.now += 10.0
    assert agenda.run() == 10_000
