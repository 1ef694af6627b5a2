"""The doors through which the same test runs: worker threads (one, two), an asyncio loop, a uvloop.

A door starts a proxy and gives a test the same few calls, from the test's own thread. The doors of a loop run that loop on a thread of
their own, as an application would. Leaving a door proves that nothing of the proxy is alive.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any

import uvloop

import mesh
import mesh.aio

DEADLINE_S = 20.0


class Threads:
    """mesh.Proxy."""

    def __init__(self, source: Any, concurrency: int) -> None:
        self.proxy = mesh.Proxy(source, concurrency=concurrency)

    def __enter__(self) -> Threads:
        self.proxy.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        assert self.proxy.live_objects() == 0

    @property
    def port(self) -> int:
        return self.proxy.listeners["main"].port

    @property
    def live(self) -> int:
        return self.proxy.live_objects()

    def stat(self, name: str) -> int:
        return int(self.proxy.stats.get(name, 0))

    def apply(self, source: Any) -> None:
        self.proxy.apply(source)

    def stop(self) -> None:
        self.proxy.stop()


class InLoop:
    """mesh.aio.Proxy on a loop that runs on a thread of its own."""

    def __init__(self, source: Any, new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
        self.loop = new_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="door-loop")
        self.proxy = mesh.aio.Proxy(source)

    def call(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(DEADLINE_S)

    def read(self, function: Callable[[], Any]) -> Any:
        async def there() -> Any:
            return function()

        return self.call(there())

    def __enter__(self) -> InLoop:
        self.thread.start()
        try:
            self.call(self.proxy.start())
        except BaseException:
            self._end_loop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
            assert self.proxy.live_objects() == 0
            assert self.read(lambda: len(asyncio.all_tasks())) == 1, "a hook's task outlived its proxy"
        finally:
            self._end_loop()

    def _end_loop(self) -> None:
        self.call(self.loop.shutdown_default_executor())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    @property
    def port(self) -> int:
        return int(self.read(lambda: self.proxy.listeners["main"].port))

    @property
    def live(self) -> int:
        return int(self.read(self.proxy.live_objects))

    def stat(self, name: str) -> int:
        return int(self.read(lambda: self.proxy.stats.get(name, 0)))

    def apply(self, source: Any) -> None:
        self.call(self.proxy.apply(source))

    def stop(self) -> None:
        self.call(self.proxy.stop())


Door = Threads | InLoop
OpenDoor = Callable[[Any], Door]
DOORS: dict[str, OpenDoor] = {
    "one-thread": lambda source: Threads(source, 1),
    "two-threads": lambda source: Threads(source, 2),
    "asyncio": lambda source: InLoop(source, asyncio.new_event_loop),
    "uvloop": lambda source: InLoop(source, uvloop.new_event_loop),
}
