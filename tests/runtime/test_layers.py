"""Layers: which one wins, what is read from a folder, and what the admin page sets. The same pages as a real Envoy's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import mesh
from tests.admin.asking import TYPE, Page, ask
from tests.peers.envoy import envoy_peer
from tests.peers.ports import PortReservation

TAKEN = {"status": 200, "body": {"inline_string": "taken"}}
SHARE = {"default_value": {"numerator": 0}, "runtime_key": "a.share"}


def bootstrap(layers: list[dict[str, Any]], admin_port: int = 0) -> dict[str, Any]:
    routes = [
        {"match": {"prefix": "/", "runtime_fraction": SHARE}, "direct_response": TAKEN},
        {"match": {"prefix": "/"}, "direct_response": {"status": 404}},
    ]
    manager = {
        "@type": TYPE + "network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "main",
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": TYPE + "http.router.v3.Router"}}],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
    }
    address = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    return {
        "node": {"cluster": "shop"},
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": admin_port}}},
        "layered_runtime": {"layers": layers},
        "static_resources": {"listeners": [{"name": "main", "address": address, "filter_chains": [chain]}]},
    }


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, {"v1/a/share": "# percent\n100\n\n", "v1/deep/er/still": "on", "v1/shop/a/share": "0", "v2/a/share": "0"})
    (tmp_path / "current").symlink_to("v1")
    return tmp_path


@pytest.fixture
def running(folder: Path) -> Iterator[mesh.Proxy]:
    layers = [
        {"name": "base", "static_layer": {"a": {"share": 0, "other": 2.5}}},
        {"name": "disk", "disk_layer": {"symlink_root": str(folder / "current")}},
        {"name": "admin", "admin_layer": {}},
    ]
    with mesh.Proxy(bootstrap(layers), concurrency=1) as proxy:
        yield proxy


def status(proxy: mesh.Proxy) -> int:
    return ask(proxy.listeners["main"].port, "/").status


def modify(proxy: mesh.Proxy, query: str) -> Page:
    assert proxy.admin_address is not None
    return ask(proxy.admin_address.port, f"/runtime_modify?{query}", "POST")


def test_a_file_overrides_the_layer_below(running: mesh.Proxy) -> None:
    assert status(running) == 200
    assert running.runtime.entries()["a.share"] == ["0", "100", ""]
    assert running.runtime.entries()["deep.er.still"] == ["", "on", ""]


def test_a_moved_link_counts_after_a_reload(running: mesh.Proxy, folder: Path) -> None:
    (folder / "next").symlink_to("v2")
    (folder / "next").rename(folder / "current")
    running.runtime.reload()
    assert status(running) == 404


def test_the_next_request_sees_what_was_set(running: mesh.Proxy) -> None:
    assert modify(running, "a.share=0").body == "OK\n"
    assert status(running) == 404
    assert modify(running, "a.share=").body == "OK\n"
    assert status(running) == 200


def test_what_was_set_outlives_a_new_configuration(running: mesh.Proxy) -> None:
    modify(running, "a.share=0")
    running.apply(bootstrap([{"name": "base", "static_layer": {"a": {"share": 100}}}, {"name": "admin", "admin_layer": {}}]))
    assert status(running) == 404
    modify(running, "a.share=")
    assert status(running) == 200


def test_an_unreadable_folder_is_counted_and_keeps_the_other_layers(running: mesh.Proxy, folder: Path) -> None:
    failed = running.stats["runtime.load_error"]
    deep = folder / "v1" / "/".join(["x"] * 101)[1:].lstrip("/")
    deep.mkdir(parents=True)
    running.runtime.reload()
    assert running.stats["runtime.load_error"] == int(failed) + 1
    assert status(running) == 404


def test_a_folder_may_be_named_after_the_service_cluster(folder: Path) -> None:
    disk = {"symlink_root": str(folder / "current"), "append_service_cluster": True}
    with mesh.Proxy(bootstrap([{"name": "disk", "disk_layer": disk}]), concurrency=1) as proxy:
        assert status(proxy) == 404
        assert proxy.stats["runtime.override_dir_exists"] == 1


@pytest.mark.parametrize(
    ("layers", "path"),
    [
        ([{"name": "a", "rtds_layer": {"name": "r"}}], "layered_runtime.layers[0].rtds_layer"),
        ([{"name": "a", "admin_layer": {}}, {"name": "b", "admin_layer": {}}], "layered_runtime.layers[1]"),
        ([{"name": "a", "admin_layer": {}}, {"name": "a", "static_layer": {}}], "layered_runtime.layers[1].name"),
        ([{"name": "a", "static_layer": {"b": {"c": None}}}], "layered_runtime.layers[0].static_layer.b.c"),
    ],
)
def test_a_wrong_layer_is_refused_by_its_path(layers: list[dict[str, Any]], path: str) -> None:
    with pytest.raises(mesh.ConfigError) as refused:
        mesh.Proxy(bootstrap(layers))
    assert [problem.path for problem in refused.value.problems] == [path]


ASKED = [
    ("GET", "/runtime"),
    ("POST", "/runtime_modify?a.share=100&b=hello&c=numerator:%205"),
    ("POST", "/runtime_modify"),
    ("GET", "/runtime_modify?a=1"),
    ("GET", "/runtime?again"),
    ("POST", "/runtime_modify?b="),
    ("GET", "/runtime?at-last"),
    ("GET", "/stats?filter=^runtime.(admin|deprecated|num|load_error)"),  # Envoy loads its layers twice when it starts
]


async def of_envoy(directory: Path, layers: list[dict[str, Any]], port: int) -> list[Page]:
    file = directory / "envoy.json"
    file.write_text(json.dumps(bootstrap(layers, port)))
    async with envoy_peer(file, directory, port):
        return [await asyncio.to_thread(ask, port, path, method) for method, path in ASKED]


def shown(page: Page) -> tuple[int, str | None, Any]:
    return page.status, page.headers.get("content-type"), page.json() if page.body.startswith("{") else page.body


@pytest.mark.slow
@pytest.mark.parametrize("with_admin", [True, False])
def test_the_pages_are_those_of_envoy(folder: Path, tmp_path: Path, with_admin: bool) -> None:
    layers: list[dict[str, Any]] = [
        {"name": "base", "static_layer": {"a": {"share": 3, "f": 2.5, "n": -3, "yes": True}, "t": "text", "big": 1e20}},
        {"name": "disk", "disk_layer": {"symlink_root": str(folder), "subdirectory": "v1"}},
    ]
    layers += [{"name": "live", "admin_layer": {}}] if with_admin else []
    with PortReservation() as ports:
        expected = asyncio.run(of_envoy(tmp_path, layers, ports.pick()))
    with mesh.Proxy(bootstrap(layers), concurrency=1) as proxy:
        assert proxy.admin_address is not None
        ours = [ask(proxy.admin_address.port, path, method) for method, path in ASKED]
    assert [shown(page) for page in ours] == [shown(page) for page in expected]
