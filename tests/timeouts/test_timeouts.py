"""Each timeout: what the client is answered, what the log says, what is counted, and that both connections end as they must.

Times are short and real. Nothing waits for a time: the tests await the answer, and a stall is an upstream that waits for the
end of its connection.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mesh.testing import Message, Running, Stalled, Upstream, Wire, bootstrap, cluster, running, until

GET = b"GET /t HTTP/1.1\r\nhost: a\r\n\r\n"
POST = b"POST /t HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
SHORT = "0.12s"
SHORT_S = 0.12

pytestmark = pytest.mark.slow


def silent(wire: Wire) -> None:
    """Takes whatever comes and never answers."""
    while wire.read_some():
        pass


def stops_in_body(wire: Wire) -> None:
    wire.read_until(b"\r\n\r\n")
    wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
    while wire.read_some():
        pass


@contextmanager
def proxied(up: int, tmp_path: Path, **fields: Any) -> Iterator[Running]:
    """A proxy with a log; when the block ends, `p.lines` are its lines."""
    log = tmp_path / "log"
    fields["hcm"] = {"delayed_close_timeout": "0.05s", "drain_timeout": "0.05s", **fields.get("hcm", {})}
    cluster_fields = fields.pop("cluster", {})
    config = bootstrap(clusters=[cluster("up", up, **cluster_fields)], log=str(log), **fields)
    with running(config) as p:
        yield p
    p.lines = log.read_text().splitlines()  # type: ignore[attr-defined]


def line(p: Running) -> str:
    [only] = p.lines  # type: ignore[attr-defined]
    return str(only)


def timed(client: Wire, data: bytes, least: float = SHORT_S) -> Message:
    """The answer, which must not come before its time."""
    start = time.monotonic()
    client.send(data)
    message = client.read_response()
    assert time.monotonic() - start >= least - 0.005
    return message


def test_connect_timeout_is_503_uf(tmp_path: Path) -> None:
    with Stalled() as up, proxied(up.port, tmp_path, cluster={"connect_timeout": SHORT}) as p, p.client() as client:
        message = timed(client, GET)
        assert message.status == 503
        assert b"connection timeout" in message.body
        assert p.up("upstream_cx_connect_timeout") == 1
        assert p.up("upstream_cx_connect_fail") == 1
    assert line(p).startswith("503 UF upstream_reset_before_response_started{connection_timeout}")


def test_route_timeout_is_504_ut(tmp_path: Path) -> None:
    with Upstream(silent) as up, proxied(up.port, tmp_path, route={"timeout": SHORT}) as p, p.client() as client:
        message = timed(client, GET)
        assert (message.status, message.body) == (504, b"upstream request timeout")
        assert p.up("upstream_rq_timeout") == 1
        assert p.up("upstream_rq_504") == 1
        until(lambda: p.up("upstream_cx_active") == 0)
        client.send(GET)  # the client's connection lives on
        assert client.read_response().status == 504
    assert p.lines[0].startswith("504 UT response_timeout 1 /t")  # type: ignore[attr-defined]


def test_route_timeout_counts_from_the_end_of_the_request(tmp_path: Path) -> None:
    """A slow upload is not the upstream's fault."""

    def script(wire: Wire) -> None:
        wire.read_request()
        wire.send(OK)
        wire.ended()

    with Upstream(script) as up, proxied(up.port, tmp_path, route={"timeout": SHORT}) as p, p.client() as client:
        client.send(POST + b"01234")
        up.wait_connections(1)
        threading.Event().wait(2 * SHORT_S)
        client.send(b"56789")
        assert client.read_response().status == 200


def test_route_timeout_inside_the_response_cuts_it(tmp_path: Path) -> None:
    with Upstream(stops_in_body) as up, proxied(up.port, tmp_path, route={"timeout": SHORT}) as p, p.client() as client:
        message = timed(client, GET)
        assert (message.status, message.body, message.complete) == (200, b"half", False)
        assert p.up("upstream_rq_timeout") == 1
    assert line(p).startswith("200 UT response_timeout 1 /t")


