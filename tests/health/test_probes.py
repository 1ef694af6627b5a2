"""Each kind of check against a host that follows a script: what goes out, and what each answer means."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import h2.config
import h2.connection
import h2.events
import pytest

from mesh.health.checker import make_probe
from mesh.health.http import Verify
from mesh.health.probe import Probe, Target, contains_in_order, target_of
from mesh.health.state import ACTIVE, NETWORK, Result
from meshcore.bind.health_spec import EndpointCheck, GrpcCheck, HealthCheck, HttpCheck, RedisCheck, TcpCheck, ThriftCheck
from meshcore.bind.runtime import RuntimeCells
from meshcore.bind.spec import Address, Endpoint, HeaderAdd, StringMatch
from tests.health.doubles import TCP

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
LIMIT_S = 5.0
BAD = Result(ACTIVE)


class Asked:
    """What came of one or more checks: their results, the bytes the host read, and how many connections it saw."""

    def __init__(self) -> None:
        self.results: list[Result] = []
        self.read = b""
        self.connections = 0
        self.verified = 0


def ask(how: Any, script: Script, *, times: int = 1, reuse: bool = True, hostname: str = "") -> Asked:
    """Lets one probe check a host `times` times."""
    return asyncio.run(_ask(how, script, times, reuse, hostname))


async def _ask(how: Any, script: Script, times: int, reuse: bool, hostname: str) -> Asked:
    asked = Asked()
    answered = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.connections += 1
        taken = _Noting(reader, asked)
        try:
            await script(taken, writer)  # type: ignore[arg-type]
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def done(result: Result) -> None:
        asked.results.append(result)
        answered.set()

    def verified() -> None:
        asked.verified += 1

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    probe = _probe(how, port, reuse, hostname, done, Verify(RuntimeCells(), verified, lambda: 0.0))
    try:
        for _ in range(times):
            answered.clear()
            probe.start()
            await asyncio.wait_for(answered.wait(), LIMIT_S)
            await asyncio.sleep(0)
    finally:
        probe.abort()
        server.close()
        await server.wait_closed()
    return asked


class _Noting:
    """A reader that keeps what it has read."""

    def __init__(self, reader: asyncio.StreamReader, asked: Asked) -> None:
        self._reader = reader
        self._asked = asked

    async def head(self) -> bytes:
        return self._note(await self._reader.readuntil(b"\r\n\r\n"))

    async def exactly(self, n: int) -> bytes:
        return self._note(await self._reader.readexactly(n))

    async def some(self) -> bytes:
        return self._note(await self._reader.read(65536))

    def _note(self, data: bytes) -> bytes:
        self._asked.read += data
        return data


def _probe(how: Any, port: int, reuse: bool, hostname: str, done: Callable[[Result], None], verify: Verify) -> Probe:
    endpoint = Endpoint(Address("127.0.0.1", port), check=EndpointCheck(hostname=hostname) if hostname else None)
    check = HealthCheck(how, TCP.timeout_ms, TCP.interval_ms, 1, 1, reuse_connection=reuse)
    return make_probe(check, target_of(endpoint, "cluster-name"), done, verify)


def replies(*answers: bytes) -> Script:
    """Answers each request head with the next of these; the last one for ever."""

    async def script(reader: Any, writer: asyncio.StreamWriter) -> None:
        left = list(answers)
        while True:
            await reader.head()
            writer.write(left.pop(0) if len(left) > 1 else left[0])

    return script


def says(*answers: bytes, then_close: bool = False) -> Script:
    """Answers whatever comes with the next of these."""

    async def script(reader: Any, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            if not await reader.some():
                return
            writer.write(answer)
        if not then_close:
            await reader.some()

    return script


OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"

# --- HTTP/1.1 -----------------------------------------------------------------------------------------------------------


def test_the_request_names_cluster_and_checker() -> None:
    asked = ask(HttpCheck("/hc"), replies(OK))
    assert asked.results == [Result(status=200)]
    assert asked.read == b"GET /hc HTTP/1.1\r\nhost: cluster-name\r\nuser-agent: Envoy/HC\r\n\r\n"


@pytest.mark.parametrize(("configured", "hostname", "seen"), [("h.example", "", b"h.example"), ("h.example", "of.host", b"of.host")])
def test_the_host_header_is_the_hosts_own_before_the_checks(configured: str, hostname: str, seen: bytes) -> None:
    assert b"\r\nhost: " + seen + b"\r\n" in ask(HttpCheck("/", host=configured), replies(OK), hostname=hostname).read


@pytest.mark.parametrize(
    ("add", "line"),
    [
        (HeaderAdd("x-a", "%PROTOCOL%"), b"x-a: HTTP/1.1\r\n"),
        (HeaderAdd("user-agent", "mine", "overwrite"), b"user-agent: mine\r\n"),
        (HeaderAdd("x-empty", "", keep_empty=True), b"x-empty: \r\n"),
    ],
)
def test_headers_are_added(add: HeaderAdd, line: bytes) -> None:
    assert line in ask(HttpCheck("/", headers_to_add=(add,)), replies(OK)).read


@pytest.mark.parametrize(
    "add",
    [HeaderAdd("x-b", "", "append"), HeaderAdd("x-b", "v", "overwrite_if_exists"), HeaderAdd("user-agent", "x-b", "add_if_absent")],
)
def test_headers_that_do_not_apply_are_not(add: HeaderAdd) -> None:
    assert b"x-b" not in ask(HttpCheck("/", headers_to_add=(add,)), replies(OK)).read


def test_a_body_goes_out_with_its_length() -> None:
    async def script(reader: Any, writer: asyncio.StreamWriter) -> None:
        await reader.head()
        await reader.exactly(4)
        writer.write(OK)
        await reader.some()

    asked = ask(HttpCheck("/", method="POST", send=b"ping"), script)
    assert asked.results == [Result(status=200)]
    assert asked.read.endswith(b"content-length: 4\r\n\r\nping")


@pytest.mark.parametrize(
    ("status", "result"),
    [
        (200, Result(status=200)),
        (299, Result(status=299)),
        (300, Result(ACTIVE, status=300)),
        (503, Result(ACTIVE, retriable=True, status=503)),
        (504, Result(ACTIVE, status=504)),
    ],
)
def test_statuses_are_expected_retriable_or_wrong(status: int, result: Result) -> None:
    check = HttpCheck("/", expected_statuses=((200, 300),), retriable_statuses=((503, 504),))
    assert ask(check, replies(b"HTTP/1.1 %d X\r\ncontent-length: 0\r\n\r\n" % status)).results == [result]


def test_what_the_answers_headers_say_is_heard() -> None:
    degraded = b"HTTP/1.1 200 OK\r\nx-envoy-degraded: \r\ncontent-length: 0\r\n\r\n"
    failed = b"HTTP/1.1 500 X\r\nx-envoy-immediate-health-check-fail: 1\r\ncontent-length: 0\r\n\r\n"
    asked = ask(HttpCheck("/"), replies(degraded, failed), times=2)
    assert asked.results == [Result(degraded=True, status=200), Result(ACTIVE, immediate=True, status=500)]


@pytest.mark.parametrize(
    ("match", "good"),
    [
        (StringMatch("prefix", "us"), True), (StringMatch("exact", "users"), True), (StringMatch("suffix", "rs"), True),
        (StringMatch("contains", "ser"), True), (StringMatch("regex", "u.*s"), True), (StringMatch("exact", "USERS", True), True),
        (StringMatch("exact", "other"), False), (StringMatch("regex", "u"), False),
    ],
)  # fmt: skip
def test_the_service_must_have_the_right_name(match: StringMatch, good: bool) -> None:
    answer = b"HTTP/1.1 200 OK\r\nx-envoy-upstream-healthchecked-cluster: users\r\ncontent-length: 0\r\n\r\n"
    asked = ask(HttpCheck("/", service_name=match), replies(answer))
    assert (asked.results[0].failure == "") == good
    assert asked.verified == 1


def test_a_body_is_looked_at_up_to_the_buffers_size() -> None:
    check = HttpCheck("/", receive=(b"ab", b"ef"), response_buffer_size=6)
    chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n"
    late = b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nabcdxef"
    asked = ask(check, replies(chunked, late), times=2)
    assert asked.results == [Result(status=200), Result(ACTIVE, status=200)]


@pytest.mark.parametrize("answer", [b"hello\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n"])
def test_an_answer_that_is_no_http_is_a_network_failure(answer: bytes) -> None:
    assert ask(HttpCheck("/"), replies(answer)).results == [Result(NETWORK, garbled=True)]


def test_a_close_before_the_end_is_a_network_failure_and_the_next_check_connects_anew() -> None:
    cut = says(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", then_close=True)
    asked = ask(HttpCheck("/"), cut, times=2)
    assert asked.results == [Result(NETWORK), Result(NETWORK)]
    assert asked.connections == 2


def test_interim_answers_are_passed_over_and_a_body_may_end_with_the_connection() -> None:
    asked = ask(HttpCheck("/", receive=(b"ok",)), says(b"HTTP/1.1 103 X\r\n\r\nHTTP/1.1 200 OK\r\n\r\nok", then_close=True))
    assert asked.results == [Result(status=200)]


@pytest.mark.parametrize(
    ("reuse", "answer", "connections"),
    [(True, OK, 1), (False, OK, 3), (True, b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n", 3)],
)
def test_connections_are_kept_as_long_as_both_want(reuse: bool, answer: bytes, connections: int) -> None:
    assert ask(HttpCheck("/"), replies(answer), times=3, reuse=reuse).connections == connections


# --- TCP ----------------------------------------------------------------------------------------------------------------


async def listen_only(reader: Any, writer: asyncio.StreamWriter) -> None:
    await reader.some()


def test_to_accept_is_enough_when_nothing_is_awaited() -> None:
    asked = ask(TcpCheck(send=b"x"), listen_only, times=2)
    assert asked.results == [Result(), Result()]
    assert asked.connections == 2


def test_bytes_must_come_in_order_with_anything_between() -> None:
    check = TcpCheck(send=b"ping", receive=(b"po", b"ng"))
    assert ask(check, says(b"x-po-ng", b"pong"), times=2).results == [Result(), Result()]
    assert ask(check, says(b"ngpo", then_close=True)).results == [Result(NETWORK)]


def test_order_is_order() -> None:
    assert contains_in_order((b"a", b"b"), b"xaxbx")
    assert not contains_in_order((b"a", b"b"), b"ba")
    assert not contains_in_order((b"aa", b"a"), b"aa")
    assert contains_in_order((), b"")


# --- Redis and Thrift ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "request_bytes", "answer", "result"),
    [
        ("", b"*1\r\n$4\r\nPING\r\n", b"+PONG\r\n", Result()),
        ("", b"*1\r\n$4\r\nPING\r\n", b"-LOADING\r\n", BAD),
        ("down", b"*2\r\n$6\r\nEXISTS\r\n$4\r\ndown\r\n", b":0\r\n", Result()),
        ("down", b"*2\r\n$6\r\nEXISTS\r\n$4\r\ndown\r\n", b":1\r\n", BAD),
    ],
)
def test_redis_is_asked_for_a_sign_of_life_or_a_key(key: str, request_bytes: bytes, answer: bytes, result: Result) -> None:
    asked = ask(RedisCheck(key), says(answer))
    assert (asked.read, asked.results) == (request_bytes, [result])


BINARY_CALL = b"\x80\x01\x00\x01\x00\x00\x00\x04ping\x00\x00\x00\x00\x00"
BINARY_REPLY = b"\x80\x01\x00\x02\x00\x00\x00\x04ping\x00\x00\x00\x00"
BINARY_EXCEPTION = b"\x80\x01\x00\x03\x00\x00\x00\x04ping\x00\x00\x00\x00\x00"
COMPACT_CALL = b"\x82\x21\x00\x04ping\x00"
COMPACT_REPLY = b"\x82\x41\x00\x04ping"
LAX_CALL = b"\x00\x00\x00\x04ping\x01\x00\x00\x00\x00\x00"
LAX_REPLY = b"\x00\x00\x00\x04ping\x02\x00\x00\x00\x00"


def frame(message: bytes) -> bytes:
    return len(message).to_bytes(4, "big") + message


def headed(message: bytes, protocol: int = 0) -> bytes:
    """In a frame with a header of one word: this protocol, no transforms."""
    return frame(b"\x0f\xff\0\0\0\0\0\0\0\x01" + bytes([protocol, 0, 0, 0]) + message)


@pytest.mark.parametrize(
    ("check", "call", "answer", "result"),
    [
        (ThriftCheck("ping"), frame(BINARY_CALL), frame(BINARY_REPLY + b"\0"), Result()),
        (ThriftCheck("ping"), frame(BINARY_CALL), frame(BINARY_REPLY + b"\x08\x00\x00\0\0\0\1\0"), Result()),
        (ThriftCheck("ping"), frame(BINARY_CALL), frame(BINARY_REPLY + b"\x0c\x00\x01\0\0"), BAD),
        (ThriftCheck("ping"), frame(BINARY_CALL), frame(BINARY_EXCEPTION), BAD),
        (ThriftCheck("ping"), frame(BINARY_CALL), frame(b"\x80\x01\x00\x02\0"), Result(NETWORK)),
        (ThriftCheck("ping", "unframed"), BINARY_CALL, BINARY_REPLY + b"\0", Result()),
        (ThriftCheck("ping", "framed", "compact"), frame(COMPACT_CALL), frame(COMPACT_REPLY + b"\0"), Result()),
        (ThriftCheck("ping", "unframed", "compact"), COMPACT_CALL, COMPACT_REPLY + b"\x1c\0\0", BAD),
        (ThriftCheck("ping", "framed", "compact"), frame(COMPACT_CALL), frame(b"GET / HTTP"), Result(NETWORK)),
        (ThriftCheck("ping", "framed", "binary/non-strict"), frame(LAX_CALL), frame(LAX_REPLY + b"\0"), Result()),
        (ThriftCheck("ping", "header"), headed(BINARY_CALL), headed(BINARY_REPLY + b"\0"), Result()),
        (ThriftCheck("ping", "header"), headed(BINARY_CALL), headed(BINARY_EXCEPTION), BAD),
        (ThriftCheck("ping", "header", "compact"), headed(COMPACT_CALL, 2), headed(COMPACT_REPLY + b"\0", 2), Result()),
        (ThriftCheck("ping", "header"), headed(BINARY_CALL), frame(b"HTTP/1.1 400 Bad Request"), Result(NETWORK)),
    ],
)
def test_thrift_wants_a_reply_without_an_exception(check: ThriftCheck, call: bytes, answer: bytes, result: Result) -> None:
    asked = ask(check, says(answer))
    assert (asked.read, asked.results) == (call, [result])


def test_a_thrift_answer_may_come_byte_by_byte() -> None:
    async def drip(reader: Any, writer: asyncio.StreamWriter) -> None:
        await reader.some()
        for at in range(len(answer)):
            writer.write(answer[at : at + 1])
            await writer.drain()
            await asyncio.sleep(0)
        await reader.some()

    answer = frame(BINARY_REPLY + b"\0")
    assert ask(ThriftCheck("ping"), drip).results == [Result()]


# --- HTTP/2 and gRPC ----------------------------------------------------------------------------------------------------

Answer = Callable[[h2.connection.H2Connection, int], None]


def serve_h2(*answers: Answer, seen: list[dict[bytes, bytes]] | None = None, bodies: list[bytes] | None = None) -> Script:
    """Answers each request over HTTP/2 with the next of these."""

    async def script(reader: Any, writer: asyncio.StreamWriter) -> None:
        left = list(answers)
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding=None))
        connection.initiate_connection()
        writer.write(connection.data_to_send())
        while data := await reader.some():
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.RequestReceived) and seen is not None:
                    seen.append(dict(event.headers))
                if isinstance(event, h2.events.DataReceived) and bodies is not None:
                    bodies.append(event.data)
                if isinstance(event, h2.events.StreamEnded):
                    (left.pop(0) if len(left) > 1 else left[0])(connection, event.stream_id)
            writer.write(connection.data_to_send())

    return script


def status(code: bytes, body: bytes = b"") -> Answer:
    def answer(connection: h2.connection.H2Connection, stream: int) -> None:
        connection.send_headers(stream, [(b":status", code), (b"x-envoy-degraded", b"1")], end_stream=not body)
        if body:
            connection.send_data(stream, body, end_stream=True)

    return answer


def test_http2_asks_and_hears_the_same() -> None:
    seen: list[dict[bytes, bytes]] = []
    asked = ask(HttpCheck("/hc", http2=True, receive=(b"ok",)), serve_h2(status(b"200", b"ok"), status(b"500"), seen=seen), times=2)
    assert asked.results == [Result(degraded=True, status=200), Result(ACTIVE, status=500)]
    assert asked.connections == 1
    assert seen[0] == {
        b":method": b"GET", b":scheme": b"http", b":authority": b"cluster-name", b":path": b"/hc", b"user-agent": b"Envoy/HC",
    }  # fmt: skip


def test_a_reset_stream_is_a_network_failure() -> None:
    def reset(connection: h2.connection.H2Connection, stream: int) -> None:
        connection.reset_stream(stream)

    assert ask(HttpCheck("/", http2=True), serve_h2(reset)).results == [Result(NETWORK)]


def test_a_host_that_goes_away_may_finish_its_answer() -> None:
    class Leaving:
        """Says GOAWAY first, then the answer; h2's own server side would refuse to."""

        def __call__(self, connection: h2.connection.H2Connection, stream: int) -> None:
            goaway = b"\x00\x00\x08\x07\x00\x00\x00\x00\x00" + stream.to_bytes(4, "big") + b"\0\0\0\0"
            connection._data_to_send += goaway
            status(b"200")(connection, stream)

    asked = ask(HttpCheck("/", http2=True), serve_h2(Leaving()), times=2)
    assert [result.failure for result in asked.results] == ["", ""]
    assert asked.connections == 2


