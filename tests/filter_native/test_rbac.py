"""RBAC, beyond what a few policies show: what is refused when it is loaded, and a thousand policies."""

from __future__ import annotations

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
