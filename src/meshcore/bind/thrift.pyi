from typing import Literal

from meshcore.bind.thrift_shapes import Message

Buffer = bytes | bytearray | memoryview
Transport = Literal["auto", "framed", "unframed", "header"]
Protocol = Literal["auto", "binary", "binary/non-strict", "compact", "twitter"]

class Decoder:
    def __init__(
        self, *, transport: Transport = "auto", protocol: Protocol = "auto", plain: bool = False, **limits: int
    ) -> None: ...
    def feed(self, data: Buffer) -> list[Message]: ...
    def eof(self) -> None: ...
    @property
    def state(self) -> str: ...
    @property
    def held(self) -> int: ...

def encode(message: Message, *, transport: str | None = None, protocol: str | None = None, zlib: bool = False) -> bytes: ...
def exception(request: Message, type: int, text: str, *, transport: str | None = None, protocol: str | None = None) -> bytes: ...
def reply_kind(data: Buffer, protocol: str = "binary") -> Literal["more", "success", "error", "bad"]: ...
def decode(
    data: Buffer, *, transport: Transport = "auto", protocol: Protocol = "auto", plain: bool = False, **limits: int
) -> Message: ...
def rewrite(
    data: Buffer,
    *,
    name: str | None = None,
    seqid: int | None = None,
    transport: str | None = None,
    protocol: str | None = None,
    **limits: int,
) -> bytes: ...
