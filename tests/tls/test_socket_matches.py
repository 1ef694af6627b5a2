"""transport_socket_matches while a proxy runs: hosts whose metadata changes are reached otherwise; and what is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from mesh.config import ConfigError, load
from mesh.testing import Upstream, running
from mesh.testing.bootstrap import bootstrap, cluster
from tests.tls.certificates import Pair
from tests.tls.peers import Secret, server_side, upstream

RAW = {"name": "raw", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"}}
NAMES = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def assignment(port: int, **labels: str) -> dict[str, Any]:
    host = {
        "endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}},
        "metadata": {"filter_metadata": {"envoy.transport_socket_match": labels}},
    }
    return {"cluster_name": "up", "endpoints": [{"lb_endpoints": [host]}]}


def write_hosts(path: Path, hosts: dict[str, Any]) -> None:
    kind = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
    fresh = path.with_name("fresh.json")
    fresh.write_text(json.dumps({"resources": [{"@type": kind, **hosts}]}))
    os.rename(fresh, path)


def matches() -> list[dict[str, Any]]:
    return [
        {"name": name, "match": {"name": name}, "transport_socket": upstream(sni=f"{name}.test")} for name in ("one", "two")
    ]


def test_a_host_that_discovery_labels_anew_is_reached_in_its_new_way(tmp_path: Path, pair: Pair) -> None:
    path = tmp_path / "eds.json"
    script = Secret(server_side(pair))
    with Upstream(script) as up:
        write_hosts(path, assignment(up.port, name="one"))
        source = {"eds_config": {"path_config_source": {"path": str(path)}}}
        made = cluster("up", type="EDS", load_assignment=None, eds_cluster_config=source, transport_socket_matches=matches())
        with running(bootstrap(clusters=[made])) as proxy:
            assert proxy.get().status == 200
            write_hosts(path, assignment(up.port, name="two"))
            proxy.wait_stat("cluster.up.two.total_match_count", 1)
            assert proxy.get().status == 200
            assert [seen[1] for seen in script.seen] == ["one.test", "two.test"]
            assert proxy.up("one.total_match_count") == 1 and proxy.up("default.total_match_count") == 0


def test_connections_for_one_name_serve_no_other(pair: Pair) -> None:
    names = {"auto_sni": True, "override_auto_sni_header": "x-name"}
    options = {"explicit_http_config": {"http_protocol_options": {}}, "upstream_http_protocol_options": names}
    fields = {"typed_extension_protocol_options": {NAMES.rpartition("/")[2]: {"@type": NAMES, **options}}}
    script = Secret(server_side(pair))
    with Upstream(script) as up, running(bootstrap(clusters=[cluster("up", up.port, transport_socket=upstream(), **fields)])) as proxy:
        for name in ("a.test", "b.test", "a.test"):
            assert proxy.get(x_name=name).status == 200
        assert [seen[1] for seen in script.seen] == ["a.test", "b.test"]
        assert proxy.up("upstream_cx_total") == 2


def test_a_name_that_stands_twice_is_refused() -> None:
    match = [{"name": "a", "transport_socket": RAW}, {"name": "a", "transport_socket": RAW}]
    with pytest.raises(ConfigError, match=r"matches\[1\].name: 'a' stands twice"):
        load(bootstrap(clusters=[cluster("up", 1, transport_socket_matches=match)]))
