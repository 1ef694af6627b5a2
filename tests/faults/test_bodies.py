"""Bodies of every size and framing, both ways, split anywhere; and the messages that have none."""

from __future__ import annotations

import threading

import pytest

from mesh.testing import Upstream, Wire, bootstrap, running

GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
CHUNK = 10_000
MIB = 1 << 20


def chunked(body: bytes, size: int = CHUNK, trailers: bytes = b"") -> bytes:
    parts = [b"%x\r\n%s\r\n" % (len(body[at : at + size]), body[at : at + size]) for at in range(0, len(body), size)]
    return b"".join(parts) + b"0\r\n" + trailers + b"\r\n"


def pattern(n: int) -> bytes:
    return (b"0123456789abcdef" * (n // 16 + 1))[:n]


def echo(wire: Wire) -> None:
    """Answers each request with its own body, framed as it came."""
    while True:
        request = wire.read_request()
        if request.get("transfer-encoding"):
            wire.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunked(request.body, 7777))
        else:
            wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(request.body) + request.body)


@pytest.mark.parametrize("n", [0, 1, 2047, 2048, 2049, 16383, 16384, 16385, 65536, 262144, 3 * MIB + 1])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_every_size_goes_through_and_comes_back(n: int, framing: str) -> None:
    body = pattern(n)
    with Upstream(echo) as up, running(bootstrap(up.port)) as p, p.client() as client:
        for _ in range(2):
            head = b"POST / HTTP/1.1\r\nhost: a\r\n"
            if framing == "length":
                data = head + b"content-length: %d\r\n\r\n" % n + body
            else:
                data = head + b"transfer-encoding: chunked\r\n\r\n" + chunked(body)
            sender = threading.Thread(target=client.send, args=(data,))
            sender.start()
            message = client.read_response()
            sender.join()
            assert (message.status, message.complete) == (200, True)
            assert message.body == body
        assert len(up.connections) == 1


@pytest.mark.parametrize("step", [1, 2, 3, 7])
def test_a_chunked_upload_in_tiny_writes_is_the_same_upload(step: int) -> None:
    with Upstream(echo) as up, running(bootstrap(up.port)) as p, p.client() as client:
        body = pattern(600)
        data = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n" + chunked(body, 13)
        client.send(data, step)
        assert client.read_response().body == body


def test_both_directions_flow_at_once() -> None:
    """The upstream streams what it gets while it still gets it; neither side waits for the other's end."""
    total = 8 * MIB

    def script(wire: Wire) -> None:
        wire.read_until(b"\r\n\r\n")
        wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % total)
        left = total
        while left:
            piece = wire.read_exactly(min(left, 65536))
            wire.send(piece)
            left -= len(piece)
        wire.ended()

    body = pattern(total)
    with Upstream(script) as up, running(bootstrap(up.port)) as p, p.client() as client:
        head = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % total
        sender = threading.Thread(target=client.send, args=(head + body,))
        sender.start()
        message = client.read_response()
        sender.join()
        assert message.body == body


def test_a_thousand_pipelined_requests_are_answered_in_order() -> None:
    def script(wire: Wire) -> None:
        while True:
            target = wire.read_request().target.encode()
            wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(target), target))

    with Upstream(script) as up, running(bootstrap(up.port)) as p, p.client() as client:
        data = b"".join(b"GET /%d HTTP/1.1\r\nhost: a\r\n\r\n" % n for n in range(1000))
        sender = threading.Thread(target=client.send, args=(data,))
        sender.start()
        for n in range(1000):
            assert client.read_response().body == b"/%d" % n
        sender.join()


