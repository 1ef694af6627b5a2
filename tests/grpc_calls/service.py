"""A gRPC service of raw bytes, and channels to it, with grpcio on both ends: no schema stands between a test and the wire.

Methods of `/test.Echo/`: `Unary` answers with its message, `Many` with as many as it says, `Collect` with the number of bytes it got,
`Chat` with each message as it comes, `Fail` with the status that the metadata `x-code` names, `Slow` after the event `release`, `Size`
with as many bytes as it says.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc

SERVICE = "test.Echo"
UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
# A server would cancel some of the calls that wait for a thread, from a thousand on.
PATIENT = [("grpc.server.max_pending_requests", 100_000), ("grpc.server.max_pending_requests_hard_limit", 100_000)]


class Echo:
    def __init__(self) -> None:
        self.started = threading.Event()
        self.release = threading.Event()
        self.cancelled = threading.Event()
        self.metadata: dict[str, Any] = {}

    def unary(self, request: bytes, call: grpc.ServicerContext) -> bytes:
        self.metadata = dict(call.invocation_metadata())
        call.set_trailing_metadata((("x-trailer", "yes"), ("x-blob-bin", b"\x00\xff")))
        return request

    def many(self, request: bytes, call: grpc.ServicerContext) -> Iterator[bytes]:
        for number in range(int(request)):
            yield b"%d" % number

    def collect(self, requests: Iterator[bytes], call: grpc.ServicerContext) -> bytes:
        return b"%d" % sum(len(one) for one in requests)

    def chat(self, requests: Iterator[bytes], call: grpc.ServicerContext) -> Iterator[bytes]:
        yield from requests

    def fail(self, request: bytes, call: grpc.ServicerContext) -> bytes:
        code = dict(call.invocation_metadata())["x-code"]
        call.abort(getattr(grpc.StatusCode, code), "said so")
        return b""

    def slow(self, request: bytes, call: grpc.ServicerContext) -> bytes:
        call.add_callback(self.cancelled.set)
        self.started.set()
        self.release.wait(30)
        return request

    def size(self, request: bytes, call: grpc.ServicerContext) -> bytes:
        return b"x" * int(request)


def handler(echo: Echo) -> grpc.GenericRpcHandler:
    methods = {
        "Unary": grpc.unary_unary_rpc_method_handler(echo.unary),
        "Many": grpc.unary_stream_rpc_method_handler(echo.many),
        "Collect": grpc.stream_unary_rpc_method_handler(echo.collect),
        "Chat": grpc.stream_stream_rpc_method_handler(echo.chat),
        "Fail": grpc.unary_unary_rpc_method_handler(echo.fail),
        "Slow": grpc.unary_unary_rpc_method_handler(echo.slow),
        "Size": grpc.unary_unary_rpc_method_handler(echo.size),
    }
    return grpc.method_handlers_generic_handler(SERVICE, methods)


@contextmanager
def serving(echo: Echo, threads: int = 8) -> Iterator[int]:
    """The port of a running server."""
    server = grpc.server(ThreadPoolExecutor(threads), handlers=[handler(echo)], options=[*UNLIMITED, *PATIENT, ("grpc.so_reuseport", 0)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        echo.release.set()
        server.stop(None).wait()


@contextmanager
def channel(port: int) -> Iterator[grpc.Channel]:
    options = [*UNLIMITED, ("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=options) as made:
        yield made


def method(made: grpc.Channel, name: str, kind: str = "unary_unary") -> Any:
    return getattr(made, kind)(f"/{SERVICE}/{name}")
