"""Weights of clusters and shares of routes that runtime keys change while a table is in use."""

from __future__ import annotations

from collections import Counter

import pytest

from meshcore.bind.route_face import RouteTableFace
from meshcore.bind.spec import (
    Forward,
    Route,
    RouteMatch,
    RouteTable,
    RuntimeFraction,
    RuntimeValue,
    VirtualHost,
    WeightedCluster,
)


def table(*weighted: WeightedCluster, fraction: RuntimeFraction | None = None) -> RouteTable:
    routes = (
        Route(RouteMatch("prefix", "/", runtime_fraction=fraction), Forward(weighted=weighted)),
        Route(RouteMatch("prefix", "/"), Forward("rest")),
    )
    return RouteTable("t", (VirtualHost("v", ("*",), routes),))


def integer(value: int) -> RuntimeValue:
    return RuntimeValue(str(value), integer=value)


def shares(face: RouteTableFace, rounds: int = 100) -> dict[str, int]:
    found = [face.find("a", "/", random=n) for n in range(rounds)]
    return dict(Counter(one.cluster for one in found if one is not None))


@pytest.mark.parametrize(
    ("runtime", "expected"),
    [
        ({}, {"a": 75, "b": 25}),
        ({"w.a": 1}, {"a": 50, "b": 50}),
        ({"w.a": 0}, {"b": 100}),
        ({"w.a": 0, "w.b": 7}, {"b": 100}),
        ({"w.b": 0}, {"a": 100}),
        ({"w.a": 30, "w.b": 70}, {"a": 30, "b": 70}),
        ({"other.a": 0}, {"a": 75, "b": 25}),
    ],
)
def test_a_runtime_key_replaces_a_weight(runtime: dict[str, int], expected: dict[str, int]) -> None:
    weighted = (WeightedCluster("a", 3, runtime_key="w.a"), WeightedCluster("b", 1, runtime_key="w.b"))
    assert shares(RouteTableFace(table(*weighted), {key: integer(value) for key, value in runtime.items()})) == expected


def test_no_weight_at_all_leaves_the_last_choice() -> None:
    weighted = (WeightedCluster("a", 3, runtime_key="w.a"), WeightedCluster("b", 1, runtime_key="w.b"))
    assert shares(RouteTableFace(table(*weighted), {"w.a": integer(0), "w.b": integer(0)})) == {"b": 100}


def test_a_runtime_key_replaces_the_share_of_a_route() -> None:
    fraction = RuntimeFraction(50, 100, "share")
    plain = table(WeightedCluster("a", 1), fraction=fraction)
    assert shares(RouteTableFace(plain)) == {"a": 50, "rest": 50}
    assert shares(RouteTableFace(plain, {"share": integer(10)})) == {"a": 10, "rest": 90}
