"""gRPC checks: grpc.health.v1.Health/Check over HTTP/2, healthy when the answer is SERVING and the call has ended well.

The two messages have one field each, so they are written and read here rather than by a package. See http2.py.
"""

from __future__ import annotations

from collections.abc import Callable

from mesh.health.http import Added, Headers
from mesh.health.http2 import HTTP_2, Http2Probe
from mesh.health.probe import USER_AGENT, Target
from mesh.health.state import ACTIVE, Result
from meshcore.bind.health_spec import GrpcCheck

METHOD = b"/grpc.health.v1.Health/Check"
PREFIX_LEN = 5  # of a gRPC message: a flag and a length
OK = b"0"
STATUS_FIELD = 0x08  # HealthCheckResponse.status, a varint
SERVICE_FIELD = 0x0A  # HealthCheckRequest.service, bytes
SERVING = 1


class GrpcProbe(Http2Probe):
    def __init__(self, check: GrpcCheck, target: Target, reuse: bool, done: Callable[[Result], None], timeout_ms: int) -> None:
        super().__init__(target, reuse, done)
        self._added = Added(check.metadata, (), HTTP_2)
        self._authority = (target.hostname or check.authority or target.cluster).encode()
        self._message = framed(request(check.service_name))
        self._timeout = b"%dm" % timeout_ms

    def question(self) -> tuple[Headers, bytes]:
        head = [
            (b":method", b"POST"),
            (b":path", METHOD),
            (b":authority", self._authority),
            (b":scheme", self.target.scheme),
        ]
        fields = [(b"te", b"trailers"), (b"content-type", b"application/grpc"), (b"user-agent", USER_AGENT.encode())]
        return [*head, *self._added.apply(fields, self.target), (b"grpc-timeout", self._timeout)], self._message

    def answer(self, status: int, headers: dict[bytes, bytes], body: bytes, trailers: dict[bytes, bytes] | None) -> Result:
        ended = (headers if trailers is None else trailers).get(b"grpc-status")
        grpc = headers.get(b"content-type", b"").startswith(b"application/grpc")
        if status == 200 and grpc and ended == OK and serving(body):
            return Result()
        return Result(ACTIVE)


def framed(message: bytes) -> bytes:
    return b"\0" + len(message).to_bytes(4, "big") + message


def request(service: str) -> bytes:
    """A HealthCheckRequest."""
    name = service.encode()
    return bytes([SERVICE_FIELD]) + varint(len(name)) + name if name else b""


def serving(body: bytes) -> bool:
    """Whether a body is one uncompressed HealthCheckResponse that says SERVING."""
    if len(body) < PREFIX_LEN or body[0] or int.from_bytes(body[1:PREFIX_LEN], "big") != len(body) - PREFIX_LEN:
        return False
    return body[PREFIX_LEN:] == bytes([STATUS_FIELD, SERVING])


def varint(number: int) -> bytes:
    """A protobuf varint."""
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])
