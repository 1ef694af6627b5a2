"""Conversations through the Thrift rate limit filter, which a real Envoy and mesh must hold alike. The service is tests/grpc_calls/limiter.

Envoy reads nothing more from a connection behind a call that it refused late, so such calls come alone here; ours goes on (test_limits.py).
"""

from __future__ import annotations

from typing import Any

from mesh.codec.thrift import Type
from tests.grpc_calls.limiter import service
from tests.thrift_proxy.conversations import Case, Side, Talk, asks, of, seen, sends
from tests.thrift_proxy.filtered import HEADER, ROUTER


def alone(method: str = "add", **changes: Any) -> Talk:
    """Two calls, each on a connection of its own."""

    def talk(side: Side) -> list[Any]:
        found = []
        for seqid in range(2):
            with side.client() as client:
                found.append(seen(client.ask(side.call(method, seqid, **changes))))
        return found

    return talk


LIMIT = "type.googleapis.com/envoy.extensions.filters.network.thrift_proxy.filters.ratelimit.v3.RateLimit"


def limits(domain: str, to: str = "limiter", **more: Any) -> dict[str, Any]:
    config = {"@type": LIMIT, "domain": domain, "timeout": "20s", "rate_limit_service": service(to), **more}
    return {"name": "limit", "typed_config": config}


def limited(name: str, *rules: list[dict[str, Any]], method: str = "add", **more: Any) -> dict[str, Any]:
    """Of a case: its listener with the filter, and a route with these rules."""
    fields = {key: more.pop(key) for key in ("down", "talk") if key in more}
    action = {"cluster": name, "rate_limits": [{"actions": actions} for actions in rules]}
    return {
        "name": name,
        "talk": fields.get("talk", alone(method)),
        "down": fields.get("down", ("framed", "binary")),
        "routes": ({"match": {"method_name": method}, "route": action},),
        "listener": {"thrift_filters": [limits(name, **more), ROUTER]},
    }


def key(value: str) -> dict[str, Any]:
    return {"generic_key": {"descriptor_value": value}}


X = {"request_headers": {"header_name": "x-who", "descriptor_key": "who"}}
METHOD = {"request_headers": {"header_name": ":method-name", "descriptor_key": "method"}}
MATCH = {"header_value_match": {"descriptor_value": "told", "headers": [{"name": "x-who", "string_match": {"exact": "me"}}]}}
NOT = {"header_value_match": {"descriptor_value": "not", "expect_match": False, "headers": [{"name": "x-no", "present_match": True}]}}
ME = ((b"x-who", b"me"),)
STAGED = limited("limit_stage", [key("v")], stage=3)
DISABLED = limited("limit_disabled", [key("over")])
DISABLED["routes"][0]["route"]["rate_limits"][0]["disable_key"] = "nobody"
TWICE = limited("limit_twice", [key("v")])
TWICE["listener"]["thrift_filters"] = [limits("limit_twice"), limits("limit_twice", stage=1), ROUTER]
TWICE["routes"][0]["route"]["rate_limits"].append({"stage": 1, "actions": [key("over")]})
CASES = [
    Case(**limited("limit_ok", [key("v")])),
    Case(**limited("limit_over", [key("over")])),
    Case(**limited("limit_over_compact", [key("over")], down=("framed", "compact"))),
    Case(**limited("limit_over_header", [key("over")], down=HEADER)),
    Case(**limited("limit_over_unframed", [key("over")], down=("unframed", "binary"))),
    Case(
        **limited(
            "limit_actions",
            [{"source_cluster": {}}, {"destination_cluster": {}}, {"remote_address": {}}, METHOD],
            [X],
            [MATCH, NOT],
            down=HEADER,
            talk=asks("add", headers=ME),
        )
    ),
    Case(**limited("limit_nothing_to_ask", [X])),
    Case(**limited("limit_no_rules")),
    Case(**limited("limit_error", [key("error")])),
    Case(**limited("limit_error_denied", [key("error")], failure_mode_deny=True)),
    Case(**limited("limit_dead", [key("v")], to="dead_limiter", failure_mode_deny=True)),
    Case(**limited("limit_dead_passes", [key("v")], to="dead_limiter")),
    Case(**STAGED),
    Case(**DISABLED),
    Case(**TWICE),
    Case(**limited("limit_oneway_passes", [key("v")], method="note", talk=sends(of("note", type="oneway"), of("add", 6), replies=1))),
    Case(**limited("limit_large", [key("v")], talk=asks("add", fields={1: (Type.STRING, b"x" * 300_000)}))),
]
