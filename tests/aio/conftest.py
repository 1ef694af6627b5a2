"""Fixtures: `run` runs a coroutine function on a fresh loop of either kind and looks for what it left behind."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
import uvloop

import mesh.aio
from tests.filters.bootstrap import bootstrap
from tests.filters.wire import Mirror
from tests.peers.descriptors import open_descriptors

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
Run = Callable[[Callable[[], Coroutine[Any, Any, Any]]], Any]


@pytest.fixture(scope="session", autouse=True)
def warm() -> None:
    """libuv opens a pipe for the whole process with its first loop, and never closes it."""

    async def once() -> None:
        async with mesh.aio.Proxy(bootstrap()):
            pass

    for new_loop in LOOPS.values():
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(once())


@pytest.fixture(params=list(LOOPS))
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    gc.collect()
    before, threads = open_descriptors(), threading.active_count()

    def run_on_fresh_loop(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            return runner.run(asyncio.wait_for(main(), 30))

    yield run_on_fresh_loop
    assert open_descriptors() - before == set() and threading.active_count() == threads


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with Mirror() as upstream:
        yield upstream
