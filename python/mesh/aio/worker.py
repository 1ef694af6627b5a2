"""LoopWorker: an engine that an asyncio loop drives, on the loop's thread.

The engine's own loop has one descriptor, readable when it has work, and one timeout. Both are given to the host loop; a turn does what is
ready without sleeping and says when the next one is due. A turn is one or two polls of the engine, so the host's other callbacks wait no
longer than the engine needs for what had arrived by then; an idle engine has no turns at all.

The engine may be touched by the loop's thread only. An order (Worker.set_hosts, Worker.live, ...) that comes from another thread is
handed to the loop and waited for; one that comes from inside a filter hook is refused, because the engine is in the middle of a turn
then. Ends with `close`, on any thread, when nothing is alive in the engine.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any

from meshcore.bind.worker import Worker

ORDERS = (
    "set_listener", "update_listener", "set_routes", "drop_listener", "set_cluster", "set_clusters", "set_hosts", "drain_host",
    "drop_cluster", "set_log", "flush_logs", "stop_listening", "stop_listener", "set_backlog", "set_drain", "set_health",
    "drain_listener", "drain", "abort", "live",
)  # fmt: skip
LOOP_CHECK_S = 0.5


class LoopWorker(Worker):
    """Made with `LoopWorker.on(loop)`, on the loop's thread, which is when it begins to run."""

    _loop: asyncio.AbstractEventLoop
    _thread: int                   # the loop's
    _busy = False                  # a turn or an order is on the stack
    _open = True
    _soon: asyncio.Handle | None = None
    _alarm: asyncio.TimerHandle | None = None
    _alarm_due = 0.0               # by the loop's clock

    @classmethod
    def on(cls, loop: asyncio.AbstractEventLoop, index: int = 0) -> LoopWorker:
        """Worker number `index` inside `loop`."""
        worker = cls(index, True)
        worker._loop = loop
        worker._thread = threading.get_ident()
        loop.add_reader(worker.fileno(), worker._turn)
        worker._arm()
        return worker

    def close(self) -> None:
        if self._open:
            self._on_loop(LoopWorker._close)

    # --- turns ---

    def _turn(self) -> None:
        self._busy = True
        try:
            self.step()
        finally:
            self._busy = False
        self._arm()

    def _turn_soon(self) -> None:
        self._soon = None
        self._turn()

    def _ring(self) -> None:
        self._alarm = None
        self._turn()

    def _arm(self) -> None:
        """Sees to it that the next turn comes in time. An alarm that rings too early costs one turn: less than setting one at each turn."""
        timeout_ms = self.timeout_ms()
        if timeout_ms < 0 or self._loop.is_closed():
            return
        if timeout_ms == 0:
            if self._soon is None:
                self._soon = self._loop.call_soon(self._turn_soon)
            return
        due = self._loop.time() + timeout_ms / 1000
        if self._alarm is not None:
            if self._alarm_due <= due:
                return
            self._alarm.cancel()
        self._alarm = self._loop.call_at(due, self._ring)
        self._alarm_due = due

    def _close(self) -> None:
        self._open = False
        if not self._loop.is_closed():
            self._loop.remove_reader(self.fileno())
        for handle in (self._soon, self._alarm):
            if handle is not None:
                handle.cancel()
        Worker.close(self)

    # --- orders ---

    def _on_loop(self, order: Callable[..., Any], *args: Any) -> Any:
        """Carries an order out on the loop's thread; when the loop is closed nobody else is there, and any thread will do."""
        if threading.get_ident() != self._thread and not self._loop.is_closed():
            return self._hand_over(order, args)
        if self._busy:
            raise RuntimeError("a filter hook cannot give orders to the proxy that runs it: hand them to a task")
        if not self._open and order is not LoopWorker._close:
            raise RuntimeError("this worker is closed")
        self._busy = True
        try:
            return order(self, *args)
        finally:
            self._busy = False
            if self._open:
                self._arm()

    def _hand_over(self, order: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        done: Future[Any] = Future()

        def run() -> None:
            try:
                done.set_result(self._on_loop(order, *args))
            except BaseException as error:
                done.set_exception(error)

        self._loop.call_soon_threadsafe(run)
        while not wait((done,), LOOP_CHECK_S).done:
            if self._loop.is_closed():
                raise RuntimeError("the event loop was closed under a running proxy")
        return done.result()


def _ordered(name: str) -> Callable[..., Any]:
    order = getattr(Worker, name)

    def give(self: LoopWorker, *args: Any) -> Any:
        return self._on_loop(order, *args)

    give.__name__, give.__doc__ = name, order.__doc__
    return give


for _name in ORDERS:
    setattr(LoopWorker, _name, _ordered(_name))
