"""A disk layer is read again when another link is moved onto its link, without anybody asking for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import mesh
from mesh.testing import until
from tests.runtime.test_layers import bootstrap, status, write

DEADLINE_S = 20.0


def disk(link: Path) -> list[dict[str, Any]]:
    return [{"name": "disk", "disk_layer": {"symlink_root": str(link)}}, {"name": "admin", "admin_layer": {}}]


def move(folder: Path, to: str) -> None:
    (folder / "next").symlink_to(to)
    (folder / "next").rename(folder / "current")


def wait_status(proxy: mesh.Proxy, wanted: int) -> None:
    until(lambda: status(proxy) == wanted, f"an answer with {wanted}", DEADLINE_S)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, {"v1/a/share": "100", "v2/a/share": "0"})
    (tmp_path / "current").symlink_to("v1")
    return tmp_path


@pytest.mark.slow
def test_the_next_requests_see_a_moved_link(folder: Path) -> None:
    with mesh.Proxy(bootstrap(disk(folder / "current")), concurrency=1) as proxy:
        assert status(proxy) == 200
        before = proxy.stats["runtime.load_success"]
        move(folder, "v2")
        wait_status(proxy, 404)
        assert proxy.stats["runtime.load_success"] == before + 1
        move(folder, "v1")
        wait_status(proxy, 200)


@pytest.mark.slow
def test_a_link_of_a_new_configuration_is_watched_and_the_old_one_is_not(folder: Path, tmp_path: Path) -> None:
    write(folder, {"other/v1/a/share": "0", "other/v2/a/share": "100"})
    (folder / "other" / "current").symlink_to("v1")
    with mesh.Proxy(bootstrap(disk(folder / "current")), concurrency=1) as proxy:
        proxy.apply(bootstrap(disk(folder / "other" / "current")))
        assert status(proxy) == 404
        before = proxy.stats["runtime.load_success"]
        move(folder, "v2")
        move(folder / "other", "v2")
        wait_status(proxy, 200)
        assert proxy.stats["runtime.load_success"] == before + 1


@pytest.mark.slow
def test_breakers_follow_a_key_that_is_set_and_taken_back(tmp_path: Path) -> None:
    config = bootstrap([{"name": "admin", "admin_layer": {}}])
    address = {"socket_address": {"address": "127.0.0.1", "port_value": 1}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
    config["static_resources"]["clusters"] = [
        {
            "name": "up",
            "load_assignment": {"cluster_name": "up", "endpoints": endpoints},
            "circuit_breakers": {"thresholds": [{"max_requests": 7, "track_remaining": True}]},
        }
    ]
    gauge = "cluster.up.circuit_breakers.default.remaining_rq"
    with mesh.Proxy(config, concurrency=1) as proxy:
        assert proxy.stats[gauge] == 7
        proxy.runtime.modify({"circuit_breakers.up.default.max_requests": "3"})
        assert proxy.stats[gauge] == 3
        proxy.runtime.modify({"circuit_breakers.up.default.max_requests": ""})
        assert proxy.stats[gauge] == 7
