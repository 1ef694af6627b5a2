"""Bytes of somebody who means harm: each gives its own error, in bounded memory and time, in every cut."""

from __future__ import annotations

import time
import tracemalloc
import zlib

import pytest

from mesh.codec import thrift
from mesh.codec.thrift import DecodeError, Decoder, Message, Type
from tests.codec_thrift.driving import drive, same_in_every_way
from tests.codec_thrift.shapes import call

BINARY = bytes.fromhex("80010001 00000001 61 00000000")  # call "a", seqid 0
COMPACT = bytes.fromhex("8221 00 01 61")
GIGABYTES = bytes.fromhex("7fffffff")
LONG = bytes.fromhex("ffffffff07")  # the same as a varint


def framed(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


def header(block: bytes, payload: bytes = BINARY + b"\0", words: int | None = None) -> bytes:
    block += b"\0" * (-len(block) % 4)
    count = len(block) // 4 if words is None else words
    return framed(b"\x0f\xff\0\0\0\0\0\0" + count.to_bytes(2, "big") + block + payload)


CASES: dict[str, tuple[bytes, str]] = {
    "HTTP": (b"GET / HTTP/1.1\r\n", "bad_transport"),
    "TLS": (b"\x16\x03\x01\x02\0\x01\0\x01\xfc", "bad_transport"),
    "a frame that says it is negative": (b"\xff\xff\xff\xff" + BINARY, "bad_transport"),
    "a frame beyond the limit": (b"\x3f\xff\xff\xff" + BINARY, "bad_frame_size"),
    "an envelope longer than its frame": (b"\0\0\0\x06" + BINARY, "truncated"),
    "a frame that ends inside the struct": (framed(BINARY + b"\x08\0\x01\0\0"), "truncated"),
    "a frame that goes on after the struct": (framed(BINARY + b"\0\0"), "trailing"),
    "an unknown message type": (framed(BINARY[:3] + b"\x05" + BINARY[4:] + b"\0"), "bad_message_type"),
    "a compact message of type 0": (framed(b"\x82\x01\0\0\0"), "bad_message_type"),
    "a name of 2 GiB": (framed(BINARY[:4] + GIGABYTES + b"a" * 20), "name_too_long"),
    "a compact name of 2 GiB": (framed(COMPACT[:3] + LONG + b"a" * 20), "name_too_long"),
    "a string of 2 GiB": (framed(BINARY + b"\x0b\0\x01" + GIGABYTES + b"a" * 20), "string_too_long"),
    "a compact string of 2 GiB": (framed(COMPACT + b"\x18" + LONG + b"a" * 20), "string_too_long"),
    "a string longer than its frame": (framed(BINARY + b"\x0b\0\x01\0\0\x01\0" + b"a" * 20), "truncated"),
    "a string of a negative length": (framed(BINARY + b"\x0b\0\x01\xff\xff\xff\xff\0"), "negative_size"),
    "a list of 2 GiB": (framed(BINARY + b"\x0f\0\x01\x03" + GIGABYTES + b"a" * 20), "container_too_large"),
    "a compact list of 2 GiB": (framed(COMPACT + b"\x19\xf3" + LONG + b"a" * 20), "container_too_large"),
    "a list longer than its frame": (framed(BINARY + b"\x0f\0\x01\x0a\0\0\0\x03" + b"a" * 20), "truncated"),
    "a map longer than its frame": (framed(BINARY + b"\x0d\0\x01\x0a\x0a\0\0\0\x02" + b"a" * 31), "truncated"),
    "a map of a negative size": (framed(COMPACT + b"\x1b\xff\xff\xff\xff\x0f\x55"), "negative_size"),
    "a field of an unknown type": (framed(BINARY + b"\x05\0\x01\0\0"), "bad_type"),
    "a field of type 200": (framed(BINARY + b"\xc8\0\x01\0\0"), "bad_type"),
    "a compact field of an unknown type": (framed(COMPACT + b"\x1e\0"), "bad_type"),
    "elements of an unknown type": (framed(BINARY + b"\x0f\0\x01\x01\0\0\0\x01\0\0"), "bad_type"),
    "map keys of an unknown type": (framed(COMPACT + b"\x1b\x01\x05\0\0"), "bad_type"),
    "elements of type 0": (framed(COMPACT + b"\x19\x10\0"), "bad_type"),
    "a number of eleven bytes": (framed(COMPACT + b"\x16" + b"\xff" * 10 + b"\x01\0"), "bad_varint"),
    "an i32 of six bytes": (framed(COMPACT + b"\x15" + b"\x80" * 5 + b"\x01\0"), "bad_varint"),
    "an i32 of 33 bits": (framed(COMPACT + b"\x15\xff\xff\xff\xff\x1f\0"), "bad_varint"),
    "an i16 of 17 bits": (framed(COMPACT + b"\x14\x80\x80\x04\0"), "out_of_range"),
    "a field id of 17 bits": (framed(COMPACT + b"\x05\x80\x80\x04\0\0"), "out_of_range"),
    "a sequence id of six bytes": (framed(b"\x82\x21" + b"\xff" * 6 + b"\x01a\0"), "bad_varint"),
    "structs 65 deep": (framed(BINARY + b"\x0c\0\x01" * 64 + b"\0" * 65), "too_deep"),
    "structs 10,000 deep": (framed(COMPACT + b"\x1c" * 10000), "too_deep"),
    "lists 10,000 deep": (framed(COMPACT + b"\x19" * 10000), "too_deep"),
    "header frame too short for a header": (b"\0\0\0\x0d\x0f\xff" + bytes(11), "bad_frame_size"),
    "no header words": (header(b"", words=0), "bad_header"),
    "more header words than frame": (header(b"\0\0", words=300), "bad_header"),
    "negative header words": (header(b"\0\0", words=0x8000), "bad_header"),
    "header of an unknown protocol": (header(b"\x01\0"), "bad_protocol"),
    "header that says another protocol than it has": (header(b"\x02\0"), "bad_protocol"),
    "an unknown transform": (header(b"\0\x01\x03"), "unknown_transform"),
    "two thousand million transforms": (header(b"\0" + LONG), "unknown_transform"),
    "a header count that the block cannot hold": (header(b"\0\0\x01" + LONG), "bad_header"),
    "a header key longer than its block": (header(b"\0\0\x01\x01\x7fk\x01v"), "bad_header"),
    "a block that ends inside a number": (header(b"\0\0\x01\xff"), "bad_header"),
    "compressed bytes that are none": (header(b"\0\x01\x01", b"not zlib"), "bad_transform"),
    "a compressed stream that is cut": (header(b"\0\x01\x01", zlib.compress(BINARY + b"\0")[:-5]), "bad_transform"),
    "bytes behind a compressed stream": (header(b"\0\x01\x01", zlib.compress(BINARY + b"\0") + b"x"), "bad_transform"),
    "an empty compressed payload": (header(b"\0\x01\x01", zlib.compress(b"")), "truncated"),
}


@pytest.mark.parametrize("name", CASES)
def test_each_attack_has_its_error_in_every_cut(name: str) -> None:
    raw, error = CASES[name]
    messages, found = drive(Decoder(), [raw])
    assert (messages, found) == ([], error)
    if len(raw) < 200:
        assert same_in_every_way(raw, Decoder) == ([], error)


def test_every_error_of_a_reader_has_an_attack() -> None:
    other = {"inflated_too_large", "bad_order", "no_memory"}  # below; and two that no peer can cause
    assert {error for _, error in CASES.values()} | other == set(thrift.ERRORS)


@pytest.mark.parametrize(
    ("limit", "message", "error"),
    [
        ({"max_frame_bytes": 20}, call({}), "bad_frame_size"),
        ({"max_frame_bytes": 40}, call({}, transport="header", headers=((b"k", b"v" * 50),)), "bad_frame_size"),
        ({"max_header_bytes": 16}, call({}, transport="header", headers=((b"k", b"v" * 50),)), "bad_header"),
        ({"max_name_bytes": 5}, call({}), "name_too_long"),
        ({"max_string_bytes": 5}, call({1: (Type.STRING, b"123456")}), "string_too_long"),
        ({"max_container": 2}, call({1: (Type.LIST, (Type.BYTE, [1, 2, 3]))}), "container_too_large"),
        ({"max_depth": 1}, call({1: (Type.STRUCT, {})}), "too_deep"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_each_limit_holds_and_one_more_is_enough(limit: dict[str, int], message: Message, error: str) -> None:
    raw = thrift.encode(message)
    assert drive(Decoder(**limit), [raw]) == ([], error)
    assert drive(Decoder(**{key: value * 4 for key, value in limit.items()}), [raw]) == ([message], None)


@pytest.mark.slow
def test_a_bomb_is_inflated_up_to_the_limit_and_no_further() -> None:
    raw = header(b"\0\x01\x01", zlib.compress(BINARY + bytes(16 << 20)))
    tracemalloc.start()
    assert drive(Decoder(max_inflated_bytes=1 << 20), [raw]) == ([], "inflated_too_large")
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()


def test_what_a_peer_claims_reserves_no_memory() -> None:
    # A string, a list and a frame of many megabytes of which nothing comes.
    for body in (b"\x0b\0\x01\0\xf0\0\0", b"\x0f\0\x01\x0a\0\x0f\0\0"):
        raw = (16000000).to_bytes(4, "big") + BINARY + body + b"abc"
        decoder = Decoder()
        tracemalloc.start()
        assert decoder.feed(raw) == []
        assert decoder.held < 100
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
        tracemalloc.stop()


@pytest.mark.slow
def test_a_million_small_values_cost_time_in_proportion() -> None:
    def seconds(n: int) -> float:
        raw = b"\x0f\0\x01\x0c" + n.to_bytes(4, "big") + bytes(n) + b"\0"
        start = time.perf_counter()
        assert thrift.skip_struct(raw) == len(raw)
        return time.perf_counter() - start

    seconds(1000)
    assert min(seconds(1_000_000) for _ in range(3)) < 0.2


@pytest.mark.slow
def test_a_long_header_that_comes_byte_by_byte_is_not_read_again_and_again() -> None:
    message = call({}, name="n" * 15000, transport="header", headers=tuple((b"k%d" % i, b"v" * 20) for i in range(2000)))
    raw = thrift.encode(message)
    decoder = Decoder()
    start = time.process_time()
    messages = [found for i in range(len(raw)) for found in decoder.feed(raw[i : i + 1])]
    assert messages == [message]
    assert time.process_time() - start < 2.0


def test_a_broken_decoder_stays_broken() -> None:
    decoder = Decoder()
    for data in (b"GET / HTTP/1.1\r\n", framed(BINARY + b"\0")):
        with pytest.raises(DecodeError, match="bad_transport"):
            decoder.feed(data)
    with pytest.raises(DecodeError, match="bad_transport"):
        decoder.eof()