def test_an_internal_request_can_shorten_the_route_timeout(tmp_path: Path) -> None:
    hcm = {"internal_address_config": {"cidr_ranges": [{"address_prefix": "10.0.0.0", "prefix_len": 8}]}}
    with Upstream(silent) as up, proxied(up.port, tmp_path, hcm=hcm) as p:
        assert p.get("/t", x_envoy_upstream_rq_timeout_ms="100", x_forwarded_for="10.0.0.1").status == 504
        assert p.up("upstream_rq_timeout") == 1


def test_per_try_timeout_is_504_ut(tmp_path: Path) -> None:
    route = {"retry_policy": {"retry_on": "connect-failure", "per_try_timeout": SHORT, "num_retries": 1}}
    with Upstream(silent) as up, proxied(up.port, tmp_path, route=route) as p, p.client() as client:
        message = timed(client, GET)
        assert (message.status, message.body) == (504, b"upstream request timeout")
        assert p.up("upstream_rq_per_try_timeout") == 1
        assert p.up("upstream_rq_retry") == 0
    assert line(p).startswith("504 UT upstream_per_try_timeout 1 /t")


def test_per_try_timeout_takes_the_next_try(tmp_path: Path) -> None:
    def serves(wire: Wire) -> None:
        wire.read_request()
        wire.send(OK)
        wire.ended()

    route = {"retry_policy": {"retry_on": "5xx", "per_try_timeout": SHORT, "num_retries": 2}}
    with Upstream(silent, silent, serves) as up, proxied(up.port, tmp_path, route=route) as p, p.client() as client:
        message = timed(client, GET, 2 * SHORT_S)
        assert message.status == 200
        assert p.up("upstream_rq_per_try_timeout") == 2
        assert p.up("upstream_rq_retry") == 2
        assert p.up("upstream_rq_retry_success") == 1
    assert line(p).startswith("200 - via_upstream 3 /t")


def test_the_route_timeout_ends_all_tries(tmp_path: Path) -> None:
    policy = {"retry_on": "5xx", "per_try_timeout": "0.05s", "num_retries": 1000, "retry_back_off": {"base_interval": "0.001s"}}
    with (
        Upstream(silent) as up,
        proxied(up.port, tmp_path, route={"timeout": "0.3s", "retry_policy": policy}) as p,
        p.client() as client,
    ):
        assert timed(client, GET, 0.3).status == 504
        assert p.up("upstream_rq_timeout") == 1
        assert 2 <= p.up("upstream_rq_per_try_timeout") <= 6
    assert line(p).startswith("504 UT response_timeout")


def test_stream_idle_timeout_while_the_answer_is_awaited_is_504_si(tmp_path: Path) -> None:
    with Upstream(silent) as up, proxied(up.port, tmp_path, hcm={"stream_idle_timeout": SHORT}) as p, p.client() as client:
        message = timed(client, GET)
        assert (message.status, message.body) == (504, b"stream timeout")
        assert p.down("downstream_rq_idle_timeout") == 1
    assert line(p).startswith("504 SI stream_idle_timeout 1 /t")


def test_stream_idle_timeout_inside_the_upload_is_408_si(tmp_path: Path) -> None:
    with Upstream(silent) as up, proxied(up.port, tmp_path, hcm={"stream_idle_timeout": SHORT}) as p, p.client() as client:
        message = timed(client, POST + b"012")
        assert message.status == 408
        assert message.get("connection") == "close"
        assert client.ended()
    assert line(p).startswith("408 SI stream_idle_timeout 1 /t")


def test_stream_idle_timeout_inside_the_response_cuts_it(tmp_path: Path) -> None:
    with Upstream(stops_in_body) as up, proxied(up.port, tmp_path, hcm={"stream_idle_timeout": SHORT}) as p, p.client() as client:
        message = timed(client, GET)
        assert (message.status, message.body, message.complete) == (200, b"half", False)
    assert line(p).startswith("200 SI stream_idle_timeout 1 /t")


