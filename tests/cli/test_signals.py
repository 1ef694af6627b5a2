"""Signals arrive as values, in order, and leave no trace."""

from __future__ import annotations

import os
import signal
import threading

from mesh.cli.signals import WAKE, Signals


def test_signals_arrive_in_order_and_old_handlers_return() -> None:
    before = signal.getsignal(signal.SIGUSR1)
    with Signals(signal.SIGUSR1, signal.SIGUSR2) as signals:
        os.kill(os.getpid(), signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGUSR2)
        assert [signals.wait(), signals.wait()] == [signal.SIGUSR1, signal.SIGUSR2]
    assert signal.getsignal(signal.SIGUSR1) is before


def test_another_thread_can_end_the_wait() -> None:
    with Signals(signal.SIGUSR1) as signals:
        threading.Thread(target=signals.wake).start()
        assert signals.wait() == WAKE
    signals.wake()