def test_pipelined_uploads_keep_their_bodies() -> None:
    with Upstream(echo) as up, running(bootstrap(up.port)) as p, p.client() as client:
        bodies = [pattern(n * 997 % 9000) for n in range(60)]
        parts = [
            b"POST / HTTP/1.1\r\nhost: a\r\n"
            + (b"content-length: %d\r\n\r\n%s" % (len(b), b) if n % 2 else b"transfer-encoding: chunked\r\n\r\n" + chunked(b))
            for n, b in enumerate(bodies)
        ]
        sender = threading.Thread(target=client.send, args=(b"".join(parts),))
        sender.start()
        for body in bodies:
            assert client.read_response().body == body
        sender.join()


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n"),
        ("HEAD", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\ncontent-length: 500\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\netag: x\r\n\r\n"),
        ("GET", b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
    ],
)
def test_answers_without_a_body_leave_both_connections_usable(method: str, answer: bytes) -> None:
    def script(wire: Wire) -> None:
        while True:
            wire.read_request()
            wire.send(answer)

    with Upstream(script) as up, running(bootstrap(up.port)) as p, p.client() as client:
        for _ in range(3):
            client.send(f"{method} / HTTP/1.1\r\nhost: a\r\n\r\n".encode())
            message = client.read_response(method)
            assert message.status == int(answer.split()[1])
            assert message.body == b""
        assert len(up.connections) == 1


def test_trailers_go_both_ways_when_they_are_enabled() -> None:
    def script(wire: Wire) -> None:
        up.note(wire.read_request())
        wire.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunked(b"down", 2, b"x-sum: 2\r\n"))
        wire.ended()

    options = {"http_protocol_options": {"enable_trailers": True}}
    with Upstream(script) as up:
        config = bootstrap(up.port, hcm=options)
        config["static_resources"]["clusters"][0].update(options)
        with running(config) as p, p.client() as client:
            head = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
            client.send(head + chunked(b"up", 1, b"x-sum: 1\r\n"))
            message = client.read_response()
            assert (message.body, message.trailers) == (b"down", [("x-sum", "2")])
            assert (up.requests[0].body, up.requests[0].trailers) == (b"up", [("x-sum", "1")])


def test_trailers_are_dropped_when_they_are_not() -> None:
    def script(wire: Wire) -> None:
        up.note(wire.read_request())
        wire.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunked(b"down", 2, b"x-sum: 2\r\n"))
        wire.ended()

    with Upstream(script) as up, running(bootstrap(up.port)) as p, p.client() as client:
        head = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
        client.send(head + chunked(b"up", 1, b"x-sum: 1\r\n"))
        message = client.read_response()
        assert (message.body, message.trailers, message.complete) == (b"down", [], True)
        assert (up.requests[0].body, up.requests[0].trailers) == (b"up", [])


def test_expect_continue_is_answered_before_the_body_is_sent() -> None:
    with Upstream(echo) as up, running(bootstrap(up.port)) as p, p.client() as client:
        client.send(b"POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n")
        assert client.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"body")
        assert client.read_response().body == b"body"


def test_an_answer_in_the_middle_of_an_upload_reaches_the_client_and_ends_both_connections() -> None:
    def script(wire: Wire) -> None:
        wire.read_until(b"half")
        wire.send(b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig")
        wire.ended()

    with Upstream(script) as up, running(bootstrap(up.port, hcm={"delayed_close_timeout": "0.05s"})) as p:
        with p.client() as client:
            client.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 8\r\n\r\nhalf")
            message = client.read_response()
            assert (message.status, message.body, message.get("connection")) == (413, b"big", "close")
            assert client.ended()
        assert p.down("downstream_rq_response_before_rq_complete") == 1


def test_an_early_answer_is_not_lost_under_a_big_upload() -> None:
    """The client writes on for megabytes after the answer was sent; it must still be able to read it."""

    def script(wire: Wire) -> None:
        wire.read_until(b"\r\n\r\n")
        wire.send(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno")
        wire.ended()

    with Upstream(script) as up, running(bootstrap(up.port)) as p, p.client() as client:
        client.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % (8 * MIB))
        client.send(pattern(4 * MIB))
        assert client.read_response().status == 403