def test_bytes_put_the_stream_idle_timeout_off(tmp_path: Path) -> None:
    def drips(wire: Wire) -> None:
        wire.read_request()
        wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n")
        for n in range(8):
            threading.Event().wait(SHORT_S / 2)
            wire.send(b"%d" % n)
        wire.ended()

    with Upstream(drips) as up, proxied(up.port, tmp_path, hcm={"stream_idle_timeout": SHORT}) as p, p.client() as client:
        message = timed(client, GET, 4 * SHORT_S)
        assert (message.body, message.complete) == (b"01234567", True)


def test_the_routes_idle_timeout_replaces_the_managers(tmp_path: Path) -> None:
    with Upstream(silent) as up:
        fields: dict[str, Any] = {"hcm": {"stream_idle_timeout": "5s"}, "route": {"idle_timeout": SHORT}}
        with proxied(up.port, tmp_path, **fields) as p, p.client() as client:
            assert timed(client, GET).status == 504
            assert p.down("downstream_rq_idle_timeout") == 1


def test_request_timeout_is_408(tmp_path: Path) -> None:
    with Upstream(silent) as up, proxied(up.port, tmp_path, hcm={"request_timeout": SHORT}) as p, p.client() as client:
        message = timed(client, POST + b"012")
        assert message.status == 408
        assert client.ended()
        assert p.down("downstream_rq_timeout") == 1
    assert line(p).startswith("408 - request_overall_timeout 1 /t")


def test_request_timeout_ends_with_the_request(tmp_path: Path) -> None:
    def late(wire: Wire) -> None:
        wire.read_request()
        threading.Event().wait(2 * SHORT_S)
        wire.send(OK)
        wire.ended()

    with Upstream(late) as up, proxied(up.port, tmp_path, hcm={"request_timeout": SHORT}) as p, p.client() as client:
        assert timed(client, POST + b"0123456789").status == 200
        assert p.down("downstream_rq_timeout") == 0


def test_request_headers_timeout_is_408(tmp_path: Path) -> None:
    with Upstream() as up, proxied(up.port, tmp_path, hcm={"request_headers_timeout": SHORT}) as p, p.client() as client:
        message = timed(client, GET[:-2])
        assert message.status == 408
        assert client.ended()
        assert p.down("downstream_rq_header_timeout") == 1
        assert up.connections == []
    assert line(p).split()[0] == "408"


def test_dripping_headers_do_not_put_the_headers_timeout_off(tmp_path: Path) -> None:
    with Upstream() as up, proxied(up.port, tmp_path, hcm={"request_headers_timeout": SHORT}) as p, p.client() as client:
        stop = threading.Event()

        def drip() -> None:
            try:
                while not stop.wait(SHORT_S / 8):
                    client.send(b"x")
            except OSError:
                pass

        client.send(b"GET / HTTP/1.1\r\nhost: a\r\nx-long: ")
        dripper = threading.Thread(target=drip)
        dripper.start()
        assert client.read_response().status == 408
        stop.set()
        dripper.join()
        assert p.down("downstream_rq_header_timeout") == 1


@pytest.mark.parametrize("served", [0, 1])
def test_an_idle_connection_is_closed_after_its_time(tmp_path: Path, served: int) -> None:
    options = {"common_http_protocol_options": {"idle_timeout": SHORT}}
    with Upstream() as up, proxied(up.port, tmp_path, hcm=options) as p, p.client() as client:
        start = time.monotonic()
        for _ in range(served):
            client.send(GET)
            assert client.read_response().status == 200
        assert client.ended()
        assert time.monotonic() - start >= SHORT_S - 0.005
        assert p.down("downstream_cx_idle_timeout") == 1


def test_a_request_that_comes_while_an_idle_connection_drains_is_answered(tmp_path: Path) -> None:
    """Its client cannot have known: as in Envoy, drain_timeout is left for such a request."""
    hcm = {"common_http_protocol_options": {"idle_timeout": SHORT}, "drain_timeout": "5s"}
    with Upstream() as up, proxied(up.port, tmp_path, hcm=hcm) as p, p.client() as client:
        client.send(GET)
        assert client.read_response().status == 200
        p.wait_stat("http.test.downstream_cx_idle_timeout", 1)
        client.send(GET)
        message = client.read_response()
        assert (message.body, message.get("connection")) == (b"ok", "close")
        assert client.ended()


