"""Conversations through Thrift filters, which a real Envoy and mesh must hold alike: metadata from headers and payloads, mirrored calls."""

from __future__ import annotations

from typing import Any

from mesh.codec.thrift import Type
from tests.thrift_proxy.conversations import SUBSETS, Case, Side, Talk, asks, seen
from tests.thrift_proxy.talk import route

PACKAGE = "type.googleapis.com/envoy.extensions.filters.network.thrift_proxy."
ROUTER = {"name": "router", "typed_config": {"@type": f"{PACKAGE}router.v3.Router"}}
HEADER = ("header", "binary")
UPPER = {"pattern": {"regex": "^v([0-9]+)$"}, "substitution": "version-\\1"}
LB = {"metadata_namespace": "envoy.lb", "key": "v"}


def filters(kind: str, message: str, rules: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """A listener's fields."""
    config = {"@type": f"{PACKAGE}filters.{kind}.v3.{message}", "request_rules": rules}
    return {"thrift_filters": [{"name": kind, "typed_config": config}, ROUTER], **more}


def headers(*rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    return filters("header_to_metadata", "HeaderToMetadata", list(rules), **more)


def payload(*rules: dict[str, Any]) -> dict[str, Any]:
    return filters("payload_to_metadata", "PayloadToMetadata", list(rules), payload_passthrough=True)


def rule(ids: tuple[int, ...], method: str = "", **facts: Any) -> dict[str, Any]:
    selector: dict[str, Any] = {}
    for id in reversed(ids):
        selector = {"name": "any", "id": id, **({"child": selector} if selector else {})}
    return {"method_name": method, "field_selector": selector, **facts}


def says(*fields: dict[int, Any], method: str = "add") -> Talk:
    """Calls with these arguments, one after the other."""

    def talk(side: Side) -> list[Any]:
        with side.client() as client:
            return [seen(client.try_ask(side.call(method, i, fields=one))) for i, one in enumerate(fields)]

    return talk


def on_one(*builds: tuple[tuple[bytes, bytes], ...]) -> Talk:
    """Calls with these headers, each on a connection of its own."""

    def talk(side: Side) -> list[Any]:
        found = []
        for pairs in builds:
            with side.client() as client:
                found.append(seen(client.try_ask(side.call("add", headers=pairs))))
        return found

    return talk


def arrives_twice(side: Side) -> list[Any]:
    with side.client() as client:
        found = seen(client.ask(side.call("add")))
        side.server.wait_for(2)
    return [found]


# google.protobuf.Value: an object, a number, a text, a list of all kinds; then bytes that are none.
TREES = (b"KgkKBwoBYhICIAE=", b"EQAAAAAAAPg/", b"GgR0ZXh0", b"MhwKCREAAAAAAADwPwoDGgF4CgIIAAoGMgQKAiAA", b"/////w==", b"not Base64")
DEEP = {
    1: (Type.STRUCT, {2: (Type.STRING, b"v12"), 3: (Type.STRUCT, {1: (Type.I64, -5)})}),
    3: (Type.I32, 7),
    4: (Type.LIST, (Type.STRING, [b"x", b"y"])),
    5: (Type.DOUBLE, 1.5),
    6: (Type.BOOL, True),
    7: (Type.BYTE, -2),
    8: (Type.MAP, (Type.STRING, Type.STRUCT, [(b"k", {1: (Type.STRING, b"inside")})])),
}
ODD = {3: (Type.STRING, b" 12 "), 1: (Type.STRUCT, {2: (Type.STRING, b"")})}
ALL = (
    rule((1, 2), on_present={**LB, "regex_value_rewrite": UPPER}),
    rule((1, 3, 1), on_present={"key": "deep", "type": "NUMBER"}),
    rule((3,), on_present={"key": "number", "type": "NUMBER"}, on_missing={"key": "number", "value": "none"}),
    rule((4,), on_present={"key": "list"}, on_missing={"key": "list", "value": "none"}),
    rule((5,), on_present={"key": "double"}),
    rule((6,), on_present={"key": "bool"}),
    rule((7,), on_present={"key": "byte"}),
    rule((8, 1), on_present={"key": "map"}, on_missing={"key": "map", "value": "1", "type": "NUMBER"}),
    rule((9,), "another", on_missing={"key": "another", "value": "no"}),
)
CASES = [
    Case(
        "header_facts",
        on_one(
            ((b"x-v", b"v7"), (b"x-n", b" 3.5 "), (b"x-b", b"aGVsbG8"), (b"x-m", b"1")),
            ((b"x-n", b"many"), (b"x-b", b"!"), (b"x-v", b"")),
        ),
        HEADER,
        listener=headers(
            {"header": "X-V", "on_present": {"key": "v", "regex_value_rewrite": UPPER}, "remove": True},
            {"header": "x-n", "on_present": {"key": "n", "type": "NUMBER"}},
            {"header": "x-b", "on_present": {"key": "b", "encode": "BASE64"}},
            {"header": "x-m", "on_present": {"key": "m", "value": "fixed"}, "on_missing": {"key": "m", "value": "gone"}},
        ),
    ),
    Case(
        "header_trees",
        on_one(*(((b"x-t", tree),) for tree in TREES)),
        HEADER,
        listener=headers({"header": "x-t", "on_present": {"key": "t", "type": "PROTOBUF_VALUE", "encode": "BASE64"}}),
    ),
    Case(
        "header_chooses_subset",
        on_one(((b"x-v", b"a"),), ((b"x-v", b"q"),), ()),
        HEADER,
        listener=headers({"header": "x-v", "on_present": LB, "on_missing": {**LB, "value": "a"}}),
        cluster=SUBSETS,
        labels={"v": "a"},
    ),
    Case("payload_facts", says(DEEP, {1: (Type.I32, 1)}, ODD), listener=payload(*ALL)),
    Case("payload_facts_compact", says({**DEEP, 5: (Type.I16, 300)}, {}), ("framed", "compact"), listener=payload(*ALL)),
    Case("payload_facts_header", says(DEEP), HEADER, listener=payload(*ALL)),
    Case(
        "service_facts",
        says(DEEP, method="people:add"),
        listener=payload({"service_name": "people", "field_selector": {"name": "n", "id": 3}, "on_present": {"key": "n"}}),
    ),
    Case("letter_case", asks("add", headers=((b"X-Mixed", b"Va"), (b"plain", b"b"))), HEADER, listener={"header_keys_preserve_case": True}),
    Case("letter_case_lost", asks("add", headers=((b"X-Mixed", b"Va"),)), HEADER),
    Case("mirror_lost", asks("add"), routes=(route("mirror_lost", "add", request_mirror_policies=[{"cluster": "gone"}]),)),
    Case(
        "mirror_maintained",
        asks("add"),
        routes=(route("mirror_maintained", "add", request_mirror_policies=[{"cluster": "maintained"}]),),
    ),
    Case("mirrored", arrives_twice, routes=(route("mirrored", "add", request_mirror_policies=[{"cluster": "mirrored"}]),)),
    Case(
        "mirrored_by_key",
        asks("add"),
        routes=(
            route(
                "mirrored_by_key",
                "add",
                request_mirror_policies=[
                    {"cluster": "mirrored_by_key", "runtime_fraction": {"default_value": {"numerator": 0}, "runtime_key": "never"}}
                ],
            ),
        ),
    ),
]
