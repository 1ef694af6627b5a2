"""The same flapping hosts behind Envoy and behind us: the same health flags, statistics and event logs, times apart.

Both proxies check on their own, so each step waits until a proxy shows the flags that Envoy is known to come to; a proxy that never shows
them fails by time. Event logs are compared as they are but for time stamps, statistics for all that does not count how often was asked.
"""

from __future__ import annotations

import asyncio
import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mesh.testing import bootstrap, cluster, until
from mesh.testing.bootstrap import address
from tests.health.hosts import Host, check
from tests.peers.envoy import envoy_peer
from tests.peers.mesh import mesh_peer
from tests.peers.ports import PortReservation

pytestmark = pytest.mark.slow

PEERS = (("envoy", envoy_peer), ("mesh", mesh_peer))
COUNTED_BY_TIME = re.compile(r"health_check\.(attempt|success|failure|network_failure)$")


class Shown:
    """A proxy under test, asked through its admin pages."""

    def __init__(self, admin: int, port: int, folder: Path) -> None:
        self.admin, self.port, self.folder = admin, port, folder

    def page(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}{path}", timeout=10) as answer:
            return str(answer.read().decode())

    def flags(self) -> list[str]:
        return re.findall(r"^up::127\.0\.0\.1:\d+::health_flags::(.*)$", self.page("/clusters"), re.MULTILINE)

    def wait_flags(self, *wanted: str) -> None:
        until(lambda: self.flags() == list(wanted), f"flags {wanted}, not {self.flags()}")

    def stats(self) -> dict[str, int]:
        lines = self.page("/stats?filter=^cluster.up.(health_check|outlier_detection|membership_[hdet])").splitlines()
        found = {name: int(value) for name, _, value in (line.partition(": ") for line in lines)}
        return {name: value for name, value in found.items() if not COUNTED_BY_TIME.search(name) and name != "cluster.up.membership_change"}

    def ask(self) -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def events(self, name: str, least: int) -> list[dict[str, Any]]:
        log = self.folder / name
        until(lambda: log.exists() and len(log.read_text().splitlines()) >= least, f"{least} events in {name}")
        events = [json.loads(line) for line in log.read_text().splitlines()]
        for event in events:
            event.pop("timestamp")
        return events


Play = Callable[[Shown, list[Host]], Any]


def both(folder: Path, fields: dict[str, Any], hosts: int, play: Play) -> tuple[Any, Any]:
    """What `play` answers for Envoy and for us, each with fresh hosts of its own."""
    envoy, ours = (asyncio.run(one(folder / name, start, fields, hosts, play)) for name, start in PEERS)
    return envoy, ours


async def one(folder: Path, start: Any, fields: dict[str, Any], n: int, play: Play) -> Any:
    folder.mkdir()
    with Hosts(n) as hosts, PortReservation() as ports:
        admin, port = ports.pick(), ports.reserve()
        written = json.loads(json.dumps(fields).replace("FOLDER", str(folder)))
        source = bootstrap(clusters=[cluster("up", *(host.port for host in hosts), **written)], port=port)
        source["admin"] = {"address": address(admin)}
        source["cluster_manager"] = {"outlier_detection": {"event_log_path": str(folder / "outlier.log")}}
        path = folder / "bootstrap.json"
        path.write_text(json.dumps(source))
        async with start(path, folder, admin):
            found = await asyncio.to_thread(play, Shown(admin, port, folder), hosts)
        return json.loads(re.sub("|".join(str(host.port) for host in hosts), "0", json.dumps(found)))


class Hosts(list[Host]):
    def __init__(self, n: int) -> None:
        super().__init__(Host() for _ in range(n))

    def __enter__(self) -> Hosts:
        return self

    def __exit__(self, *_error: object) -> None:
        for host in self:
            host.stop()


def flap(p: Shown, hosts: list[Host]) -> Iterator[Any]:
    first, second = hosts
    p.wait_flags("healthy", "healthy")
    yield p.stats()
    first.check_status = 500
    p.wait_flags("/failed_active_hc", "healthy")
    yield [p.ask() for _ in range(3)], p.stats()
    second.check_headers = "x-envoy-degraded: 1\r\n"
    p.wait_flags("/failed_active_hc", "/degraded_active_hc")
    yield p.stats()
    first.check_status = 200
    p.wait_flags("healthy", "/degraded_active_hc")
    yield p.stats()
    second.check_status = 503
    second.check_headers = "x-envoy-immediate-health-check-fail: 1\r\n"
    p.wait_flags("healthy", "/failed_active_hc/degraded_active_hc/excluded_via_immediate_hc_fail")
    yield p.stats()
    second.check_status, second.check_headers = 200, ""
    p.wait_flags("healthy", "healthy")
    last = p.stats()
    # Envoy counts a host that is degraded no more among the degraded ones for ever; we do not.
    assert last.pop("cluster.up.health_check.degraded") in (0, 1)
    yield last, p.events("hc.log", 8)


def test_flapping_hosts_look_the_same(tmp_path: Path) -> None:
    fields = {"health_checks": [check(event_log_path="FOLDER/hc.log", healthy_threshold=2)]}
    envoy, ours = both(tmp_path, fields, 2, lambda p, hosts: list(flap(p, hosts)))
    assert ours == envoy


def ejections(p: Shown, hosts: list[Host]) -> Iterator[Any]:
    p.wait_flags("healthy")
    hosts[0].status = 502
    yield [p.ask() for _ in range(2)]
    p.wait_flags("/failed_outlier_check")
    yield p.stats()
    hosts[0].status = 200
    p.wait_flags("healthy")
    yield p.stats(), p.ask()
    hosts[0].status = 500
    yield [p.ask() for _ in range(2)]
    p.wait_flags("/failed_outlier_check")
    p.wait_flags("healthy")
    events = p.events("outlier.log", 5)
    for event in events:
        event.pop("secs_since_last_action", None)
    yield p.stats(), events


def test_ejections_look_the_same(tmp_path: Path) -> None:
    settings = {
        "consecutive_5xx": 2, "consecutive_gateway_failure": 2, "max_ejection_percent": 100, "interval": "0.1s",
        "base_ejection_time": "0.5s",
    }  # fmt: skip
    envoy, ours = both(tmp_path, {"outlier_detection": settings}, 1, lambda p, hosts: list(ejections(p, hosts)))
    assert ours == envoy


def rates(p: Shown, hosts: list[Host]) -> Any:
    hosts[0].status = 500
    until(lambda: p.ask() and "/failed_outlier_check" in p.flags(), "an ejection")
    event = p.events("outlier.log", 1)[0]
    shown = re.findall(r"^up::outlier::(\w+)::", p.page("/clusters"), re.MULTILINE)
    keep = ("detected", "enforced", "success_rate")
    return event["type"], sorted(event), sorted(event["eject_success_rate_event"]), shown, {
        name: value for name, value in p.stats().items() if any(word in name for word in keep)
    }


def test_success_rates_look_the_same(tmp_path: Path) -> None:
    settings = {
        "consecutive_5xx": 1000, "success_rate_minimum_hosts": 3, "success_rate_request_volume": 3, "interval": "0.5s",
        "success_rate_stdev_factor": 1000, "max_ejection_percent": 40, "consecutive_gateway_failure": 1000,
    }  # fmt: skip
    envoy, ours = both(tmp_path, {"outlier_detection": settings}, 3, rates)
    assert ours == envoy
