"""The Twitter protocol: the upgrade, header structs, and a real Envoy between two ends that speak it."""

from __future__ import annotations

from typing import Any

import pytest

from mesh.codec import thrift
from mesh.codec.thrift import Decoder, Message, Trace, Type
from tests.codec_thrift.driving import drive, same_in_every_way
from tests.codec_thrift.shapes import EVERYTHING, call

UPGRADE = Message("__can__finagle__trace__v3__", "call", 0, {}, protocol="twitter")
AGREED = UPGRADE._replace(type="reply")
TRACE = Trace(1, -2, 3, True, 1 << 62, -(1 << 63))
HEADERS = ((b":client-id", b"tests"), (b"k", b"v"), (b"k", b"w"), (b":dest", b"/s/there"), (b":d:/s/a", b"/s/b"))
REQUEST = call(protocol="twitter", headers=HEADERS, trace=TRACE)
EACH_TRANSPORT = pytest.mark.parametrize("transport", ["framed", "unframed"])


def over(transport: str, *messages: Message) -> list[Message]:
    return [message._replace(transport=transport) for message in messages]


def raw_of(messages: list[Message]) -> bytes:
    return b"".join(map(thrift.encode, messages))


@pytest.mark.slow
@EACH_TRANSPORT
@pytest.mark.parametrize("protocol", ["auto", "twitter"])
def test_requests_behind_an_upgrade_have_headers_in_every_cut(transport: str, protocol: str) -> None:
    bare = call({}, protocol="twitter", trace=Trace())
    sent = over(transport, UPGRADE, REQUEST, bare)
    outcome = same_in_every_way(raw_of(sent), Decoder, protocol=protocol)
    found = [message._replace(headers=tuple(sorted(message.headers))) for message in outcome[0]]
    assert found == [message._replace(headers=tuple(sorted(message.headers))) for message in sent]
    assert outcome[1] is None


@EACH_TRANSPORT
@pytest.mark.parametrize("type", ["reply", "exception"])
def test_replies_behind_an_upgrade_have_headers(transport: str, type: str) -> None:
    spans = thrift.encode_struct({1: (Type.LIST, (Type.STRUCT, [{1: (Type.I64, 5), 3: (Type.STRING, b"span")}]))})[3:-1]
    reply = call(type=type, protocol="twitter", headers=((b"k", b"v"),), trace=Trace(spans=spans))
    sent = over(transport, AGREED, reply)
    assert drive(Decoder(), [raw_of(sent)]) == (sent, None)


def test_without_an_upgrade_it_is_the_binary_protocol() -> None:
    plain = call(protocol="twitter")
    assert thrift.decode(thrift.encode(plain), protocol="twitter") == plain
    assert thrift.encode(plain) == thrift.encode(plain, protocol="binary")
    assert thrift.decode(thrift.encode(plain)).protocol == "binary"


def test_a_server_that_does_not_know_the_upgrade_leaves_things_as_they_were() -> None:
    refused = thrift.exception(UPGRADE, 1, "unknown method")
    decoder = Decoder(protocol="twitter")
    assert decoder.feed(refused)[0].type == "exception"
    assert decoder.feed(thrift.encode(call({}))) == [call({}, protocol="twitter")]


def header_then(fields: Any, tail: bytes = b"") -> bytes:
    body = thrift.encode_struct(fields) + thrift.encode(call({}, transport="unframed")) + tail
    return thrift.encode(UPGRADE) + len(body).to_bytes(4, "big") + body


def test_fields_that_nobody_knows_are_passed_over() -> None:
    wrong = {1: (Type.STRING, b"no number"), 8: (Type.LIST, (Type.I32, [1])), 10: (Type.MAP, (Type.I32, Type.I32, [(1, 1)]))}
    odd: Any = EVERYTHING | wrong
    found = Decoder().feed(header_then(odd))[1]
    assert (found.headers, found.trace) == (((b":dest", b""),), Trace(0, 0))


def test_line_ends_in_the_keys_of_contexts_are_taken_out() -> None:
    contexts = (Type.LIST, (Type.STRUCT, [{1: (Type.STRING, b"A\r\nB\0"), 2: (Type.STRING, b"v\n")}, {}]))
    assert Decoder().feed(header_then({8: contexts}))[1].headers == ((b"ab", b"v\n"), (b"", b""))


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (header_then({})[: len(thrift.encode(UPGRADE))] + b"\0\0\0\x05\x0a\0\x01\0\0", "bad_header"),
        (header_then({9: (Type.STRING, b"x" * 2000)}), "bad_header"),
        (thrift.encode(UPGRADE) + b"\0\0\0\x05\x05\0\x01\0\0", "bad_type"),
        (thrift.encode(UPGRADE) + b"\0\0\0\x05\0HTTP", "truncated"),
        (thrift.encode(UPGRADE) + b"\0\0\0\x0d\0GET / HTTP/1", "bad_protocol"),
    ],
    ids=["cut", "too long", "bad", "no envelope", "no binary protocol"],
)
def test_hostile_headers_have_their_errors_in_every_cut(raw: bytes, error: str) -> None:
    found = drive(Decoder(max_header_bytes=1000), [raw])
    assert found == ([UPGRADE], error)
    if len(raw) < 1000:
        assert same_in_every_way(raw, Decoder, max_header_bytes=1000) == found


def test_an_exception_for_a_request_with_headers_has_headers() -> None:
    found = Decoder()
    found.feed(thrift.encode(AGREED))
    (reply,) = found.feed(thrift.exception(REQUEST, 6, "no"))
    assert (reply.type, reply.seqid, reply.headers) == ("exception", REQUEST.seqid, ((b"k", b"v"), (b"k", b"w")))
