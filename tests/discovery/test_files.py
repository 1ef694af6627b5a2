"""Resources from watched files: every format, every kind of move, mistakes told with path and line, and nothing left at the end."""

from __future__ import annotations

import gc
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from envoy.service.discovery.v3.discovery_pb2 import DiscoveryResponse
from google.protobuf import text_format

import mesh
from mesh.testing import until
from mesh.testing.bootstrap import address, bootstrap, cluster, listener
from tests.filters.wire import ask

EDS = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
LIMIT_S = 5.0


def assignment(port: int, name: str = "up") -> dict[str, Any]:
    return {"@type": EDS, "cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(port)}}]}]}


def response(*resources: dict[str, Any], version: str = "") -> str:
    return json.dumps({"version_info": version, "resources": resources})


def moved(path: Path, content: str | bytes) -> None:
    fresh = path.with_name("fresh" + path.suffix)
    fresh.write_bytes(content.encode() if isinstance(content, str) else content)
    os.rename(fresh, path)


def eds_cluster(path: Path, name: str = "up", watched: Path | None = None) -> dict[str, Any]:
    more = {"watched_directory": {"path": str(watched)}} if watched else {}
    source = {"path_config_source": {"path": str(path), **more}}
    return cluster(name, type="EDS", load_assignment=None, eds_cluster_config={"eds_config": source})


def ports_of(proxy: mesh.Proxy, name: str = "up") -> list[int]:
    with proxy.published() as running:
        return [endpoint.address.port for endpoint in running.clusters[name].endpoints]


def wait_stat(proxy: mesh.Proxy, statistic: str, value: int = 1) -> None:
    """Waits for a statistic: what the watcher's thread does last."""
    until(lambda: int(proxy.stats.get(statistic, 0)) >= value, f"{statistic} >= {value}", LIMIT_S)


@pytest.fixture
def eds(tmp_path: Path) -> Path:
    path = tmp_path / "eds.json"
    path.write_text(response(assignment(1001)))
    return path


@pytest.fixture
def proxy(eds: Path) -> Iterator[mesh.Proxy]:
    with mesh.Proxy(bootstrap(clusters=[eds_cluster(eds)]), concurrency=1) as made:
        yield made


def binary(text: str) -> bytes:
    message = DiscoveryResponse(version_info="b")
    message.resources.add().Pack(text_format.Parse(text, ClusterLoadAssignment()))
    return message.SerializeToString()


TEXT = 'cluster_name: "up" endpoints { lb_endpoints { endpoint { address { socket_address { address: "127.0.0.1" port_value: 1002 } } } } }'
FORMATS = {
    ".json": response(assignment(1002)),
    ".yaml": f"resources:\n- {json.dumps(assignment(1002))}\n",
    ".pb": binary(TEXT),
    ".pb_text": f"resources {{ [{EDS}] {{ {TEXT} }} }}",
}


@pytest.mark.parametrize("extension", FORMATS)
def test_a_response_may_have_any_format(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"eds{extension}"
    path.write_bytes(FORMATS[extension].encode() if isinstance(FORMATS[extension], str) else FORMATS[extension])  # type: ignore[union-attr,arg-type]
    with mesh.Proxy(bootstrap(clusters=[eds_cluster(path)]), concurrency=1) as proxy:
        assert ports_of(proxy) == [1002]


def test_a_file_that_is_moved_is_seen_at_once(proxy: mesh.Proxy, eds: Path) -> None:
    began = time.monotonic()
    moved(eds, response(assignment(1002)))
    wait_stat(proxy, "cluster.up.update_success", 2)
    assert ports_of(proxy) == [1002]
    assert time.monotonic() - began < 1.0


def test_a_file_that_is_written_in_place_is_not_read_half(proxy: mesh.Proxy, eds: Path) -> None:
    eds.write_text("{")
    moved(eds, response(assignment(1003)))
    wait_stat(proxy, "cluster.up.update_success", 2)
    assert proxy.stats["cluster.up.update_failure"] == 0


def test_a_watched_directory_sees_the_link_that_moves(tmp_path: Path) -> None:
    """How Kubernetes replaces the files of a ConfigMap."""
    for number, port in enumerate((1001, 1002)):
        (tmp_path / f"v{number}").mkdir()
        (tmp_path / f"v{number}" / "eds.json").write_text(response(assignment(port)))
    os.symlink("v0", tmp_path / "data")
    source = eds_cluster(tmp_path / "data" / "eds.json", watched=tmp_path)
    with mesh.Proxy(bootstrap(clusters=[source]), concurrency=1) as proxy:
        assert ports_of(proxy) == [1001]
        os.symlink("v1", tmp_path / "next")
        os.rename(tmp_path / "next", tmp_path / "data")
        wait_stat(proxy, "cluster.up.update_success", 2)
        assert ports_of(proxy) == [1002]


@pytest.mark.parametrize(
    ("content", "statistic", "said"),
    [
        ("{", "update_failure", ":1: not valid JSON"),
        (response({"@type": EDS, "cluster_name": "up", "colour": "red"}), "update_failure", "resources[0].colour: no such field"),
        (response({"@type": EDS, "cluster_name": ""}), "update_rejected", "resources[0].cluster_name: must not be empty"),
        (
            response({**assignment(1), "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"pipe": {"path": "@", "mode": 1}}}}]}]}),
            "update_rejected",
            "resources[0].endpoints[0].lb_endpoints[0].endpoint.address.pipe.mode: an abstract socket",
        ),
    ],
)
def test_a_mistake_keeps_what_runs_and_says_where_it_is(
    proxy: mesh.Proxy, eds: Path, content: str, statistic: str, said: str
) -> None:
    moved(eds, content)
    wait_stat(proxy, f"cluster.up.{statistic}")
    assert ports_of(proxy) == [1001]
    assert proxy.resources is not None
    assert said in proxy.resources.subscriptions["hosts", "up"].rejected
    moved(eds, response(assignment(1004)))
    wait_stat(proxy, "cluster.up.update_success", 2)
    assert (ports_of(proxy), proxy.resources.subscriptions["hosts", "up"].rejected) == ([1004], "")


def test_new_hosts_touch_their_cluster_alone(tmp_path: Path) -> None:
    files = [tmp_path / f"eds{n}.json" for n in range(3)]
    for file in files:
        file.write_text(response(assignment(1001, file.stem)))
    clusters = [eds_cluster(file, file.stem) for file in files]
    with mesh.Proxy(bootstrap(clusters=clusters, route={"cluster": "eds0"}), concurrency=1) as proxy:
        with proxy.published() as running:
            before = dict(running.clusters)
            specs = {name: (live.spec, live.table, live.endpoints) for name, live in before.items()}
        moved(files[1], response(assignment(1002, "eds1")))
        wait_stat(proxy, "cluster.eds1.update_success", 2)
        with proxy.published() as running:
            assert all(running.clusters[name] is live for name, live in before.items())
            after = {name: (live.spec, live.table, live.endpoints) for name, live in running.clusters.items()}
    assert after["eds1"][:2] == specs["eds1"][:2]
    assert {name: value for name, value in after.items() if name != "eds1"} == {n: v for n, v in specs.items() if n != "eds1"}


def test_a_configuration_that_is_applied_takes_its_files_along(proxy: mesh.Proxy, eds: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text(response(assignment(1005)))
    proxy.apply(bootstrap(clusters=[eds_cluster(other)]))
    assert ports_of(proxy) == [1005]
    moved(eds, response(assignment(1001)))
    moved(other, response(assignment(1006)))
    wait_stat(proxy, "cluster.up.update_success", 3)
    assert ports_of(proxy) == [1006]
    proxy.apply(bootstrap(1007))
    assert (ports_of(proxy), proxy.resources) == ([1007], None)


def test_applying_the_same_configuration_reads_its_files_again(proxy: mesh.Proxy, eds: Path) -> None:
    eds.write_text(response(assignment(1008)))
    proxy.apply(bootstrap(clusters=[eds_cluster(eds)]))
    assert ports_of(proxy) == [1008]


def test_a_listener_from_a_file_serves_and_goes(tmp_path: Path) -> None:
    lds = tmp_path / "lds.json"
    hello = [{"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "hello"}}}]
    one = {"@type": "type.googleapis.com/envoy.config.listener.v3.Listener", **listener(name="dynamic", routes=hello)}
    lds.write_text(response(one, version="7"))
    boot = {"dynamic_resources": {"lds_config": {"path": str(lds)}}, "admin": {"address": address(0)}}
    with mesh.Proxy(boot, concurrency=1) as proxy:
        assert ask(proxy.listeners["dynamic"].port).text == "hello"
        assert proxy.admin_address is not None
        dump = json.loads(ask(proxy.admin_address.port, "/config_dump?resource=dynamic_listeners").text)
        assert [(entry["name"], entry["active_state"]["version_info"]) for entry in dump["configs"]] == [("dynamic", "7")]
        moved(lds, response())
        wait_stat(proxy, "listener_manager.lds.update_success", 2)
        assert proxy.listeners == {}


@pytest.mark.parametrize("before", ["EDS", "STATIC"])
@pytest.mark.parametrize("content", ["{", response(assignment(1, "another"))])
def test_a_cluster_that_changes_while_its_hosts_are_wrong_keeps_those_it_had(tmp_path: Path, before: str, content: str) -> None:
    cds, eds = tmp_path / "cds.json", tmp_path / "eds.json"
    eds.write_text(response(assignment(1001)))
    kind = {"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster"}
    first = eds_cluster(eds) if before == "EDS" else cluster("up", 1001)
    cds.write_text(response({**kind, **first}))
    boot = {"dynamic_resources": {"cds_config": {"path": str(cds)}}}
    with mesh.Proxy(boot, concurrency=1) as proxy:
        eds.write_text(content)
        moved(cds, response({**kind, **eds_cluster(eds), "connect_timeout": "2s"}))
        wait_stat(proxy, "cluster_manager.cds.update_success", 2)
        assert ports_of(proxy) == [1001]
        with proxy.published() as running:
            assert running.clusters["up"].spec.connect_timeout_ms == 2000
        moved(eds, response(assignment(1002)))
        until(lambda: ports_of(proxy) == [1002], "the hosts of the file that is right again")


def test_statistics_of_routes_end_with_their_last_listener(tmp_path: Path) -> None:
    lds, rds = tmp_path / "lds.json", tmp_path / "rds.json"
    table = {"name": "routes", "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "redirect": {}}]}]}
    rds.write_text(response({"@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration", **table}))
    source = {"route_config_name": "routes", "config_source": {"path_config_source": {"path": str(rds)}}}
    one = listener(name="dynamic", hcm={"rds": source, "route_config": None})
    lds.write_text(response({"@type": "type.googleapis.com/envoy.config.listener.v3.Listener", **one}))
    with mesh.Proxy({"dynamic_resources": {"lds_config": {"path": str(lds)}}}, concurrency=1) as proxy:
        assert proxy.stats["http.test.rds.routes.config_reload"] == 1
        moved(lds, response())
        wait_stat(proxy, "listener_manager.lds.update_success", 2)
        assert [name for name in proxy.stats if ".rds." in name] == []


def test_a_source_that_needs_a_server_is_refused_by_name() -> None:
    boot = bootstrap(clusters=[cluster("up", type="EDS", load_assignment=None, eds_cluster_config={"eds_config": {"ads": {}}})])
    with pytest.raises(mesh.ConfigError, match=r"eds_config\.ads: 'ads' is not implemented yet in mesh; files are"):
        mesh.Proxy(boot)


def test_a_file_must_be_there_when_the_configuration_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(mesh.ConfigError, match=r"path_config_source\.path: '.*gone' does not exist"):
        mesh.Proxy(bootstrap(clusters=[eds_cluster(tmp_path / "gone")]))


def test_nothing_is_left_when_it_stops(eds: Path) -> None:
    def left() -> tuple[set[str], int]:
        gc.collect()
        return {thread.name for thread in threading.enumerate()}, len(os.listdir("/proc/self/fd"))

    with mesh.Proxy(bootstrap(clusters=[eds_cluster(eds)]), concurrency=1):
        pass
    before = left()
    for _ in range(3):
        with mesh.Proxy(bootstrap(clusters=[eds_cluster(eds)]), concurrency=1):
            moved(eds, response(assignment(1001)))
    assert left() == before