def test_an_http1_host_does_not_speak_http2() -> None:
    assert ask(HttpCheck("/", http2=True), says(b"HTTP/1.1 400 Bad\r\n\r\n", then_close=True)).results == [Result(NETWORK)]


def grpc(body: bytes, grpc_status: bytes = b"0", *, kind: bytes = b"application/grpc", code: bytes = b"200") -> Answer:
    def answer(connection: h2.connection.H2Connection, stream: int) -> None:
        connection.send_headers(stream, [(b":status", code), (b"content-type", kind)])
        connection.send_data(stream, body)
        connection.send_headers(stream, [(b"grpc-status", grpc_status)], end_stream=True)

    return answer


def trailers_only(grpc_status: bytes) -> Answer:
    def answer(connection: h2.connection.H2Connection, stream: int) -> None:
        head = [(b":status", b"200"), (b"content-type", b"application/grpc"), (b"grpc-status", grpc_status)]
        connection.send_headers(stream, head, end_stream=True)

    return answer


SERVING, NOT_SERVING = b"\0\0\0\0\2\x08\x01", b"\0\0\0\0\2\x08\x02"


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (grpc(SERVING), Result()),
        (grpc(NOT_SERVING), BAD),
        (grpc(b"\0\0\0\0\0"), BAD),
        (grpc(SERVING, b"14"), BAD),
        (grpc(SERVING, kind=b"text/plain"), BAD),
        (grpc(SERVING, code=b"503"), BAD),
        (grpc(SERVING + SERVING), BAD),
        (trailers_only(b"12"), BAD),
        (status(b"200"), BAD),
    ],
)
def test_grpc_wants_serving(answer: Answer, result: Result) -> None:
    assert ask(GrpcCheck(), serve_h2(answer)).results == [result]


