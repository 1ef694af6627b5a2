"""Nobody is served before the clusters know their hosts: names are answered and first checks are over when listeners open."""

from __future__ import annotations

import threading
from typing import Any

import mesh
from mesh.testing import Upstream, Wire, bootstrap, cluster, running, until
from tests.discovery.name_server import A, NameServer
from tests.discovery.test_dns import named
from tests.health.hosts import Host, check, healthy_only


def test_listeners_wait_for_names() -> None:
    seen: list[str] = []
    made: list[mesh.Proxy] = []
    with NameServer({("web.test", A): [("127.0.0.1", 60)]}, lambda _name, _kind: seen.append(made[0].state)) as server:
        made.append(mesh.Proxy(bootstrap(clusters=[named(server, 80, dns_lookup_family="V4_ONLY")])))
        made[0].start()
        try:
            assert seen[0] == "INITIALIZING"
            assert made[0].state == "LIVE"
            assert made[0].stats["cluster.up.membership_total"] == 1
        finally:
            made[0].stop()


class Slow(Upstream):
    """A host whose first check waits until the test lets it go on."""

    def __init__(self) -> None:
        self.states: list[str] = []
        self.proxy: mesh.Proxy | None = None
        self.release = threading.Event()
        super().__init__(self._serve)

    def _serve(self, wire: Wire) -> None:
        wire.read_request()
        assert self.proxy is not None
        self.states.append(self.proxy.state)
        assert self.release.wait(20)
        wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        wire.ended()


def checked(host: Upstream, **fields: Any) -> dict[str, Any]:
    return bootstrap(clusters=[cluster("up", host.port, health_checks=[check()], **healthy_only(), **fields)])


def test_listeners_wait_for_the_first_check() -> None:
    with Slow() as host:
        host.proxy = mesh.Proxy(checked(host))
        host.release.set()
        host.proxy.start()
        try:
            assert host.states[0] == "INITIALIZING"
            assert host.proxy.stats["cluster.up.membership_healthy"] == 1
        finally:
            host.proxy.stop()


def test_a_cluster_that_is_not_to_be_waited_for_is_not() -> None:
    with Slow() as host:
        host.proxy = mesh.Proxy(checked(host, wait_for_warm_on_init=False))
        host.proxy.start()
        try:
            assert host.proxy.state == "LIVE"
            assert host.proxy.stats["cluster.up.membership_healthy"] == 0
            host.release.set()
            until(lambda: host.proxy is not None and host.proxy.stats["cluster.up.membership_healthy"] == 1, "the check")
        finally:
            host.release.set()
            host.proxy.stop()


def test_a_host_that_a_name_gives_is_checked_before_listeners_open() -> None:
    with Host() as host, NameServer({("web.test", A): [("127.0.0.1", 60)]}) as server:
        up = named(server, host.port, dns_lookup_family="V4_ONLY", health_checks=[check()], **healthy_only())
        with running(bootstrap(clusters=[up])) as p:
            assert host.checks
            assert p.get().status == 200
