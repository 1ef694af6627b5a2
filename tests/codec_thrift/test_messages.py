"""Messages over every transport in every protocol: identity, cuts, detection, streams, rewriting."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given, settings

from mesh.codec import thrift
from mesh.codec.thrift import DecodeError, Decoder, Message
from tests.codec_thrift.driving import drive, same_in_every_way
from tests.codec_thrift.shapes import EVERYTHING, MESSAGES, PAIRS, call, exact

EACH_PAIR = pytest.mark.parametrize(("transport", "protocol"), PAIRS)
SMALL = {1: EVERYTHING[5], 2: EVERYTHING[8], 3: EVERYTHING[42]}


def options(transport: str, protocol: str) -> dict[str, str]:
    """What a decoder must be told: nothing tells binary/non-strict from other bytes."""
    return {"transport": transport, "protocol": protocol} if protocol == "binary/non-strict" else {}


@EACH_PAIR
@pytest.mark.parametrize("type", ["call", "reply", "exception", "oneway"])
def test_a_message_of_each_type_comes_back(transport: str, protocol: str, type: str) -> None:
    message = call(SMALL, type=type, seqid=-2, transport=transport, protocol=protocol)
    assert thrift.decode(thrift.encode(message), **options(transport, protocol)) == message


@pytest.mark.slow
@EACH_PAIR
def test_the_cut_does_not_matter(transport: str, protocol: str) -> None:
    headers = ((b"k", b"v"), (b"", b"")) if transport == "header" else ()
    one = call(transport=transport, protocol=protocol, headers=headers)
    two = one._replace(name="", fields={}, seqid=0)
    raw = thrift.encode(one) + thrift.encode(two)
    assert same_in_every_way(raw, Decoder, **options(transport, protocol)) == ([one, two], None)


@pytest.mark.slow
@EACH_PAIR
@given(message=MESSAGES)
@settings(max_examples=60, deadline=None)
def test_any_message_comes_back(transport: str, protocol: str, message: Message) -> None:
    if transport != "header":
        message = message._replace(headers=())
    message = message._replace(transport=transport, protocol=protocol)
    raw = thrift.encode(message)
    assert exact(thrift.decode(raw, **options(transport, protocol))) == exact(message)
    middle = len(raw) // 2
    messages, error = drive(Decoder(**options(transport, protocol)), [raw[:middle], raw[middle:]])
    assert (exact(messages), error) == (exact([message]), None)


@pytest.mark.slow
@EACH_PAIR
def test_a_connection_that_ends_inside_a_message_is_told_so(transport: str, protocol: str) -> None:
    raw = thrift.encode(call(SMALL, transport=transport, protocol=protocol))
    for end in range(1, len(raw)):
        decoder = Decoder(**options(transport, protocol))
        assert decoder.feed(raw[:end]) == []
        with pytest.raises(DecodeError, match="truncated"):
            decoder.eof()
        with pytest.raises(DecodeError, match="truncated"):
            decoder.feed(raw[end:])


def test_a_decoder_keeps_what_it_found_in_the_first_message() -> None:
    framed = thrift.encode(call(SMALL))
    decoder = Decoder()
    decoder.feed(framed)
    with pytest.raises(DecodeError, match="bad_frame_size"):
        decoder.feed(thrift.encode(call(SMALL, transport="unframed")))
    decoder = Decoder()
    decoder.feed(framed)
    with pytest.raises(DecodeError, match="bad_protocol"):
        decoder.feed(thrift.encode(call(SMALL, protocol="compact")))


def test_messages_before_an_error_are_not_lost() -> None:
    message = call(SMALL)
    decoder = Decoder()
    with pytest.raises(DecodeError) as caught:
        decoder.feed(thrift.encode(message) + b"GET / HTTP/1.1\r\n")
    assert (caught.value.messages, caught.value.error, decoder.state) == ([message], "bad_frame_size", "broken")


@pytest.mark.parametrize("protocol", ["binary", "compact"])
def test_a_compressed_message_comes_back(protocol: str) -> None:
    message = call(transport="header", protocol=protocol, headers=((b"a", b"b"),))
    raw = thrift.encode(message, zlib=True)
    assert same_in_every_way(raw, Decoder) == ([message], None)
    plain = thrift.encode(message)
    start = raw.index(zlib.compress(b"")[:2])
    assert plain.endswith(zlib.decompress(raw[start:]))


def test_the_old_protocol_takes_the_strict_form_too() -> None:
    raw = thrift.encode(call(SMALL))
    assert thrift.decode(raw, transport="framed", protocol="binary/non-strict").protocol == "binary"


@EACH_PAIR
def test_a_message_is_rewritten_to_every_other_wire(transport: str, protocol: str) -> None:
    if protocol == "binary/non-strict":
        # Nothing tells it from other bytes, and rewrite is not told.
        with pytest.raises(DecodeError, match="bad_"):
            thrift.rewrite(thrift.encode(call(SMALL, transport=transport, protocol=protocol)))
        return
    message = call(transport=transport, protocol=protocol)
    raw = thrift.encode(message)
    assert thrift.rewrite(raw) == raw
    for other, way in PAIRS:
        expected = message._replace(name="sub", seqid=-9, transport=other, protocol=way)
        assert thrift.rewrite(raw, name="sub", seqid=-9, transport=other, protocol=way) == thrift.encode(expected)


def test_a_rewritten_frame_keeps_a_payload_that_nobody_looked_into() -> None:
    raw = thrift.encode(call({}))
    broken = raw[:-1] + b"\x7f"
    assert thrift.rewrite(broken, seqid=1).endswith(b"\x7f")


@pytest.mark.parametrize(
    "wrong",
    [
        {"transport": "auto"},
        {"protocol": "auto"},
        {"transport": "http"},
        {"zlib": True},
        {"transport": "header", "protocol": "binary/non-strict"},
    ],
)
def test_what_cannot_be_written_is_a_value_error(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"transport|protocol|zlib"):
        thrift.encode(call(SMALL), **wrong)  # type: ignore[arg-type]


def test_headers_that_do_not_fit_are_a_value_error() -> None:
    message = call(SMALL, transport="header")
    for headers in [((b"k", b"v" * 40000),), tuple((b"k" * 1000, b"v" * 1000) for _ in range(40))]:
        with pytest.raises(ValueError, match="headers"):
            thrift.encode(message._replace(headers=headers))
