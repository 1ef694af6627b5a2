"""Agenda: what is due when, for thousands of checks at once.

A heap of jobs over a clock that is handed in; jobs due at the same time run in the order in which they were entered. Knows no thread and
no loop: whoever drives it asks `next_due` and calls `run`. Entries that were cancelled stay in the heap until they surface, and are
cleared away when they are the majority. One thread.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

Job = Callable[[], None]
Entry = list[object]  # [due, number, job or None]
SPARE = 64  # cancelled entries that are not worth clearing away


class Agenda:
    """`clock` tells seconds; `on_sooner`, when given, is called when something is due earlier than all before."""

    def __init__(self, clock: Callable[[], float], on_sooner: Callable[[], None] | None = None) -> None:
        self.clock = clock
        self._on_sooner = on_sooner
        self._heap: list[Entry] = []
        self._number = 0
        self._cancelled = 0

    def __len__(self) -> int:
        return len(self._heap) - self._cancelled

    def after(self, seconds: float, job: Job) -> Entry:
        """Enters `job`; the answer is for `cancel`."""
        self._number += 1
        entry: Entry = [self.clock() + seconds, self._number, job]
        heapq.heappush(self._heap, entry)
        if self._heap[0] is entry and self._on_sooner is not None:
            self._on_sooner()
        return entry

    def cancel(self, entry: Entry | None) -> None:
        """Takes a job out; one that has run, was cancelled or is None is none of its business."""
        if entry is None or entry[2] is None:
            return
        entry[2] = None
        self._cancelled += 1
        if self._cancelled > SPARE and self._cancelled * 2 > len(self._heap):
            self._heap = [one for one in self._heap if one[2] is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0

    @property
    def next_due(self) -> float | None:
        """When `run` has something to do; None: never."""
        while self._heap and self._heap[0][2] is None:
            heapq.heappop(self._heap)
            self._cancelled -= 1
        return float(self._heap[0][0]) if self._heap else None  # type: ignore[arg-type]

    def run(self) -> int:
        """Runs what is due now, and what that enters only when it is due at once; how many jobs that were."""
        now, n = self.clock(), 0
        while (due := self.next_due) is not None and due <= now:
            entry = heapq.heappop(self._heap)
            job, entry[2] = entry[2], None
            job()  # type: ignore[operator]
            n += 1
        return n
