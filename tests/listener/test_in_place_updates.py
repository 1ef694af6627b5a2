"""Filter chains of a running listener change: connections of chains that stay live on, those of the others drain."""

from __future__ import annotations

import socket
from typing import Any

import pytest

import mesh

pytestmark = pytest.mark.slow

TYPES = "type.googleapis.com/envoy.extensions.filters"
LIMIT_S = 20.0


def chain(host: str, text: str, **manager: Any) -> dict[str, Any]:
    """Takes connections to `host` and answers every request with `text`."""
    answer = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": text}}}
    hcm = {
        "@type": TYPES + ".network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": f"at_{host.rpartition('.')[2]}",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [answer]}]},
        "http_filters": [{"name": "router", "typed_config": {"@type": TYPES + ".http.router.v3.Router"}}],
        **manager,
    }
    match = {"prefix_ranges": [{"address_prefix": host, "prefix_len": 32}]}
    return {"filter_chain_match": match, "filters": [{"name": "hcm", "typed_config": hcm}]}


def bootstrap(*chains: dict[str, Any], **listener: Any) -> dict[str, Any]:
    address = {"socket_address": {"address": "0.0.0.0", "port_value": 0}}
    return {"static_resources": {"listeners": [{"name": "main", "address": address, "filter_chains": list(chains), **listener}]}}


class Client:
    """A keep-alive connection."""

    def __init__(self, proxy: mesh.Proxy, host: str) -> None:
        self.wire = socket.create_connection((host, proxy.listeners["main"].port), timeout=LIMIT_S)

    def ask(self) -> str:
        """The answer's body; the head says when this connection ends with it."""
        self.wire.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        got = b""
        while b"\r\n\r\n" not in got:
            got += self.wire.recv(65536)
        head, _, body = got.partition(b"\r\n\r\n")
        length = int(next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")).split(b":")[1])
        while len(body) < length:
            body += self.wire.recv(65536)
        return body.decode() + (" and close" if b"connection: close" in head.lower() else "")

    def ended(self) -> bool:
        return self.wire.recv(10) == b""


def test_connections_of_a_chain_that_stays_live_on() -> None:
    with mesh.Proxy(bootstrap(chain("127.0.0.1", "one"), chain("127.0.0.2", "two")), concurrency=1, drain_strategy="immediate") as proxy:
        stays, goes = Client(proxy, "127.0.0.1"), Client(proxy, "127.0.0.2")
        assert (stays.ask(), goes.ask()) == ("one", "two")
        proxy.apply(bootstrap(chain("127.0.0.2", "changed", server_name="other"), chain("127.0.0.1", "one")))
        assert proxy.stats["listener_manager.listener_in_place_updated"] == 1
        assert goes.ended()
        assert stays.ask() == "one"
        assert Client(proxy, "127.0.0.2").ask() == "changed"
        assert proxy.stats["http.at_1.downstream_cx_total"] == 1
        stays.wire.close()
    assert proxy.live_objects() == 0


def test_a_chain_that_stays_gets_the_new_routes_too() -> None:
    with mesh.Proxy(bootstrap(chain("127.0.0.1", "one"), chain("127.0.0.2", "two")), concurrency=1, drain_strategy="immediate") as proxy:
        stays = Client(proxy, "127.0.0.1")
        assert stays.ask() == "one"
        proxy.apply(bootstrap(chain("127.0.0.1", "new"), chain("127.0.0.3", "three")))
        assert stays.ask() == "new"
        proxy.apply(bootstrap(chain("127.0.0.1", "newer"), chain("127.0.0.3", "three")))
        assert stays.ask() == "newer"
        proxy.apply(bootstrap(chain("127.0.0.1", "newest")))
        assert stays.ask() == "newest"
        assert proxy.stats["http.at_1.downstream_cx_total"] == 1
    assert proxy.live_objects() == 0


def test_connections_of_a_chain_that_is_gone_drain() -> None:
    with mesh.Proxy(bootstrap(chain("127.0.0.1", "one"), chain("127.0.0.2", "two")), concurrency=2, drain_strategy="immediate") as proxy:
        goes = [Client(proxy, "127.0.0.2") for _ in range(8)]
        stays = [Client(proxy, "127.0.0.1") for _ in range(8)]
        assert {one.ask() for one in goes + stays} == {"one", "two"}
        proxy.apply(bootstrap(chain("127.0.0.1", "one")))
        assert all(one.ended() for one in goes)
        assert [one.ask() for one in stays] == ["one"] * 8
    assert proxy.live_objects() == 0


@pytest.mark.parametrize("change", [{"per_connection_buffer_limit_bytes": 4096}, {"stat_prefix": "other"}])
def test_another_change_of_the_listener_drains_all(change: dict[str, Any]) -> None:
    with mesh.Proxy(bootstrap(chain("127.0.0.1", "one")), concurrency=1, drain_strategy="immediate") as proxy:
        goes = Client(proxy, "127.0.0.1")
        assert goes.ask() == "one"
        proxy.apply(bootstrap(chain("127.0.0.1", "one"), **change))
        assert proxy.stats["listener_manager.listener_in_place_updated"] == 0
        assert goes.ended()
    assert proxy.live_objects() == 0


def test_a_connection_that_no_chain_takes_is_closed_and_counted() -> None:
    with mesh.Proxy(bootstrap(chain("127.0.0.1", "one"), stat_prefix="lst"), concurrency=1, drain_strategy="immediate") as proxy:
        assert Client(proxy, "127.0.0.3").ended()
        assert proxy.stats["listener.lst.no_filter_chain_match"] == 1
        assert proxy.stats["listener.lst.downstream_cx_total"] == 0
    assert proxy.live_objects() == 0
