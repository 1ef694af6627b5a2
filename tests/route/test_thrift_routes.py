"""Thrift routes: what matches, in which order, and what becomes of name and cluster; against Envoy's walk through the list."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshcore.bind.spec import HeaderMatch, StringMatch, WeightedCluster
from meshcore.bind.thrift_routes import ThriftRouteFace, live_tables
from meshcore.bind.thrift_spec import ThriftRoute, ThriftRoutes

Pairs = list[tuple[bytes, bytes]]


def table(*routes: ThriftRoute) -> ThriftRouteFace:
    return ThriftRouteFace(ThriftRoutes("r", routes))


def exact(name: str, value: str, **other: bool) -> HeaderMatch:
    return HeaderMatch(name, StringMatch("exact", value), **other)


def test_the_first_route_that_matches_wins() -> None:
    found = table(
        ThriftRoute(method_name="add", headers=(exact("v", "2"),), cluster="two"),
        ThriftRoute(method_name="add", cluster="one"),
        ThriftRoute(service_name="calc", cluster="calc"),
        ThriftRoute(method_name="", cluster="any"),
        ThriftRoute(method_name="never", cluster="never"),
    )
    assert found.find(b"add") == (1, "one", b"add")
    assert found.find(b"add", [(b"V", b"2")]) == (0, "two", b"add")
    assert found.find(b"calc:add") == (2, "calc", b"calc:add")
    assert found.find(b"calcadd") == (3, "any", b"calcadd")
    assert found.find(b"never") == (3, "any", b"never")


def test_no_route_is_none() -> None:
    assert table().find(b"add") is None
    assert table(ThriftRoute(method_name="add", cluster="c")).find(b"ad") is None
    assert table(ThriftRoute(method_name="add", cluster="c")).find(b"") is None


def test_a_service_may_hold_colons_and_end_in_one() -> None:
    found = table(ThriftRoute(service_name="a:b", cluster="ab"), ThriftRoute(service_name="a:", cluster="a"))
    assert found.find(b"a:b:c") == (0, "ab", b"a:b:c")
    assert found.find(b"a:bc") == (1, "a", b"a:bc")
    assert found.find(b"a:") == (1, "a", b"a:")
    assert found.find(b"a") is None


def test_inverting_concerns_the_name_and_not_the_headers() -> None:
    found = table(
        ThriftRoute(method_name="add", invert=True, headers=(exact("k", "v"),), cluster="no"),
        ThriftRoute(service_name="s", invert=True, cluster="other"),
    )
    assert found.find(b"sub", [(b"k", b"v")]) == (0, "no", b"sub")
    assert found.find(b"add", [(b"k", b"v")]) == (1, "other", b"add")
    assert found.find(b"sub") == (1, "other", b"sub")
    assert found.find(b"s:sub") is None


def test_names_that_begin_with_a_colon_are_headers_too() -> None:
    found = table(ThriftRoute(method_name="", headers=(exact(":dest", "/s/there"),), cluster="c"))
    assert found.find(b"m", [(b":dest", b"/s/there")]) == (0, "c", b"m")
    assert found.find(b"m", [(b":dest", b"/s/here")]) is None


def test_a_service_is_stripped_up_to_its_first_colon() -> None:
    found = table(ThriftRoute(method_name="", strip_service_name=True, cluster="c"))
    assert [found.find(name) for name in (b"s:m", b"m", b"a:b:c", b":m")] == [
        (0, "c", b"m"),
        (0, "c", b"m"),
        (0, "c", b"b:c"),
        (0, "c", b"m"),
    ]


def test_a_cluster_comes_from_a_header_or_by_weight() -> None:
    found = table(
        ThriftRoute(method_name="by", cluster_header="X-Cluster"),
        ThriftRoute(method_name="", weighted=(WeightedCluster("a", 1), WeightedCluster("none", 0), WeightedCluster("b", 3))),
    )
    assert found.find(b"by", [(b"x-cluster", b"there")]) == (0, "there", b"by")
    assert found.find(b"by") == (1, "a", b"by")
    assert [found.find(b"m", random=n)[1] for n in range(8)] == list("abbbabbb")  # type: ignore[index]


NAMES = st.text(alphabet="ab:", max_size=5)
CONDITIONS = st.lists(st.builds(exact, st.sampled_from(["h", "k"]), st.sampled_from("12"), invert=st.booleans()), max_size=2).map(tuple)
METHODS = st.builds(ThriftRoute, method_name=NAMES, invert=st.booleans(), headers=CONDITIONS, cluster=st.just("c"))
SERVICES = st.builds(ThriftRoute, service_name=NAMES, invert=st.booleans(), headers=CONDITIONS, cluster=st.just("c"))
CALLS = st.tuples(NAMES.map(str.encode), st.lists(st.tuples(st.sampled_from([b"h", b"k"]), st.sampled_from([b"1", b"2"])), max_size=2))


def envoy_takes(route: ThriftRoute, name: str, headers: Pairs) -> bool:
    """One step of the walk, as Envoy's documentation tells it."""
    for condition in route.headers:
        assert condition.string is not None
        values = [value.decode() for key, value in headers if key.decode() == condition.name]
        if not values or (condition.string.value in values) == condition.invert:
            return False
    wanted = route.method_name if route.method_name is not None else route.service_name or ""
    if route.method_name is None:
        wanted += "" if not wanted or wanted.endswith(":") else ":"
        return (not wanted or name.startswith(wanted)) != route.invert
    return (not wanted or name == wanted) != route.invert


@pytest.mark.slow
@given(routes=st.lists(METHODS | SERVICES, max_size=12), call=CALLS)
@settings(max_examples=400, deadline=None)
def test_the_index_finds_what_a_walk_through_the_list_finds(routes: list[ThriftRoute], call: tuple[bytes, Pairs]) -> None:
    name, headers = call
    expected = next((i for i, route in enumerate(routes) if envoy_takes(route, name.decode(), headers)), None)
    found = table(*routes).find(name, headers)
    assert (found[0] if found else None) == expected


@pytest.mark.slow
def test_ten_thousand_routes_cost_what_ten_cost() -> None:
    def seconds(n: int) -> float:
        half = n // 2
        methods = (ThriftRoute(method_name=f"method{i}", cluster="c") for i in range(half))
        tenants = (ThriftRoute(method_name="", headers=(exact("tenant", str(i)),), cluster="c") for i in range(half))
        found = table(*methods, *tenants)
        call, headers = f"method{half - 1}".encode(), [(b"tenant", str(half - 1).encode())]
        assert found.find(call, headers) == (half - 1, "c", call)
        assert found.find(b"else", headers) == (n - 1, "c", b"else")
        best = 1.0
        for _ in range(50):
            start = time.perf_counter()
            found.find(call, headers)
            found.find(b"else", headers)
            best = min(best, time.perf_counter() - start)
        return best

    assert seconds(10_000) < 5 * seconds(10) + 5e-6


def test_tables_end_with_their_faces() -> None:
    before = live_tables()
    kept = [table(ThriftRoute(method_name="m", headers=(HeaderMatch("h", StringMatch("regex", "a.*")),), cluster="c")) for _ in range(5)]
    assert live_tables() == before + 5
    with pytest.raises(ValueError, match="regular expression"):
        table(ThriftRoute(method_name="m", headers=(HeaderMatch("h", StringMatch("regex", "(")),), cluster="c"))
    kept.clear()
    assert live_tables() == before
