"""The admin interface as a server: slow clients, slow pages, odd requests, and what the home page and /help say."""

from __future__ import annotations

import re
import socket
import threading
from html.parser import HTMLParser
from importlib import import_module

import pytest

import mesh
from mesh.admin import home
from mesh.admin.pages import PAGES, Page, Param
from mesh.filters import Reply
from tests.admin.asking import ANSWER_S, ask
from tests.admin.conftest import Ask


def until(client: socket.socket, end: bytes) -> bytes:
    """What comes until `end` has come."""
    answer = b""
    while not answer.endswith(end):
        chunk = client.recv(4096)
        assert chunk, answer
        answer += chunk
    return answer


@pytest.mark.parametrize("path", sorted(PAGES))
def test_every_page_of_the_table_exists(path: str) -> None:
    assert callable(import_module(f"mesh.admin.{PAGES[path].module}").page)


@pytest.mark.parametrize("path", [path for path, page in PAGES.items() if not page.post])
def test_every_page_that_changes_nothing_answers_get_and_head(path: str, get: Ask) -> None:
    page = get(path)
    assert page.status == 200
    assert page.body
    head = get(path, "HEAD")
    assert (head.status, head.body) == (200, "")
    assert head.headers["content-type"] == page.headers["content-type"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
@pytest.mark.parametrize("path", [path for path, page in PAGES.items() if page.post])
def test_every_page_that_changes_something_needs_post(path: str, method: str, get: Ask) -> None:
    page = get(path, method)
    assert page.status == 405
    assert page.headers["allow"] == "POST"
    assert page.body == ("" if method == "HEAD" else f"Method {method} not allowed, POST required.")


def test_a_page_that_takes_long_keeps_nobody_from_ready(proxy: mesh.Proxy, get: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    entered, leave = threading.Event(), threading.Event()

    def slow(*_: object) -> Reply:
        entered.set()
        assert leave.wait(ANSWER_S)
        return Reply(200, "late\n")

    monkeypatch.setattr("mesh.admin.clusters.page", slow)
    bodies: list[str] = []
    waiting = threading.Thread(target=lambda: bodies.append(get("/clusters").body))
    waiting.start()
    assert entered.wait(ANSWER_S)
    assert get("/ready").body == "LIVE\n"
    assert get("/server_info").status == 200
    leave.set()
    waiting.join(ANSWER_S)
    assert bodies == ["late\n"]


def test_a_page_that_raises_is_a_500_and_the_next_one_answers(get: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> Reply:
        raise ZeroDivisionError("page")

    monkeypatch.setattr("mesh.admin.memory.page", broken)
    assert get("/memory").status == 500
    assert get("/ready").status == 200


def test_a_client_that_does_not_read_keeps_nobody_waiting(proxy: mesh.Proxy, get: Ask) -> None:
    with socket.socket() as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.settimeout(ANSWER_S)
        lazy.connect(("127.0.0.1", proxy.admin_address.port))
        lazy.sendall(b"GET /config_dump HTTP/1.1\r\nhost: a\r\n\r\n" * 20)
        assert lazy.recv(1) == b"H"
        for _ in range(5):
            assert get("/config_dump").status == 200
        assert get("/ready").status == 200


def test_a_client_that_sends_byte_by_byte_is_answered(proxy: mesh.Proxy) -> None:
    with socket.create_connection(("127.0.0.1", proxy.admin_address.port), timeout=ANSWER_S) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"GET /ready HTTP/1.1\r\nhost: a\r\n\r\n":
            client.sendall(bytes([byte]))
        answer = until(client, b"\r\n\r\nLIVE\n")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


def test_pipelined_requests_are_answered_in_order(proxy: mesh.Proxy) -> None:
    with socket.create_connection(("127.0.0.1", proxy.admin_address.port), timeout=ANSWER_S) as client:
        client.sendall(
            b"GET /clusters?filter=small HTTP/1.1\r\nhost: a\r\n\r\nGET /ready HTTP/1.1\r\nhost: a\r\n\r\n"
            b"GET /hot_restart_version HTTP/1.1\r\nhost: a\r\n\r\n"
        )
        answer = until(client, b"disabled")
    assert re.findall(rb"small::observability_name|LIVE|disabled", answer) == [b"small::observability_name", b"LIVE", b"disabled"]


def test_http_1_0_without_a_host_is_answered(proxy: mesh.Proxy) -> None:
    with socket.create_connection(("127.0.0.1", proxy.admin_address.port), timeout=ANSWER_S) as client:
        client.sendall(b"GET /ready HTTP/1.0\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.")


def test_the_first_of_two_parameters_of_one_name_counts_and_values_are_decoded(get: Ask) -> None:
    assert get("/clusters?filter=%73mall&filter=live").body.startswith("small::")
    assert get("/clusters?filter=live%7Csmall").body.count("::observability_name::") == 2


def test_a_request_with_a_body_is_answered(proxy: mesh.Proxy) -> None:
    with socket.create_connection(("127.0.0.1", proxy.admin_address.port), timeout=ANSWER_S) as client:
        client.sendall(b"POST /reset_counters HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello")
        assert client.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")


class Reader(HTMLParser):
    """Collects what a browser could press, and whether every tag is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.forms: dict[str, str] = {}
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "a":
            self.links.append(str(given["href"]))
        if tag == "form":
            self.forms[str(given["action"])] = str(given["method"])
        if tag not in ("input", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_home_page_leads_to_every_command_by_the_right_method(get: Ask) -> None:
    page = get("/")
    assert page.headers["content-type"] == "text/html; charset=UTF-8"
    assert page.body.startswith("<!DOCTYPE html>")
    reader = Reader()
    reader.feed(page.body)
    assert reader.open == []
    assert {*reader.links, *reader.forms} == {path[1:] for path in PAGES if path != "/"}
    assert {path for path, method in reader.forms.items() if method == "post"} == {path[1:] for path, page in PAGES.items() if page.post}


def test_the_home_page_quotes_what_it_shows() -> None:
    row = home.row("/x", Page("x", "<b>", params=(Param("a'b", "<i>", ("'", "<")),)))
    assert "<b>" not in row
    assert "<i>" not in row
    assert "a'b" not in row


@pytest.mark.parametrize("form", ["html", "active-html"])
def test_the_statistics_have_a_page_for_browsers_that_shows_what_was_asked_for(get: Ask, form: str) -> None:
    page = get(f"/stats?format={form}&usedonly&filter=%3Cb%3E%7Cserver.live%27&type=Gauges&histogram_buckets=detailed")
    assert page.headers["content-type"] == "text/html; charset=UTF-8"
    reader = Reader()
    reader.feed(page.body)
    assert reader.open == [] and reader.forms == {"stats": "get"}
    assert "<b>" not in page.body and "value='&lt;b&gt;|server.live&#x27;'" in page.body
    for shown in ("name='usedonly' checked", "<option selected>Gauges<", "<option selected>detailed<", f"<option selected>{form}<"):
        assert shown in page.body
    assert ("http-equiv='refresh'" in page.body) == (form == "active-html")


def test_the_page_for_browsers_shows_the_same_statistics_as_the_text(get: Ask) -> None:
    shown = get("/stats?format=html&filter=^server.live$").body
    assert shown.partition("<pre>\n")[2].partition("</pre>")[0] == get("/stats?filter=^server.live$").body == "server.live: 1\n"


def test_help_names_parameters_and_their_choices(get: Ask) -> None:
    body = get("/help").body
    assert body.startswith("admin commands are:\n  /: Admin home page\n")
    assert "\n  /logging (POST): query/change logging levels\n" in body
    assert "\n      format: File format to use; One of (text, json)\n" in body


def test_a_proxy_on_a_second_admin_port_is_another_one(proxy: mesh.Proxy) -> None:
    from tests.admin.asking import bootstrap

    with mesh.Proxy(bootstrap(), concurrency=1) as other:
        assert ask(other.admin_address.port, "/healthcheck/fail", "POST").status == 200
        assert ask(other.admin_address.port, "/ready").status == 503
        assert ask(proxy.admin_address.port, "/ready").status == 200
