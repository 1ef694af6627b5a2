"""Path rewrites and redirect locations: the compiled route against Envoy, byte for byte."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from meshcore.bind.route_face import RouteTableFace
from meshcore.bind.spec import Forward, Redirect, Route, RouteMatch, RouteTable, VirtualHost
from tests.route.real_envoy import ask_envoy, request

QUERIES = ("", "?a=1", "?", "?x?y", "?a=/c0/b")


def table_of(routes: list[Route]) -> RouteTable:
    return RouteTable("t", (VirtualHost("v", ("*",), tuple(routes)),))


def numbered(index: int, match: RouteMatch) -> RouteMatch:
    """The condition on a path of its own; two digits, so that none begins like another."""
    return replace(match, path=match.path.replace("/c", f"/c{index + 10}", 1))


REWRITES = (
    (RouteMatch("prefix", "/c"), Forward("up", prefix_rewrite="/")),
    (RouteMatch("prefix", "/c/"), Forward("up", prefix_rewrite="/")),
    (RouteMatch("prefix", "/c/"), Forward("up", prefix_rewrite="/new/")),
    (RouteMatch("prefix", "/c/B", case_sensitive=False), Forward("up", prefix_rewrite="/lower/")),
    (RouteMatch("path", "/c/b"), Forward("up", prefix_rewrite="/exact")),
    (RouteMatch("path_separated_prefix", "/c"), Forward("up", prefix_rewrite="/sep")),
    (RouteMatch("regex", "/c/.*"), Forward("up", prefix_rewrite="/whole")),
    (RouteMatch("prefix", "/c"), Forward("up", regex_rewrite=("/([a-z]+)", "/<\\1>"))),
    (RouteMatch("prefix", "/c"), Forward("up", regex_rewrite=("^/c[0-9]+/(.*)$", "/moved/\\1/\\0"))),
    (RouteMatch("prefix", "/c"), Forward("up", regex_rewrite=("b*", "-"))),
    (RouteMatch("prefix", "/c"), Forward("up", regex_rewrite=("none", "x"))),
    (RouteMatch("prefix", "/c"), Forward("up", regex_rewrite=("/", "//"))),
    (RouteMatch("regex", "/c/(.*)"), Forward("up", regex_rewrite=("/c[0-9]+/(.*)", "/re/\\1"))),
    (RouteMatch("prefix", "/c"), Forward("up")),
)


@pytest.mark.slow
def test_paths_go_upstream_as_envoy_rewrites_them(tmp_path: Path) -> None:
    table = table_of([Route(numbered(i, m), action) for i, (m, action) in enumerate(REWRITES)])
    paths = [
        f"/c{i + 10}{tail}{query}"
        for i, tail, query in itertools.product(range(len(REWRITES)), ("", "/b", "/bb/b", "/"), QUERIES)
    ]
    face = RouteTableFace(table)
    answers = ask_envoy(table, [request("a", path) for path in paths], tmp_path)
    ours = [face.rewrite("a", path) for path in paths]
    theirs = [a.body.split(" ")[1] if a.status == 200 else None for a in answers]
    wrong = [one for one in zip(paths, ours, theirs, strict=True) if one[1] != one[2]]
    assert not wrong, "\n".join(map(str, wrong))
    assert sum(path is not None for path in theirs) > len(paths) / 3


PREFIX = RouteMatch("prefix", "/c")
REDIRECTS = (
    (PREFIX, Redirect(scheme="https")),
    (PREFIX, Redirect(scheme="https", port=8443)),
    (PREFIX, Redirect(scheme="ftp")),
    (PREFIX, Redirect(scheme="http")),
    (PREFIX, Redirect(host="new.example")),
    (PREFIX, Redirect(host="new.example:81", port=82)),
    (PREFIX, Redirect(port=81)),
    (PREFIX, Redirect(port=80)),
    (PREFIX, Redirect(path_redirect="/other")),
    (PREFIX, Redirect(path_redirect="/other?own=1")),
    (PREFIX, Redirect(path_redirect="/other?own=1", strip_query=True)),
    (PREFIX, Redirect(path_redirect="/other", strip_query=True)),
    (PREFIX, Redirect(path_redirect="relative")),
    (PREFIX, Redirect(strip_query=True)),
    (PREFIX, Redirect(prefix_rewrite="/pre")),
    (PREFIX, Redirect(prefix_rewrite="/pre", strip_query=True)),
    (RouteMatch("path", "/c/b"), Redirect(prefix_rewrite="/pre")),
    (RouteMatch("regex", "/c/.*"), Redirect(prefix_rewrite="/pre")),
    (PREFIX, Redirect(regex_rewrite=("/c([0-9]+)/(.*)", "/\\2/\\1"))),
    (PREFIX, Redirect(regex_rewrite=("b", "c"), strip_query=True, scheme="https", host="h")),
    (PREFIX, Redirect(regex_rewrite=(".*", ""))),
    (PREFIX, Redirect(host="h", response_code=308)),
)
AUTHORITIES = ("a.com", "a.com:80", "a.com:443", "a.com:8080", "[::1]", "[::1]:80", "[::1]:443", "A.com:")


@pytest.mark.slow
@pytest.mark.parametrize("proto", ["http", "https"])
def test_locations_are_those_of_envoy(tmp_path: Path, proto: str) -> None:
    table = table_of([Route(numbered(i, m), action) for i, (m, action) in enumerate(REDIRECTS)])
    asked = [
        (authority, f"/c{i + 10}{tail}{query}")
        for i, authority, tail, query in itertools.product(range(len(REDIRECTS)), AUTHORITIES, ("", "/b"), QUERIES[:3])
    ]
    headers = [("x-forwarded-proto", proto)]
    face = RouteTableFace(table)
    answers = ask_envoy(table, [request(authority, path, headers) for authority, path in asked], tmp_path)
    wrong = []
    for (authority, path), answer in zip(asked, answers, strict=True):
        # The connection manager takes the scheme from x-forwarded-proto.
        ours = face.location(authority, path, headers, scheme=proto)
        if ours != answer.first("location"):
            wrong.append((authority, path, "ours", ours, "envoy", answer.first("location"), answer.status))
    assert not wrong, "\n".join(map(str, wrong))
    assert {answer.status for answer in answers} >= {301, 308}


@pytest.mark.slow
def test_a_host_that_requires_tls_redirects_to_the_same_address(tmp_path: Path) -> None:
    table = RouteTable("t", (VirtualHost("v", ("*",), (Route(PREFIX, Forward("up")),), require_tls="all"),))
    asked = [(authority, path) for authority in AUTHORITIES for path in ("/c", "/none?x=1")]
    face = RouteTableFace(table)
    answers = ask_envoy(table, [request(*one) for one in asked], tmp_path)
    wrong = [
        (one, face.location(*one, tls=True), answer.first("location"), answer.status)
        for one, answer in zip(asked, answers, strict=True)
        if face.location(*one, tls=True) != answer.first("location")
    ]
    assert {answer.status for answer in answers} == {301}
    assert not wrong, "\n".join(map(str, wrong))
