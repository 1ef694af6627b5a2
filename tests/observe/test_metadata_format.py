"""%DYNAMIC_METADATA%, %METADATA(DYNAMIC:..)% and %FILTER_STATE%: what filters left on a stream, as text and as JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshcore.bind.format import Formatter

FACTS: dict[str, Any] = {
    "metadata": {
        "ns": {"text": 'a"b', "half": 0.5, "many": 12345678, "yes": True, "none": None, "deep": {"z": [1, "x"], "a": {}}},
        "other.ns": {"k": "v"},
    },
    "filter_state": {"user": 'jo"e', "empty": ""},
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%DYNAMIC_METADATA(ns:text)%", 'a"b'),
        ("%DYNAMIC_METADATA(ns:text):2%", 'a"'),
        ("%DYNAMIC_METADATA(ns:half)%", "0.5"),
        ("%DYNAMIC_METADATA(ns:many)%", "12345678"),
        ("%DYNAMIC_METADATA(ns:yes)%", "true"),
        ("%DYNAMIC_METADATA(ns:none)%", "-"),
        ("%DYNAMIC_METADATA(ns:deep)%", '{"a":{},"z":[1,"x"]}'),
        ("%DYNAMIC_METADATA(ns:deep:z)%", '[1,"x"]'),
        ("%DYNAMIC_METADATA(ns:deep:z:k)%", "-"),
        ("%DYNAMIC_METADATA(other.ns)%", '{"k":"v"}'),
        ("%DYNAMIC_METADATA(absent:k)%", "-"),
        ("%METADATA(DYNAMIC:other.ns:k)%", "v"),
        ("%METADATA(ROUTE:other.ns:k)%", "-"),
        ("%FILTER_STATE(user:PLAIN)%", 'jo"e'),
        ("%FILTER_STATE(user)%", '"jo\\"e"'),
        ("%FILTER_STATE(user:TYPED):3%", '"jo'),
        ("%FILTER_STATE(user:FIELD:x)%", "-"),
        ("%FILTER_STATE(absent)%", "-"),
    ],
)
def test_operators_print_what_filters_left(text: str, expected: str) -> None:
    assert Formatter(text).write(FACTS).decode() == expected


def test_a_json_log_line_embeds_the_value_as_it_is() -> None:
    tree = {"whole": "%DYNAMIC_METADATA(ns:deep)%", "part": "<%DYNAMIC_METADATA(ns:deep)%>", "none": "%DYNAMIC_METADATA(x:y)%"}
    assert json.loads(Formatter(tree).write(FACTS)) == {
        "whole": {"a": {}, "z": [1, "x"]}, "part": '<{"a":{},"z":[1,"x"]}>', "none": None,
    }  # fmt: skip


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.slow
@given(VALUES)
def test_every_value_prints_as_json_that_reads_back(value: Any) -> None:
    written = Formatter({"v": "%DYNAMIC_METADATA(ns)%"}).write({"metadata": {"ns": {"k": value}}})
    assert json.loads(written) == {"v": {"k": value}}


def test_a_value_beyond_the_scratch_room_is_cut() -> None:
    line = Formatter("%DYNAMIC_METADATA(ns)%").write({"metadata": {"ns": {"k": ["x" * 100] * 100}}})
    assert line.startswith(b'{"k":["xxx') and len(line) <= 4096
