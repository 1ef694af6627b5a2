"""Signals as values that the main thread waits for.

`Signals` installs handlers that do nothing and lets the interpreter write each signal's number to a pipe; `wait`
reads it. So a signal never interrupts anything, and other threads end the same wait through `wake`. Main thread only,
apart from `wake`."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from types import FrameType, TracebackType

WAKE = 0


class Signals:
    """Use as a context: the old handlers return at its end."""

    def __init__(self, *numbers: signal.Signals) -> None:
        self._numbers = numbers
        self._before: dict[int, object] = {}
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._before_fd = -1
        self._closing = threading.Lock()
        self._closed = False

    def __enter__(self) -> Signals:
        self._before_fd = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for number in self._numbers:
            self._before[number] = signal.signal(number, _ignore)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        signal.set_wakeup_fd(self._before_fd)
        with self._closing:
            self._closed = True
            os.close(self._reader)
            os.close(self._writer)

    def wait(self) -> int:
        """The number of the next signal, or WAKE."""
        while True:
            number = os.read(self._reader, 1)[0]
            if number == WAKE or number in self._before:
                return number

    def wake(self) -> None:
        """Ends one `wait`; any thread may call it, also after the end (the descriptor is someone else's by then)."""
        with self._closing:
            if not self._closed:
                with contextlib.suppress(BlockingIOError):  # a full pipe ends the wait as well
                    os.write(self._writer, bytes([WAKE]))


def _ignore(number: int, frame: FrameType | None) -> None:
    """The pipe carries the signal; a handler must exist for the interpreter to write to it."""
