"""Keep-alive pings of HTTP/2: who answers lives on, who does not is left; and a connection that was quiet is asked before it is used."""

from __future__ import annotations

import time
from typing import Any

import h2.events
import pytest

from mesh.testing import Upstream, bootstrap, running, until
from tests.http2.peer import Http2Client
from tests.http2.server import Call, Http2Server, http2_bootstrap

PINGS = 3
PATIENT = {"connection_keepalive": {"interval": "0.05s", "timeout": "20s"}}
STRICT = {"connection_keepalive": {"interval": "0.05s", "timeout": "0.05s"}}
QUIET_S = 0.05


def listener(options: dict[str, Any]) -> dict[str, Any]:
    return {"http2_protocol_options": options}


def ok(call: Call) -> None:
    call.reply(200, b"ok")


@pytest.mark.slow
def test_a_client_that_answers_lives_on() -> None:
    with Upstream() as up, running(bootstrap(up.port, hcm=listener(PATIENT))) as proxy, Http2Client(proxy.port) as client:
        while sum(isinstance(event, h2.events.PingReceived) for event in client.events) < PINGS:
            assert client.read()
        assert client.ask().status == 200
        assert proxy.stat("http2.keepalive_timeout") == 0


def test_a_client_that_answers_nothing_is_left() -> None:
    with Upstream() as up, running(bootstrap(up.port, hcm=listener(STRICT))) as proxy, Http2Client(proxy.port):
        proxy.wait_stat("http2.keepalive_timeout", 1)
        proxy.quiet()


@pytest.mark.slow
def test_a_host_that_answers_lives_on() -> None:
    with Http2Server(ok) as up, running(http2_bootstrap(up.port, PATIENT)) as proxy:
        assert proxy.get().status == 200
        until(lambda: up.links[0].pings >= PINGS, "some pings")
        assert proxy.get().status == 200
        assert len(up.links) == 1 and proxy.stat("cluster.up.http2.keepalive_timeout") == 0


def test_a_host_that_was_quiet_is_asked_before_the_next_request() -> None:
    options = {"connection_keepalive": {"timeout": "20s", "connection_idle_interval": "0.001s"}}
    with Http2Server(ok) as up, running(http2_bootstrap(up.port, options)) as proxy:
        assert proxy.get().status == 200
        assert up.links[0].pings == 0
        end = time.monotonic() + QUIET_S
        until(lambda: time.monotonic() > end, "a quiet moment")
        assert proxy.get().status == 200
        until(lambda: up.links[0].pings == 1, "the ping")
