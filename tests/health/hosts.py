"""Hosts for tests of health: loopback upstreams whose answers a test changes while they run, and what the proxy says of them."""

from __future__ import annotations

from typing import Any

from mesh.testing import Ended, Message, Running, Upstream, Wire, until
from mesh.testing.bootstrap import address
from meshcore.bind.spec import Address


class Host(Upstream):
    """Answers `status` with `headers` ("name: value" lines) to traffic, `check_status` with `check_headers` to checks, which want /hc."""

    def __init__(self, status: int = 200, check_status: int = 200) -> None:
        self.status, self.headers = status, ""
        self.check_status, self.check_headers = check_status, ""
        self.checks: list[Message] = []
        self.served = 0
        self.dead = False
        super().__init__(self._serve)

    def _serve(self, wire: Wire) -> None:
        try:
            while True:
                request = wire.read_request()
                if request.target == "/hc" and not self.dead:
                    self.checks.append(request)
                    status, headers = self.check_status, self.check_headers
                elif self.dead:
                    wire.reset()
                    return
                else:
                    self.served += 1
                    status, headers = self.status, self.headers
                wire.send(f"HTTP/1.1 {status} X\r\n{headers}content-length: 2\r\n\r\nok".encode())
        except (Ended, OSError):
            return

    def die(self) -> None:
        """From now on every connection is reset, until `dead` is False again."""
        self.dead = True
        self.close_connections()

    @property
    def address(self) -> Address:
        return Address("127.0.0.1", self.port)


def check(**fields: Any) -> dict[str, Any]:
    """A health check of /hc every 20 ms."""
    made = {
        "timeout": "2s", "interval": "0.02s", "no_traffic_interval": "0.02s", "unhealthy_threshold": 1, "healthy_threshold": 1,
        "http_health_check": {"path": "/hc"},
    }  # fmt: skip
    return {**made, **fields}


def healthy_only(**fields: Any) -> dict[str, Any]:
    """Cluster fields: no panic, so that nothing goes to a host that is out."""
    return {"common_lb_config": {"healthy_panic_threshold": {"value": 0}}, **fields}


def flags(p: Running, host: Upstream, cluster: str = "up") -> str:
    """As /clusters prints them."""
    with p.proxy.published() as running:
        of = {endpoint.address.port: text for endpoint, text, _ in running.clusters[cluster].table.hosts.host_stats()}
    return of[host.port]


def wait_flags(p: Running, host: Upstream, wanted: str, cluster: str = "up") -> None:
    until(lambda: flags(p, host, cluster) == wanted, f"{wanted} of port {host.port}")


def endpoint(port: int, **fields: Any) -> dict[str, Any]:
    return {"endpoint": {"address": address(port), **fields}}