def test_a_request_in_flight_is_not_idle(tmp_path: Path) -> None:
    def late(wire: Wire) -> None:
        wire.read_request()
        threading.Event().wait(3 * SHORT_S)
        wire.send(OK)
        wire.ended()

    options = {"common_http_protocol_options": {"idle_timeout": SHORT}}
    with Upstream(late) as up, proxied(up.port, tmp_path, hcm=options) as p, p.client() as client:
        assert timed(client, GET, 3 * SHORT_S).status == 200
        assert client.ended()
        assert p.down("downstream_cx_idle_timeout") == 1


def test_max_stream_duration_while_the_answer_is_awaited(tmp_path: Path) -> None:
    options = {"common_http_protocol_options": {"max_stream_duration": SHORT}}
    with Upstream(silent) as up, proxied(up.port, tmp_path, hcm=options) as p, p.client() as client:
        message = timed(client, GET)
        assert message.status in (408, 504)
        assert p.down("downstream_rq_max_duration_reached") == 1
    assert "max_duration_timeout" in line(p)


def test_max_stream_duration_inside_the_response_cuts_it(tmp_path: Path) -> None:
    options = {"common_http_protocol_options": {"max_stream_duration": SHORT}}
    with Upstream(stops_in_body) as up, proxied(up.port, tmp_path, hcm=options) as p, p.client() as client:
        message = timed(client, GET)
        assert (message.status, message.body, message.complete) == (200, b"half", False)
        assert p.down("downstream_rq_max_duration_reached") == 1
    assert "max_duration_timeout" in line(p)


def test_max_connection_duration_closes_an_idle_connection(tmp_path: Path) -> None:
    options = {"common_http_protocol_options": {"max_connection_duration": SHORT}}
    with Upstream() as up, proxied(up.port, tmp_path, hcm=options) as p, p.client() as client:
        client.send(GET)
        assert client.read_response().status == 200
        assert client.ended()
        assert p.down("downstream_cx_max_duration_reached") == 1


def test_max_connection_duration_lets_the_request_in_flight_end(tmp_path: Path) -> None:
    def late(wire: Wire) -> None:
        wire.read_request()
        threading.Event().wait(2 * SHORT_S)
        wire.send(OK)
        wire.ended()

    options = {"common_http_protocol_options": {"max_connection_duration": SHORT}}
    with Upstream(late) as up, proxied(up.port, tmp_path, hcm=options) as p, p.client() as client:
        message = timed(client, GET, 2 * SHORT_S)
        assert (message.status, message.body, message.get("connection")) == (200, b"ok", "close")
        assert client.ended()


def test_a_client_that_stays_is_closed_after_the_delayed_close(tmp_path: Path) -> None:
    with Upstream(silent) as up:
        hcm = {"delayed_close_timeout": SHORT, "request_timeout": SHORT}
        with proxied(up.port, tmp_path, hcm=hcm) as p, p.client() as client:
            assert timed(client, POST).status == 408
            start = time.monotonic()
            assert client.ended()
            assert time.monotonic() - start >= SHORT_S - 0.02
            assert p.down("downstream_cx_delayed_close_timeout") == 1


def test_no_timeout_is_left_when_all_is_well(tmp_path: Path) -> None:
    options = {
        "stream_idle_timeout": SHORT,
        "request_timeout": SHORT,
        "request_headers_timeout": SHORT,
        "common_http_protocol_options": {"max_stream_duration": SHORT},
    }
    policy = {"retry_on": "5xx", "per_try_timeout": SHORT}
    with Upstream() as up, proxied(up.port, tmp_path, hcm=options, route={"timeout": SHORT, "retry_policy": policy}) as p:
        with p.client() as client:
            for _ in range(3):
                client.send(GET)
                assert client.read_response().status == 200
                threading.Event().wait(1.2 * SHORT_S)
        counters = ("idle_timeout", "timeout", "header_timeout", "max_duration_reached")
        assert [p.down(f"downstream_rq_{name}") for name in counters] == [0, 0, 0, 0]
        assert p.up("upstream_rq_timeout") == p.up("upstream_rq_per_try_timeout") == 0
