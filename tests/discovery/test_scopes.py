"""Route scopes from watched files: those with routes of their own, those that name a file's, changes of either, and mistakes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import mesh
from tests.admin.asking import ask
from tests.discovery.test_files import moved, response, wait_stat

TYPE = "type.googleapis.com/envoy."
SCOPE = TYPE + "config.route.v3.ScopedRouteConfiguration"
SRDS, RDS = "http.s.scoped_rds.all.", "http.s.rds.table."


def table(name: str, status: int) -> dict[str, Any]:
    routes = [{"match": {"prefix": "/"}, "direct_response": {"status": status}}]
    return {"name": name, "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": routes}]}


def scope(name: str, key: str, **more: Any) -> dict[str, Any]:
    return {"@type": SCOPE, "name": name, "key": {"fragments": [{"string_key": key}]}, **more}


def routes(status: int) -> str:
    return response({"@type": TYPE + "config.route.v3.RouteConfiguration", **table("table", status)}, version="r")


SCOPES = (
    scope("named", "a", route_configuration_name="table"),
    scope("own", "b", route_configuration=table("inner", 203)),
    scope("lazy", "c", route_configuration_name="table", on_demand=True),
)


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[mesh.Proxy]:
    (tmp_path / "rds.json").write_text(routes(201))
    (tmp_path / "srds.json").write_text(response(*SCOPES, version="1"))
    manager = {
        "@type": TYPE + "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "s",
        "http_filters": [{"name": "router", "typed_config": {"@type": TYPE + "extensions.filters.http.router.v3.Router"}}],
        "scoped_routes": {
            "name": "all",
            "scope_key_builder": {"fragments": [{"header_value_extractor": {"name": "x-scope", "index": 0}}]},
            "rds_config_source": {"path_config_source": {"path": str(tmp_path / "rds.json")}},
            "scoped_rds": {"scoped_rds_config_source": {"path_config_source": {"path": str(tmp_path / "srds.json")}}},
        },
    }
    address = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
    listener = {"name": "l", "address": address, "filter_chains": [{"filters": [{"name": "h", "typed_config": manager}]}]}
    admin = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}}
    with mesh.Proxy({"admin": admin, "static_resources": {"listeners": [listener]}}, concurrency=1) as made:
        yield made


def status(proxy: mesh.Proxy, scope: str) -> int:
    return ask(proxy.listeners["l"].port, "/", headers={"x-scope": scope}).status


def statuses(proxy: mesh.Proxy) -> list[int]:
    return [status(proxy, name) for name in "abc"]


def test_scopes_have_routes_of_their_own_or_name_some(proxy: mesh.Proxy) -> None:
    assert statuses(proxy) == [201, 203, 404]
    names = ("all_scopes", "active_scopes", "on_demand_scopes", "config_reload", "update_success")
    assert [proxy.stats[SRDS + name] for name in names] == [3, 1, 1, 1, 1]
    assert proxy.stats[RDS + "update_success"] == 1


def test_new_routes_of_a_named_table_reach_its_scope(proxy: mesh.Proxy, tmp_path: Path) -> None:
    moved(tmp_path / "rds.json", routes(202))
    wait_stat(proxy, RDS + "config_reload", 2)
    assert statuses(proxy) == [202, 203, 404]


def test_scopes_come_and_go(proxy: mesh.Proxy, tmp_path: Path) -> None:
    moved(tmp_path / "srds.json", response(scope("own", "c", route_configuration=table("inner", 205)), version="2"))
    wait_stat(proxy, SRDS + "update_success", 2)
    assert statuses(proxy) == [404, 404, 205]
    assert RDS + "config_reload" not in proxy.stats
    moved(tmp_path / "srds.json", response(*SCOPES, version="3"))
    wait_stat(proxy, SRDS + "update_success", 3)
    assert statuses(proxy) == [201, 203, 404]
    moved(tmp_path / "srds.json", response(version="4"))
    wait_stat(proxy, SRDS + "update_success", 4)
    assert statuses(proxy) == [404, 404, 404]
    assert proxy.stats[SRDS + "all_scopes"] == 0


@pytest.mark.parametrize(
    "wrong",
    [
        [scope("a", "a"), scope("own", "b", route_configuration=table("inner", 205))],
        [scope("a", "a", route_configuration=table("x", 205)), scope("a", "b", route_configuration=table("x", 205))],
        [scope("a", "a", route_configuration=table("x", 205)), scope("b", "a", route_configuration=table("x", 205))],
    ],
    ids=["no routes", "a name twice", "a key twice"],
)
def test_a_wrong_response_changes_nothing(proxy: mesh.Proxy, tmp_path: Path, wrong: list[dict[str, Any]]) -> None:
    moved(tmp_path / "srds.json", response(*wrong, version="2"))
    wait_stat(proxy, SRDS + "update_rejected")
    assert statuses(proxy) == [201, 203, 404]
    assert proxy.stats[SRDS + "all_scopes"] == 3


def test_the_dump_shows_scopes_with_their_version(proxy: mesh.Proxy) -> None:
    assert proxy.admin_address is not None
    found = ask(proxy.admin_address.port, "/config_dump").json()["configs"]
    dumped = next(one for one in found if "ScopedRoutes" in one["@type"])["dynamic_scoped_route_configs"][0]
    assert (dumped["name"], dumped["version_info"]) == ("all", "1")
    assert [one["name"] for one in dumped["scoped_route_configs"]] == ["named", "own", "lazy"]
