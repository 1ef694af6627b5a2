"""Timers: what is due runs once or again and again, in order, and nothing runs after `stop`."""

from __future__ import annotations

import logging
import threading

import pytest

from mesh.timers import Timers

WAIT_S = 10.0


def test_no_thread_before_the_first_job() -> None:
    timers = Timers("mesh-test-timers")
    assert not [thread for thread in threading.enumerate() if thread.name == "mesh-test-timers"]
    timers.stop()


def test_jobs_run_in_the_order_of_their_time() -> None:
    timers, ran, done = Timers("mesh-test-timers"), list[str](), threading.Event()
    timers.after(0.06, done.set)
    timers.after(0.04, lambda: ran.append("late"))
    timers.after(0.0, lambda: ran.append("early"))
    assert done.wait(WAIT_S)
    assert ran == ["early", "late"]
    timers.stop()


def test_a_job_that_comes_back_comes_back_although_it_raised(caplog: pytest.LogCaptureFixture) -> None:
    timers, times, thrice = Timers("mesh-test-timers"), list[int](), threading.Event()

    def job() -> None:
        times.append(1)
        if len(times) == 3:
            thrice.set()
        raise ZeroDivisionError("job")

    with caplog.at_level(logging.ERROR, "mesh.timers"):
        timers.every(0.005, job)
        assert thrice.wait(WAIT_S)
        timers.stop()
    assert "a timer's job failed" in caplog.text


def test_nothing_runs_after_stop_and_stop_waits_for_what_runs() -> None:
    timers, entered, leave = Timers("mesh-test-timers"), threading.Event(), threading.Event()
    ran: list[str] = []

    def job() -> None:
        entered.set()
        leave.wait(WAIT_S)
        ran.append("end")

    timers.after(0.0, job)
    timers.after(3600.0, lambda: ran.append("never"))
    assert entered.wait(WAIT_S)
    stopping = threading.Thread(target=timers.stop)
    stopping.start()
    leave.set()
    stopping.join(WAIT_S)
    assert ran == ["end"]
    timers.after(0.0, lambda: ran.append("after the end"))
    timers.stop()
    assert ran == ["end"]
    assert not [thread for thread in threading.enumerate() if thread.name == "mesh-test-timers"]
