"""gRPC-Web through the proxy: calls of a browser to a gRPC server, in binary and in text, and messages longer than a buffer's chunk."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from mesh.testing import running
from tests.http2.peer import Answer, Http2Client
from tests.http2.server import Call, Http2Server, http2_bootstrap

WEB = {"name": "web", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.grpc_web.v3.GrpcWeb"}}
ROUTER = {"name": "router", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}
TEXT = "application/grpc-web-text+proto"
PIECE = 16_000
BINARY = "application/grpc-web+proto"
TRAILERS = b"grpc-status:0\r\ngrpc-message:fine\r\n"


def framed(kind: int, message: bytes) -> bytes:
    return bytes([kind]) + len(message).to_bytes(4, "big") + message


def echo(call: Call) -> None:
    assert call.header("content-type") == "application/grpc"
    call.connection.send_headers(call.stream, [(":status", "200"), ("content-type", "application/grpc")])
    for at in range(0, len(call.body), PIECE):
        call.connection.send_data(call.stream, call.body[at : at + PIECE])
    call.connection.send_headers(call.stream, [("grpc-status", "0"), ("grpc-message", "fine")], end_stream=True)
    call.link.flush()


def ask(body: bytes, kind: str, wanted: str, step: int) -> Answer:
    hcm: dict[str, Any] = {"http_filters": [WEB, ROUTER]}
    with Http2Server(echo) as up, running(http2_bootstrap(up.port, hcm=hcm)) as proxy, Http2Client(proxy.port) as client:
        stream = client.request("/svc/Call", "POST", end=False, extra=[("content-type", kind), ("accept", wanted)])
        for at in range(0, len(body), step):
            client.send(stream, body[at : at + step], end=at + step >= len(body))
        answer = client.answer(stream)
        client.sock.close()
        proxy.quiet()
    return answer


def decoded(text: bytes) -> bytes:
    """Base64 in which every part has its own padding."""
    return b"".join(base64.b64decode(text[at : at + 4], validate=True) for at in range(0, len(text), 4))


@pytest.mark.parametrize(("size", "step"), [(0, 3), (1, 1), (2, 5), (3, 7), (40_000, 999), (50_000, 50_000)])
def test_text_both_ways(size: int, step: int) -> None:
    message = framed(0, (bytes(range(256)) * 200)[:size])
    answer = ask(base64.b64encode(message), TEXT, TEXT, step)
    assert answer.status == 200
    assert answer.header("content-type") == TEXT
    assert decoded(answer.body) == message + framed(0x80, TRAILERS)
    assert answer.trailers == []
    assert answer.ended


def test_binary_both_ways() -> None:
    message = framed(0, b"x" * 50_000)
    answer = ask(message, BINARY, BINARY, 7_000)
    assert answer.header("content-type") == BINARY
    assert answer.body == message + framed(0x80, TRAILERS)


def test_text_that_is_no_base64_is_answered() -> None:
    answer = ask(b"AAA!AAAA", TEXT, TEXT, 8)
    assert answer.status == 400
    assert answer.header("grpc-message") == "Bad gRPC-web request, invalid base64 data."
