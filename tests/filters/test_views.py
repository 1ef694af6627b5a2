"""What a view refuses, and that it is worthless after its hook."""

from __future__ import annotations

from typing import Any

import pytest

import mesh
from tests.filters.bootstrap import bootstrap
from tests.filters.doors import OpenDoor
from tests.filters.wire import Mirror, ask

BAD_NAMES = ["", "a b", "a:b", "a\r\nb", "caf\xe9", "content-length", "Transfer-Encoding", "HOST", "\u20ac", "x" * 70000]
BAD_VALUES = ["a\r\nb: c", "a\nb", "a\rb", "a\0b", "\u20ac"]


def refusals(change: Any, cases: list[Any]) -> list[Any]:
    """Those of `cases` that `change` does not refuse."""
    passed = []
    for case in cases:
        try:
            change(case)
        except ValueError:
            continue
        passed.append(case)
    return passed


def refuses(view: Any) -> list[Any]:
    passed: list[list[Any]] = []
    for change in (view.set, view.add):
        passed.append(refusals(lambda name, change=change: change(name, "v"), BAD_NAMES))
        passed.append(refusals(lambda value, change=change: change("x-a", value), BAD_VALUES))
    passed.append(refusals(view.remove, [name for name in BAD_NAMES if name]))
    if hasattr(view, "authority"):
        for field in ("path", "authority"):
            passed.append(refusals(lambda text, to=field: setattr(view, to, text), ["", "/a b", "/a\r\n", "/\x7f", "/\u20ac"]))
    return [one for one in passed if one]


@pytest.mark.parametrize("parks", [False, True])
def test_a_header_that_would_break_the_message_is_refused(opened: OpenDoor, mirror: Mirror, parks: bool) -> None:
    passed: list[Any] = []

    class Plain(mesh.Filter):
        def on_request(self, request: Any) -> None:
            passed.extend(refuses(request))

        def on_response(self, response: Any) -> None:
            passed.extend(refuses(response))

    class Parks(mesh.Filter):
        async def on_request(self, request: Any) -> None:
            passed.extend(refuses(request))

        async def on_response(self, response: Any) -> None:
            passed.extend(refuses(response))

    with opened(bootstrap(Parks if parks else Plain, upstream=mirror.port)) as door:
        answer = ask(door.port, "/a", body=b"12")
    assert answer.status == 200 and not passed
    assert answer.text.startswith("POST /a HTTP/1.1") and "x-a" not in answer.text and "content-length: 2" in answer.text


@pytest.mark.parametrize(
    "reply",
    [
        {"headers": (("content-length", "5"),)},
        {"headers": (("x-a", "b\r\nc: d"),)},
        {"headers": (("x a", "b"),)},
        {"content_type": "text/html\r\nx-injected: yes"},
    ],
    ids=lambda reply: next(iter(reply)),
)
def test_a_reply_that_would_break_the_message_becomes_a_500(opened: OpenDoor, reply: dict[str, Any]) -> None:
    class Replies(mesh.Filter):
        def on_request(self, request: Any) -> mesh.Reply:
            return mesh.Reply(200, "body", **reply)

    with opened(bootstrap(Replies)) as door:
        answer = ask(door.port)
    assert answer.status == 500 and "x-injected" not in answer.headers


@pytest.mark.parametrize("status", [0, 100, 199, 600])
def test_a_reply_needs_a_final_status(status: int) -> None:
    with pytest.raises(ValueError, match="200 to 599"):
        mesh.Reply(status)


def touches(view: Any) -> list[str]:
    """Which ways to use a view still work."""
    ways = {
        "get": lambda: view.get("x"),
        "set": lambda: view.set("x", "y"),
        "headers": lambda: view.headers(),
        "method": lambda: view.method,
        "path": lambda: view.path,
        "answer": lambda: view.answer(None),
    }
    worked = []
    for name, way in ways.items():
        try:
            way()
        except (RuntimeError, TypeError):
            continue
        worked.append(name)
    return worked


def test_a_view_is_worthless_after_its_hook_even_when_the_hook_raised(opened: OpenDoor, mirror: Mirror) -> None:
    kept: list[Any] = []

    class Keeps(mesh.Filter):
        def on_request(self, request: Any) -> None:
            kept.append(request)
            if request.path == "/raise":
                raise ValueError("boom")

        def on_response(self, response: Any) -> None:
            kept.append(response)

        def on_log(self, exchange: Any) -> None:
            kept.append(exchange)

    with opened(bootstrap(Keeps, upstream=mirror.port)) as door:
        assert ask(door.port).status == 200 and ask(door.port, "/raise").status == 500
        while len(kept) < 5:  # the log hook runs behind the answer
            ask(door.port)
        assert [touches(view) for view in kept if touches(view)] == []


def test_a_view_cannot_be_made_by_hand() -> None:
    from meshcore.bind.pyview import Exchange, Request, Response

    for kind in (Request, Response, Exchange):
        assert touches(kind()) == [] and kind().gone
