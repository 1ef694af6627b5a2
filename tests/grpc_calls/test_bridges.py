"""gRPC bridges with grpcio: a server behind a client that knows HTTP/1 alone, a client before a host that does, and long messages."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from mesh.testing import Message, Running, Upstream, Wire, bootstrap, running
from tests.grpc_calls.service import Echo, channel, method, serving
from tests.http2.server import http2_bootstrap

LIMIT_S = 30
LONG = bytes(range(256)) * 1000
ROUTER = {"name": "router", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}
GRPC = "application/grpc"
PROTOBUF = "application/x-protobuf"


def post(proxy: Running, path: str, body: bytes, kind: str, more: str = "") -> Message:
    lines = f"content-type: {kind}\r\ncontent-length: {len(body)}\r\nte: trailers\r\n{more}"
    with proxy.client() as client:
        client.send(f"POST {path} HTTP/1.1\r\nhost: a\r\n{lines}\r\n".encode() + body)
        return client.read_response()


def bridge(kind: str, **fields: Any) -> dict[str, Any]:
    """A connection manager with that filter."""
    filter_ = {"name": "bridge", "typed_config": {"@type": f"type.googleapis.com/envoy.extensions.filters.http.{kind}", **fields}}
    return {"http_filters": [filter_, ROUTER], "delayed_close_timeout": "0.05s"}


def framed(message: bytes) -> bytes:
    return b"\0" + len(message).to_bytes(4, "big") + message


@pytest.mark.parametrize("message", [b"", b"hello", LONG])
def test_a_grpc_server_answers_a_client_of_http1(message: bytes) -> None:
    hcm = bridge("grpc_http1_bridge.v3.Config")
    with serving(Echo()) as port, running(http2_bootstrap(port, hcm=hcm)) as proxy:
        answer = post(proxy, "/test.Echo/Unary", framed(message), GRPC)
        assert (answer.status, answer.get("grpc-status"), answer.body) == (200, "0", framed(message))
        assert answer.get("content-length") == str(len(message) + 5)


@pytest.mark.parametrize("message", [b"hello", LONG])
def test_protobuf_becomes_grpc_and_back(message: bytes) -> None:
    hcm = bridge("grpc_http1_bridge.v3.Config", upgrade_protobuf_to_grpc=True, ignore_query_parameters=True)
    with serving(Echo()) as port, running(http2_bootstrap(port, hcm=hcm)) as proxy:
        answer = post(proxy, "/test.Echo/Unary?x=y", message, PROTOBUF)
        assert (answer.status, answer.get("grpc-status"), answer.body) == (200, "0", message)


def test_a_status_that_is_not_ok_is_503_to_a_client_of_http1() -> None:
    hcm = bridge("grpc_http1_bridge.v3.Config")
    with serving(Echo()) as port, running(http2_bootstrap(port, hcm=hcm)) as proxy:
        answer = post(proxy, "/test.Echo/Fail", framed(b""), GRPC, "x-code: NOT_FOUND\r\n")
        assert (answer.status, answer.get("grpc-status"), answer.get("grpc-message")) in {
            (503, "5", "said so"), (200, "5", "said so"),      # the server may say it in its head alone, which passes as it is
        }  # fmt: skip


def answering(status: int, kind: str, prefix: bytes = b"") -> Any:
    def answer(wire: Wire) -> None:
        asked = wire.read_request()
        assert (asked.get("content-type"), asked.get("accept")) == (PROTOBUF, PROTOBUF)
        body = prefix + asked.body
        wire.send(b"HTTP/1.1 %d X\r\ncontent-type: %s\r\ncontent-length: %d\r\n\r\n" % (status, kind.encode(), len(body)) + body)

    return answer


def reverse() -> dict[str, Any]:
    return bridge("grpc_http1_reverse_bridge.v3.FilterConfig", content_type=PROTOBUF, withhold_grpc_frames=True)


@pytest.mark.parametrize("message", [b"", b"hello", LONG])
def test_a_host_of_http1_answers_a_grpc_client(message: bytes) -> None:
    host = answering(200, PROTOBUF, b"you said ")
    with Upstream(host) as up, running(bootstrap(up.port, hcm=reverse())) as proxy, channel(proxy.port) as made:
        assert method(made, "Unary")(message, timeout=LIMIT_S) == b"you said " + message


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (403, PROTOBUF, grpc.StatusCode.PERMISSION_DENIED),
        (503, PROTOBUF, grpc.StatusCode.UNAVAILABLE),
        (200, "text/plain", grpc.StatusCode.UNKNOWN),
    ],
)
def test_what_a_host_of_http1_refuses_is_a_status_to_a_grpc_client(status: int, kind: str, code: grpc.StatusCode) -> None:
    with Upstream(answering(status, kind)) as up, running(bootstrap(up.port, hcm=reverse())) as proxy, channel(proxy.port) as made:
        with pytest.raises(grpc.RpcError) as caught:
            method(made, "Unary")(b"hello", timeout=LIMIT_S)
        assert caught.value.code() is code
