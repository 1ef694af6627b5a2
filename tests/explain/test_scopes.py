"""Explanations of scoped routes: the key, the scope, and lines of whichever file says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mesh.config import ConfigError, load, locator
from mesh.explain import Explanation, Request, Step, explain
from tests.explain.test_managers import ROUTES, bootstrap, manager

SCOPES = """\
version_info: "1"
resources:
- "@type": type.googleapis.com/envoy.config.route.v3.ScopedRouteConfiguration
  name: named
  key: {fragments: [{string_key: a}]}
  route_configuration_name: table
- "@type": type.googleapis.com/envoy.config.route.v3.ScopedRouteConfiguration
  name: own
  key: {fragments: [{string_key: b}]}
  route_configuration:
    name: inner
    virtual_hosts: [{name: all, domains: ["*"], routes: [{match: {prefix: /}, direct_response: {status: 203}}]}]
- "@type": type.googleapis.com/envoy.config.route.v3.ScopedRouteConfiguration
  name: lazy
  on_demand: true
  key: {fragments: [{string_key: c}]}
  route_configuration_name: table
"""
ZONE = {"name": "x-scope", "element_separator": ",", "element": {"separator": "=", "key": "zone"}}


def table(status: int) -> dict[str, Any]:
    routes = [{"match": {"prefix": "/"}, "direct_response": {"status": status}}]
    return {"name": "t", "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]}


def inline(header: dict[str, Any]) -> dict[str, Any]:
    scopes = [
        {"name": name, "key": {"fragments": [{"string_key": name}]}, "route_configuration": table(status)}
        for name, status in (("a", 201), ("b", 202))
    ]
    key = {"fragments": [{"header_value_extractor": header}]}
    lists = {"scoped_route_configurations": scopes}
    return bootstrap(manager("s", scoped_routes={"name": "all", "scope_key_builder": key, "scoped_route_configurations_list": lists}))


def asked(source: Any, scope: str | None) -> Explanation:
    headers = (("x-scope", scope),) if scope is not None else ()
    return explain(load(source), Request("h", "/z", headers=headers), locate=locator(source))


def scope_step(found: Explanation) -> Step:
    return next(step for step in found.steps if step.kind == "scope")


def test_the_scope_with_the_key_of_the_request_has_the_route() -> None:
    found = asked(inline({"name": "X-Scope", "index": 0}), "b")
    assert (found.scope, found.facts) == ("b", [("answer", "202 Accepted")])
    assert scope_step(found).why == "header X-Scope says 'b'"
    assert [(step.title, step.why) for step in scope_step(found).inner] == [("scope 'a'", "its key is 'a'")]
    assert ".scoped_route_configurations[1].route_configuration.virtual_hosts[0].routes[0]" in found.route_path


@pytest.mark.parametrize(
    ("header", "value", "why"),
    [
        ({"name": "x-scope", "index": 0}, None, "the request has no header x-scope"),
        ({"name": "x-scope", "index": 0}, "c", "header x-scope says 'c'; none of 2 scopes has this key"),
        ({"name": "x-scope", "index": 2, "element_separator": ","}, "a,b", "header x-scope has 2 elements, and no number 2"),
        (ZONE, "a=b", "header x-scope has no element 'zone'"),
    ],
)
def test_why_no_scope_takes_a_request(header: dict[str, Any], value: str | None, why: str) -> None:
    found = asked(inline(header), value)
    assert (found.action, found.route, found.scope) == ("none", None, "")
    assert scope_step(found).why == why and not scope_step(found).ok


def test_a_named_element_is_the_key() -> None:
    found = asked(inline(ZONE), "x=1,zone=a,zone=b")
    assert (found.scope, scope_step(found).why) == ("a", "header x-scope says 'a' for 'zone'")


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "routes.yaml").write_text(ROUTES)
    (tmp_path / "scopes.yaml").write_text(SCOPES)
    return bootstrap(
        manager(
            "s",
            scoped_routes={
                "name": "all",
                "scope_key_builder": {"fragments": [{"header_value_extractor": {"name": "x-scope", "index": 0}}]},
                "rds_config_source": {"path_config_source": {"path": str(tmp_path / "routes.yaml")}},
                "scoped_rds": {"scoped_rds_config_source": {"path_config_source": {"path": str(tmp_path / "scopes.yaml")}}},
            },
        )
    )


def test_lines_of_a_scope_and_of_the_routes_it_names_are_those_of_their_files(files: dict[str, Any], tmp_path: Path) -> None:
    found = asked(files, "a")
    host = next(step for step in found.steps if step.kind == "virtual_host")
    assert (found.route_name, host.origin, host.line) == ("second", str(tmp_path / "routes.yaml"), 6)
    found = asked(files, "b")
    assert (found.scope, scope_step(found).origin, scope_step(found).line) == ("own", str(tmp_path / "scopes.yaml"), 10)


def test_nobody_asks_for_a_scope_on_demand(files: dict[str, Any]) -> None:
    assert asked(files, "c").scope == ""


def test_a_wrong_file_of_scopes_is_told(files: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "scopes.yaml").write_text(SCOPES.replace("string_key: b", "string_key: a"))
    with pytest.raises(ConfigError, match="scope key conflict found"):
        asked(files, "a")
