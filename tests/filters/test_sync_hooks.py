"""Synchronous hooks: what they read, change and answer, and what happens when they fail. Each test goes through every door."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest

import mesh
from tests.filters.bootstrap import HELLO, bootstrap, to_upstream
from tests.filters.doors import OpenDoor
from tests.filters.wire import Client, Mirror, ask


class Logged(mesh.Filter):
    """Notes the facts of each exchange; `seen` is the test's."""

    seen: list[dict[str, Any]]
    noted: threading.Event

    def on_log(self, exchange: Any) -> None:
        names = ("method", "path", "authority", "status", "details", "cluster", "bytes_sent", "bytes_received")
        facts = {name: getattr(exchange, name) for name in names}
        facts["x-asked"] = exchange.request_header("X-Asked", "-")
        facts["x-mirror"] = exchange.response_header("x-mirror", "-")
        facts["duration_ms"] = exchange.duration_ms
        self.seen.append(facts)
        self.noted.set()


def logged() -> type[Logged]:
    return type("Logged", (Logged,), {"seen": [], "noted": threading.Event()})


def details(kind: type[Logged]) -> str:
    assert kind.noted.wait(5)
    return str(kind.seen[-1]["details"])


def test_a_request_hook_reads_sets_adds_and_removes_headers(opened: OpenDoor, mirror: Mirror) -> None:
    seen: list[Any] = []

    class Changes(mesh.Filter):
        def on_request(self, request: Any) -> None:
            seen.append((request.method, request.path, request.authority, request.scheme, request.remote_address))
            seen.append((request.get("X-ONE"), request.get("x-none"), request.get("x-none", "-"), request.headers("X-Two")))
            seen.append([name for name, _ in request.headers() if name.startswith("x-t")])
            request.set("X-One", "other")
            request.add("x-two", "third")
            request.remove("X-Three")
            request.set("x-new", "caf\xe9")
            seen.append((request.get("x-one"), request.headers("x-two"), request.get("x-three"), request.get("x-new")))

    with opened(bootstrap(Changes, upstream=mirror.port)) as door:
        headers = (("X-One", "1"), ("X-Two", "a"), ("x-two", "b"), ("x-three", "3"))
        got = ask(door.port, "/a?b=c", *headers).body.decode("latin-1")
    assert seen[0] == ("GET", "/a?b=c", "test.example", "http", "127.0.0.1")
    assert seen[1] == ("1", None, "-", ["a", "b"])
    assert seen[2] == ["x-two", "x-two", "x-three"]
    assert seen[3] == ("other", ["a", "b", "third"], None, "caf\xe9")
    assert "x-one: other" in got and "x-two: third" in got and "x-new: caf\xe9" in got
    assert "x-one: 1" not in got and "x-three" not in got


def test_a_response_hook_changes_what_the_client_gets(opened: OpenDoor, mirror: Mirror) -> None:
    class Changes(mesh.Filter):
        def on_response(self, response: Any) -> None:
            response.set("x-was", f"{response.status} {response.method} {response.path}")
            response.remove("x-mirror")

    with opened(bootstrap(Changes, upstream=mirror.port)) as door:
        answer = ask(door.port, "/p")
    assert answer.headers["x-was"] == "200 GET /p" and "x-mirror" not in answer.headers


def test_a_reply_answers_instead_of_the_upstream(opened: OpenDoor, mirror: Mirror) -> None:
    log = logged()

    class Refuses(mesh.Filter):
        def on_request(self, request: Any) -> mesh.Reply:
            return mesh.Reply(401, "no key\n", "text/x-plain", (("X-Why", "key"), ("set-cookie", "a"), ("set-cookie", "b")))

        def on_response(self, response: Any) -> None:
            response.set("x-own-reply-came-back", "yes")

    with opened(bootstrap(log, Refuses, upstream=mirror.port)) as door:
        answer = ask(door.port)
        assert (answer.status, answer.body, answer.headers["content-type"]) == (401, b"no key\n", "text/x-plain")
        assert answer.headers["x-why"] == "key" and answer.headers["set-cookie"] == "b"
        assert "x-own-reply-came-back" not in answer.headers
        assert details(log) == "python_filter_reply" and mirror.requests == 0


@pytest.mark.parametrize("hook", ["on_request", "on_response"])
@pytest.mark.parametrize("result", [ValueError("boom"), SystemExit(3), "not a reply", 7])
def test_a_hook_that_fails_answers_500_and_nobody_else_notices(opened: OpenDoor, hook: str, result: Any) -> None:
    log = logged()

    def fails(self: mesh.Filter, view: Any) -> Any:
        if view.path != "/bad":
            return None
        if isinstance(result, BaseException):
            raise result
        return result

    kind = type("Fails", (mesh.Filter,), {hook: fails})
    with opened(bootstrap(log, kind)) as door, Client(door.port) as client:
        client.send("/bad")
        client.send("/good")
        bad, good = client.answer(), client.answer()
        assert (bad.status, bad.body) == (500, b"") and (good.status, good.body) == (200, b"hello")
        assert [facts["details"] for facts in log.seen][:1] == ["python_filter_error"]


