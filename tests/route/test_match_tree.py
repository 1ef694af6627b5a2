"""Match trees in a route table: which list of routes a tree chooses. What Envoy shares is compared with it elsewhere."""

from __future__ import annotations

import pytest

from meshcore.bind.route_face import RouteTableFace
from meshcore.bind.spec import (
    Forward,
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

X, Y = TreeInput("header", "x"), TreeInput("header", "y")


def exact(value: str, seen: TreeInput = X) -> Predicate:
    return Predicate("string", seen, StringMatch("exact", value))


def by_value(entries: dict[str, OnMatch], otherwise: OnMatch | None = None, kind: str = "exact", seen: TreeInput = X) -> MatchTree:
    return MatchTree(kind, seen, entries=tuple(entries.items()), otherwise=otherwise)


def listed(*fields: tuple[Predicate, OnMatch], otherwise: OnMatch | None = None) -> MatchTree:
    return MatchTree("list", fields=fields, otherwise=otherwise)


def face_of(tree: MatchTree, lists: int = 8) -> RouteTableFace:
    """Action n is a list with one route to cluster n."""
    routes = tuple(Route(RouteMatch("prefix", "/"), Forward(str(n))) for n in range(lists))
    host = VirtualHost("v", ("*",), routes, matcher=tree, route_lists=tuple((n, 1) for n in range(lists)))
    return RouteTableFace(RouteTable("t", (host,)))


def chosen(tree: MatchTree, *headers: tuple[str, str], path: str = "/", stream: dict | None = None, lists: int = 8) -> int | None:
    found = face_of(tree, lists).find("a", path, headers, stream=stream)
    return None if found is None else int(found.cluster)


@pytest.mark.parametrize("kind", ["exact", "prefix"])
def test_keep_matching_goes_on_as_if_there_were_no_match(kind: str) -> None:
    noted = OnMatch(action=1, keep_matching=True)
    tree = by_value({"a": noted}, OnMatch(action=2), kind)
    assert chosen(tree, ("x", "a")) == 2
    assert chosen(listed((exact("a"), noted), (exact("a"), OnMatch(action=3))), ("x", "a")) == 3
    assert chosen(listed((exact("a"), noted)), ("x", "a")) is None
    assert chosen(listed(otherwise=noted)) is None
    inner = OnMatch(tree=by_value({"a": OnMatch(action=1)}), keep_matching=True)
    assert chosen(listed((exact("a"), inner), otherwise=OnMatch(action=4)), ("x", "a")) == 4


def test_a_shorter_prefix_is_asked_when_a_longer_one_only_keeps_matching() -> None:
    tree = by_value({"ab": OnMatch(action=1, keep_matching=True), "a": OnMatch(action=2)}, kind="prefix")
    assert chosen(tree, ("x", "abc")) == 2


def test_a_run_of_exact_values_answers_as_a_walk_through_it() -> None:
    fields = [(exact(f"v{n}"), OnMatch(action=n, keep_matching=n == 3)) for n in range(12)]
    tree = listed(*fields, (exact("v3"), OnMatch(action=12)), (exact("v3"), OnMatch(action=13)), otherwise=OnMatch(action=14))
    found = [chosen(tree, ("x", value), lists=15) for value in ("v0", "v3", "v11", "v12")]
    assert found == [0, 12, 11, 14]
    assert chosen(tree, lists=15) == 14


def test_runs_end_where_the_question_changes() -> None:
    run = [(exact(f"v{n}"), OnMatch(action=0)) for n in range(9)]
    tree = listed(*run, (exact("w", Y), OnMatch(action=1)), *run, (exact("v9"), OnMatch(action=2)), otherwise=OnMatch(action=3))
    assert chosen(tree, ("x", "v9"), ("y", "w")) == 1
    assert chosen(tree, ("x", "v9")) == 2
    assert chosen(tree, ("y", "v1")) == 3


@pytest.mark.parametrize(
    ("seen", "value"),
    [
        (TreeInput("query", "q"), "1"),
        (TreeInput("filter_state", "user"), "joe"),
        (TreeInput("text", "VARIABLE", "here"), "here"),
        (TreeInput("source_ip"), "10.0.0.7"),
        (TreeInput("direct_source_ip"), "fd00::1"),
        (TreeInput("destination_ip"), "127.0.0.1"),
        (TreeInput("source_port"), "5555"),
        (TreeInput("destination_port"), "80"),
        (TreeInput("header", ":path"), "/p?q=1"),
        (TreeInput("header", "x"), "a,b"),
    ],
)
def test_inputs(seen: TreeInput, value: str) -> None:
    stream = {
        "filter_state": {"user": "joe"},
        "downstream_remote": "10.0.0.7:5555",
        "downstream_direct_remote": "[fd00::1]:1",
        "downstream_local": "127.0.0.1:80",
    }
    tree = by_value({value: OnMatch(action=1)}, OnMatch(action=2), seen=seen)
    assert chosen(tree, ("x", "a"), ("x", "b"), path="/p?q=1", stream=stream) == 1
    assert chosen(by_value({"other": OnMatch(action=1)}, OnMatch(action=2), seen=seen), path="/p?q=1", stream=stream) == 2


@pytest.mark.parametrize("kind", ["text", "server_name", "source_ip", "source_port", "filter_state", "query", "header"])
def test_an_input_without_a_value_matches_nothing_not_even_an_empty_text(kind: str) -> None:
    assert chosen(by_value({"": OnMatch(action=1)}, OnMatch(action=2), seen=TreeInput(kind, "n"))) == 2


def test_ip_ranges_are_asked_from_the_most_specific_on() -> None:
    nested = OnMatch(tree=by_value({"b": OnMatch(action=3)}, seen=Y))
    ranges = ((("10.0.0.0", 8), False, OnMatch(action=1)), (("10.1.0.0", 16), False, nested), (("10.1.0.0", 16), True, OnMatch(action=4)))
    tree = MatchTree("ip", X, ranges=ranges, otherwise=OnMatch(action=5))
    assert chosen(tree, ("x", "10.1.2.3"), ("y", "b")) == 3
    assert chosen(tree, ("x", "10.1.2.3")) == 1
    assert chosen(tree, ("x", "11.0.0.0")) == 5


def test_ten_thousand_branches_each_lead_to_their_routes() -> None:
    entries = {f"/team{n}/": OnMatch(action=n) for n in range(10_000)}
    face = face_of(by_value(entries, kind="prefix", seen=TreeInput("header", ":path")), 10_000)
    for n in (0, 17, 9_999):
        found = face.find("a", f"/team{n}/x")
        assert found is not None and found.cluster == str(n)
    assert face.find("a", "/team10000/x") is None


def test_only_the_chosen_list_is_looked_at() -> None:
    routes = (
        Route(RouteMatch("prefix", "/a"), Forward("one")),
        Route(RouteMatch("path", "/b"), Forward("two")),
        Route(RouteMatch("prefix", "/"), Forward("three")),
    )
    tree = by_value({"a": OnMatch(action=0)}, OnMatch(action=1))
    face = RouteTableFace(RouteTable("t", (VirtualHost("v", ("*",), routes, matcher=tree, route_lists=((0, 2), (2, 1))),)))
    assert [face.find("h", path, [("x", "a")]) and face.find("h", path, [("x", "a")]).index for path in ("/a", "/b", "/c")] == [0, 1, None]
    assert face.find("h", "/a").index == 2  # type: ignore[union-attr]
