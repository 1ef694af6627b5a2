"""Everything at once: hooks that wait, raise, reply and let pass, clients that leave at any moment, timeouts and new configurations.

Nothing is asserted about a single request but that what was answered is one of the answers that are possible; the proof is that the
engine survives (run it under the sanitizers too), that no request is forgotten, and that nothing is alive afterwards. The order of events
is random and from a fixed seed, as far as threads let it be.
"""

from __future__ import annotations

import asyncio
import random
import threading
from typing import Any

import pytest

import mesh
from tests.filters.bootstrap import bootstrap, python_filter
from tests.filters.doors import Door, OpenDoor
from tests.filters.test_parked_hooks import settled
from tests.filters.wire import Client, Mirror

THREADS = 8
REQUESTS = 120
PATHS = ("/pass", "/wait", "/reply", "/raise", "/long", "/late")


async def weather(view: Any, chance: random.Random) -> mesh.Reply | None:
    path = view.path
    if path == "/wait":
        await asyncio.sleep(chance.random() * 0.004)
    elif path == "/long":
        await asyncio.sleep(0.01 + chance.random() * 0.08)  # around the idle timeout
    elif path == "/late":
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            await asyncio.sleep(chance.random() * 0.002)  # an answer after the stream has gone
    elif path == "/raise":
        raise ValueError("weather")
    view.set("x-weather", "seen")
    return mesh.Reply(203, "own") if path == "/reply" else None


class Storm(mesh.Filter):
    chance = random.Random(7)
    logged = 0

    async def on_request(self, request: Any) -> mesh.Reply | None:
        return await weather(request, self.chance)

    async def on_response(self, response: Any) -> mesh.Reply | None:
        return await weather(response, self.chance) if response.status == 200 and self.chance.random() < 0.5 else None

    def on_log(self, exchange: Any) -> None:
        assert exchange.path in PATHS and exchange.request_header("x-absent") is None
        type(self).logged += 1


class Calm(mesh.Filter):
    def on_request(self, request: Any) -> None:
        request.set("x-calm", request.path)

    def on_response(self, response: Any) -> None:
        response.add("x-calm", str(response.status))


def visitor(port: int, seed: int, statuses: set[int], lost: list[str]) -> None:
    chance = random.Random(seed)
    sent = 0
    while sent < REQUESTS:
        with Client(port) as client:
            for n in range(chance.randrange(1, 8)):
                sent += 1
                body = b"x" * chance.choice((0, 0, 5, 40_000))
                try:
                    client.send(chance.choice(PATHS), body=body)
                    if chance.random() < 0.2:
                        break
                    answer = client.answer()
                except ConnectionError as error:
                    if n == 0 and not client.received:
                        lost.append(str(error))
                    break
                statuses.add(answer.status)
                if answer.headers.get("connection") == "close":
                    break


def all_logged(door: Door, kind: type[Storm]) -> int:
    """How many requests there were, once each has been logged; the last ones may come from connections that are closed already."""
    waited = threading.Event()
    for _ in range(500):
        total = door.stat("http.ingress.downstream_rq_total")
        if kind.logged == total and door.stat("http.ingress.downstream_rq_active") == 0:
            return total
        waited.wait(0.01)
    raise AssertionError(f"{kind.logged} requests were logged of {total}")


@pytest.mark.slow
def test_the_engine_outlives_a_storm(opened: OpenDoor, mirror: Mirror) -> None:
    kind = type("Storm", (Storm,), {"logged": 0})
    statuses: set[int] = set()
    lost: list[str] = []

    def source(version: int) -> dict[str, Any]:
        chain = [python_filter("calm", Calm), python_filter("storm", kind)]
        hcm = {"stream_idle_timeout": "0.05s", "server_name": f"v{version}"}
        return bootstrap(*(chain if version % 2 else chain[::-1]), upstream=mirror.port, hcm=hcm)

    with opened(source(0)) as door:
        before, port = door.live, door.port
        threads = [threading.Thread(target=visitor, args=(port, seed, statuses, lost)) for seed in range(THREADS)]
        for thread in threads:
            thread.start()
        version = 0
        while any(thread.is_alive() for thread in threads):
            version += 1
            door.apply(source(version))
            threads[version % THREADS].join(0.05)
        settled(door, before + 2 * THREADS)  # idle connections to the upstream may stay, with their transports
        total = all_logged(door, kind)
    assert lost == []
    assert statuses <= {200, 203, 408, 500, 504} and {200, 203, 500} <= statuses
    assert total > THREADS * REQUESTS * 0.5
