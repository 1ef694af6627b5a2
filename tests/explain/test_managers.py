"""Explanations over several connection managers of a listener, and over routes that a file of their own holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mesh.config import ConfigError, load, locator
from mesh.explain import Explanation, Request, explain

TYPE = "type.googleapis.com/envoy.extensions.filters."
ROUTES = """\
version_info: "1"
resources:
- "@type": type.googleapis.com/envoy.config.route.v3.RouteConfiguration
  name: table
  virtual_hosts:
  - name: all
    domains: ["*"]
    routes:
    - {name: first, match: {path: /a}, direct_response: {status: 201}}
    - {name: second, match: {prefix: /}, direct_response: {status: 202}}
"""


def manager(name: str, **routes: Any) -> dict[str, Any]:
    return {
        "@type": TYPE + "network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "http_filters": [{"name": "router", "typed_config": {"@type": TYPE + "http.router.v3.Router"}}],
        **routes,
    }


def inline(status: int) -> dict[str, Any]:
    routes = [{"match": {"prefix": "/"}, "direct_response": {"status": status}}]
    return {"route_config": {"name": "inline", "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]}}


def bootstrap(*managers: dict[str, Any]) -> dict[str, Any]:
    chains = [
        {
            "name": f"chain-{n}",
            "filter_chain_match": {"server_names": [f"{n}.example.com"]},
            "filters": [{"name": "hcm", "typed_config": one}],
        }
        for n, one in enumerate(managers)
    ]
    address = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
    return {"static_resources": {"listeners": [{"name": "main", "address": address, "filter_chains": chains}]}}


def asked(source: dict[str, Any], chain: str | None = None, path: str = "/a") -> Explanation:
    return explain(load(source), Request("h", path), locate=locator(source), chain=chain)


def reasons(found: Explanation, kind: str) -> list[str]:
    return [step.why for step in found.steps if step.kind == kind]


@pytest.mark.parametrize(("chain", "status"), [(None, 201), ("chain-0", 201), ("chain-1", 202), ("two", 202)])
def test_a_chain_is_chosen_by_its_name_or_by_that_of_its_statistics(chain: str | None, status: int) -> None:
    found = asked(bootstrap(manager("one", **inline(201)), manager("two", **inline(202))), chain)
    assert found.facts[0][1].startswith(str(status))


def test_the_first_of_several_says_so() -> None:
    found = asked(bootstrap(manager("one", **inline(201)), manager("two", **inline(202))))
    assert reasons(found, "chain") == ["the first of 2; --chain NAME chooses another"]
    assert reasons(asked(bootstrap(manager("one", **inline(201)))), "chain") == []


def test_a_chain_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(KeyError, match="'main' has no filter chain that is called 'three' and speaks HTTP; chain-0, chain-1 do"):
        asked(bootstrap(manager("one", **inline(201)), manager("two", **inline(202))), "three")


def from_file(path: Path) -> dict[str, Any]:
    rds = {"route_config_name": "table", "config_source": {"path_config_source": {"path": str(path)}}}
    return bootstrap(manager("one", rds=rds))


def test_routes_of_a_file_are_explained_with_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text(ROUTES)
    found = asked(from_file(path), path="/b")
    assert (found.route_name, found.facts[0][1][:3]) == ("second", "202")
    assert reasons(found, "routes") == [f"read from {path}"]
    tried = [step for one in found.steps for step in one.walk() if step.kind == "route"]
    assert [(step.origin, ROUTES.splitlines()[step.line - 1].strip()[:13]) for step in tried] == [
        (str(path), "- {name: firs"),
        (str(path), "- {name: seco"),
    ]


def test_a_file_of_wrong_routes_is_told_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text(ROUTES.replace("status: 201", "status: 42"))
    with pytest.raises(ConfigError, match=r"routes\.yaml:9"):
        asked(from_file(path))


def test_a_file_that_has_gone_is_told(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text(ROUTES)
    loaded = load(from_file(path))
    path.unlink()
    with pytest.raises(KeyError, match=r"routes\.yaml"):
        explain(loaded, Request("h", "/"))
