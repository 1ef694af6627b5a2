"""The parsers of mesh.codec as objects: options, states, errors that stay, the end of the input, any kind of buffer."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

from mesh.codec import Data, End, ProtocolError, RequestHead, RequestParser, ResponseHead, ResponseParser

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_buffer_can_be_fed(kind: Any) -> None:
    assert isinstance(RequestParser().feed(kind(GET))[0], RequestHead)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"max_head_bytes": 10}, "max_head_bytes"),
        ({"max_head_bytes": 2**30}, "max_head_bytes"),
        ({"max_headers": 0}, "max_headers"),
        ({"max_headers": 1025}, "max_headers"),
        ({"underscores": "maybe"}, "underscores"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        RequestParser(**options)


def test_an_error_comes_with_what_was_parsed_before_it_and_then_stays() -> None:
    parser = RequestParser()
    with pytest.raises(ProtocolError) as first:
        parser.feed(GET + b"\x16")
    assert (first.value.status, first.value.details) == (400, "http1.codec_error")
    assert [type(event) for event in first.value.events] == [RequestHead, End]
    with pytest.raises(ProtocolError) as second:
        parser.feed(GET)
    assert second.value.events == []
    with pytest.raises(ProtocolError):
        parser.eof()
    assert parser.state == "broken"


def test_an_error_does_not_keep_the_parser_s_caller_alive() -> None:
    class Caller:
        def __init__(self) -> None:
            self.parser = RequestParser()

        def run(self) -> None:
            with pytest.raises(ProtocolError):
                self.parser.feed(b"\0")

    gc.disable()
    try:
        caller = Caller()
        caller.run()
        gone = weakref.ref(caller)
        del caller
        assert gone() is None
    finally:
        gc.enable()


def test_each_place_where_a_body_may_stop_has_its_state() -> None:
    steps = [
        (CHUNKED, "chunk-size"),
        (b"3", "chunk-size"),
        (b";x", "chunk-extension"),
        (b"\r", "chunk-size-lf"),
        (b"\n", "chunk-data"),
        (b"ab", "chunk-data"),
        (b"c", "chunk-data-cr"),
        (b"\r", "chunk-data-lf"),
        (b"\n", "chunk-size"),
        (b"0\r\n", "chunk-trailers"),
        (b"X: y\r\n", "chunk-trailers"),
        (b"\r\n", "head"),
        (b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n", "counted"),
        (b"ab", "head"),
        (b"CONNECT a:1 HTTP/1.1\r\n\r\n", "open"),
        (b"anything", "open"),
    ]
    parser = RequestParser()
    for piece, state in steps:
        parser.feed(piece)
        assert parser.state == state, piece


# What each state of a chunked body takes; every other byte is an error.
HEX = b"0123456789abcdefABCDEF"
ANY = bytes(range(256))
TAKES = {
    "chunk-size": (b"", HEX),
    "chunk-size after a digit": (b"1", HEX + b"\r; \t"),
    "chunk-extension": (b"1;", ANY.replace(b"\n", b"")),
    "chunk-size-lf": (b"1\r", b"\n"),
    "chunk-data": (b"1\r\n", ANY),
    "chunk-data-cr": (b"1\r\nx", b"\r"),
    "chunk-data-lf": (b"1\r\nx\r", b"\n"),
}


@pytest.mark.parametrize("state", TAKES)
def test_a_state_of_a_chunked_body_takes_its_bytes_and_no_others(state: str) -> None:
    before, takes = TAKES[state]
    for byte in range(256):
        parser = RequestParser()
        parser.feed(CHUNKED + before)
        assert parser.state == state.split(" ")[0]
        try:
            parser.feed(bytes([byte]))
            taken = True
        except ProtocolError:
            taken = False
        assert taken == (byte in takes), (state, byte)


def test_the_end_of_input_ends_a_response_without_length() -> None:
    parser = ResponseParser()
    assert [type(event) for event in parser.feed(b"HTTP/1.1 200 OK\r\n\r\nhi")] == [ResponseHead, Data]
    assert parser.eof() == [End()]
    assert parser.eof() == []


@pytest.mark.parametrize("raw", [b"G", GET[:-1], CHUNKED, CHUNKED + b"0\r\n", b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n"])
def test_the_end_of_input_inside_a_message_is_an_error(raw: bytes) -> None:
    parser = RequestParser()
    parser.feed(raw)
    with pytest.raises(ProtocolError, match="middle"):
        parser.eof()


@pytest.mark.parametrize("raw", [b"", GET, GET + b"\r\n", b"\r\n\r\n"])
def test_the_end_of_input_between_messages_is_the_end(raw: bytes) -> None:
    parser = RequestParser()
    parser.feed(raw)
    assert parser.eof() == []


def test_a_bad_head_is_refused_when_it_is_complete_and_not_before() -> None:
    parser = RequestParser()
    for byte in b"GET / HTTP/1.1\r\nBad : x\r\n\r":
        assert parser.feed(bytes([byte])) == []
    with pytest.raises(ProtocolError):
        parser.feed(b"\n")


def test_interim_responses_come_before_the_final_one() -> None:
    events = ResponseParser().feed(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n")
    heads = [event for event in events if isinstance(event, ResponseHead)]
    assert [(head.status, head.interim) for head in heads] == [(100, True), (103, True), (204, False)]
    assert events[-1] == End()
    assert events.count(End()) == 1