def test_what_a_hook_raised_is_in_the_process_log(opened: OpenDoor, caplog: pytest.LogCaptureFixture) -> None:
    class Fails(mesh.Filter):
        def on_request(self, request: Any) -> Any:
            raise LookupError("the very words")

    with opened(bootstrap(Fails)) as door:
        assert ask(door.port).status == 500
    assert "the very words" in caplog.text and "Fails" in caplog.text


def test_a_log_hook_that_fails_changes_nothing(opened: OpenDoor) -> None:
    class Fails(mesh.Filter):
        def on_log(self, exchange: Any) -> None:
            raise ValueError("boom")

    with opened(bootstrap(Fails)) as door, Client(door.port) as client:
        for _ in range(3):
            client.send()
            assert client.answer().status == 200


def test_a_log_hook_gets_the_facts_of_the_exchange(opened: OpenDoor, mirror: Mirror) -> None:
    log = logged()
    with opened(bootstrap(log, upstream=mirror.port)) as door:
        answer = ask(door.port, "/x?y", ("x-asked", "1"), body=b"12345")
        assert log.noted.wait(5)
    facts = log.seen[0]
    assert 0 <= facts.pop("duration_ms") < 5000
    assert facts == {
        "method": "POST", "path": "/x?y", "authority": "test.example", "status": 200, "details": "via_upstream",
        "cluster": "up", "bytes_sent": len(answer.body), "bytes_received": 5, "x-asked": "1", "x-mirror": "yes",
    }  # fmt: skip


def test_a_log_hook_runs_once_per_request_also_when_the_filter_itself_replied(opened: OpenDoor) -> None:
    class Both(mesh.Filter):
        count = 0
        all_seen = threading.Event()

        def on_request(self, request: Any) -> mesh.Reply:
            return mesh.Reply(200, "own")

        def on_log(self, exchange: Any) -> None:
            Both.count += 1
            if Both.count == 200:
                Both.all_seen.set()

    with opened(bootstrap(Both)) as door, Client(door.port) as client:
        for _ in range(200):
            client.send()
        assert {client.answer().body for _ in range(200)} == {b"own"}
        assert Both.all_seen.wait(5)
    assert Both.count == 200


def test_a_response_hook_sees_local_replies(opened: OpenDoor) -> None:
    class Sees(mesh.Filter):
        def on_response(self, response: Any) -> None:
            response.set("x-saw", str(response.status))

    with opened(bootstrap(Sees, routes=[{"match": {"prefix": "/only"}, **_action(HELLO)}])) as door:
        assert ask(door.port, "/only").headers["x-saw"] == "200"
        missing = ask(door.port, "/elsewhere")
    assert missing.status == 404 and missing.headers["x-saw"] == "404"


@pytest.mark.parametrize("path", ["/upstream", "/local", "/elsewhere"])
def test_a_response_hook_replaces_any_response(opened: OpenDoor, mirror: Mirror, path: str) -> None:
    log = logged()

    class Replaces(mesh.Filter):
        def on_response(self, response: Any) -> mesh.Reply:
            return mesh.Reply(418, f"instead of {response.status}", headers=(("x-by", "filter"),))

    routes = [to_upstream("/upstream"), {"match": {"prefix": "/local"}, **_action(HELLO)}]
    with opened(bootstrap(log, Replaces, upstream=mirror.port, routes=routes)) as door, Client(door.port) as client:
        for _ in range(2):
            client.send(path)
            answer = client.answer()
            was = 404 if path == "/elsewhere" else 200
            assert (answer.status, answer.text, answer.headers["x-by"]) == (418, f"instead of {was}", "filter")
            assert "x-mirror" not in answer.headers
        assert details(log) == "python_filter_reply"


def test_a_hook_that_gives_orders_to_its_own_proxy_is_refused_instead_of_waiting_for_itself(opened: OpenDoor) -> None:
    class Asks(mesh.Filter):
        def on_request(self, request: Any) -> mesh.Reply:
            try:
                return mesh.Reply(200, str(door.proxy.live_objects()))
            except RuntimeError as error:
                return mesh.Reply(409, str(error))

    with opened(bootstrap(Asks)) as door:
        answer = ask(door.port)
        assert answer.status == 409 and "cannot give orders" in answer.text
        assert door.live > 0


def test_a_client_that_leaves_before_the_response_is_logged(opened: OpenDoor) -> None:
    log = logged()
    with socket.create_server(("127.0.0.1", 0)) as silent, opened(bootstrap(log, upstream=silent.getsockname()[1])) as door:
        with Client(door.port) as client:
            client.send()
        assert details(log) == "downstream_remote_disconnect"


def _action(route: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in route.items() if key != "match"}
