"""A proxy in this process for the length of a test, and proof that it left nothing behind.

`running` starts it on free ports. At the end of the block it waits until what the test has opened is gone, asks the engine
for what is alive (as many objects as right after the start; none after everything was closed) and counts the process's
descriptors. An exception of the test itself goes first.
"""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import mesh
from mesh.testing.bootstrap import bootstrap
from mesh.testing.wire import LIMIT_S, Message, Wire, connect

POLL_S = 0.002


class Leak(AssertionError):
    """Something of a proxy stayed alive."""


def until(condition: Callable[[], Any], what: str = "the condition", limit: float = LIMIT_S) -> None:
    """Waits for something that nobody announces, such as a counter of another thread."""
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not come true in {limit} s")
        time.sleep(POLL_S)


def open_descriptors() -> int:
    """Descriptors of this process."""
    return len(os.listdir("/proc/self/fd")) - 1


@functools.cache
def _first_proxy() -> None:
    """libuv opens two descriptors for the whole process with its first loop, and keeps them."""
    with mesh.Proxy(bootstrap(), concurrency=1):
        pass


class Running:
    """A started proxy with what tests ask of it most."""

    def __init__(self, proxy: mesh.Proxy, name: str = "main") -> None:
        self.proxy = proxy
        self.name = name
        self.base = proxy.live_objects()

    @property
    def port(self) -> int:
        return int(self.proxy.listeners[self.name].port)

    def client(self, **options: Any) -> Wire:
        return connect(self.port, **options)

    def get(self, path: str = "/", **headers: str) -> Message:
        """One request on a connection of its own. Header names are written with `_` for `-`."""
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        with self.client() as client:
            client.send(f"GET {path} HTTP/1.1\r\nhost: a\r\n{lines}\r\n".encode())
            return client.read_response()

    def stat(self, name: str) -> int:
        return int(self.proxy.stats.get(name, 0))

    def up(self, name: str) -> int:
        """A counter of the cluster `up`."""
        return self.stat(f"cluster.up.{name}")

    def down(self, name: str) -> int:
        """A counter of the connection manager."""
        return self.stat(f"http.test.{name}")

    def wait_stat(self, name: str, value: int) -> None:
        until(lambda: self.stat(name) >= value, f"{name} >= {value}")

    def quiet(self) -> None:
        """Waits until no client and no request is left."""
        until(lambda: self.down("downstream_cx_active") == 0, "the end of all downstream connections")

    def wait_rest(self, limit: float = LIMIT_S) -> None:
        """Waits until as much is alive as right after the start."""
        with contextlib.suppress(TimeoutError):
            until(lambda: self.proxy.live_objects() == self.base, limit=limit)
        if (live := self.proxy.live_objects()) != self.base:
            raise Leak(f"{live} objects are alive, {self.base} were at the start; {self._gauges()}")

    def close_all(self, limit: float = LIMIT_S) -> None:
        """Closes everything and waits until nothing is alive."""
        for worker in self.proxy._workers:
            worker.abort()
        with contextlib.suppress(TimeoutError):
            until(lambda: self.proxy.live_objects() == 0, limit=limit)
        if live := self.proxy.live_objects():
            raise Leak(f"{live} objects are alive after everything was closed; {self._gauges()}")

    def _gauges(self) -> dict[str, int | str]:
        return {name: value for name, value in self.proxy.stats.items() if name.endswith("_active") and value}


@contextlib.contextmanager
def running(source: Any, *, concurrency: int = 1, idle_upstreams: bool = True, **options: Any) -> Iterator[Running]:
    """A started proxy. `idle_upstreams`: connections may rest in pools at the end (they are closed then); else they must
    have gone by themselves."""
    _first_proxy()
    before = open_descriptors()
    proxy = mesh.Proxy(source, concurrency=concurrency, **options)
    proxy.start()
    try:
        found = Running(proxy)
        yield found
        found.quiet()
        if idle_upstreams:
            _close_pools(found)
        found.wait_rest()
        found.close_all()
    finally:
        proxy.stop()
    if proxy.live_objects():
        raise Leak(f"{proxy.live_objects()} objects are alive after stop")
    try:
        until(lambda: open_descriptors() <= before, limit=LIMIT_S)
    except TimeoutError as error:
        raise Leak(f"{open_descriptors()} descriptors are open after stop, {before} were before the start") from error


def _close_pools(found: Running) -> None:
    """Pools keep idle connections until their cluster goes; drop every cluster, as a configuration without them would."""
    publisher = found.proxy._running()
    for live in publisher.clusters.values():
        for worker in publisher.workers:
            worker.drop_cluster(live.index)
