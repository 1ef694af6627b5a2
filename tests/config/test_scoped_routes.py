"""Scoped routes in the plan: keys, scopes that replace each other, and what is refused by its path."""

from __future__ import annotations

from typing import Any

import pytest

from mesh.config import ConfigError, load
from meshcore.bind import spec
from tests.config.plans import everything

TYPE = "type.googleapis.com/envoy.extensions.filters."
AT = "static_resources.listeners[0].filter_chains[0].filters[0].typed_config.scoped_routes"
SCOPES = f"{AT}.scoped_route_configurations_list.scoped_route_configurations"
WHOLE = {"name": "x-scope", "index": 0}


def scope(name: str, *key: str, **more: Any) -> dict[str, Any]:
    routes = [{"match": {"prefix": "/"}, "direct_response": {"status": 200}}]
    table = {"name": f"of {name}", "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": routes}]}
    found = {"name": name, "key": {"fragments": [{"string_key": text} for text in key]}, "route_configuration": table, **more}
    return {key: value for key, value in found.items() if value is not None}


def scoped(*scopes: dict[str, Any], header: dict[str, Any] | None = None) -> spec.Scopes:
    manager = {
        "@type": TYPE + "network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "s",
        "http_filters": [{"name": "router", "typed_config": {"@type": TYPE + "http.router.v3.Router"}}],
        "scoped_routes": {
            "name": "all",
            "scope_key_builder": {"fragments": [{"header_value_extractor": header or WHOLE}]},
            "scoped_route_configurations_list": {"scoped_route_configurations": list(scopes)},
        },
    }
    address = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
    listener = {"name": "l", "address": address, "filter_chains": [{"filters": [{"name": "h", "typed_config": manager}]}]}
    found = load({"static_resources": {"listeners": [listener]}}).plan.listeners[0].hcm.routes.scopes
    assert found is not None
    return found


def problems(*scopes: dict[str, Any], header: dict[str, Any] | None = None) -> list[tuple[str, str]]:
    with pytest.raises(ConfigError) as raised:
        scoped(*scopes, header=header)
    return [(one.path, one.text) for one in raised.value.problems]


def test_a_key_has_a_part_for_each_header() -> None:
    here = next(one for one in everything().listeners if one.name == "scoped").hcm.routes
    assert here.scopes is not None and here.virtual_hosts == ()
    assert here.scopes.parts == (spec.KeyPart("X-One", ",", 1), spec.KeyPart("x-two", ";", 0, "zone", "="))
    assert [(one.name, one.key, one.routes.name) for one in here.scopes.scopes] == [("first", ("a", "b"), "of_first")]


def test_scopes_of_a_file_have_a_source() -> None:
    there = next(one for one in everything().listeners if one.name == "scoped-by-file").hcm.srds
    source = spec.FileSource("/dev/null")
    assert there == spec.ScopeSource("there", (spec.KeyPart("x-scope"),), source, source)


def test_a_later_scope_replaces_one_of_its_name_or_key() -> None:
    found = scoped(scope("a", "1"), scope("b", "1"), scope("a", "2"), scope("c", "3"), scope("c", "4"))
    assert [(one.name, one.key, one.place) for one in found.scopes] == [("a", ("2",), 2), ("c", ("4",), 4)]


def test_a_scope_of_the_configuration_has_routes_of_its_own() -> None:
    named = scope("a", "1", route_configuration=None, route_configuration_name="r")
    text = "a scope of the configuration has its routes in 'route_configuration'"
    assert problems(named) == [(f"{SCOPES}[0].route_configuration_name", text)]
    assert problems(scope("a", "1"), scope("b", "2", route_configuration=None)) == [
        (f"{SCOPES}[1].route_configuration", "required, and not set")
    ]


def test_an_element_needs_a_separator_or_to_be_the_first() -> None:
    at = f"{AT}.scope_key_builder.fragments[0].header_value_extractor"
    text = "1; without 'element_separator' there is only element 0"
    assert problems(scope("a", "1"), header={"name": "x", "index": 1}) == [(f"{at}.index", text)]
    text = "one of 'index' and 'element' is required, and none is set"
    assert problems(scope("a", "1"), header={"name": "x"}) == [(at, text)]


def test_a_mistake_in_a_scope_is_told_with_its_path() -> None:
    routes = [{"match": {"prefix": "/"}, "route": {"cluster": "no"}}]
    unknown = {"name": "r", "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": routes}]}
    found = problems(scope("a", "1", route_configuration=unknown))
    assert [path for path, _text in found] == [f"{SCOPES}[0].route_configuration.virtual_hosts[0].routes[0].route.cluster"]
