"""Redirects that the proxy follows itself: pipelining, bodies, limits and logs around the change of streams."""

from __future__ import annotations

from pathlib import Path

from mesh.testing import Upstream, Wire, bootstrap, running, until

FOUND = b"HTTP/1.1 302 Found\r\nlocation: http://a/new\r\ncontent-length: %d\r\n\r\n%s"
FOLLOW = {"internal_redirect_policy": {"max_internal_redirects": 10}}


def redirects_old(wire: Wire) -> None:
    """Sends what asks for /old to /new, and answers the rest with what it was asked."""
    while True:
        request = wire.read_request()
        if request.target == "/old":
            wire.send(FOUND % (5, b"moved"))
        else:
            text = f"{request.method} {request.target} {len(request.body)}".encode()
            wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(text), text))


def test_pipelined_requests_behind_a_redirected_one_are_answered_in_order() -> None:
    with Upstream(redirects_old) as up, running(bootstrap(up.port, route=FOLLOW)) as p, p.client() as client:
        client.send(b"".join(b"GET /%s HTTP/1.1\r\nhost: a\r\n\r\n" % path for path in (b"old", b"1", b"old", b"2")))
        assert [client.read_response().body for _ in range(4)] == [b"GET /new 0", b"GET /1 0", b"GET /new 0", b"GET /2 0"]


def test_a_large_body_goes_out_again_whole() -> None:
    size = 300_000
    with Upstream(redirects_old) as up, running(bootstrap(up.port, route=FOLLOW)) as p, p.client() as client:
        client.send(b"PUT /old HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % size + b"x" * size)
        assert client.read_response().body == b"PUT /new %d" % size


def test_an_endless_redirect_ends_at_the_limit() -> None:
    def always(wire: Wire) -> None:
        while True:
            wire.read_request()
            wire.send(FOUND % (0, b""))

    with Upstream(always) as up, running(bootstrap(up.port, route=FOLLOW)) as p:
        assert p.get("/old").status == 302
        assert p.up("upstream_internal_redirect_succeeded_total") == 10
        assert p.down("passthrough_internal_redirect_too_many_redirects") == 1


def test_each_pass_has_its_line_in_the_access_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with Upstream(redirects_old) as up, running(bootstrap(up.port, route=FOLLOW, log=str(log))) as p:
        assert p.get("/old").status == 200
        until(lambda: log.exists() and log.read_text().count("\n") == 2, "two lines")
    assert [line.split()[2] for line in log.read_text().splitlines()] == ["internal_redirect", "via_upstream"]
