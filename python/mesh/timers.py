"""Timers of a proxy: small jobs that come back (flushing statistics) or are due once (the end of a graceful drain), on one thread.

The thread starts with the first job and sleeps until the next is due. A job that raises is logged and, if it comes back, tried again at its
next time. Jobs must not call `stop`. Made and ended by mesh.Proxy; `stop` returns when no job runs any more."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable

LOG = logging.getLogger("mesh.timers")


class Timers:
    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: list[tuple[float, int, float, Callable[[], None]]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stopped = False

    def every(self, seconds: float, job: Callable[[], None]) -> None:
        """Runs `job` each `seconds` from now on."""
        self._add(time.monotonic() + seconds, seconds, job)

    def after(self, seconds: float, job: Callable[[], None]) -> None:
        """Runs `job` once, unless `stop` comes first."""
        self._add(time.monotonic() + seconds, 0.0, job)

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._jobs.clear()
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _add(self, due: float, again: float, job: Callable[[], None]) -> None:
        with self._changed:
            if self._stopped:
                return
            heapq.heappush(self._jobs, (due, next(self._order), again, job))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._changed.notify()

    def _run(self) -> None:
        while (job := self._next()) is not None:
            try:
                job()
            except Exception:
                LOG.exception("a timer's job failed")

    def _next(self) -> Callable[[], None] | None:
        """Waits for the next job; None at the end."""
        with self._changed:
            while not self._stopped:
                if not self._jobs:
                    self._changed.wait()
                elif (wait := self._jobs[0][0] - time.monotonic()) > 0:
                    self._changed.wait(wait)
                else:
                    due, _, again, job = heapq.heappop(self._jobs)
                    if again:
                        # What was slept through (a suspended machine) is not made up for.
                        heapq.heappush(self._jobs, (max(due, time.monotonic() - again) + again, next(self._order), again, job))
                    return job
        return None
