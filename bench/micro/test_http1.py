"""HTTP/1 heads: ours, as the engine pays for it and as Python sees it, against httptools, h11 and the bare picohttpparser.

`pytest bench/micro/test_http1.py --benchmark-json FILE`. The loops in native code do LOOP messages a call, so their time is divided
by LOOP to compare with the others; `extra_info` of each row says how many messages a call does.
"""

from __future__ import annotations

from typing import Any

import h11
import httptools
import pytest

from mesh import codec
from meshcore.bind import codecbench

LOOP = 1000
SMALL = (
    b"GET /api/v1/items?limit=10 HTTP/1.1\r\nHost: service.example.com\r\nUser-Agent: client/1.0\r\nAccept: */*\r\n"
    b"X-Request-Id: 6c1f1a80-6d3e-4f0e-9a64-0d7a5cf1f0aa\r\nContent-Type: application/json\r\n\r\n"
)
BROWSER = (
    b"GET /articles/2024/05/why-proxies-matter?utm_source=newsletter&utm_medium=email HTTP/1.1\r\nHost: www.example.com\r\n"
    b"Connection: keep-alive\r\nCache-Control: max-age=0\r\n"
    b'sec-ch-ua: "Chromium";v="124", "Google Chrome";v="124", "Not-A.Brand";v="99"\r\nsec-ch-ua-mobile: ?0\r\n'
    b'sec-ch-ua-platform: "Linux"\r\nUpgrade-Insecure-Requests: 1\r\n'
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8\r\n"
    b"Sec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n"
    b"Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\nCookie: session=0123456789abcdef0123456789abcdef; theme=dark; consent=yes\r\n\r\n"
)
REQUESTS = pytest.mark.parametrize("raw", [SMALL, BROWSER], ids=["small", "browser"])
CHUNKED = b"".join(b"400\r\n" + b"x" * 1024 + b"\r\n" for _ in range(16)) + b"0\r\n\r\n"


def named(benchmark: Any, what: str, raw: bytes, messages: int) -> None:
    benchmark.group = f"{what} {'small' if raw is SMALL else 'browser'}"
    benchmark.extra_info.update(messages_per_call=messages, bytes_per_message=len(raw))


@REQUESTS
def test_parse_bare_picohttpparser(benchmark: Any, raw: bytes) -> None:
    named(benchmark, "parse", raw, LOOP)
    benchmark(codecbench.picohttp_request, raw, LOOP)


@REQUESTS
def test_parse_engine(benchmark: Any, raw: bytes) -> None:
    named(benchmark, "parse", raw, LOOP)
    benchmark(codecbench.parse_request, raw, LOOP)


@REQUESTS
def test_parse_mesh_codec(benchmark: Any, raw: bytes) -> None:
    named(benchmark, "parse in Python", raw, 1)
    parser = codec.RequestParser()
    events = benchmark(parser.feed, raw)
    assert events[0].method == b"GET"


@REQUESTS
def test_parse_httptools(benchmark: Any, raw: bytes) -> None:
    named(benchmark, "parse in Python", raw, 1)

    class Seen:
        """What a user of httptools does: keep the headers and the URL."""

        def __init__(self) -> None:
            self.headers: list[tuple[bytes, bytes]] = []

        def on_url(self, url: bytes) -> None:
            self.url = url

        def on_header(self, name: bytes, value: bytes) -> None:
            self.headers.append((name.lower(), value))

    def parse() -> Seen:
        seen = Seen()
        parser = httptools.HttpRequestParser(seen)
        parser.feed_data(raw)
        seen.method = parser.get_method()  # type: ignore[attr-defined]
        return seen

    assert benchmark(parse).headers


@REQUESTS
def test_parse_h11(benchmark: Any, raw: bytes) -> None:
    named(benchmark, "parse in Python", raw, 1)

    def parse() -> Any:
        connection = h11.Connection(h11.SERVER)
        connection.receive_data(raw)
        return connection.next_event()

    assert benchmark(parse).method == b"GET"


def pairs(raw: bytes) -> tuple[codec.RequestHead, list[tuple[bytes, bytes]]]:
    head = codec.RequestParser().feed(raw)[0]
    assert isinstance(head, codec.RequestHead)
    return head, list(head.headers)


@REQUESTS
def test_write_engine(benchmark: Any, raw: bytes) -> None:
    named(benchmark, "write", raw, LOOP)
    benchmark(codecbench.write_request, raw, LOOP)


@REQUESTS
def test_write_mesh_codec(benchmark: Any, raw: bytes) -> None:
    named(benchmark, "write in Python", raw, 1)
    head, headers = pairs(raw)
    assert benchmark(codec.write_request, head.method, head.path, head.authority, headers).startswith(b"GET ")


@REQUESTS
def test_write_h11(benchmark: Any, raw: bytes) -> None:
    named(benchmark, "write in Python", raw, 1)
    head, headers = pairs(raw)

    def write() -> bytes:
        request = h11.Request(method=head.method, target=head.path, headers=[(b"host", head.authority), *headers])
        out = h11.Connection(h11.CLIENT).send(request)
        assert out is not None
        return out

    assert benchmark(write).startswith(b"GET ")


def test_parse_response_engine(benchmark: Any) -> None:
    raw = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 66\r\n"
    raw += b"Date: Mon, 01 Jan 2024 00:00:00 GMT\r\nServer: origin\r\n\r\n"
    benchmark.group = "parse response"
    benchmark.extra_info.update(messages_per_call=LOOP, bytes_per_message=len(raw))
    benchmark(codecbench.parse_response, raw, LOOP)


def test_read_chunked_body_engine(benchmark: Any) -> None:
    benchmark.group = "chunked body, 16 chunks of 1 KiB"
    benchmark.extra_info.update(messages_per_call=LOOP, bytes_per_message=len(CHUNKED))
    benchmark(codecbench.read_chunked, CHUNKED, LOOP)