def test_the_grpc_request_names_the_service() -> None:
    seen: list[dict[bytes, bytes]] = []
    bodies: list[bytes] = []
    check = GrpcCheck("svc", "a.example", (HeaderAdd("x-m", "v"),))
    ask(check, serve_h2(grpc(SERVING), seen=seen, bodies=bodies))
    assert seen[0] == {
        b":method": b"POST", b":scheme": b"http", b":authority": b"a.example", b":path": b"/grpc.health.v1.Health/Check",
        b"te": b"trailers", b"content-type": b"application/grpc", b"user-agent": b"Envoy/HC", b"x-m": b"v", b"grpc-timeout": b"1000m",
    }  # fmt: skip
    assert bodies == [b"\0\0\0\0\5\x0a\x03svc"]


# --- where a host is checked --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("check", "address"),
    [
        (None, Address("10.0.0.1", 80)),
        (EndpointCheck(port=81), Address("10.0.0.1", 81)),
        (EndpointCheck(host="10.0.0.2"), Address("10.0.0.2", 80)),
        (EndpointCheck(host="10.0.0.2", port=81), Address("10.0.0.2", 81)),
    ],
)
def test_a_host_may_be_checked_elsewhere(check: EndpointCheck | None, address: Address) -> None:
    endpoint = Endpoint(Address("10.0.0.1", 80), check=check)
    assert target_of(endpoint, "c") == Target(address, endpoint, "c")
