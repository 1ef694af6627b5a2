"""The decompressor, beyond what heads show: pieces go on as they come, whole bodies come out as they went in, nothing stays behind."""

from __future__ import annotations

import gzip
import threading
import zlib
from typing import Any

import pytest

from mesh.testing import Upstream, Wire, bootstrap, running

FILTERS = "type.googleapis.com/envoy.extensions.filters.http"
GZIP = "type.googleapis.com/envoy.extensions.compression.gzip.decompressor.v3.Gzip"
ROUTER = {"name": "router", "typed_config": {"@type": f"{FILTERS}.router.v3.Router"}}
GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"


def unpacking(port: int, **library: Any) -> dict[str, Any]:
    one = {"@type": f"{FILTERS}.decompressor.v3.Decompressor"}
    decompressor = {**one, "decompressor_library": {"name": "lib", "typed_config": {"@type": GZIP, **library}}}
    return bootstrap(port, hcm={"http_filters": [{"name": "dz", "typed_config": decompressor}, ROUTER]})


def test_a_piece_goes_on_before_the_next_one_has_come() -> None:
    seen = threading.Event()
    pack = zlib.compressobj(wbits=31)
    first = pack.compress(b"first") + pack.flush(zlib.Z_SYNC_FLUSH)
    second = pack.compress(b"second") + pack.flush()

    def script(wire: Wire) -> None:
        wire.read_request()
        wire.send(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(first), first))
        assert seen.wait(20)
        wire.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(second), second))
        wire.ended()

    with Upstream(script) as up, running(unpacking(up.port)) as p:
        client = p.client()
        client.send(GET)
        assert b"content-encoding" not in client.read_until(b"\r\n\r\n")
        assert client.read_until(b"first\r\n") == b"5\r\nfirst\r\n"
        seen.set()
        assert client.read_until(b"0\r\n\r\n") == b"6\r\nsecond\r\n0\r\n\r\n"
        client.close()


@pytest.mark.parametrize("chunk", [4096, 65536])
@pytest.mark.parametrize("window", [9, 15])
def test_what_comes_out_is_what_went_in(chunk: int, window: int) -> None:
    body = b"".join(b"%d %d\n" % (n, n * n) for n in range(20_000))
    pack = zlib.compressobj(wbits=16 + window)
    packed = pack.compress(body) + pack.flush()

    def script(wire: Wire) -> None:
        wire.read_request()
        wire.send(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(packed) + packed)
        wire.ended()

    with Upstream(script) as up, running(unpacking(up.port, chunk_size=chunk, window_bits=window)) as p:
        answer = p.get()
        assert answer.body == body
        stats = "http.test.decompressor.lib.gzip.response."
        assert p.stat(stats + "total_uncompressed_bytes") == len(body)
        assert p.stat(stats + "total_compressed_bytes") == len(packed)


def test_what_grows_beyond_measure_is_cut_and_counted() -> None:
    packed = gzip.compress(bytes(1_000_000), 9)

    def script(wire: Wire) -> None:
        wire.read_request()
        wire.send(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(packed) + packed)
        wire.ended()

    with Upstream(script) as up, running(unpacking(up.port, max_inflate_ratio=10)) as p:
        assert len(p.get().body) < 20 * len(packed)
        assert p.stat("http.test.decompressor.lib.gzip.decompressor_library.zlib_data_error") >= 1


def test_a_client_that_leaves_in_the_middle_leaves_nothing_behind() -> None:
    def script(wire: Wire) -> None:
        wire.read_request()
        wire.send(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 99\r\n\r\n\x1f\x8b")
        wire.ended()

    with Upstream(script) as up, running(unpacking(up.port)) as p:
        for _ in range(5):
            client = p.client()
            client.send(GET)
            client.read_until(b"\r\n\r\n")
            client.reset()
