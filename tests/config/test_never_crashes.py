"""Whatever stands in a configuration, loading it ends with a plan or with a ConfigError, never with anything else.

Hypothesis takes a complete configuration apart: it replaces, removes or renames a random part of it.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh.config import ConfigError, load
from mesh.config.source import from_path

ENVOY = from_path(Path(__file__).parent / "everything.yaml").tree
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "short-form.md").read_text()
SHORT_TEXT = PAGE.rsplit("```yaml\n", 1)[1].partition("```")[0]

JUNK: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, 2**64, 1.5, float("nan"), "", " ", "x", "\x00", "\ud800", "%", "%PROTOCOL",
    "3s", "-3s", "1e400", "/", "*", "(", "a:b:c", "[::", "https://[", "@", [], [[]], [None], {}, {"": None}, {1: 2},
    {None: {}}, {"\ud800": 1}, [{1: 2}], {"@type": "x"}, {"x": {"y": [{}]}},
    {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "1s"},
    {"@type": "type.googleapis.com/xds.type.v3.TypedStruct"},
]  # fmt: skip


def places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of everything in the tree but the root."""
    found = [path] if path else []
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        found += places(value, (*path, key))
    return found


def damaged(tree: Any, path: tuple[Any, ...], how: str, junk: Any) -> Any:
    tree = copy.deepcopy(tree)
    owner = tree
    for key in path[:-1]:
        owner = owner[key]
    if how == "replace":
        owner[path[-1]] = junk
    elif how == "remove":
        del owner[path[-1]]
    elif how == "add" and isinstance(owner[path[-1]], dict):
        owner[path[-1]][5 if junk is None else "\ud800"] = junk
    elif isinstance(owner, dict):
        owner[f"{path[-1]}x"] = owner.pop(path[-1])
    else:
        owner.append(owner[path[-1]])
    return tree


def check(tree: Any) -> None:
    try:
        plan = load(tree).plan
    except ConfigError as error:
        assert error.problems and all(str(problem) for problem in error.problems)
    else:
        assert plan is not None


ENVOY_PLACES = places(ENVOY)
HOW = st.sampled_from(["replace", "remove", "rename", "add"])
UNHURRIED = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.slow
@UNHURRIED
@given(st.sampled_from(ENVOY_PLACES), HOW, st.sampled_from(JUNK))
def test_a_damaged_bootstrap_is_a_plan_or_a_config_error(path: tuple[Any, ...], how: str, junk: Any) -> None:
    check(damaged(ENVOY, path, how, junk))


@pytest.fixture(scope="module")
def short_tree(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("short") / "mesh.yaml"
    path.write_text(SHORT_TEXT)
    return from_path(path).tree


@pytest.mark.slow
@pytest.mark.parametrize("how", ["replace", "remove", "rename", "add"])
def test_a_damaged_short_form_is_a_plan_or_a_config_error(short_tree: Any, how: str) -> None:
    for path in places(short_tree):
        for junk in JUNK if how == "replace" else JUNK[:1]:
            check(damaged(short_tree, path, how, junk))


@pytest.mark.slow
@UNHURRIED
@given(st.text(max_size=200))
def test_any_text_is_a_plan_or_a_config_error(text: str) -> None:
    try:
        load(None, overlay=text or "~")
    except ConfigError as error:
        assert error.problems
