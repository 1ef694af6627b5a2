"""What an explanation says about a small shop: the reasons, the places in the file, and what will be done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mesh.cli.explain import command
from mesh.config import Loaded, load, locator
from mesh.config.source import from_path
from mesh.explain import Explanation, Request, explain

SHOP = Path(__file__).parent / "shop.yaml"
TABLE = "static_resources.listeners[0].filter_chains[0].filters[0].typed_config.route_config"


@pytest.fixture(scope="module")
def shop() -> Loaded:
    return load(SHOP)


def asked(shop: Loaded, host: str = "shop.example.com", path: str = "/api/x", **rest: Any) -> Explanation:
    return explain(shop, Request(host, path, **rest), locate=locator(SHOP))


def steps(found: Explanation, kind: str) -> list[tuple[str, bool, str]]:
    return [(step.title, step.ok, step.why) for one in found.steps for step in one.walk() if step.kind == kind]


def run(*words: str) -> Any:
    return CliRunner().invoke(command, ["-c", str(SHOP), *words], standalone_mode=False)


def test_each_route_that_was_tried_has_its_reason(shop: Loaded) -> None:
    found = asked(shop, headers=(("x-canary", "0"),))
    assert steps(found, "route") == [
        ("route 'canary'", False, "header x-canary is '0', wanted one that is '1'"),
        ("route 'api'", True, "path /api/x begins with /api"),
    ]
    assert (found.virtual_host, found.route, found.route_name) == ("shop", 1, "api")
    assert found.route_path == f"{TABLE}.virtual_hosts[0].routes[1]"


def test_a_step_names_its_line_in_the_file(shop: Loaded) -> None:
    found = asked(shop)
    lines = SHOP.read_text().splitlines()
    at = {step.title: step.line for one in found.steps for step in one.walk()}
    assert "- name: canary" in lines[at["route 'canary'"] - 1]
    assert "- name: api" in lines[at["route 'api'"] - 1]
    assert "- name: shop" in lines[at["virtual host 'shop'"] - 1]
    assert all(step.origin == str(SHOP) for one in found.steps for step in one.walk() if step.path)


def test_the_choice_of_the_virtual_host_is_told(shop: Loaded) -> None:
    found = asked(shop, host="SHOP.example.com:10000")
    assert found.notes == ["the connection manager takes the port off the host: SHOP.example.com:10000 becomes SHOP.example.com"]
    assert steps(found, "virtual_host") == [
        ("virtual host 'shop'", True, "domain 'shop.example.com' fits 'shop.example.com' (exact name)"),
        ("virtual host 'rest'", False, "'*' fits too, but is less specific"),
    ]
    assert "'*.example.com' fits 'a.example.com' (wildcard suffix)" in steps(asked(shop, host="a.example.com"), "virtual_host")[0][2]


def test_what_a_forwarding_route_does(shop: Loaded) -> None:
    found = asked(shop, path="/api/x?q=1", headers=(("x-secret", "s"),))
    assert found.action == "forward"
    assert found.facts == [
        ("cluster", "api"),
        ("path upstream", "/v2/x?q=1 (prefix_rewrite /v2)"),
        ("host upstream", "api.internal (host_rewrite_literal)"),
        ("timeout", "3 s"),
        ("retries", "2 on 5xx, 500 ms each"),
        ("request header", "+ x-table: /api/x?q=1"),
        ("request header", "- x-secret: s"),
        ("response header", "+ x-back: 1 (append)"),
    ]


def test_weights_name_the_share_and_the_number_that_chose(shop: Loaded) -> None:
    facts = dict(asked(shop, path="/split", random=2).facts)
    assert facts["cluster"] == "canary of api 25 %, canary 75 % (by number 2)"


def test_clusters_and_hosts_that_the_request_names(shop: Loaded) -> None:
    facts = dict(asked(shop, path="/tenant/joe/x?y", headers=(("x-cluster", "api"), ("x-p", "/n"))).facts)
    assert facts["cluster"] == "api (header x-cluster)"
    assert facts["host upstream"] == "joe.tenants (host_rewrite_path_regex)"
    assert facts["path upstream"] == "/t/n?y (path_rewrite /t%REQ(x-p)%)"
    assert "503 Service Unavailable (no header x-cluster)" in dict(asked(shop, path="/tenant/x").facts)["cluster"]


def test_redirects_direct_answers_and_tls(shop: Loaded) -> None:
    found = asked(shop, path="/old?q")
    assert (found.action, dict(found.facts)["location"]) == ("redirect", "http://shop.example.com/new?q")
    found = asked(shop, host="x", path="/p", headers=(("x-t", "abc"),))
    assert (found.action, found.facts) == ("direct_response", [("answer", "200 OK"), ("body", "hi")])
    found = asked(shop, host="safe.example.org", path="/")
    assert (found.action, dict(found.facts)["location"]) == ("https", "https://safe.example.org/")
    assert asked(shop, host="safe.example.org", path="/", scheme="https").action == "forward"


def test_a_match_tree_shows_the_branch_that_was_taken(shop: Loaded) -> None:
    found = asked(shop, host="x", path="/p", headers=(("x-t", "abc"),))
    assert steps(found, "entry") == [("'a'", True, "header x-t is 'abc'")]
    assert found.route_path == f'{TABLE}.virtual_hosts[2].matcher.matcher_tree.prefix_match_map.map["a"].action.typed_config'
    missing = asked(shop, host="x", path="/p", headers=(("x-t", "z"),))
    assert missing.action == "none"
    assert "none of 1 entries" in steps(missing, "entry")[0][2]


def test_the_command_prints_a_tree_and_answers_by_exit_code() -> None:
    done = run("--host", "shop.example.com", "--path", "/api/x", "-H", "X-Canary: 1")
    assert done.return_value == 0
    assert "✓ route 'canary'" in done.output and "is forwarded" in done.output
    done = run("--host", "shop.example.com", "--path", "/nowhere")
    assert done.return_value == 1
    assert "finds no route" in done.output and "path /nowhere does not begin with /api" in " ".join(done.output.split())


def test_json_holds_all_of_it() -> None:
    done = run("--host", "shop.example.com", "--path", "/api/x", "--json")
    tree = json.loads(done.output)
    assert (tree["virtual_host"], tree["route_name"], tree["action"]) == ("shop", "api", "forward")
    assert tree["steps"][2]["inner"][0] == {
        "kind": "route", "title": "route 'canary'", "ok": False, "why": "header x-canary is missing, wanted one that is '1'",
        "path": f"{TABLE}.virtual_hosts[0].routes[0]", "line": 21, "origin": str(SHOP),
    }  # fmt: skip


def test_a_bad_question_or_configuration_is_two(tmp_path: Path) -> None:
    assert run("--host", "a", "--path", "/", "--listener", "other").return_value == 2
    bad = tmp_path / "bad.yaml"
    bad.write_text("static_resources: {listeners: [{nam: x}]}")
    done = CliRunner().invoke(command, ["-c", str(bad), "--host", "a", "--path", "/"], standalone_mode=False)
    assert done.return_value == 2


def test_a_long_list_is_folded() -> None:
    routes = [{"match": {"path": f"/{n}"}, "route": {"cluster": "api"}} for n in range(200)]
    tree = from_path(SHOP).tree
    hcm = tree["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    hcm["route_config"]["virtual_hosts"] = [{"name": "v", "domains": ["*"], "routes": routes}]
    found = explain(load(tree), Request("a", "/150"))
    assert found.route == 150
    assert steps(found, "skipped") == [("110 routes", False, "their paths do not match")]


def test_connect_has_no_path(shop: Loaded) -> None:
    found = asked(shop, path="/api", method="CONNECT")
    assert found.action == "none"
    assert steps(found, "route")[0] == ("route 'canary'", False, "the request has no path")
