"""Route match: virtual host and route of a request, at 10, 1,000 and 10,000 routes or virtual hosts.

The loop runs in C without the GIL (`RouteTableFace.find_many`), so the number is the engine's own. `ns_per_request` in
extra_info is
the figure to read; requests are shuffled, so that bigger tables also pay for their cache misses. Run with pytest, one
at a time.
"""

from __future__ import annotations

import random

import pytest

from meshcore.bind.route_face import RouteTableFace
from meshcore.bind.spec import (
    Forward,
    HeaderMatch,
    MatchTree,
    OnMatch,
    Predicate,
    Route,
    RouteMatch,
    RouteTable,
    StringMatch,
    TreeInput,
    VirtualHost,
)

SIZES = (10, 1_000, 10_000)
REQUESTS = 2_000
ROUNDS = 50


def one_host(matches: list[RouteMatch]) -> RouteTable:
    return RouteTable("t", (VirtualHost("v", ("*",), tuple(Route(match, Forward("c")) for match in matches)),))


def prefixes(n: int) -> tuple[RouteTable, list[tuple[str, str]]]:
    matches = [RouteMatch("prefix", f"/team{i % 37}/service{i}/") for i in range(n)]
    return one_host(matches), [("a.com", f"{match.path}items/42?full=1") for match in matches]


def exact_paths(n: int) -> tuple[RouteTable, list[tuple[str, str]]]:
    matches = [RouteMatch("path", f"/team{i % 37}/service{i}") for i in range(n)]
    return one_host(matches), [("a.com", match.path) for match in matches]


def regexes(n: int) -> tuple[RouteTable, list[tuple[str, str]]]:
    matches = [RouteMatch("regex", f"/service{i}/[0-9]+/items") for i in range(n)]
    return one_host(matches), [("a.com", f"/service{i}/42/items") for i in range(n)]


def any_case(n: int) -> tuple[RouteTable, list[tuple[str, str]]]:
    matches = [RouteMatch("prefix", f"/Team{i % 37}/Service{i}/", case_sensitive=False) for i in range(n)]
    return one_host(matches), [("a.com", f"{match.path}items/42".upper()) for match in matches]


def canaries(n: int) -> tuple[RouteTable, list[tuple[str, str]]]:
    """Each prefix twice: a route with a header condition that fails, then the plain one."""
    canary = (HeaderMatch("x-canary", string=StringMatch("exact", "1")),)
    matches = []
    for i in range(n // 2):
        matches.append(RouteMatch("prefix", f"/service{i}/", headers=canary))
        matches.append(RouteMatch("prefix", f"/service{i}/"))
    return one_host(matches), [("a.com", f"/service{i}/items/42") for i in range(n // 2)]


def tenants(n: int) -> tuple[RouteTable, list[tuple]]:
    """One prefix; the tenant's header decides."""
    matches = [
        RouteMatch("prefix", "/api/", headers=(HeaderMatch("x-tenant", string=StringMatch("exact", f"tenant-{i}")),))
        for i in range(n)
    ]
    return one_host(matches), [("a.com", "/api/items", [("x-tenant", f"tenant-{i}")]) for i in range(n)]


def hosts(n: int) -> tuple[RouteTable, list[tuple[str, str]]]:
    """n virtual hosts of ten routes each; a third of the names are wildcards."""
    routes = tuple(Route(RouteMatch("prefix", f"/part{i}/"), Forward("c")) for i in range(10))
    names = [(f"*.site{i}.example.com" if i % 3 == 0 else f"www.site{i}.example.com") for i in range(n)]
    table = RouteTable("t", tuple(VirtualHost(f"v{i}", (name,), routes) for i, name in enumerate(names)))
    return table, [(name.replace("*", "api"), f"/part{i % 10}/x") for i, name in enumerate(names)]


def tree_host(tree: MatchTree, n: int) -> RouteTable:
    routes = tuple(Route(RouteMatch("prefix", "/"), Forward("c")) for _ in range(n))
    lists = tuple((i, 1) for i in range(n))
    return RouteTable("t", (VirtualHost("v", ("*",), routes, matcher=tree, route_lists=lists),))


def tree_prefixes(n: int) -> tuple[RouteTable, list[tuple[str, str]]]:
    """A match tree with a prefix map of the path."""
    entries = tuple((f"/team{i % 37}/service{i}/", OnMatch(action=i)) for i in range(n))
    tree = MatchTree("prefix", TreeInput("header", ":path"), entries=entries)
    return tree_host(tree, n), [("a.com", f"{text}items/42") for text, _ in entries]


def tree_list(n: int) -> tuple[RouteTable, list[tuple]]:
    """A match tree with one entry per tenant in its list."""
    seen = TreeInput("header", "x-tenant")
    fields = tuple((Predicate("string", seen, StringMatch("exact", f"t{i}")), OnMatch(action=i)) for i in range(n))
    return tree_host(MatchTree("list", fields=fields), n), [("a.com", "/api", [("x-tenant", f"t{i}")]) for i in range(n)]


SHAPES = {
    shape.__name__: shape
    for shape in (prefixes, exact_paths, regexes, any_case, canaries, tenants, hosts, tree_prefixes, tree_list)
}


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shape", SHAPES)
def test_route_match(benchmark, shape: str, size: int) -> None:
    table, requests = SHAPES[shape](size)
    order = random.Random(1)
    asked = [order.choice(requests) for _ in range(REQUESTS)]
    face = RouteTableFace(table)
    costs = []

    def measure() -> None:
        found, ns = face.find_many(asked, ROUNDS)
        assert found == REQUESTS * ROUNDS
        costs.append(ns)

    benchmark.pedantic(measure, rounds=5, warmup_rounds=1)
    benchmark.extra_info["ns_per_request"] = round(min(costs), 1)
    benchmark.extra_info["ns_per_request_median"] = round(sorted(costs)[len(costs) // 2], 1)
