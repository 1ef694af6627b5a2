"""Header and query conditions: the same table through Envoy and through the compiled one.

Each condition gets a path of its own ("/c<number>"), so one Envoy answers for all of them.
"""

from __future__ import annotations

import itertools
from functools import partial
from pathlib import Path

import pytest

from meshcore.bind.spec import HeaderMatch, QueryMatch, RouteMatch, StringMatch
from tests.route.same_route import Asked, assert_same_routes, one_host, words

S = StringMatch
H = partial(HeaderMatch, "x-h")
STRINGS = (
    S("exact", "abc"),
    S("exact", "AbC", True),
    S("prefix", "ab"),
    S("prefix", "AB", True),
    S("suffix", "bc"),
    S("suffix", "BC", True),
    S("contains", "b"),
    S("contains", "B", True),
    S("contains", "aab"),
    S("regex", "a.c"),
    S("regex", "a|abc"),
    S("regex", ".*"),
)
LARGEST = 9223372036854775807
RANGES = ((-5, 10), (0, 1), (LARGEST - 1, LARGEST))
PLAIN = (
    *({"string": string} for string in STRINGS),
    *({"range": some} for some in RANGES),
    {"present": True},
    {"present": False},
    {},
)
VALUES = (
    *(None, "", "abc", "ABC", "xabcx", "ab", "bc", "a", "aab", "aaab", "1 2", "5\t6"),
    *("5", "-5", "10", "+3", "3.0", "0x1", "1e1", "007"),
    *("99999999999999999999", "9223372036854775806", "9223372036854775807", "-9223372036854775808"),
)


def numbered(conditions: list[HeaderMatch]) -> list[RouteMatch]:
    return [RouteMatch("path", f"/c{i}", headers=(condition,)) for i, condition in enumerate(conditions)]


@pytest.mark.slow
def test_header_conditions_hold_for_the_same_values(tmp_path: Path) -> None:
    conditions = [
        H(**plain, invert=invert, treat_missing_as_empty=missing)
        for plain, invert, missing in itertools.product(PLAIN, (False, True), (False, True))
    ]
    conditions.append(HeaderMatch("X-H", string=S("exact", "abc")))
    asked: list[Asked] = [
        ("a", f"/c{i}", [] if value is None else [("x-h", value)], "GET")
        for i, value in itertools.product(range(len(conditions)), VALUES)
    ]
    assert_same_routes(one_host(numbered(conditions)), asked, tmp_path)


@pytest.mark.slow
def test_a_repeated_header_matches_by_its_values(tmp_path: Path) -> None:
    strings = [S("exact", text) for text in ("a", "b", "c", "a,b", "")]
    strings += [S("prefix", "b"), S("regex", "b|c"), S("regex", "[ab]"), S("contains", ",")]
    plain = [{"string": one} for one in strings] + [{"range": (5, 6)}, {"present": True}, {"present": False}]
    conditions = [
        H(**one, invert=invert, treat_missing_as_empty=missing)
        for one, invert, missing in itertools.product(plain, (False, True), (False, True))
    ]
    several = ("a b", "b a", "a a", "a,b", "a _", "_ b", "5 9", "9 5", "c d", "a b c", "x 5 b")
    asked: list[Asked] = [
        ("a", f"/c{i}", [("x-h", value.strip("_")) for value in values.split()], "GET")
        for i, values in itertools.product(range(len(conditions)), several)
    ]
    assert_same_routes(one_host(numbered(conditions)), asked, tmp_path)


@pytest.mark.slow
def test_pseudo_headers_and_headers_of_one_line_are_seen(tmp_path: Path) -> None:
    conditions = (
        H(string=S("exact", "a,b")),
        H(string=S("exact", "a")),
        H(string=S("exact", "a, b")),
        HeaderMatch("accept", string=S("exact", "a,b")),
        HeaderMatch("accept", string=S("exact", "a")),
        HeaderMatch("cookie", string=S("contains", "b")),
        HeaderMatch("cookie", string=S("exact", "a; b")),
        HeaderMatch("cookie", string=S("exact", "a,b")),
        HeaderMatch(":method", string=S("exact", "POST")),
        HeaderMatch(":method", string=S("exact", "GET")),
        HeaderMatch(":authority", string=S("exact", "Some.Host:81")),
        HeaderMatch(":authority", string=S("prefix", "some")),
        HeaderMatch("host", string=S("exact", "Some.Host:81")),
        HeaderMatch("host", present=True),
        HeaderMatch(":path", string=S("suffix", "?q=1")),
        HeaderMatch(":scheme", string=S("exact", "http")),
        HeaderMatch(":scheme", present=True),
        HeaderMatch(":protocol", present=True),
        HeaderMatch(":status", present=True),
        HeaderMatch("content-length", range=(0, 1)),
        HeaderMatch("x-forwarded-proto", string=S("exact", "http")),
    )
    heads = (
        [("x-h", "a"), ("x-h", "b")],
        [("x-h", "a"), ("y", "1"), ("x-h", "b")],
        [("accept", "a"), ("accept", "b")],
        [("cookie", "a"), ("cookie", "b")],
        [],
    )
    # The connection manager adds x-forwarded-proto where it is missing.
    proto = ("x-forwarded-proto", "http")
    asked: list[Asked] = []
    for i in range(len(conditions)):
        asked += [("Some.Host:81", f"/c{i}x?q=1", [*head, proto], "GET") for head in heads]
        asked.append(("Some.Host:81", f"/c{i}x", [("content-length", "0"), proto], "POST"))
    matches = [RouteMatch("prefix", f"/c{i}x", headers=(c,)) for i, c in enumerate(conditions)]
    assert_same_routes(one_host(matches), asked, tmp_path)


@pytest.mark.slow
def test_query_conditions_hold_for_the_same_queries(tmp_path: Path) -> None:
    conditions = [QueryMatch("q", string=string) for string in STRINGS]
    conditions += [QueryMatch("q", string=S("exact", text)) for text in ("", "a b", "a%20b", "a+b", "1?2", "1=2")]
    conditions += [QueryMatch("q", present=True), QueryMatch("q", present=False), QueryMatch("q")]
    conditions += [QueryMatch(name, present=True) for name in ("Q", "a b", "a%20b")]
    conditions.append(QueryMatch("r", string=S("exact", "2")))
    queries = words(
        """
        ? ?q ?q= ?q=abc ?q=ABC ?q=ab ?q=xabc ?q=abc&q=zzz ?q=zzz&q=abc ?r=1&q=abc ?Q=abc ?a%20b=1 ?q=a%20b ?q=a+b
        ?&&q=abc ?=x&q=abc ?qq=abc ?q=1?2 ?q=1=2 ?q=abc&r=2 ?r=2;q=abc ?%71=abc ?q=aab ?r&q ?q&r=2
    """
    )
    asked: list[Asked] = [
        ("a", f"/c{i}{query}", [], "GET") for i, query in itertools.product(range(len(conditions)), ("", *queries))
    ]
    matches = [RouteMatch("path", f"/c{i}", query=(c,)) for i, c in enumerate(conditions)]
    assert_same_routes(one_host(matches), asked, tmp_path)
