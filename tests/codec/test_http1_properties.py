"""Properties of the HTTP/1 codec: what is written is read back as it was, and how bytes are cut never changes what they say."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mesh.codec import (
    Data,
    End,
    RequestHead,
    RequestParser,
    ResponseHead,
    ResponseParser,
    Trailers,
    write_chunk,
    write_last_chunk,
    write_request,
    write_response,
)
from tests.codec.corpus import normal
from tests.codec.driver import drive, same_in_every_way

TOKEN = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
# Names that would frame the message, route it or change the head are left to the corpus.
SPOKEN_FOR = {b"host", b"content-length", b"transfer-encoding", b"connection", b"upgrade", b"expect", b"proxy-connection", b"te"}
NAMES = st.text(TOKEN, min_size=1, max_size=40).map(str.encode).filter(lambda name: name not in SPOKEN_FOR)
VALUES = st.binary(max_size=60).map(lambda raw: bytes(c for c in raw if c == 9 or 32 <= c != 127).strip(b" \t"))
FIELDS = st.lists(st.tuples(NAMES, VALUES), max_size=60).map(tuple)
PATHS = st.text([chr(c) for c in range(33, 127)], max_size=80).map(lambda path: b"/" + path.encode())
HOSTS = st.text("abcdefghijklmnopqrstuvwxyz0123456789.-", min_size=1, max_size=20).map(str.encode)
METHODS = st.sampled_from([b"GET", b"POST", b"HEAD", b"PROPFIND"])
BODIES = st.lists(st.binary(min_size=1, max_size=300), max_size=6)


@pytest.mark.slow
@given(METHODS, PATHS, HOSTS, FIELDS, st.booleans())
def test_a_written_request_is_read_back(method: bytes, path: bytes, host: bytes, fields: Any, proper_case: bool) -> None:
    raw = write_request(method, path, host, fields, proper_case=proper_case)
    head, end = RequestParser().feed(raw)
    assert isinstance(head, RequestHead)
    assert (head.method, head.path, head.authority, head.headers, head.version) == (method, path, host, fields, "1.1")
    assert end == End()


@given(METHODS, PATHS, HOSTS, st.sampled_from([b"http", b"https"]))
def test_a_request_written_in_absolute_form_is_the_same_request(method: bytes, path: bytes, host: bytes, scheme: bytes) -> None:
    head = RequestParser().feed(write_request(method, path, host, scheme=scheme, full_url=True))[0]
    assert isinstance(head, RequestHead)
    assert (head.method, head.path, head.authority, head.scheme) == (method, path, host, scheme)


@pytest.mark.slow
@given(st.integers(200, 999).filter(lambda status: status not in (204, 304)), FIELDS, st.booleans())
def test_a_written_response_is_read_back(status: int, fields: Any, http_10: bool) -> None:
    parser = ResponseParser()
    events = parser.feed(write_response(status, fields, http_10=http_10)) + parser.eof()
    head = events[0]
    assert isinstance(head, ResponseHead)
    assert (head.status, head.headers, head.version) == (status, fields, "1.0" if http_10 else "1.1")
    assert events[1:] == [End()]


@pytest.mark.slow
@given(BODIES, FIELDS)
def test_a_chunked_body_with_trailers_is_read_back(chunks: list[bytes], trailers: Any) -> None:
    raw = write_request(b"POST", b"/", b"a", [(b"transfer-encoding", b"chunked")])
    raw += b"".join(write_chunk(chunk) for chunk in chunks) + write_last_chunk(trailers)
    events = RequestParser(enable_trailers=True).feed(raw)
    assert b"".join(event.data for event in events if isinstance(event, Data)) == b"".join(chunks)
    assert [event.headers for event in events if isinstance(event, Trailers)] == ([trailers] if trailers else [])
    assert events[-1] == End()


@st.composite
def messages(draw: Any) -> bytes:
    """A few requests on one connection, with every framing."""
    raw = b""
    for _ in range(draw(st.integers(1, 3))):
        framing = draw(st.sampled_from(["none", "length", "chunked"]))
        body = draw(BODIES)
        fields = list(draw(FIELDS))
        if framing == "length":
            fields.append((b"content-length", str(sum(map(len, body))).encode()))
        elif framing == "chunked":
            fields.append((b"transfer-encoding", b"chunked"))
        raw += write_request(draw(METHODS), draw(PATHS), draw(HOSTS), fields)
        if framing == "length":
            raw += b"".join(body)
        elif framing == "chunked":
            raw += b"".join(write_chunk(chunk) for chunk in body) + write_last_chunk(draw(FIELDS))
    return raw


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(messages(), st.integers(0, 2**32))
def test_requests_say_the_same_however_they_are_cut(raw: bytes, seed: int) -> None:
    outcome = same_in_every_way(raw, lambda: RequestParser(enable_trailers=True), normal, seed=seed)
    assert outcome.error is None
    assert outcome.events[-1] == ["end"]


# Pieces of which broken heads are made.
PIECES = st.sampled_from(
    [
        b"GET", b" ", b"/", b"HTTP/1.1", b"HTTP/1.0", b"\r\n", b"\n", b"\r", b"Host: a", b"X: ", b":", b"\t", b"a", b"\0", b"\x7f",
        b"\xff", b"Content-Length: ", b"5", b"Transfer-Encoding: ", b"chunked", b",", b"0", b"3\r\nabc\r\n", b"0\r\n\r\n", b";x",
        b"Connection: ", b"close", b"upgrade", b"Upgrade: ", b"http://b", b"\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ]
)  # fmt: skip


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.lists(PIECES, max_size=25).map(b"".join), st.integers(0, 2**32))
@example(b"\r\nGET / HTTP/1.1\r\n\r\n", 0)
@example(b"GET / HTTP/1.1\r\nX: a\r\n b\r\n\r\n", 0)
def test_broken_requests_say_the_same_however_they_are_cut(raw: bytes, seed: int) -> None:
    same_in_every_way(raw, lambda: RequestParser(enable_trailers=True, max_head_bytes=256, max_headers=5), normal, seed=seed)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(PIECES, st.just(b"HTTP/1.1 200 OK\r\n"), st.just(b"HTTP/1.1 204\r\n")), max_size=20).map(b"".join))
def test_broken_responses_say_the_same_however_they_are_cut(raw: bytes) -> None:
    same_in_every_way(raw, lambda: ResponseParser(max_head_bytes=256), normal, eof=True)


@given(st.binary(max_size=400))
def test_no_bytes_hurt(raw: bytes) -> None:
    for parser in (RequestParser(allow_custom_methods=True), ResponseParser()):
        drive(parser, [raw], True, normal)


@given(st.lists(st.sampled_from([b"0", b"1", b"f", b"F", b"g", b";", b" ", b"\r", b"\n", b"\r\n", b"x"]), max_size=12).map(b"".join))
def test_a_chunk_size_line_is_hex_digits_and_then_the_end(line: bytes) -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    outcome = drive(RequestParser(), [head + line], False, normal)
    text, end, _ = line.partition(b"\r\n")
    size, _, extension = text.replace(b" ", b";").partition(b";")
    right = size and all(c in b"01fF" for c in size) and b"\r" not in extension and b"\n" not in extension
    if end and not right:
        assert outcome.error is not None
    if outcome.error is None and end:
        assert right
