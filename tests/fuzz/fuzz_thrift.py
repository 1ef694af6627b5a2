"""Fuzz target: any bytes as a stream of Thrift messages, and as a struct in each protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mesh.codec import thrift
from mesh.codec.thrift import DecodeError, Decoder, Message, Trace, Type
from tests.codec_thrift.driving import drive
from tests.codec_thrift.shapes import exact
from tests.fuzz.properties import Kind, cut_at_random

CORPUS = Path(__file__).parent.parent / "corpus" / "thrift"
WORDS = [
    b"\x80\x01\0\x01", b"\x80\x01\0\x04", b"\x82\x21", b"\x82\x41", b"\x0f\xff", b"\0\0\0\x20\x0f\xff\0\0\0\0\0\x01\0\x02", b"\0\0\0\0",
    b"\0\0\0\x01", b"\0\0\0\x0c", b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\xff\xff\xff\xff\x07", b"\x80\x80\x80\x80\x80\x80", b"\0\0",
    b"\x0b\0\x01\0\0\0\x03abc", b"\x0c\0\x02", b"\x0f\0\x03\x0c\0\0\0\x02", b"\x0d\0\x04\x0b\x08\0\0\0\x01", b"\x02\0\x05\x01",
    b"\x1c", b"\x19\x25", b"\x19\xf5", b"\x1b\x01\x85", b"\x11", b"\x12", b"\x18\x02ab", b"\x16\x80\x01", b"\x1d", b"\x01\x01\x01k\x01v",
]  # fmt: skip
UPGRADE = "__can__finagle__trace__v3__"
LIMITS = {"max_string_bytes": 1000, "max_container": 500, "max_depth": 12, "max_inflated_bytes": 5000, "max_name_bytes": 300}


def seeds() -> list[bytes]:
    return [path.read_bytes() for path in sorted(CORPUS.iterdir())]


def outcome(read: Any, *arguments: Any) -> tuple[Any, str | None]:
    try:
        return read(*arguments, **LIMITS), None
    except DecodeError as error:
        return None, error.error


def as_struct(raw: bytes, wire: str) -> Kind:
    """Decoding, skipping and converting see the same struct."""
    fields, error = outcome(thrift.decode_struct, raw, wire)
    end, skip_error = outcome(thrift.skip_struct, raw, wire)
    other = "compact" if wire == "binary" else "binary"
    converted, convert_error = outcome(thrift.convert_struct, raw, wire, other)
    assert error == convert_error, (error, convert_error)
    if error is None:
        assert end == len(raw)
        again, _ = outcome(thrift.decode_struct, converted, other)
        assert exact(untyped(again)) == exact(untyped(fields))
    elif error == "trailing":
        assert end is not None and end < len(raw)
    else:
        assert skip_error == error, (skip_error, error)
    return wire, error, shape(fields) if fields is not None else ()


def untyped(value: Any) -> Any:
    """Without the types of empty maps, which the compact protocol drops."""
    if isinstance(value, dict):
        return {id: (type, empty(type, untyped(inner))) for id, (type, inner) in value.items()}
    if isinstance(value, tuple):
        return tuple(untyped(inner) for inner in value)
    return [untyped(inner) for inner in value] if isinstance(value, list) else value


def empty(type: int, value: Any) -> Any:
    return (0, 0, []) if type == Type.MAP and not value[2] else value


def shape(fields: dict[int, Any]) -> Kind:
    return tuple(sorted({int(type) for type, _ in fields.values()}))


def written_again(message: Message) -> Message:
    way: Any = {"transport": message.transport, "protocol": message.protocol}
    decoder = Decoder(**way)
    if message.trace is not None:
        decoder.feed(thrift.encode(Message(UPGRADE, "call", 0, {}, (), **way)))
    (again,) = decoder.feed(thrift.encode(message))
    return again


def one(raw: bytes) -> Kind:
    whole = drive(Decoder(**LIMITS), [raw])
    pieces = drive(Decoder(**LIMITS), cut_at_random(raw))
    assert exact(whole) == exact(pieces), f"whole: {whole}\npieces: {pieces}"
    for message in whole[0]:
        # The types of maps inside empty containers do not survive the way through the compact protocol.
        again, expected = written_again(message), message
        if message.trace is not None:
            # A Twitter header is written with what its kind of message has there, each once.
            again, expected = again._replace(headers=(), trace=None), expected._replace(headers=(), trace=None)
        assert exact(again) == exact(expected)
    kinds = [(message.transport, message.protocol, message.type, shape(message.fields)) for message in whole[0][:3]]
    return (whole[1], *kinds, as_struct(raw, "binary"), as_struct(raw, "compact"))


def write_seeds() -> None:
    """Fills the corpus: one message for every way to send one."""
    from tests.codec_thrift.shapes import PAIRS, WITH_UUID

    CORPUS.mkdir(exist_ok=True)
    for transport, protocol in PAIRS:
        headers = ((b"k", b"v"),) if transport == "header" else ()
        message = Message("s:m", "call", 1, WITH_UUID, headers, transport, protocol)
        name = f"{transport}_{protocol.replace('/', '_')}"
        (CORPUS / name).write_bytes(thrift.encode(message))
        (CORPUS / f"{name}_two").write_bytes(thrift.encode(message._replace(fields={}, type="reply")) * 2)
    (CORPUS / "header_zlib").write_bytes(thrift.encode(message._replace(transport="header", protocol="compact"), zlib=True))
    for transport in ("framed", "unframed"):
        upgrade = Message(UPGRADE, "call", 0, {}, (), transport, "twitter")
        headers = ((b":client-id", b"c"), (b"k", b"v"), (b":dest", b"d"), (b":d:a", b"b"))
        request = Message("m", "call", 1, {}, headers, transport, "twitter", Trace(1, 2, 3, True, 4, 5))
        reply = request._replace(type="reply", trace=Trace(spans=b"\x0c\0\0\0\x01\0"))
        (CORPUS / f"{transport}_twitter").write_bytes(b"".join(map(thrift.encode, (upgrade, request, reply))))
    for wire in ("binary", "compact"):
        (CORPUS / f"struct_{wire}").write_bytes(thrift.encode_struct(WITH_UUID, wire))
        small = {1: (Type.MAP, (Type.STRING, Type.LIST, [(b"k", (Type.I32, [1, 2, 300]))]))}
        (CORPUS / f"struct_small_{wire}").write_bytes(thrift.encode_struct(small, wire))
