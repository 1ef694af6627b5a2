"""server.*, listener_manager.* and cluster_manager.*: Envoy's names, true values; and histograms that move without being asked."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

import pytest

import mesh
from mesh import server_stats
from tests.admin.asking import ANSWER_S, ask, bootstrap, cluster, endpoint, listener
from tests.admin.conftest import Ask
from tests.admin.real_envoy import observe

OWN = ("server.", "listener_manager.", "cluster_manager.")


def scalars(body: str) -> dict[str, str]:
    pairs = (line.partition(": ")[::2] for line in body.splitlines())
    return {name: value for name, value in pairs if name.startswith(OWN)}


@pytest.mark.slow
def test_every_name_is_envoys_and_has_its_kind(tmp_path: Path, get: Ask) -> None:
    requests = [("GET", f"/stats?type={kind}") for kind in ("Counters", "Gauges", "Histograms")]
    theirs = observe(tmp_path, requests)
    for request in requests:
        ours = scalars(get(request[1]).body)
        assert ours
        assert ours.keys() <= scalars(theirs[request].body).keys(), request


def test_the_gauges_say_what_is(proxy: mesh.Proxy, get: Ask) -> None:
    found = scalars(get("/stats?type=Gauges").body)
    assert found["server.concurrency"] == "1"
    assert (found["server.live"], found["server.state"]) == ("1", "0")
    assert found["listener_manager.total_listeners_active"] == "2"
    assert found["cluster_manager.active_clusters"] == "3"
    assert found["server.total_connections"] == "0"
    assert found["server.days_until_first_cert_expiring"] == "4294967295"
    assert found["server.version"] == str(server_stats.version_number())
    page = os.sysconf("SC_PAGE_SIZE")
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * page
    assert abs(int(found["server.memory_physical_size"]) - resident) < resident / 2
    assert 0 < int(found["server.memory_allocated"]) <= int(found["server.memory_heap_size"])
    with socket.create_connection(("127.0.0.1", proxy.listeners["inner"].port), timeout=ANSWER_S) as client:
        client.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        assert client.recv(4096)
        assert scalars(get("/stats").body)["server.total_connections"] == "1"


def test_changes_of_the_configuration_are_counted(proxy: mesh.Proxy) -> None:
    def counted() -> dict[str, int]:
        found = {name: value for name, value in proxy.stats.items() if name.startswith(OWN[1:]) and value}
        return {name.partition(".")[2]: int(value) for name, value in found.items()}

    steady = {"total_listeners_active": 2, "workers_started": 1, "active_clusters": 3}
    assert counted() == {**steady, "listener_added": 2, "listener_create_success": 2, "cluster_added": 3}
    proxy.apply(bootstrap())
    assert counted() == {**steady, "listener_added": 2, "listener_create_success": 2, "cluster_added": 3}
    changed = bootstrap()
    resources = changed["static_resources"]
    resources["listeners"][0]["per_connection_buffer_limit_bytes"] = 9999
    resources["listeners"][1] = listener("outer", "outer", {"direct_response": {"status": 204}})
    resources["clusters"][2]["connect_timeout"] = "3s"
    resources["clusters"].append(cluster("fresh", [{"lb_endpoints": [endpoint("127.0.0.1", 1)]}]))
    proxy.apply(changed)
    found = counted()
    assert (found["listener_added"], found["listener_removed"], found["listener_create_success"]) == (3, 1, 4)
    assert (found["cluster_added"], found["cluster_modified"], found["listener_modified"]) == (4, 1, 1)
    assert "cluster_removed" not in found


def test_a_configuration_that_is_refused_changes_no_counter(proxy: mesh.Proxy) -> None:
    before = {name: value for name, value in proxy.stats.items() if name.startswith(OWN[1:])}
    broken = bootstrap()
    broken["static_resources"]["listeners"][0]["address"] = {"socket_address": {"address": "192.0.2.1", "port_value": 1}}
    with pytest.raises(OSError, match="main"):
        proxy.apply(broken)
    assert {name: value for name, value in proxy.stats.items() if name.startswith(OWN[1:])} == before


@pytest.mark.slow
def test_histograms_move_by_themselves_at_the_flush_interval() -> None:
    config = {**bootstrap(), "stats_flush_interval": "0.05s"}
    flushed = r"server\.initialization_time_ms: P0\("
    with mesh.Proxy(config, concurrency=1) as proxy:
        for _ in range(200):
            body = ask(proxy.admin_address.port, "/stats?filter=initialization").body
            if re.match(flushed, body):
                break
        assert re.match(flushed, body), body


@pytest.mark.slow
def test_an_interval_ends_at_the_next_flush() -> None:
    config = {**bootstrap(), "stats_flush_interval": "0.05s"}
    with mesh.Proxy(config, concurrency=1) as proxy:
        for _ in range(200):
            body = ask(proxy.admin_address.port, "/stats?filter=initialization").body
            if "P0(nan," in body:
                break
        assert re.search(r"P0\(nan,\d", body), body


def test_memory_is_read_from_the_kernel() -> None:
    before = server_stats.memory()
    block = b"x" * (32 << 20)
    after = server_stats.memory()
    assert after.physical - before.physical > len(block) // 2
    assert after.allocated - before.allocated > len(block) // 2
