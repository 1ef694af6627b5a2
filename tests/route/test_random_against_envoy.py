"""Random tables through a real Envoy: the same virtual host and the same route for every request."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from meshcore.bind.route_face import RouteTableFace
from meshcore.bind.spec import HeaderMatch, QueryMatch, RouteTable
from tests.route import tables
from tests.route.real_envoy import ask_envoy, request

PATHS = tables.REQUEST_PATHS.filter(lambda path: path and "#" not in path)


def acceptable(match: HeaderMatch | QueryMatch) -> bool:
    """Envoy refuses empty prefixes, suffixes and infixes."""
    return match.string is None or match.string.kind == "exact" or match.string.value != ""


def as_envoy_accepts(table: RouteTable) -> RouteTable:
    def tame(route):
        match = route.match
        headers = tuple(h for h in match.headers if acceptable(h))
        return replace(
            route,
            match=replace(
                match, headers=headers, query=tuple(q for q in match.query if acceptable(q)), runtime_fraction=None
            ),
        )

    return replace(
        table, virtual_hosts=tuple(replace(h, routes=tuple(map(tame, h.routes))) for h in table.virtual_hosts)
    )


@pytest.mark.slow
@settings(
    max_examples=12, deadline=None, derandomize=True, phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)  # fmt: skip
@given(
    tables.tables().map(as_envoy_accepts),
    st.lists(tables.AUTHORITIES, min_size=3, max_size=5, unique=True),
    st.lists(PATHS, min_size=5, max_size=8, unique=True),
    st.lists(tables.REQUEST_HEADERS, min_size=2, max_size=3),
)
def test_random_tables_answer_as_envoy(
    tmp_path: Path, table: RouteTable, authorities: list[str], paths: list[str], heads: list[list[tuple[str, str]]]
) -> None:
    asked = list(itertools.product(authorities, paths, heads))
    answers = ask_envoy(table, [request(*one) for one in asked], tmp_path, answer_index=True)
    face = RouteTableFace(table)
    for (authority, path, headers), answer in zip(asked, answers, strict=True):
        found = face.find(authority, path, headers)
        ours = None if found is None else f"{found.virtual_host}/{found.index}"
        assert answer.status in (200, 404)
        assert ours == (answer.body if answer.status == 200 else None), (authority, path, headers)
