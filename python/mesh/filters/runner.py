"""Where parked hooks run: an asyncio loop (the application's, or one of the proxy's own), or a plain thread for the admin pages.

`submit` is called on a worker's thread, with the GIL, once per loop iteration with all views that were parked in it. A runner answers each view
exactly once (View.answer), with the hook's result or the exception it raised.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from typing import Any


class LoopRunner:
    """Runs coroutine hooks on `loop`. One wake-up of the loop serves all views submitted before it got there."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._waiting: list[Any] = []
        self._lock = threading.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def submit(self, views: list[Any]) -> None:
        with self._lock:
            first = not self._waiting
            self._waiting.extend(views)
        if first:
            self._wake(views)

    def _wake(self, views: list[Any]) -> None:
        try:
            self.loop.call_soon_threadsafe(self._start)
        except RuntimeError as error:  # the loop was closed under a running proxy
            with self._lock:
                self._waiting.clear()
            for view in views:
                view.answer(error)

    def _start(self) -> None:
        with self._lock:
            views, self._waiting = self._waiting, []
        for view in views:
            task = self.loop.create_task(_answer(view))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            view.task = _Cancel(self.loop, task)

    def stop(self) -> None:
        """The loop belongs to somebody else."""


class _Cancel:
    """Called on a worker's thread when the stream has gone before its hook answered."""

    __slots__ = ("loop", "task")

    def __init__(self, loop: asyncio.AbstractEventLoop, task: asyncio.Task[None]) -> None:
        self.loop = loop
        self.task = task

    def __call__(self) -> None:
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.task.cancel)


async def _answer(view: Any) -> None:
    try:
        result = await view.hook(view)
    except asyncio.CancelledError:
        view.answer(RuntimeError("the hook was cancelled"))
        raise
    except Exception as error:
        result = error
    view.answer(result)


class OwnLoopRunner(LoopRunner):
    """A LoopRunner with a loop of its own on a thread of its own."""

    def __init__(self) -> None:
        super().__init__(asyncio.new_event_loop())
        self._thread = threading.Thread(target=self.loop.run_forever, name="mesh-filters", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Cancels what still runs and ends the thread."""
        if self.loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._cancel_all(), self.loop).result(5)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    async def _cancel_all(self) -> None:
        tasks = [task for task in self._tasks if not task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class ThreadRunner:
    """Runs plain hooks one after the other on a thread: what the admin pages need, which may be slow and must not stop a worker."""

    def __init__(self, name: str) -> None:
        self._views: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, views: list[Any]) -> None:
        for view in views:
            self._views.put(view)

    def _run(self) -> None:
        while (view := self._views.get()) is not None:
            try:
                result = view.hook(view)
            except Exception as error:
                result = error
            view.answer(result)

    def stop(self) -> None:
        self._views.put(None)
        self._thread.join()
