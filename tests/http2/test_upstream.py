"""HTTP/2 towards hosts: one connection for many requests, limits of both sides, resets, GOAWAY, trailers, 1xx, windows; from
clients of both versions."""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path

import h2.settings
import pytest

from mesh.testing import LIMIT_S, running, until
from tests.http2.frames import DATA, frame
from tests.http2.peer import Http2Client
from tests.http2.server import Call, Http2Server, http2_bootstrap

NO_ERROR, PROTOCOL_ERROR, INTERNAL, REFUSED = 0, 1, 2, 7
WIDE = 2**30


def pour(port: int) -> None:
    """A client of HTTP/1 that sends a body until nobody takes any more."""
    with socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S) as sock, contextlib.suppress(OSError):
        sock.sendall(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % WIDE)
        while True:
            sock.sendall(bytes(65536))


def echo(call: Call) -> None:
    call.reply(200, call.body or b"ok", [("x-path", call.header(":path") or "")])


def test_an_http1_client_is_answered_by_an_http2_host() -> None:
    with Http2Server(echo) as up, running(http2_bootstrap(up.port)) as p:
        answer = p.get("/one", x_a="b")
        assert (answer.status, answer.get("x-path"), answer.body) == (200, "/one", b"ok")
        head = dict(up.calls[0].headers)
        assert (head[":method"], head[":authority"], head[":scheme"], head["x-a"]) == ("GET", "a", "http", "b")
        assert not {"host", "connection", "transfer-encoding"} & set(head)
        assert (p.up("upstream_cx_http2_total"), p.up("upstream_cx_http1_total")) == (1, 0)


def test_requests_share_one_connection() -> None:
    with Http2Server(echo) as up, running(http2_bootstrap(up.port)) as p, Http2Client(p.port) as client:
        streams = {client.request(f"/{n}"): f"/{n}" for n in range(40)}
        for stream, path in streams.items():
            assert client.answer(stream).header("x-path") == path
        assert len(up.links) == 1 and p.up("upstream_rq_total") == 40


def test_our_limit_of_streams_opens_further_connections() -> None:
    held: list[Call] = []
    options = {"max_concurrent_streams": 2}
    with Http2Server(held.append) as up, running(http2_bootstrap(up.port, options)) as p, Http2Client(p.port) as client:
        streams = [client.request("/") for _ in range(5)]
        until(lambda: len(held) == 5, "five requests")
        assert len(up.links) == 3
        for call in held:
            call.reply(204)
        assert {client.answer(stream).status for stream in streams} == {204}


def test_the_hosts_limit_of_streams_counts_once_it_is_known() -> None:
    held: list[Call] = []
    limit = {h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 1}
    with Http2Server(held.append, settings=limit) as up, running(http2_bootstrap(up.port)) as p, Http2Client(p.port) as client:
        first = client.request("/")
        until(lambda: len(held) == 1, "the first request")
        second = client.request("/")
        until(lambda: len(held) == 2, "the second request")
        assert len(up.links) == 2
        for call in held:
            call.reply(204)
        assert [client.answer(stream).status for stream in (first, second)] == [204, 204]


@pytest.mark.parametrize(("code", "reason"), [(INTERNAL, "remote_reset"), (REFUSED, "remote_refused_stream_reset")])
def test_a_stream_that_is_reset_becomes_503_and_its_neighbours_live_on(code: int, reason: str, tmp_path: Path) -> None:
    def answer(call: Call) -> None:
        if call.header(":path") == "/bad":
            call.reset(code)
        else:
            call.reply(200, b"ok")

    log = tmp_path / "log"
    with Http2Server(answer) as up, running(http2_bootstrap(up.port, log=str(log))) as p:
        assert (p.get("/bad").status, p.get("/good").status) == (503, 200)
        assert len(up.links) == 1 and p.up("upstream_rq_rx_reset") == (code != REFUSED)
        p.quiet()
    assert f"503 UR upstream_reset_before_response_started{{{reason}}} 1 /bad" in log.read_text()


def test_a_refused_stream_is_tried_again() -> None:
    def answer(call: Call) -> None:
        if len(call.link.server.calls) == 1:
            call.reset(REFUSED)
        else:
            call.reply(200, b"ok")

    retry = {"retry_policy": {"retry_on": "refused-stream"}}
    with Http2Server(answer) as up, running(http2_bootstrap(up.port, route=retry)) as p:
        assert p.get().status == 200
        assert p.up("upstream_rq_retry_success") == 1


def test_after_goaway_new_requests_take_a_new_connection() -> None:
    def answer(call: Call) -> None:
        call.reply(200, b"ok")
        if len(call.link.server.calls) == 1:
            call.connection.close_connection(NO_ERROR, last_stream_id=call.stream)
            call.link.flush()

    with Http2Server(answer) as up, running(http2_bootstrap(up.port)) as p:
        assert p.get().status == 200
        p.wait_stat("cluster.up.upstream_cx_close_notify", 1)
        assert p.get().status == 200
        assert len(up.links) == 2
        until(lambda: p.up("upstream_cx_active") == 1, "the end of the first connection")


def test_a_connection_that_breaks_fails_all_of_its_requests() -> None:
    def answer(call: Call) -> None:
        if len(call.link.server.calls) == 3:
            call.link.sock.close()

    with Http2Server(answer) as up, running(http2_bootstrap(up.port)) as p, Http2Client(p.port) as client:
        streams = [client.request("/") for _ in range(3)]
        assert [client.answer(stream).status for stream in streams] == [503, 503, 503]
        assert p.up("upstream_cx_destroy_with_active_rq") == 1


