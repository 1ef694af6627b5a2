"""The writers of mesh.codec: exact bytes, and what they refuse to write."""

from __future__ import annotations

from typing import Any

import pytest

from mesh.codec import write_chunk, write_last_chunk, write_request, write_response


def test_a_request_is_written_in_origin_form_with_host_first() -> None:
    assert write_request(b"GET", b"/a?b", b"c:1", [(b"X-A", b"b"), (b"x-a", b"")]) == (
        b"GET /a?b HTTP/1.1\r\nhost: c:1\r\nx-a: b\r\nx-a: \r\n\r\n"
    )


def test_a_request_is_written_in_absolute_form_when_asked() -> None:
    assert write_request(b"GET", b"/", b"a", scheme=b"https", full_url=True) == b"GET https://a/ HTTP/1.1\r\nhost: a\r\n\r\n"


def test_a_request_without_a_path_is_written_in_authority_form() -> None:
    assert write_request(b"CONNECT", b"", b"a:443") == b"CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n"


def test_proper_case_gives_each_word_a_capital() -> None:
    raw = write_request(b"GET", b"/", b"a", [(b"x-request-id", b"b"), (b"-a--b", b"c"), (b"1a", b"d")], proper_case=True)
    assert raw == b"GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: b\r\n-A--B: c\r\n1a: d\r\n\r\n"


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (200, b"HTTP/1.1 200 OK"),
        (404, b"HTTP/1.1 404 Not Found"),
        (413, b"HTTP/1.1 413 Payload Too Large"),
        (431, b"HTTP/1.1 431 Request Header Fields Too Large"),
        (299, b"HTTP/1.1 299 Unknown"),
        (511, b"HTTP/1.1 511 Network Authentication Required"),
        (512, b"HTTP/1.1 512 Unknown"),
        (999, b"HTTP/1.1 999 Unknown"),
    ],
)
def test_a_response_has_the_reason_of_its_status(status: int, line: bytes) -> None:
    assert write_response(status) == line + b"\r\n\r\n"


def test_a_response_can_be_written_as_http_10() -> None:
    assert write_response(200, [(b"a", b"b")], http_10=True) == b"HTTP/1.0 200 OK\r\na: b\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "raw"), [(b"", b""), (b"a", b"1\r\na\r\n"), (b"x" * 255, b"ff\r\n" + b"x" * 255 + b"\r\n")], ids=["empty", "one", "255"]
)
def test_a_chunk_is_its_size_and_its_bytes(data: bytes, raw: bytes) -> None:
    assert write_chunk(data) == raw


def test_the_last_chunk_carries_the_trailers() -> None:
    assert write_last_chunk() == b"0\r\n\r\n"
    assert write_last_chunk([(b"X-T", b"1")]) == b"0\r\nx-t: 1\r\n\r\n"


@pytest.mark.parametrize(
    "arguments",
    [
        {"method": b"G T"},
        {"method": b""},
        {"path": b"/a b"},
        {"path": b"/\r\nX: y"},
        {"path": b"/\xff"},
        {"path": b"", "authority": b""},
        {"authority": b"a\nb"},
        {"headers": [(b"", b"v")]},
        {"headers": [(b"a:", b"v")]},
        {"headers": [(b"a b", b"v")]},
        {"headers": [(b"a", b"v\r\nb: c")]},
        {"headers": [(b"a", b"v\0")]},
        {"headers": [(b"a", b" v")]},
        {"headers": [(b"a" * 65536, b"v")]},
        {"full_url": True},
    ],
    ids=str,
)
def test_what_may_not_stand_in_a_head_is_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=":"):
        write_request(**{"method": b"GET", "path": b"/", "authority": b"a", **arguments})


@pytest.mark.parametrize("status", [0, 99, 1000, -1])
def test_a_status_has_three_digits(status: int) -> None:
    with pytest.raises(ValueError, match="status"):
        write_response(status)
