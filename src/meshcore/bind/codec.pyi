from collections.abc import Iterable
from typing import Literal

from meshcore.bind.codec_events import Event

Underscores = Literal["allow", "reject", "drop"]
Buffer = bytes | bytearray | memoryview

class Http1Parser:
    def __init__(
        self,
        *,
        max_head_bytes: int = 61440,
        max_headers: int = 100,
        underscores: Underscores = "allow",
        allow_chunked_length: bool = False,
        allow_custom_methods: bool = False,
        allow_absolute_url: bool = True,
        enable_trailers: bool = False,
    ) -> None: ...
    def feed(self, data: Buffer) -> list[Event]: ...
    def eof(self) -> list[Event]: ...
    @property
    def state(self) -> str: ...
    @property
    def live_blocks(self) -> int: ...

class RequestParser(Http1Parser): ...

class ResponseParser(Http1Parser):
    def expect(self, method: bytes) -> None: ...

def write_request(
    method: bytes,
    path: bytes,
    authority: bytes,
    headers: Iterable[tuple[bytes, bytes]] = (),
    *,
    scheme: bytes = b"",
    full_url: bool = False,
    proper_case: bool = False,
) -> bytes: ...
def write_response(
    status: int,
    headers: Iterable[tuple[bytes, bytes]] = (),
    *,
    http_10: bool = False,
    proper_case: bool = False,
) -> bytes: ...
def write_chunk(data: bytes) -> bytes: ...
def write_last_chunk(trailers: Iterable[tuple[bytes, bytes]] = ()) -> bytes: ...
