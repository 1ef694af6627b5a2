"""The compiled table gives what a walk in configured order gives, whatever the table and the request."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meshcore.bind.route_face import RouteTableFace
from meshcore.bind.spec import Forward, HeaderMatch, Route, RouteMatch, RouteTable, StringMatch, VirtualHost
from tests.route import tables
from tests.route.linear import find_host, find_route

REQUEST = st.tuples(
    tables.AUTHORITIES, tables.REQUEST_PATHS, tables.REQUEST_HEADERS, tables.METHODS, st.integers(0, 199)
)


def table_of(*matches: RouteMatch, **options: object) -> RouteTable:
    routes = tuple(Route(match, Forward(f"c{i}"), name=f"r{i}") for i, match in enumerate(matches))
    return RouteTable("t", (VirtualHost("v", ("*",), routes),), **options)


def index_of(
    table: RouteTable, path: str, headers: list[tuple[str, str]] | None = None, method: str = "GET"
) -> int | None:
    found = RouteTableFace(table).find("a", path, headers or [], method)
    return None if found is None else found.index


@pytest.mark.slow
@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tables.tables(), st.lists(REQUEST, min_size=1, max_size=12))
def test_any_table_answers_as_the_linear_walk(table: RouteTable, requests: list[tuple]) -> None:
    face = RouteTableFace(table)
    for authority, path, headers, method, random in requests:
        host = find_host(table, authority)
        assert face.host(authority) == (host.name if host is not None else None)
        index = find_route(table, host, path, headers, method, random) if host is not None else None
        found = face.find(authority, path, headers, method, random)
        assert (found.index if found is not None else None) == index, (host, authority, path, headers, method, random)


@pytest.mark.slow
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    tables.CROWD, st.lists(st.tuples(st.sampled_from(["/", "/a", "/b"]), tables.CROWD_HEADERS), min_size=1, max_size=10)
)
def test_crowds_of_header_conditions_answer_as_the_linear_walk(routes: tuple, requests: list[tuple]) -> None:
    host = VirtualHost("v", ("*",), routes)
    table = RouteTable("t", (host,))
    face = RouteTableFace(table)
    for path, headers in requests:
        seen = [(":method", "GET"), ("host", "a"), *joined(headers, "accept")]
        index = find_route(table, host, path, seen, "GET", 0)
        found = face.find("a", path, headers)
        assert (found.index if found is not None else None) == index


def joined(headers: list[tuple[str, str]], name: str) -> list[tuple[str, str]]:
    values = [value for key, value in headers if key == name]
    return [one for one in headers if one[0] != name] + ([(name, ",".join(values))] if values else [])


def test_a_thousand_tenants_behind_one_prefix_are_told_apart_by_their_header() -> None:
    def tenant(value: str) -> RouteMatch:
        return RouteMatch(
            "prefix",
            "/",
            headers=(
                HeaderMatch(":method", string=StringMatch("exact", "GET")),
                HeaderMatch("x-tenant", string=StringMatch("exact", value)),
            ),
        )

    table = table_of(*(tenant(str(n)) for n in range(1000)), RouteMatch("prefix", "/"))
    face = RouteTableFace(table)
    assert [face.find("a", "/x", [("x-tenant", str(n))]).index for n in (0, 1, 500, 999)] == [0, 1, 500, 999]
    assert face.find("a", "/x", [("x-tenant", "none"), ("x-tenant", "7")]).index == 7
    assert face.find("a", "/x", [("x-tenant", "1000")]).index == 1000
    assert face.find("a", "/x", [("x-tenant", "7")], method="POST").index == 1000


def test_an_earlier_prefix_wins_over_a_later_exact_path() -> None:
    table = table_of(RouteMatch("prefix", "/a"), RouteMatch("path", "/a/b"))
    assert index_of(table, "/a/b") == 0


def test_a_failed_condition_gives_way_to_the_next_route_in_order() -> None:
    header = HeaderMatch("x", string=StringMatch("exact", "1"))
    table = table_of(
        RouteMatch("prefix", "/", headers=(header,)), RouteMatch("path", "/a"), RouteMatch("prefix", "/a",
        headers=(header,)),
        RouteMatch("prefix", "/"),
    )  # fmt: skip
    assert index_of(table, "/a", [("x", "1")]) == 0
    assert index_of(table, "/a") == 1
    assert index_of(table, "/ab") == 3


def test_a_regex_before_a_prefix_wins_and_after_it_loses() -> None:
    regex, prefix = RouteMatch("regex", "/user/[0-9]+"), RouteMatch("prefix", "/user/")
    assert index_of(table_of(regex, prefix), "/user/12") == 0
    assert index_of(table_of(prefix, regex), "/user/12") == 0
    assert index_of(table_of(regex, prefix), "/user/x") == 1


def test_letter_case_counts_per_route() -> None:
    table = table_of(RouteMatch("path", "/Mixed", case_sensitive=False), RouteMatch("prefix", "/mixed"))
    assert index_of(table, "/MIXED") == 0
    assert index_of(table, "/mixed") == 0
    assert index_of(table, "/mixed/x") == 1
    assert index_of(table, "/MIXED/x") is None


@pytest.mark.slow
def test_ten_thousand_nested_prefixes_are_walked_without_recursion() -> None:
    deepest = 10_000
    table = table_of(*(RouteMatch("prefix", "/" + "a" * n) for n in range(deepest, 0, -1)))
    assert index_of(table, "/" + "a" * deepest) == 0
    assert index_of(table, "/" + "a" * (deepest - 7)) == 7
    assert index_of(table, "/b") is None


def test_every_first_byte_may_have_a_route() -> None:
    paths = [f"/x{chr(n)}/end" for n in range(1, 127) if chr(n) not in "?#"]
    face = RouteTableFace(table_of(*(RouteMatch("prefix", path) for path in paths)))
    assert [face.find("a", path).index for path in paths] == list(range(len(paths)))


def test_paths_beyond_ascii_are_bytes() -> None:
    # "é" and "ü" share their first byte.
    table = table_of(RouteMatch("prefix", "/é"), RouteMatch("prefix", "/ü"), RouteMatch("prefix", "/x"))
    assert index_of(table, "/über") == 1
    assert index_of(table, "/été") == 0
    assert index_of(table, "/ö") is None


def test_a_request_without_path_meets_connect_routes_only() -> None:
    table = table_of(RouteMatch("prefix", "/"), RouteMatch("prefix", ""), RouteMatch("connect", ""))
    assert index_of(table, "", method="CONNECT") == 2
    assert index_of(table, "", method="GET") is None


def test_an_empty_table_and_an_empty_host_have_no_route() -> None:
    assert RouteTableFace(RouteTable("t", ())).find("a", "/") is None
    assert index_of(table_of(), "/") is None


def test_a_domain_that_stands_twice_is_refused() -> None:
    hosts = (VirtualHost("v", ("a.com",), ()), VirtualHost("w", ("A.com",), ()))
    with pytest.raises(ValueError, match="stands twice"):
        RouteTableFace(RouteTable("t", hosts))


def test_a_bad_regex_is_refused_with_its_reason() -> None:
    with pytest.raises(ValueError, match="missing \\)"):
        RouteTableFace(table_of(RouteMatch("regex", "/(a")))


def test_host_names_longer_than_any_dns_name_still_match_wildcards() -> None:
    table = RouteTable("t", (VirtualHost("v", ("*.com",), ()), VirtualHost("w", ("*",), ())))
    face = RouteTableFace(table)
    assert face.host("a" * 5000 + ".com") == "v"
    assert face.host("a" * 5000) == "w"


def test_without_an_authority_only_a_lone_catch_all_answers() -> None:
    assert RouteTableFace(table_of(RouteMatch("prefix", "/"))).host(None) == "v"
    assert RouteTableFace(RouteTable("t", (VirtualHost("v", ("*", "a"), ()),))).host(None) is None
