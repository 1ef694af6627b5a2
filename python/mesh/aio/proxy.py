"""mesh.aio.Proxy: a proxy whose engine runs on the thread of an asyncio loop.

It is a mesh.Proxy with one worker and without worker threads. What may block (reading configuration, importing filters, DNS, opening
logs) happens on threads of the executor, and only the orders that come out of it reach the loop (LoopWorker), so the application's
callbacks never wait for a configuration. Synchronous filter hooks run on the loop's thread inside the engine's turn; `async def` hooks
are tasks of the same loop.

Made and used on the loop's thread. `stop` leaves nothing: no thread, descriptor, reader, timer or task.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, TypeVar

from mesh.aio.worker import LoopWorker
from mesh.proxy import POLL_S
from mesh.proxy import Proxy as ThreadedProxy
from meshcore.bind.spec import Address
from meshcore.bind.worker import Worker

T = TypeVar("T")


class _Embedded(ThreadedProxy):
    """The same life without worker threads. Its blocking methods are called on threads of the executor."""

    def __init__(self, source: Any, worker: LoopWorker, loop: asyncio.AbstractEventLoop, **options: Any) -> None:
        super().__init__(source, concurrency=1, **options)
        self._app_loop = loop
        self._embedded = worker

    def _make_workers(self) -> list[Worker]:
        return [self._embedded]

    def _run_workers(self) -> None:
        """The loop does."""

    def live_downstreams(self) -> int:
        """Connections of clients."""
        return self.open_connections()


class Proxy:
    """A proxy from `source` (as mesh.Proxy takes it) inside the running loop; `async with`, or `start` and `stop`.

    `drain_time_s`, `drain_strategy`: as in mesh.Proxy. `on_quit` is called on the loop's thread when the admin interface is asked to quit.
    `start` raises mesh.ConfigError for a bad configuration and OSError when it cannot be brought up (port in use, log file)."""

    def __init__(
        self,
        source: Any,
        *,
        log_level: str = "info",
        drain_time_s: float = 600.0,
        drain_strategy: str = "gradual",
        on_quit: Callable[[], None] | None = None,
    ) -> None:
        self._source = source
        self._on_quit = on_quit
        self._options = {"log_level": log_level, "drain_time_s": drain_time_s, "drain_strategy": drain_strategy}
        self._proxy: _Embedded | None = None
        self._stopped = False
        self._turn = asyncio.Lock()

    # --- life ---

    async def start(self) -> Proxy:
        """Binds, and serves when it returns."""
        async with self._turn:
            if self._proxy is not None or self._stopped:
                raise RuntimeError("this proxy was started before; make a new one")
            loop = asyncio.get_running_loop()
            worker = LoopWorker.on(loop)
            bringing = asyncio.ensure_future(asyncio.to_thread(self._bring_up, worker, loop))
            try:
                self._proxy = await asyncio.shield(bringing)
            except BaseException:
                self._stopped = True
                await asyncio.wait((bringing,))
                if not bringing.cancelled() and bringing.exception() is None:
                    await asyncio.to_thread(bringing.result().stop)
                worker.close()
                raise
        return self

    def _bring_up(self, worker: LoopWorker, loop: asyncio.AbstractEventLoop) -> _Embedded:
        def on_quit() -> None:
            if self._on_quit is not None:
                loop.call_soon_threadsafe(self._on_quit)

        embedded = _Embedded(self._source, worker, loop, on_quit=on_quit, **self._options)
        embedded.start()
        return embedded

    async def apply(self, source: Any) -> None:
        """Makes `source` the running configuration without losing a request; when it raises, the old one still runs."""
        async with self._turn:
            await _to_the_end(asyncio.to_thread(self._running().apply, source))

    async def drain(self, timeout: float | None = None) -> bool:
        """Stops accepting, lets requests in flight end; False when `timeout` seconds were not enough."""
        proxy = self._running()
        end = time.monotonic() + (proxy.drain_time_s if timeout is None else timeout)
        if proxy.drain(0):
            return True
        while time.monotonic() < end:
            await asyncio.sleep(POLL_S)
            if proxy.live_downstreams() == 0:
                return True
        return False

    async def stop(self) -> None:
        """Closes everything at once. May be called twice; a cancelled stop stops all the same."""
        async with self._turn:
            proxy, self._proxy, self._stopped = self._proxy, None, True
            if proxy is None:
                return
            await _to_the_end(asyncio.to_thread(proxy.stop))

    async def reopen_logs(self) -> None:
        """Opens the access-log files again (after a rotation)."""
        await _to_the_end(asyncio.to_thread(self._running().reopen_logs))

    async def __aenter__(self) -> Proxy:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    # --- facts ---

    @property
    def state(self) -> str:
        """As in mesh.Proxy: PRE_INITIALIZING, LIVE, DRAINING or STOPPED."""
        if self._proxy is None:
            return "STOPPED" if self._stopped else "PRE_INITIALIZING"
        return self._proxy.state

    @property
    def listeners(self) -> dict[str, Address]:
        """Listener name -> the address it is bound to (port 0 resolved)."""
        return self._running().listeners

    @property
    def admin_address(self) -> Address | None:
        """Where the admin interface listens; None without one."""
        return self._running().admin_address

    @property
    def stats(self) -> dict[str, int | str]:
        """Counters and gauges, by Envoy's names."""
        return self._running().stats

    def live_objects(self) -> int:
        """Connections, streams, attempts and handles alive in the engine; 0 before `start` and after `stop`."""
        return 0 if self._proxy is None else self._proxy.live_objects()

    def _running(self) -> _Embedded:
        if self._proxy is None:
            raise RuntimeError("this proxy is not running")
        return self._proxy


async def _to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Waits for `work` even when the caller is cancelled meanwhile: a half-done start or stop would leave an engine without an owner."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait((task,))
        raise
