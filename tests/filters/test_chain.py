"""Several filters on one stream: their order, filters that are switched off, and the route that a filter changes."""

from __future__ import annotations

from typing import Any

import mesh
from tests.filters.bootstrap import OFF, bootstrap, python_filter, to_upstream
from tests.filters.doors import OpenDoor
from tests.filters.wire import Mirror, ask


def named(name: str, parks: bool = False) -> type[mesh.Filter]:
    """A filter that appends its name to x-way, in both directions."""

    class Plain(mesh.Filter):
        def on_request(self, request: Any) -> None:
            request.set("x-way", request.get("x-way", "") + name)

        def on_response(self, response: Any) -> None:
            response.set("x-way", response.get("x-way", "") + name)

    class Parks(mesh.Filter):
        async def on_request(self, request: Any) -> None:
            request.set("x-way", request.get("x-way", "") + name)

        async def on_response(self, response: Any) -> None:
            response.set("x-way", response.get("x-way", "") + name)

    return Parks if parks else Plain


def test_requests_go_forward_and_responses_backward(opened: OpenDoor, mirror: Mirror) -> None:
    chain = [named("a"), named("b", parks=True), named("c"), named("d", parks=True), named("e", parks=True)]
    with opened(bootstrap(*chain, upstream=mirror.port)) as door:
        answer = ask(door.port)
    assert "x-way: abcde" in answer.text and answer.headers["x-way"] == "edcba"


def test_a_reply_ends_the_request_and_passes_the_other_response_hooks(opened: OpenDoor, mirror: Mirror) -> None:
    class Replies(mesh.Filter):
        def on_request(self, request: Any) -> mesh.Reply:
            return mesh.Reply(200, request.get("x-way"))

        def on_response(self, response: Any) -> None:
            response.set("x-way", "never")

    with opened(bootstrap(named("a"), Replies, named("c", parks=True), upstream=mirror.port)) as door:
        answer = ask(door.port)
    assert (answer.text, answer.headers["x-way"]) == ("a", "ca") and mirror.requests == 0


def test_a_route_switches_one_filter_off(opened: OpenDoor, mirror: Mirror) -> None:
    routes = [{**to_upstream("/off"), "typed_per_filter_config": {"f1": OFF}}, to_upstream()]
    with opened(bootstrap(named("a"), named("b", parks=True), named("c"), upstream=mirror.port, routes=routes)) as door:
        on, off = ask(door.port, "/on"), ask(door.port, "/off")
    assert "x-way: abc" in on.text and on.headers["x-way"] == "cba"
    assert "x-way: ac" in off.text and off.headers["x-way"] == "ca"


def test_a_filter_that_is_disabled_in_the_chain_does_not_run(opened: OpenDoor, mirror: Mirror) -> None:
    off = python_filter("off", named("b"), disabled=True)
    with opened(bootstrap(named("a"), off, upstream=mirror.port)) as door:
        assert ask(door.port).headers["x-way"] == "a"


def moves(clear: bool, parks: bool) -> type[mesh.Filter]:
    def move(request: Any) -> None:
        request.path = "/new/" + request.path.lstrip("/")
        assert request.path.startswith("/new/")
        if clear:
            request.clear_route()

    class Plain(mesh.Filter):
        def on_request(self, request: Any) -> None:
            move(request)

    class Parks(mesh.Filter):
        async def on_request(self, request: Any) -> None:
            move(request)

    return Parks if parks else Plain


def check_move(opened: OpenDoor, mirror: Mirror, kind: type[mesh.Filter], status: int) -> None:
    old = {"match": {"prefix": "/old"}, "direct_response": {"status": 403}}
    with opened(bootstrap(kind, upstream=mirror.port, routes=[old, to_upstream("/new/")])) as door:
        answer = ask(door.port, "/old/1")
    assert answer.status == status
    if status == 200:
        assert answer.text.startswith("GET /new/old/1 HTTP/1.1")


def test_a_changed_path_matters_to_the_route_only_after_clear_route(opened: OpenDoor, mirror: Mirror) -> None:
    check_move(opened, mirror, moves(clear=False, parks=False), 403)
    check_move(opened, mirror, moves(clear=True, parks=False), 200)


def test_a_parked_hook_moves_a_request_too(opened: OpenDoor, mirror: Mirror) -> None:
    check_move(opened, mirror, moves(clear=False, parks=True), 403)
    check_move(opened, mirror, moves(clear=True, parks=True), 200)


def test_a_changed_header_and_host_matter_to_the_route_after_clear_route(opened: OpenDoor, mirror: Mirror) -> None:
    class Marks(mesh.Filter):
        def on_request(self, request: Any) -> None:
            request.set("x-lane", "fast")
            request.authority = "other.example"
            if request.path == "/clear":
                request.clear_route()

    fast = to_upstream()
    fast["match"]["headers"] = [{"name": "x-lane", "string_match": {"exact": "fast"}}]
    slow = {"match": {"prefix": "/"}, "direct_response": {"status": 403}}
    with opened(bootstrap(Marks, upstream=mirror.port, routes=[fast, slow])) as door:
        assert ask(door.port, "/").status == 403
        moved = ask(door.port, "/clear")
    assert moved.status == 200 and "host: other.example" in moved.text
