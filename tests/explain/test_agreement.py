"""The explanation and the engine choose the same route, whatever the table: `explain_table` raises Disagreement if not."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mesh.explain import Request, explain_table
from meshcore.bind.route_face import RouteTableFace
from meshcore.bind.spec import (
    Forward,
    MatchTree,
    OnMatch,
    Predicate,
    Route,
    RouteTable,
    StringMatch,
    TreeInput,
    VirtualHost,
)
from tests.route import tables

RELAXED = settings(
    max_examples=40, deadline=None, phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
LISTS = 6
VALUES = st.sampled_from(["a", "ab", "b", "10.0.0.1", "10.1.0.1", "", "a,b"])
INPUTS = st.sampled_from(
    [TreeInput("header", "x-a"), TreeInput("header", "x-b"), TreeInput("query", "q"), TreeInput("header", ":path"),
     TreeInput("text", "V", "ab"), TreeInput("text", "V"), TreeInput("source_ip")]
)  # fmt: skip
CIDRS = st.sampled_from([("10.0.0.0", 8), ("10.1.0.0", 16), ("10.1.0.1", 32), ("fd00::", 8), ("0.0.0.0", 0)])
STRINGS = st.builds(StringMatch, st.sampled_from(["exact", "exact", "exact", "prefix", "suffix", "contains"]), VALUES, st.booleans())
SINGLE = st.one_of(
    st.builds(lambda seen, string: Predicate("string", seen, string), INPUTS, STRINGS),
    st.builds(lambda seen, ranges: Predicate("ip", seen, ranges=tuple(ranges)), INPUTS, st.lists(CIDRS, min_size=1, max_size=2)),
)
PREDICATES = st.recursive(
    SINGLE,
    lambda inner: st.one_of(
        st.builds(Predicate, st.sampled_from(["and", "or"]), parts=st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(lambda part: Predicate("not", parts=(part,)), inner),
    ),
    max_leaves=4,
)  # fmt: skip
LEAF = st.builds(OnMatch, action=st.integers(0, LISTS - 1), keep_matching=st.sampled_from([False, False, True]))


def trees_of(branch: st.SearchStrategy[OnMatch]) -> st.SearchStrategy[MatchTree]:
    otherwise = st.one_of(st.none(), branch)
    run = st.lists(st.tuples(st.builds(lambda v: Predicate("string", TreeInput("header", "x-a"), StringMatch("exact", v)), VALUES), branch),
                   min_size=8, max_size=10)  # fmt: skip
    fields = st.one_of(st.lists(st.tuples(PREDICATES, branch), max_size=4), run).map(tuple)
    entries = st.dictionaries(VALUES, branch, min_size=1, max_size=4).map(lambda found: tuple(sorted(found.items())))
    ranges = st.lists(st.tuples(CIDRS, st.booleans(), branch), min_size=1, max_size=4).map(tuple)
    return st.one_of(
        st.builds(MatchTree, st.just("list"), fields=fields, otherwise=otherwise),
        st.builds(MatchTree, st.sampled_from(["exact", "prefix"]), INPUTS, entries=entries, otherwise=otherwise),
        st.builds(MatchTree, st.just("ip"), INPUTS, ranges=ranges, otherwise=otherwise),
    )


TREES = st.recursive(
    trees_of(LEAF),
    lambda inner: trees_of(st.one_of(LEAF, st.builds(OnMatch, tree=inner, keep_matching=st.sampled_from([False, False, True])))),
    max_leaves=3,
)
HEADERS = st.lists(st.tuples(st.sampled_from(["x-a", "x-b", "x-c", "accept"]), st.one_of(VALUES, tables.WORDS)), max_size=4).map(tuple)
PATHS = st.one_of(tables.REQUEST_PATHS, st.sampled_from(["a", "/?q=a", "/?q=10.0.0.1", "/a?q="]))
REQUESTS = st.builds(Request, tables.AUTHORITIES, PATHS, tables.METHODS, HEADERS, random=st.integers(0, 200))
SOURCES = st.sampled_from([None, "10.1.0.1:5000", "[fd00::1]:7"])


@pytest.mark.slow
@RELAXED
@given(tables.tables(), st.lists(REQUESTS, min_size=3, max_size=4))
def test_lists_of_routes(table: RouteTable, asked: list[Request]) -> None:
    for request in asked:
        found = explain_table(table, request)
        assert (found.route is None) == (found.action == "none")


@pytest.mark.slow
@RELAXED
@given(tables.CROWD, st.lists(st.tuples(tables.AUTHORITIES, tables.CROWD_HEADERS), min_size=3, max_size=5))
def test_crowds_of_routes_told_apart_by_headers(routes: tuple[Route, ...], asked: list) -> None:
    table = RouteTable("t", (VirtualHost("v", ("*",), routes),))
    for host, headers in asked:
        explain_table(table, Request(host, "/a", headers=tuple(headers)))


@pytest.mark.slow
@RELAXED
@given(
    TREES,
    st.lists(tables.BARE, min_size=LISTS + 3, max_size=LISTS + 3),
    st.lists(st.tuples(PATHS, HEADERS, SOURCES), min_size=4, max_size=6),
)
def test_match_trees(tree: MatchTree, matches: list, asked: list) -> None:
    routes = tuple(Route(match, Forward("c")) for match in matches)
    lists = (*((n, 1) for n in range(LISTS - 2)), (LISTS - 2, 3), (LISTS + 1, 2))
    table = RouteTable("t", (VirtualHost("v", ("*",), routes, matcher=tree, route_lists=lists),))
    for path, headers, source in asked:
        found = explain_table(table, Request("h", path, headers=headers, source=source))
        assert found.route is None or found.route_path.startswith("route_config.virtual_hosts[0].matcher.")


@pytest.mark.slow
@RELAXED
@given(tables.tables(), st.lists(st.tuples(tables.AUTHORITIES, PATHS), min_size=2, max_size=4))
def test_the_named_cluster_is_the_engines(table: RouteTable, asked: list) -> None:
    face = RouteTableFace(table)
    for host, path in asked:
        found, theirs = explain_table(table, Request(host, path)), face.find(host, path)
        if theirs is not None:
            assert found.facts[0] == ("cluster", theirs.cluster)
