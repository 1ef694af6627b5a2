"""Runtime keys that hold for a whole proxy, against a real Envoy: each case is a route with a cluster and an upstream of its own, asked
under three sets of values. What the client got, what the upstream was asked and some counters have to be the same.

Keys that name a cluster or that a configuration names are cases of the differential harness (runtime.yaml, runtime_keys.yaml).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mesh.testing import Ended, Upstream, Wire, connect, until
from mesh.testing.bootstrap import HTTP_OPTIONS, TYPE, address, cluster, listener
from tests.health.hosts import check, endpoint
from tests.peers.envoy import envoy_peer
from tests.peers.mesh import mesh_peer
from tests.peers.ports import PortReservation

pytestmark = pytest.mark.slow

PEERS = (("envoy", envoy_peer), ("mesh", mesh_peer))
FAULT = TYPE + "extensions.filters.http.fault.v3.HTTPFault"
NEVER = {"numerator": 0}
FAULTS = {
    "abort": {"abort": {"http_status": 503, "percentage": NEVER}},
    "delay": {"delay": {"fixed_delay": "100s", "percentage": NEVER}},
    "rate": {"response_rate_limit": {"fixed_limit": {"limit_kbps": 1000}, "percentage": NEVER}},
    "grpc": {"abort": {"grpc_status": 2, "percentage": NEVER}},
}
FAILS, WORKS = 503, 200
HTTP2 = {"@type": TYPE + HTTP_OPTIONS[6:], "explicit_http_config": {"http2_protocol_options": {}}}
OUTLIERS = {"consecutive_5xx": 100, "max_ejection_percent": 0, "base_ejection_time": "900s"}
NAMED = {"path": "/hc", "service_name_matcher": {"exact": "another"}}
SELDOM = {"interval": "900s", "no_traffic_interval": "900s"}
# name -> (fields of the cluster, of the route, statuses of the upstream, paths asked one after the other)
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], list[int], list[str]]] = {
    "retry": ({}, {"retry_policy": {"retry_on": "5xx", "retry_back_off": {"base_interval": "0.001s"}}}, [FAILS, WORKS], ["/a"]),
    "pause": ({}, {"retry_policy": {"retry_on": "5xx"}, "timeout": "1s"}, [FAILS, WORKS], ["/a"]),
    "http2": ({"typed_extension_protocol_options": {HTTP_OPTIONS: HTTP2}}, {}, [WORKS], ["/a"]),
    "panic": ({"sick": True}, {}, [WORKS], ["/a"]),
    "normal": ({}, {}, [WORKS], ["/x/../y", "/x%2Fy", "/x%5cy"]),
    **{name: ({}, {}, [WORKS], ["/a", "/b"]) for name in FAULTS},
    "outliers": ({"outlier_detection": {**OUTLIERS, "enforcing_consecutive_5xx": 0}}, {}, [500], ["/a", "/b"]),
    "gateway": ({"outlier_detection": {**OUTLIERS, "enforcing_consecutive_gateway_failure": 0}}, {}, [502], ["/a", "/b"]),
    "verified": ({"health_checks": [check(http_health_check=NAMED, **SELDOM)]}, {}, [WORKS], ["/a"]),
    "hurried": ({"health_checks": [check(**SELDOM)]}, {}, [WORKS], []),
}
SETS = {
    "one": {
        "upstream.use_retry": 0,
        "upstream.use_http2": 0,
        "upstream.healthy_panic_threshold": 0,
        "fault.http.abort.abort_percent": 100,
        "fault.http.abort.http_status": 418,
        "fault.http.delay.fixed_delay_percent": 100,
        "fault.http.delay.fixed_duration_ms": 1,
        "fault.http.rate_limit.response_percent": 100,
        "http_connection_manager.normalize_path": 100,
        "http_connection_manager.path_with_escaped_slashes_action": 2,
        "outlier_detection.consecutive_5xx": 2,
        "outlier_detection.max_ejection_percent": 100,
        "outlier_detection.enforcing_consecutive_5xx": 100,
        "outlier_detection.consecutive_gateway_failure": 2,
        "outlier_detection.enforcing_consecutive_gateway_failure": 100,
        "health_check.verify_cluster": 0,
        "health_check.max_interval": 30,
    },
    "two": {
        "upstream.base_retry_backoff_ms": 1_000_000_000,
        "upstream.use_http2": 0,
        "upstream.healthy_panic_threshold": 100,
        "fault.http.abort.abort_percent": 100,
        "fault.http.abort.http_status": 0,
        "fault.http.abort.grpc_status": 5,
        "fault.http.max_active_faults": 0,
        "http_connection_manager.path_with_escaped_slashes_action": 4,
        "http_connection_manager.path_with_escaped_slashes_action_enabled": 0,
        "outlier_detection.consecutive_5xx": 2,
        "outlier_detection.enforcing_consecutive_5xx": 100,
        "outlier_detection.max_ejection_percent": 0,
        "outlier_detection.consecutive_gateway_failure": 1000,
        "health_check.verify_cluster": 100,
        "health_check.max_interval": 30,
    },
    "three": {
        "upstream.use_retry": 0,
        "upstream.use_http2": 0,
        "http_connection_manager.path_with_escaped_slashes_action": 3,
        "fault.http.delay.fixed_delay_percent": 100,
        "fault.http.delay.fixed_duration_ms": 0,
        "outlier_detection.enforcing_consecutive_5xx": 100,
        "health_check.max_interval": 30,
    },
}
COUNTERS = (
    "upstream_rq_retry", "upstream_cx_http1_total", "upstream_cx_http2_total", "lb_healthy_panic",
    "ejections_enforced_total", "ejections_overflow", "ejections_detected_consecutive_5xx",
    "ejections_detected_consecutive_gateway_failure",
    "aborts_injected", "delays_injected", "response_rl_injected", "faults_overflow", "verify_cluster",
)  # fmt: skip


class Site(Upstream):
    """Answers the statuses in turn, the last one for ever; its checks with 200."""

    def __init__(self, statuses: list[int]) -> None:
        self.statuses = list(statuses)
        self.asked: list[str] = []
        self.checks = 0
        super().__init__(self._serve)

    def _serve(self, wire: Wire) -> None:
        with contextlib.suppress(Ended, OSError):
            while True:
                target = wire.read_request().target
                status = WORKS
                if target == "/hc":
                    self.checks += 1
                else:
                    self.asked.append(target)
                    status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
                wire.send(f"HTTP/1.1 {status} X\r\ncontent-length: 2\r\n\r\nok".encode())


def made(values: dict[str, int], admin: int, ports: dict[str, int], sites: dict[str, Site]) -> dict[str, Any]:
    listeners, clusters = [], []
    for name, (fields, route, _, _) in CASES.items():
        fault = [{"name": "fault", "typed_config": {"@type": FAULT, **FAULTS[name]}}] if name in FAULTS else []
        one = listener(name=name, port=ports[name], route={"cluster": name, **route})
        manager = one["filter_chains"][0]["filters"][0]["typed_config"]
        manager["http_filters"] = fault + manager["http_filters"]
        manager["stat_prefix"] = name
        listeners.append(one)
        sick = {"health_status": "UNHEALTHY"} if fields.get("sick") else {}
        hosts = [{"lb_endpoints": [{**endpoint(sites[name].port), **sick}]}]
        rest = {key: value for key, value in fields.items() if key != "sick"}
        clusters.append(cluster(name, **{"load_assignment": {"cluster_name": name, "endpoints": hosts}, **rest}))
    layers = [{"name": "base", "static_layer": values}, {"name": "admin", "admin_layer": {}}]
    static = {"listeners": listeners, "clusters": clusters}
    return {"admin": {"address": address(admin)}, "layered_runtime": {"layers": layers}, "static_resources": static}


def ask(port: int, path: str) -> Any:
    with connect(port) as wire:
        wire.send(f"GET {path} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
        answer = wire.read_response()
        return answer.status, answer.get("location"), answer.get("grpc-status"), answer.body.decode()


def counters(admin: int) -> dict[str, int]:
    with urllib.request.urlopen(f"http://127.0.0.1:{admin}/stats?format=json", timeout=10) as page:
        found = {one["name"]: one["value"] for one in json.load(page)["stats"] if "name" in one}
    # How often checks came by now is a matter of time.
    return {
        name: min(value, 1) if name.endswith("verify_cluster") else value
        for name, value in found.items()
        if name.endswith(COUNTERS) and not name.startswith("cluster_manager")
    }


def play(admin: int, ports: dict[str, int], sites: dict[str, Site]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, (_, _, _, paths) in CASES.items():
        found[name] = [ask(ports[name], path) for path in paths], sites[name].asked
    until(lambda: sites["hurried"].checks > 2, "checks that come before their interval is over")
    return {**found, **counters(admin)}


async def one(folder: Path, start: Any, values: dict[str, int]) -> Any:
    folder.mkdir()
    with contextlib.ExitStack() as stack:
        ports = stack.enter_context(PortReservation())
        sites = {name: stack.enter_context(Site(statuses)) for name, (_, _, statuses, _) in CASES.items()}
        places = {name: ports.reserve() for name in CASES}
        admin = ports.pick()
        path = folder / "bootstrap.json"
        path.write_text(json.dumps(made(values, admin, places, sites)))
        async with start(path, folder, admin):
            return await asyncio.to_thread(play, admin, places, sites)


def both(folder: Path, values: dict[str, int]) -> Iterator[Any]:
    for name, start in PEERS:
        yield asyncio.run(one(folder / name, start, values))


@pytest.mark.parametrize("name", SETS)
def test_keys_do_what_they_do_in_envoy(name: str, tmp_path: Path) -> None:
    envoy, ours = both(tmp_path, SETS[name])
    assert ours == envoy
