"""gRPC through the proxy, with grpcio on both ends: all four kinds of calls, metadata, statuses, deadlines, cancellation, long messages,
many calls at once, local replies and retries."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import grpc
import grpc.aio
import pytest

from mesh.testing import Running, bootstrap, cluster, running, until
from tests.grpc_calls.service import SERVICE, UNLIMITED, Echo, channel, method, serving
from tests.http2.server import http2_bootstrap

LIMIT_S = 30
CALLS = 4000  # at once


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[Running]:
    with serving(echo) as port, running(http2_bootstrap(port, hcm={"delayed_close_timeout": "0.05s"})) as p:
        yield p


def test_a_unary_call_carries_metadata_both_ways(proxy: Running, echo: Echo) -> None:
    with channel(proxy.port) as made:
        answer, call = method(made, "Unary").with_call(b"hello", timeout=LIMIT_S, metadata=[("x-a", "b"), ("x-c-bin", b"\x01\x02")])
        assert answer == b"hello" and call.code() is grpc.StatusCode.OK
        trailers = dict(call.trailing_metadata())
        assert (trailers["x-trailer"], trailers["x-blob-bin"]) == ("yes", b"\x00\xff")
    assert (echo.metadata["x-a"], echo.metadata["x-c-bin"]) == ("b", b"\x01\x02")


def test_streams_of_answers_of_requests_and_of_both(proxy: Running) -> None:
    with channel(proxy.port) as made:
        many = method(made, "Many", "unary_stream")(b"500", timeout=LIMIT_S)
        assert list(many) == [b"%d" % number for number in range(500)]
        collect = method(made, "Collect", "stream_unary")
        assert collect((b"x" * 100 for _ in range(300)), timeout=LIMIT_S) == b"30000"
        chat = method(made, "Chat", "stream_stream")(iter([b"a", b"b", b"c"]), timeout=LIMIT_S)
        assert list(chat) == [b"a", b"b", b"c"]


def test_each_message_of_a_conversation_passes_at_once(proxy: Running) -> None:
    from queue import Queue

    questions: Queue[bytes | None] = Queue()
    with channel(proxy.port) as made:
        answers = method(made, "Chat", "stream_stream")(iter(questions.get, None), timeout=LIMIT_S)
        for word in (b"one", b"two", b"three"):
            questions.put(word)
            assert next(answers) == word           # the next question waits for this answer
        questions.put(None)
        assert list(answers) == []


@pytest.mark.parametrize("code", ["NOT_FOUND", "UNAVAILABLE", "INTERNAL", "RESOURCE_EXHAUSTED"])
def test_the_status_of_a_host_reaches_the_client(proxy: Running, code: str) -> None:
    with channel(proxy.port) as made, pytest.raises(grpc.RpcError) as caught:
        method(made, "Fail")(b"", timeout=LIMIT_S, metadata=[("x-code", code)])
    assert (caught.value.code(), caught.value.details()) == (getattr(grpc.StatusCode, code), "said so")


def test_a_cancelled_call_is_cancelled_at_the_host(proxy: Running, echo: Echo) -> None:
    with channel(proxy.port) as made:
        call = method(made, "Slow").future(b"", timeout=LIMIT_S)
        assert echo.started.wait(LIMIT_S)
        call.cancel()
        assert echo.cancelled.wait(LIMIT_S)
        echo.release.set()
        assert method(made, "Unary")(b"next", timeout=LIMIT_S) == b"next"


def test_a_deadline_of_the_client_ends_the_call(proxy: Running, echo: Echo) -> None:
    with channel(proxy.port) as made, pytest.raises(grpc.RpcError) as caught:
        method(made, "Slow")(b"", timeout=0.3)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    until(lambda: proxy.up("upstream_rq_active") == 0, "the end of the call at the host")


def test_a_timeout_of_the_route_is_told_in_grpc(echo: Echo) -> None:
    with serving(echo) as port, running(http2_bootstrap(port, route={"timeout": "0.2s"})) as p, channel(p.port) as made:
        with pytest.raises(grpc.RpcError) as caught:
            method(made, "Slow")(b"", timeout=LIMIT_S)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert caught.value.details() == "upstream request timeout"


def test_grpc_timeout_limits_the_route(echo: Echo, tmp_path: Path) -> None:
    log = tmp_path / "log"
    route = {"max_stream_duration": {"grpc_timeout_header_max": "10s"}}
    with serving(echo) as port, running(http2_bootstrap(port, route=route, log=str(log))) as p:
        with channel(p.port) as made, pytest.raises(grpc.RpcError):
            method(made, "Slow")(b"", timeout=0.3)
        p.quiet()
        assert p.down("downstream_rq_active") == 0


def test_no_route_and_no_host_are_told_in_grpc() -> None:
    routes = [{"match": {"prefix": "/test.Echo/Unary"}, "route": {"cluster": "up"}}]
    with running(bootstrap(clusters=[cluster("up", http2_protocol_options={})], routes=routes)) as p, channel(p.port) as made:
        for name, code in (("Unary", grpc.StatusCode.UNAVAILABLE), ("Other", grpc.StatusCode.UNIMPLEMENTED)):
            with pytest.raises(grpc.RpcError) as caught:
                method(made, name)(b"", timeout=LIMIT_S)
            assert caught.value.code() is code


@pytest.mark.slow
def test_messages_of_sixteen_mebibytes(proxy: Running) -> None:
    message = bytes(range(256)) * (16 << 12)
    with channel(proxy.port) as made:
        assert method(made, "Unary")(message, timeout=LIMIT_S) == message
        assert len(method(made, "Size")(b"%d" % (16 << 20), timeout=LIMIT_S)) == 16 << 20


@pytest.mark.slow
def test_thousands_of_calls_at_once_share_a_connection(echo: Echo) -> None:
    async def ask_all(port: int) -> list[bytes]:
        options = [*UNLIMITED, ("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as made:
            call = made.unary_unary(f"/{SERVICE}/Unary")
            return list(await asyncio.gather(*(call(b"%d" % number, timeout=4 * LIMIT_S) for number in range(CALLS))))

    with serving(echo) as port, running(http2_bootstrap(port)) as p:
        assert asyncio.run(ask_all(p.port)) == [b"%d" % number for number in range(CALLS)]
        assert p.up("upstream_rq_total") == CALLS
        assert p.up("upstream_cx_total") <= 2
        until(lambda: p.down("downstream_rq_active") == 0, "the end of all calls")


def test_a_call_is_tried_again_by_its_status(echo: Echo) -> None:
    route = {"retry_policy": {"retry_on": "unavailable", "num_retries": 2}}
    with serving(echo) as port, running(http2_bootstrap(port, route=route)) as p, channel(p.port) as made:
        with pytest.raises(grpc.RpcError):
            method(made, "Fail")(b"", timeout=LIMIT_S, metadata=[("x-code", "UNAVAILABLE")])
        assert p.up("upstream_rq_retry") == 2
