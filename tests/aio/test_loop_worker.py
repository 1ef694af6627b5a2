"""The embedding: no turn without work, no order in the middle of a turn, orders from other threads, turns that end."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

import mesh
import mesh.aio
from mesh.aio.worker import ORDERS, LoopWorker
from meshcore.bind.worker import Worker
from tests.aio.client import get
from tests.aio.conftest import Run
from tests.filters.bootstrap import bootstrap
from tests.filters.wire import Client, Mirror

IDLE_S = 0.5


class Turns:
    """Counts the turns of every embedded engine, and how long the longest took."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.n = 0
        self.longest_s = 0.0
        original = LoopWorker.step

        def step(worker: LoopWorker) -> None:
            began = time.perf_counter()
            original(worker)
            self.longest_s = max(self.longest_s, time.perf_counter() - began)
            self.n += 1

        monkeypatch.setattr(LoopWorker, "step", step)


@pytest.mark.slow
@pytest.mark.parametrize("connected", [False, True])
def test_an_idle_engine_takes_no_turns(run: Run, monkeypatch: pytest.MonkeyPatch, connected: bool) -> None:
    async def main() -> None:
        turns = Turns(monkeypatch)
        async with mesh.aio.Proxy(bootstrap()) as proxy:
            port = proxy.listeners["main"].port
            writers = []
            for _ in range(100 * connected):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
                await reader.readuntil(b"hello")
                writers.append(writer)
            await asyncio.sleep(0.05)
            before, cpu = turns.n, time.thread_time()
            await asyncio.sleep(IDLE_S)
            assert turns.n - before <= 2 and time.thread_time() - cpu < 0.02 * IDLE_S
            for writer in writers:
                writer.close()

    run(main)


@pytest.mark.slow
def test_a_timer_of_the_engine_rings_in_time_without_any_other_event(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class Holds(mesh.Filter):
        async def on_request(self, request: Any) -> None:
            await asyncio.Event().wait()

    async def main() -> None:
        turns = Turns(monkeypatch)
        async with mesh.aio.Proxy(bootstrap(Holds, hcm={"stream_idle_timeout": "0.3s"})) as proxy:
            began = time.monotonic()
            assert await get(proxy.listeners["main"].port) == (504, "stream timeout")
            assert 0.29 <= time.monotonic() - began < 1
            assert turns.n < 40

    run(main)


@pytest.mark.slow
def test_the_application_gets_its_turn_under_load(run: Run, monkeypatch: pytest.MonkeyPatch, mirror: Mirror) -> None:
    """64 KiB bodies on 32 connections as fast as threads can send: the loop's other callbacks still run between turns."""
    stop = threading.Event()
    answered = [0]

    def load(port: int) -> None:
        with Client(port) as client:
            while not stop.is_set():
                client.send(body=b"x" * 65536)
                answered[0] += len(client.answer().body) > 65536

    async def main() -> None:
        turns = Turns(monkeypatch)
        async with mesh.aio.Proxy(bootstrap(upstream=mirror.port)) as proxy:
            threads = [threading.Thread(target=load, args=(proxy.listeners["main"].port,)) for _ in range(32)]
            for thread in threads:
                thread.start()
            passes, end = 0, time.monotonic() + 1
            while time.monotonic() < end:
                await asyncio.sleep(0)
                passes += 1
            stop.set()
            await asyncio.to_thread(lambda: [thread.join() for thread in threads])
            assert answered[0] > 20 and passes > 20
            assert turns.longest_s < 0.5

    run(main)


def test_an_order_from_inside_a_hook_is_refused(run: Run) -> None:
    refused: list[str] = []

    async def main() -> None:
        class Asks(mesh.Filter):
            def on_request(self, request: Any) -> None:
                try:
                    proxy.live_objects()
                except RuntimeError as error:
                    refused.append(str(error))

        async with mesh.aio.Proxy(bootstrap(Asks)) as proxy:
            assert await get(proxy.listeners["main"].port) == (200, "hello")
            assert proxy.live_objects() > 0
        assert len(refused) == 1 and "filter hook" in refused[0]

    run(main)


def test_an_order_from_another_thread_is_carried_out_on_the_loop(run: Run) -> None:
    async def main() -> None:
        worker = LoopWorker.on(asyncio.get_running_loop())
        assert await asyncio.to_thread(worker.live) == 0
        with pytest.raises(OSError, match=r"Bad file descriptor|not a socket|Socket operation"):
            await asyncio.to_thread(_listen_on_nothing, worker)
        await asyncio.to_thread(worker.close)
        with pytest.raises(RuntimeError, match="closed"):
            worker.live()
        worker.close()

    run(main)


def _listen_on_nothing(worker: LoopWorker) -> None:
    from mesh.config import load
    from mesh.publish import Publisher
    from meshcore.bind.stats import StatsRegistry

    publisher = Publisher([worker], StatsRegistry())
    (spec,) = load(bootstrap()).plan.listeners
    from meshcore.bind.tables import ListenerTable

    table = ListenerTable(spec, 0, publisher.registry, {}, {}, ("", ""), "test")
    worker.set_listener(table, [1 << 20], 1)


def test_an_order_after_the_loop_was_closed_does_not_wait_for_it() -> None:
    async def main() -> LoopWorker:
        return LoopWorker.on(asyncio.get_running_loop())

    worker = asyncio.run(main())
    done = threading.Thread(target=worker.close)
    done.start()
    done.join(5)
    assert not done.is_alive()


def test_every_order_of_a_worker_is_carried_out_on_the_loop() -> None:
    other = {"close", "embedded", "fileno", "meet", "run", "slots", "step", "stop", "timeout_ms", "uses_io_uring"}
    assert {name for name in vars(Worker) if not name.startswith("_")} == set(ORDERS) | other


def test_a_closed_worker_refuses_orders() -> None:
    worker = Worker(0)
    worker.close()
    with pytest.raises(RuntimeError, match="closed"):
        worker.live()
