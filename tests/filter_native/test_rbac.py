"""RBAC, beyond what a few policies show: what is refused when it is loaded, and a thousand policies."""

from __future__ import annotations

import random
from typing import Any

import pytest

import mesh
from mesh.config import ConfigError
from mesh.testing import Upstream, bootstrap, running

FILTERS = "type.googleapis.com/envoy.extensions.filters.http"
ROUTER = {"name": "router", "typed_config": {"@type": f"{FILTERS}.router.v3.Router"}}
AT = "http_filters[0].typed_config.rules.policies[p]"
ANYBODY = [{"any": True}]
CONDITION = {"const_expr": {"bool_value": True}}


def guarded(port: int, action: str = "ALLOW", **policies: Any) -> dict[str, Any]:
    rbac = {"@type": f"{FILTERS}.rbac.v3.RBAC", "rules": {"action": action, "policies": policies}}
    return bootstrap(port, hcm={"http_filters": [{"name": "rbac", "typed_config": rbac}, ROUTER]})


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        ({"permissions": ANYBODY, "principals": ANYBODY, "condition": CONDITION}, "condition: 'condition' is not"),
        ({"permissions": [{"matcher": {"name": "x"}}], "principals": ANYBODY}, "permissions[0].matcher: 'matcher' is not"),
        ({"permissions": ANYBODY, "principals": [{"custom": {"name": "x"}}]}, "principals[0].custom: 'custom' is not"),
        (
            {"permissions": [{"url_path": {"path": {"safe_regex": {"regex": "("}}}}], "principals": ANYBODY},
            "permissions[0].url_path.path.safe_regex.regex: '(' is not accepted by RE2",
        ),
    ],
)
def test_what_rules_cannot_ask_is_refused_by_its_path(policy: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        mesh.Proxy(guarded(1, p=policy))
    assert f"{AT}.{text}" in str(caught.value)


def test_a_thousand_policies_answer_in_the_order_of_their_names() -> None:
    def policy(n: int) -> dict[str, Any]:
        me = {"header": {"name": "x-who", "string_match": {"exact": "me"}}}
        return {"permissions": [{"url_path": {"path": {"exact": f"/p{n}"}}}], "principals": [me]}

    policies = {f"n{n:04}": policy(n) for n in range(1000)}
    with Upstream() as up, running(guarded(up.port, **policies)) as p:
        for path, who, status in (("/p0", "me", 200), ("/p999", "me", 200), ("/p999", "you", 403), ("/p1000", "me", 403)):
            assert p.get(path, **{"x-who": who}).status == status


def random_rule(source: random.Random, depth: int = 0) -> dict[str, Any]:
    """A permission, and what it says in Python: {"rule": .., "holds": (path, x, y) -> bool}; x and y are the lines of two headers."""
    kind = source.choice(("path", "path", "x", "y", "prefix", "any") if depth > 1 else ("path", "x", "y", "and", "or", "not", "prefix"))
    value = source.choice("abc")
    if kind == "path":
        return {"rule": {"url_path": {"path": {"exact": f"/{value}"}}}, "holds": lambda path, x, y: path == f"/{value}"}
    if kind == "prefix":
        return {"rule": {"url_path": {"path": {"prefix": f"/{value}"}}}, "holds": lambda path, x, y: path.startswith(f"/{value}")}
    if kind in ("x", "y"):
        rule = {"header": {"name": f"x-{kind}", "string_match": {"exact": value}}}
        return {"rule": rule, "holds": lambda path, x, y: value in (x if kind == "x" else y)}
    if kind == "any":
        return {"rule": {"any": True}, "holds": lambda path, x, y: True}
    parts = [random_rule(source, depth + 1) for _ in range(1 if kind == "not" else source.randint(1, 3))]
    if kind == "not":
        return {"rule": {"not_rule": parts[0]["rule"]}, "holds": lambda path, x, y: not parts[0]["holds"](path, x, y)}
    rule = {f"{kind}_rules": {"rules": [part["rule"] for part in parts]}}
    every = all if kind == "and" else any
    return {"rule": rule, "holds": lambda path, x, y: every(part["holds"](path, x, y) for part in parts)}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_what_an_index_leaves_out_could_not_have_held(seed: int) -> None:
    source = random.Random(seed)
    rules = [random_rule(source) for _ in range(source.choice((8, 20, 60)))]
    policies = {f"n{place:02}": {"permissions": [one["rule"]], "principals": ANYBODY} for place, one in enumerate(rules)}
    rbac = {"@type": f"{FILTERS}.rbac.v3.RBAC", "shadow_rules": {"policies": policies}}
    told = {"key": "x-policy", "value": "%DYNAMIC_METADATA(envoy.filters.http.rbac:shadow_effective_policy_id)%"}
    hcm = {"http_filters": [{"name": "rbac", "typed_config": rbac}, ROUTER]}
    with Upstream() as up, running(bootstrap(up.port, hcm=hcm, virtual_host={"response_headers_to_add": [{"header": told}]})) as p:
        client = p.client()
        for _ in range(120):
            path = source.choice(("/a", "/b", "/c", "/ab", "/", "/d"))
            x, y = ([source.choice("abcd") for _ in range(source.choice((0, 1, 1, 1, 2)))] for _ in range(2))
            lines = [f"x-x: {value}" for value in x] + [f"x-y: {value}" for value in y]
            client.send("\r\n".join([f"GET {path}?q=/a HTTP/1.1", "host: a", *lines, "", ""]).encode())
            expected = next((f"n{place:02}" for place, one in enumerate(rules) if one["holds"](path, x, y)), None)
            assert client.read_response().get("x-policy") == expected, (path, x, y)
        client.close()
