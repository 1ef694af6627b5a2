"""The literal that a regular expression is filed under: every text that matches begins with it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshcore.bind.matchers import check_regex, regex_matches
from meshcore.bind.regex_guard import literal_prefix

PIECES = st.sampled_from(
    [
        "a",
        "b",
        "/",
        "\\.",
        ".",
        "*",
        "+",
        "?",
        "|",
        "(",
        ")",
        "(?i)",
        "(?:",
        "[ab]",
        "[^a]",
        "{0}",
        "{1,2}",
        "^",
        "$",
        "\\d",
        "\\Q",
        "\\E",
        "ü",
        "\\b",
        "\\x61",
    ]
)
TEXTS = st.text(alphabet="aAbB/.ü1", max_size=6)


@settings(max_examples=60, deadline=None)
@given(st.lists(PIECES, max_size=7).map("".join), st.lists(TEXTS, min_size=1, max_size=20))
def test_no_match_begins_otherwise(pattern: str, texts: list[str]) -> None:
    if check_regex(pattern) is not None:
        return
    prefix = literal_prefix(pattern)
    for text in (*texts, prefix, prefix[:-1], prefix.upper()):
        if regex_matches(pattern, text.encode()):
            assert text.startswith(prefix), (pattern, prefix)


@pytest.mark.parametrize(
    ("pattern", "prefix"),
    [
        ("/user/[0-9]+", "/user/"), ("^/a/b.*", "/a/b"), ("/a\\.b", "/a.b"), ("/ab?c", "/a"), ("/a(b|c)", "/a"),
        ("/a|/b", ""),
        ("(?i)/a", ""), ("/x(?i)a", "/x"), ("/v{2}", "/"), (".*", ""), ("/a\\d", "/a"), ("", ""),
    ],
)  # fmt: skip
def test_the_literal_is_as_long_as_it_can_be_told(pattern: str, prefix: str) -> None:
    assert literal_prefix(pattern) == prefix


def test_a_pattern_says_why_it_is_refused() -> None:
    assert "missing" in check_regex("(a")
    assert "substitution" in check_regex("(a)", "\\2")
    assert check_regex("(a)(b)", "\\2\\1\\0") is None