def test_a_host_that_breaks_the_rules_is_told_why() -> None:
    def answer(call: Call) -> None:
        call.link.flush()
        call.link.sock.sendall(frame(DATA, 0, 0, b"x"))

    with Http2Server(answer) as up, running(http2_bootstrap(up.port)) as p:
        assert p.get().status == 502
        until(lambda: up.links[0].goaway == PROTOCOL_ERROR, "GOAWAY with its code")


@pytest.mark.slow
def test_a_host_that_breaks_the_rules_and_reads_nothing_is_left_at_once() -> None:
    full, over = threading.Event(), threading.Event()

    def answer(call: Call) -> None:
        call.connection.increment_flow_control_window(WIDE)
        call.connection.increment_flow_control_window(WIDE, call.stream)
        call.link.flush()
        full.wait(LIMIT_S)
        call.link.sock.sendall(frame(DATA, 0, 0, b"x"))
        over.wait(LIMIT_S)

    with Http2Server(answer, early=True) as up, running(http2_bootstrap(up.port)) as p:
        client = threading.Thread(target=pour, args=(p.port,))
        client.start()
        p.wait_stat("http.test.downstream_flow_control_paused_reading_total", 1)
        full.set()
        until(lambda: p.up("upstream_cx_protocol_error") == 1 and p.up("upstream_cx_active") == 0, "the end of the connection")
        over.set()
        client.join(LIMIT_S)


def test_trailers_and_1xx_pass_both_ways() -> None:
    def answer(call: Call) -> None:
        assert call.trailers == [("sum", "7")]
        call.interim(103)
        call.reply(200, b"ok", trailers=[("grpc-status", "0")])

    with Http2Server(answer) as up, running(http2_bootstrap(up.port, hcm={"proxy_100_continue": True})) as p, Http2Client(p.port) as client:
        stream = client.request("/", method="POST", end=False)
        client.send(stream, b"body")
        client.trailers(stream, [("sum", "7")])
        answer_ = client.answer(stream)
        assert (answer_.status, answer_.body, answer_.interim) == (200, b"ok", [103])
        assert answer_.trailers == [("grpc-status", "0")]


def test_a_client_that_goes_resets_its_stream_alone() -> None:
    held: list[Call] = []
    with Http2Server(held.append, early=True) as up, running(http2_bootstrap(up.port)) as p, Http2Client(p.port) as client:
        stay, go = client.request("/stay"), client.request("/go")
        until(lambda: len(held) == 2, "both requests")
        client.cancel(go)
        until(lambda: held[1].cancelled is not None, "the reset")
        held[0].reply(200, b"ok")
        assert client.answer(stay).body == b"ok"
        assert len(up.links) == 1


@pytest.mark.slow
def test_a_long_body_passes_the_windows_of_both_sides() -> None:
    body = bytes(range(256)) * 20_000

    def answer(call: Call) -> None:
        call.reply(200, b"%d" % len(call.body))

    with Http2Server(answer) as up, running(http2_bootstrap(up.port)) as p, Http2Client(p.port) as client:
        stream = client.request("/", method="POST", body=body)
        assert client.answer(stream).body == b"%d" % len(body)
        assert up.calls[0].body == body


@pytest.mark.slow
def test_a_host_that_does_not_read_holds_the_client_back() -> None:
    held: list[Call] = []
    with Http2Server(held.append, early=True) as up, running(http2_bootstrap(up.port)) as p, Http2Client(p.port) as client:
        stream = client.request("/", method="POST", end=False)
        until(lambda: len(held) == 1, "the request")
        up.links[0].credit = False
        client.send(stream, b"x" * (2 << 20))
        until(lambda: p.down("downstream_flow_control_paused_reading_total") == 1, "a paused client")
        held[0].reply(200, b"ok")
        assert client.answer(stream).status == 200


def test_a_silent_host_is_found_by_pings() -> None:
    held: list[Call] = []

    def answer(call: Call) -> None:
        held.append(call)
        call.link.connection.clear_outbound_data_buffer()
        call.link.sock.settimeout(10)
        while call.link.sock.recv(65536):      # hears the pings and says nothing
            pass

    keepalive = {"connection_keepalive": {"interval": "0.05s", "timeout": "0.05s"}}
    with Http2Server(answer) as up, running(http2_bootstrap(up.port, keepalive)) as p:
        assert p.get().status == 503


@pytest.mark.parametrize(("client", "version"), [("1", "upstream_cx_http1_total"), ("2", "upstream_cx_http2_total")])
def test_a_cluster_may_follow_what_the_client_speaks(client: str, version: str) -> None:
    fields = {"protocol_selection": "USE_DOWNSTREAM_PROTOCOL"}
    with Http2Server(echo) as up, running(http2_bootstrap(up.port, fields=fields)) as p:
        if client == "2":
            with Http2Client(p.port) as peer:
                assert peer.ask().status == 200
        else:
            p.get()                            # the host speaks HTTP/2 alone: what counts is how it was asked
        assert p.up(version) == 1


def test_an_idle_connection_ends() -> None:
    fields = {"common_http_protocol_options": {"idle_timeout": "0.05s"}}
    with Http2Server(echo) as up, running(http2_bootstrap(up.port, fields=fields)) as p:
        assert p.get().status == 200
        until(lambda: p.up("upstream_cx_idle_timeout") == 1, "the idle timeout")
