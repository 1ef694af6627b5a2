"""Where parked hooks run: an asyncio loop, the application's or one of the proxy's own. (mesh.filters.thread_runner: a thread, for admin
pages.)

`submit` is called on a worker's thread, with the GIL, once per loop iteration with all views that were parked in it. A runner answers
each view exactly once (View.answer), with the hook's result or the exception it raised, unless its stream has gone (View.gone). `cancel`
is called on a worker's thread when a stream goes before its hook has answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Any

TASKS_END_S = 5.0


class LoopRunner:
    """Runs coroutine hooks as tasks of `loop`. One wake-up of the loop serves all views submitted before it got there."""

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
            try:
                self.loop.call_soon_threadsafe(self._start)
            except RuntimeError as error:  # the loop was closed under a running proxy
                for view in self._take():
                    view.answer(error)

    def _take(self) -> list[Any]:
        with self._lock:
            views, self._waiting = self._waiting, []
        return views

    def _start(self) -> None:
        for view in self._take():
            if not view.gone:
                task = self.loop.create_task(self._serve(view))
                view.task = task
                self._tasks.add(task)

    async def _serve(self, view: Any) -> None:
        task = view.task
        try:
            result = await view.hook(view)
        except asyncio.CancelledError as error:
            view.answer(RuntimeError("the hook was cancelled"))
            self._tasks.discard(task)
            raise error
        except BaseException as error:  # SystemExit too: it would end the loop, and every other hook with it
            result = error
        view.answer(result)
        self._tasks.discard(task)

    def cancel(self, task: asyncio.Task[None]) -> None:
        try:
            self.loop.call_soon_threadsafe(task.cancel)
        except RuntimeError:  # the loop is closed, and its tasks with it
            return

    def stop(self) -> None:
        """Cancels what still runs and waits for it, unless this is the loop's own thread or the loop does not run any more."""
        if not self.loop.is_running() or asyncio._get_running_loop() is self.loop:
            return
        with contextlib.suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(self.finish(), self.loop).result(2 * TASKS_END_S)

    async def finish(self, timeout: float = TASKS_END_S) -> None:
        """On the loop: cancels what still runs, and waits at most `timeout` seconds for it."""
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=timeout)


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
        super().stop()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()
        for view in self._take():
            view.answer(RuntimeError("the proxy stops"))
