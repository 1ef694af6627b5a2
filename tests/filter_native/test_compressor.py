"""The compressor, beyond what heads show: pieces go on as they come, and what comes out is what went in."""

from __future__ import annotations

import gzip
import threading
import zlib
from typing import Any

import pytest

from mesh.testing import Upstream, Wire, bootstrap, running

FILTERS = "type.googleapis.com/envoy.extensions.filters.http"
GZIP = "type.googleapis.com/envoy.extensions.compression.gzip.compressor.v3.Gzip"
ROUTER = {"name": "router", "typed_config": {"@type": f"{FILTERS}.router.v3.Router"}}
AS_GZIP = 31
GET = b"GET / HTTP/1.1\r\nhost: a\r\naccept-encoding: gzip\r\n\r\n"
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n"


def compressing(port: int, **library: Any) -> dict[str, Any]:
    one = {"@type": f"{FILTERS}.compressor.v3.Compressor"}
    compressor = {**one, "compressor_library": {"name": "lib", "typed_config": {"@type": GZIP, **library}}}
    return bootstrap(port, hcm={"http_filters": [{"name": "cz", "typed_config": compressor}, ROUTER]})


def test_a_piece_goes_on_before_the_next_one_has_come() -> None:
    seen = threading.Event()

    def script(wire: Wire) -> None:
        wire.read_request()
        wire.send(HEAD + b"5\r\nfirst\r\n")
        assert seen.wait(20)
        wire.send(b"6\r\nsecond\r\n0\r\n\r\n")
        wire.ended()

    with Upstream(script) as up, running(compressing(up.port)) as p:
        client = p.client()
        client.send(GET)
        head = client.read_until(b"\r\n\r\n")
        assert b"content-encoding: gzip" in head
        size = int(client.read_until(b"\r\n"), 16)
        unpack = zlib.decompressobj(AS_GZIP)
        assert unpack.decompress(client.read_exactly(size)) == b"first"
        seen.set()
        rest = client.read_until(b"0\r\n\r\n")
        assert b"\r\n" in rest
        client.close()


@pytest.mark.parametrize("level", ["DEFAULT_COMPRESSION", "BEST_SPEED", "BEST_COMPRESSION"])
@pytest.mark.parametrize("strategy", ["DEFAULT_STRATEGY", "HUFFMAN_ONLY", "RLE"])
def test_what_comes_out_is_what_went_in(level: str, strategy: str) -> None:
    body = b"".join(b"%d %d\n" % (n, n * n) for n in range(20_000))

    def script(wire: Wire) -> None:
        wire.read_request()
        wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body))
        wire.send(body)
        wire.ended()

    library = {"compression_level": level, "compression_strategy": strategy, "window_bits": 15, "memory_level": 9}
    with Upstream(script) as up, running(compressing(up.port, **library)) as p:
        answer = p.get(**{"accept-encoding": "gzip"})
        assert gzip.decompress(answer.body) == body
        assert len(answer.body) < len(body)
        stats = "http.test.compressor.lib.gzip."
        assert p.stat(stats + "total_uncompressed_bytes") == len(body)
        assert p.stat(stats + "total_compressed_bytes") == len(answer.body)


def test_a_client_that_leaves_in_the_middle_leaves_nothing_behind() -> None:
    def script(wire: Wire) -> None:
        wire.read_request()
        wire.send(HEAD + b"5\r\nfirst\r\n")
        wire.ended()

    with Upstream(script) as up, running(compressing(up.port)) as p:
        for _ in range(5):
            client = p.client()
            client.send(GET)
            client.read_until(b"\r\n\r\n")
            client.reset()
