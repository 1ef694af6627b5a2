"""Where the admin pages run: parked hooks that are plain functions, one after the other on a thread.

Like the runners of mesh.filters.runner (see there for what `submit` and `cancel` promise), but without asyncio, whose import costs
six megabytes: a proxy without an `async def` filter must not pay for it. Made and ended by the admin server.
"""

from __future__ import annotations

import queue
import threading
from typing import Any


class ThreadRunner:
    """Runs plain hooks one after the other on a thread: what the admin pages need, which may be slow and must not stop a worker."""

    def __init__(self, name: str) -> None:
        self._views: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, views: list[Any]) -> None:
        for view in views:
            self._views.put(view)

    def cancel(self, task: Any) -> None:
        """A page that has begun is finished; nobody reads it."""

    def _run(self) -> None:
        while (view := self._views.get()) is not None:
            if view.gone:
                continue
            try:
                result = view.hook(view)
            except Exception as error:
                result = error
            view.answer(result)

    def stop(self) -> None:
        self._views.put(None)
        self._thread.join()
