"""`async def` hooks: parking, the way back, and everything that can happen to a stream while its hook is out."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import Any

import pytest

import mesh
from tests.filters.bootstrap import bootstrap, path_of, python_filter
from tests.filters.doors import OpenDoor
from tests.filters.wire import Client, Mirror, ask

WAIT_S = 10


class Gate(mesh.Filter):
    """A request hook that waits until the test opens the gate. A subclass per test has state of its own."""

    entered: threading.Semaphore
    cancelled: threading.Semaphore
    loop: asyncio.AbstractEventLoop
    gates: list[asyncio.Event]
    late: list[Any]

    async def wait(self, view: Any) -> None:
        gate = asyncio.Event()
        type(self).loop = asyncio.get_running_loop()
        self.gates.append(gate)
        self.entered.release()
        try:
            await gate.wait()
        except asyncio.CancelledError:
            self.late.append(view.gone)
            self.cancelled.release()
            raise

    @classmethod
    def open(cls) -> None:
        for gate in cls.gates:
            cls.loop.call_soon_threadsafe(gate.set)

    @classmethod
    def await_entered(cls, n: int = 1) -> None:
        for _ in range(n):
            assert cls.entered.acquire(timeout=WAIT_S), "no hook was called"

    @classmethod
    def await_cancelled(cls, n: int = 1) -> None:
        for _ in range(n):
            assert cls.cancelled.acquire(timeout=WAIT_S), "a hook was not cancelled"


def gate(on: str = "on_request", result: Any = None, **more: Any) -> type[Gate]:
    async def hook(self: Gate, view: Any) -> Any:
        await self.wait(view)
        view.set("x-gate", "passed")
        return result

    state = {"entered": threading.Semaphore(0), "cancelled": threading.Semaphore(0), "gates": [], "late": []}
    return type("Gated", (Gate,), {on: hook, **state, **more})


def settled(door: Any, live: int) -> None:
    """Asks the engine until it is back at `live` objects."""
    waited = threading.Event()
    for _ in range(500):
        if door.live <= live:
            return
        waited.wait(0.01)
    raise AssertionError(f"{door.live} objects are alive instead of {live}")


def test_a_parked_hook_reads_changes_and_lets_go_on(opened: OpenDoor, mirror: Mirror) -> None:
    class Parks(mesh.Filter):
        async def on_request(self, request: Any) -> None:
            await asyncio.sleep(0)
            request.set("X-One", request.get("x-one") + "!")
            request.add("x-one", "more")
            request.remove("x-two")
            assert request.headers("X-ONE") == ["1!", "more"] and request.get("x-two") is None
            request.path = "/changed"
            request.authority = "changed.example"
            assert (request.path, request.authority, request.method) == ("/changed", "changed.example", "GET")

        async def on_response(self, response: Any) -> None:
            await asyncio.sleep(0)
            response.set("x-was", f"{response.status} {response.get('x-mirror')}")
            response.remove("x-mirror")

    with opened(bootstrap(Parks, upstream=mirror.port)) as door:
        answer = ask(door.port, "/", ("x-one", "1"), ("x-two", "2"))
    assert answer.text.startswith("GET /changed HTTP/1.1") and "host: changed.example" in answer.text
    assert "x-one: 1!" in answer.text and "x-one: more" in answer.text and "x-two" not in answer.text
    assert answer.headers["x-was"] == "200 yes" and "x-mirror" not in answer.headers


@pytest.mark.parametrize("on", ["on_request", "on_response"])
@pytest.mark.parametrize("awaits", [False, True])
def test_a_parked_hook_replies(opened: OpenDoor, mirror: Mirror, on: str, awaits: bool) -> None:
    async def hook(self: mesh.Filter, view: Any) -> mesh.Reply:
        if awaits:
            await asyncio.sleep(0)
        return mesh.Reply(403, "no", headers=(("x-by", "filter"),))

    with opened(bootstrap(type("Replies", (mesh.Filter,), {on: hook}), upstream=mirror.port)) as door:
        answer = ask(door.port)
    assert (answer.status, answer.text, answer.headers["x-by"]) == (403, "no", "filter")
    assert "x-mirror" not in answer.headers and mirror.requests == (on == "on_response")


@pytest.mark.parametrize("on", ["on_request", "on_response"])
@pytest.mark.parametrize("result", [ValueError("boom"), asyncio.CancelledError(), "not a reply", SystemExit(3)])
@pytest.mark.parametrize("awaits", [False, True])
def test_a_parked_hook_that_fails_answers_500(opened: OpenDoor, on: str, result: Any, awaits: bool) -> None:
    async def hook(self: mesh.Filter, view: Any) -> Any:
        if awaits:
            await asyncio.sleep(0)
        if isinstance(result, BaseException) and view.path == "/bad":
            raise result
        return result if view.path == "/bad" else None

    with opened(bootstrap(type("Fails", (mesh.Filter,), {on: hook}))) as door, Client(door.port) as client:
        for path, status in (("/bad", 500), ("/good", 200)):
            client.send(path)
            assert client.answer().status == status


def test_the_body_that_arrives_meanwhile_waits_and_goes_on_whole(opened: OpenDoor, mirror: Mirror) -> None:
    kind = gate()
    body = bytes(range(256)) * 2000
    with opened(bootstrap(kind, upstream=mirror.port)) as door, Client(door.port) as client:
        client.send("/", body=body)
        kind.await_entered()
        assert mirror.requests == 0
        kind.open()
        assert client.answer().body.endswith(b"\n" + body)


def test_a_response_body_waits_behind_a_parked_hook(opened: OpenDoor, mirror: Mirror) -> None:
    kind = gate("on_response")
    with opened(bootstrap(kind, upstream=mirror.port)) as door, Client(door.port) as client:
        client.send("/", body=b"x" * 300_000)
        kind.await_entered()
        kind.open()
        answer = client.answer()
        assert answer.body.endswith(b"x" * 300_000) and answer.headers["x-gate"] == "passed"


def test_pipelined_requests_park_one_after_the_other(opened: OpenDoor, mirror: Mirror) -> None:
    class Parks(mesh.Filter):
        async def on_request(self, request: Any) -> None:
            await asyncio.sleep(0)
            request.set("x-path", request.path)

    with opened(bootstrap(Parks, upstream=mirror.port)) as door, Client(door.port) as client:
        for n in range(20):
            client.send(f"/{n}")
        for n in range(20):
            assert f"x-path: /{n}\r\n" in client.answer().text + "\r\n"


@pytest.mark.parametrize("on", ["on_request", "on_response"])
def test_a_client_that_leaves_cancels_the_hook(opened: OpenDoor, mirror: Mirror, on: str) -> None:
    kind = gate(on)
    with opened(bootstrap(kind, upstream=mirror.port)) as door:
        before = door.live
        with Client(door.port) as client:
            client.send()
            kind.await_entered()
        kind.await_cancelled()
        assert kind.late == [True]
        settled(door, before + (on == "on_response") * 2)  # the upstream connection and its transport may stay


@pytest.mark.slow
@pytest.mark.parametrize("on", ["on_request", "on_response"])
def test_a_timeout_answers_while_the_hook_is_out_and_cancels_it(opened: OpenDoor, mirror: Mirror, on: str) -> None:
    kind = gate(on)
    config = bootstrap(kind, upstream=mirror.port, hcm={"stream_idle_timeout": "0.2s"})
    with opened(config) as door, Client(door.port) as client:
        client.send()
        kind.await_entered()
        answer = client.answer()
        assert (answer.status, answer.text) == (504, "stream timeout")
        assert "x-gate" not in answer.headers
        kind.await_cancelled()
        kind.open()


@pytest.mark.slow
def test_a_hook_that_outlives_its_timeout_answers_nobody(opened: OpenDoor) -> None:
    ended = threading.Event()
    kind = gate()

    class Stubborn(kind):  # type: ignore[valid-type, misc]
        async def on_request(self, request: Any) -> mesh.Reply:
            try:
                await self.wait(request)
            except asyncio.CancelledError:
                ended.set()
            return mesh.Reply(200, "too late")

    config = bootstrap(Stubborn, hcm={"stream_idle_timeout": "0.2s"})
    with opened(config) as door, Client(door.port) as client:
        for _ in range(2):
            client.send()
            assert client.answer().status == 504
        assert ended.wait(WAIT_S)


@pytest.mark.slow
def test_a_timeout_reply_passes_the_response_hook_of_the_filter_that_was_out(opened: OpenDoor) -> None:
    async def on_response(self: Gate, response: Any) -> None:
        await asyncio.sleep(0)
        response.set("x-passed", str(response.status))

    kind = gate(on_response=on_response)
    config = bootstrap(kind, hcm={"stream_idle_timeout": "0.2s"})
    with opened(config) as door, Client(door.port) as client:
        client.send()
        answer = client.answer()
        assert (answer.status, answer.headers["x-passed"]) == (504, "504")
        kind.await_cancelled()


@pytest.mark.slow
def test_a_thousand_streams_are_parked_at_once(opened: OpenDoor) -> None:
    kind = gate()
    with opened(bootstrap(kind)) as door:
        before = door.live
        clients = [Client(door.port) for _ in range(1000)]
        try:
            for client in clients:
                client.send()
            kind.await_entered(1000)
            for client in clients[:250]:
                client.socket.close()
            kind.await_cancelled(250)
            kind.open()
            assert {client.answer().text for client in clients[250:]} == {"hello"}
        finally:
            for client in clients:
                client.socket.close()
        settled(door, before)


def test_apply_replaces_a_filter_while_one_is_out(opened: OpenDoor, mirror: Mirror) -> None:
    old = gate()

    class New(mesh.Filter):
        async def on_request(self, request: Any) -> None:
            request.set("x-gate", "new")

    def source(kind: type[mesh.Filter]) -> dict[str, Any]:
        return bootstrap(python_filter("one", kind), upstream=mirror.port)

    with opened(source(old)) as door, Client(door.port) as client:
        client.send()
        old.await_entered()
        changed = source(New)
        address = changed["static_resources"]["listeners"][0]["address"]["socket_address"]
        assert address["port_value"] == 0
        door.apply(changed)
        assert "x-gate: new" in ask(door.port).text
        old.open()
        assert "x-gate: passed" in client.answer().text


def test_stop_while_a_hook_is_out_cancels_it_and_leaves_nothing(opened: OpenDoor) -> None:
    kind = gate()
    with opened(bootstrap(kind)) as door:
        clients = [Client(door.port) for _ in range(50)]
        for client in clients:
            client.send()
        kind.await_entered(50)
        door.stop()
        kind.await_cancelled(50)
        for client in clients:
            with client:
                assert client.ended()


def test_a_hook_is_a_task_of_its_own(opened: OpenDoor) -> None:
    name: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="clean")

    class Tasks(mesh.Filter):
        async def on_request(self, request: Any) -> mesh.Reply:
            before, task = name.get(), asyncio.current_task()
            name.set(request.path)
            late = "in time"
            if request.path == "/awaits":
                try:
                    async with asyncio.timeout(0.01):
                        await asyncio.Event().wait()
                except TimeoutError:
                    late = "late"
            same = task is asyncio.current_task() and name.get() == request.path
            return mesh.Reply(200, f"{before} {task is not None} {same} {late}")

    with opened(bootstrap(Tasks)) as door:
        clients = [Client(door.port) for _ in range(20)]
        for n, client in enumerate(clients):
            client.send("/awaits" if n % 2 else "/not")
        texts = [client.answer().text for client in clients]
        for client in clients:
            client.socket.close()
    assert set(texts[1::2]) == {"clean True True late"} and set(texts[::2]) == {"clean True True in time"}


def test_a_view_that_was_answered_can_no_longer_change_anything(opened: OpenDoor, mirror: Mirror) -> None:
    kept: list[Any] = []

    class Keeps(mesh.Filter):
        async def on_request(self, request: Any) -> None:
            kept.append(request)

    with opened(bootstrap(Keeps, upstream=mirror.port)) as door:
        ask(door.port)
        for touch in (lambda: kept[0].set("x", "y"), lambda: kept[0].get("x"), lambda: kept[0].path):
            with pytest.raises(RuntimeError, match="not valid any more"):
                touch()
        with pytest.raises(RuntimeError, match="not parked"):
            kept[0].answer(None)


def test_a_log_hook_may_not_be_async(opened: OpenDoor) -> None:
    class Wrong(mesh.Filter):
        async def on_log(self, exchange: Any) -> None:
            return None

    with pytest.raises(ValueError, match="on_log must not be async"), opened(bootstrap(Wrong)):
        raise AssertionError("it started")


def test_a_filter_that_refuses_its_config_stops_the_start_by_name(opened: OpenDoor) -> None:
    class Refuses(mesh.Filter):
        def __init__(self, config: Any = None) -> None:
            raise KeyError("limit")

    source = bootstrap(python_filter("mine", Refuses, {"a": 1}))
    with pytest.raises(ValueError, match=r"'mine'.*refused its config.*limit"), opened(source):
        raise AssertionError("it started")


def test_a_class_that_is_no_filter_stops_the_start(opened: OpenDoor) -> None:
    entry = python_filter("mine", mesh.Filter)
    entry["typed_config"]["value"]["class"] = path_of(int).rpartition(":")[0] + ":nothing"  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="cannot import"), opened(bootstrap(entry)):
        raise AssertionError("it started")
