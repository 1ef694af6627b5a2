"""Strategies for route tables and requests that collide often: few letters, short paths, nested prefixes, repeated
conditions."""

from __future__ import annotations

from hypothesis import strategies as st

from meshcore.bind.spec import (
    Forward,
    HeaderMatch,
    QueryMatch,
    Route,
    RouteMatch,
    RouteTable,
    RuntimeFraction,
    StringMatch,
    VirtualHost,
)

PATHS = st.lists(st.sampled_from(["a", "b", "A", "/", "aa", "/a", "ab/", "."]), max_size=5).map(
    lambda parts: "/" + "".join(parts)
)
REGEXES = st.sampled_from(
    [
        "/a.*",
        "/a",
        "/(a|b)+",
        "/ab?",
        ".*",
        "/[ab]/.*",
        "/a|/b",
        "/aa{0,2}",
        "(?i)/a/?",
        "/\\.*a",
        "/a\\.",
        "/a(/b)?",
        "[/]a.*",
        "/\\/?a*",
    ]
)
WORDS = st.sampled_from(["", "a", "b", "ab", "A", "1", "-3"])
STRINGS = st.builds(StringMatch, st.sampled_from(["exact", "prefix", "suffix", "contains"]), WORDS, st.booleans())
HEADERS = st.one_of(
    st.builds(HeaderMatch, st.just("x-a"), string=STRINGS, invert=st.booleans(), treat_missing_as_empty=st.booleans()),
    st.builds(HeaderMatch, st.just("x-b"), present=st.booleans(), invert=st.booleans()),
    st.builds(HeaderMatch, st.just("x-a"), range=st.just((-5, 2)), invert=st.booleans()),
)
QUERIES = st.one_of(
    st.builds(QueryMatch, st.sampled_from(["p", "q"]), string=STRINGS),
    st.builds(QueryMatch, st.sampled_from(["p", "q"]), present=st.booleans()),
)
FRACTIONS = st.sampled_from([None, None, None, *map(RuntimeFraction, (0, 50, 100))])
CONDITIONS = {
    "headers": st.lists(HEADERS, max_size=2).map(tuple),
    "query": st.lists(QUERIES, max_size=1).map(tuple),
    "runtime_fraction": FRACTIONS,
}
BARE = st.one_of(
    st.builds(RouteMatch, st.sampled_from(["prefix", "path"]), PATHS, st.booleans()),
    st.builds(RouteMatch, st.just("path_separated_prefix"), PATHS.map(lambda p: p.rstrip("/") or "/x"), st.booleans()),
    st.builds(RouteMatch, st.just("regex"), REGEXES),
)
CONDITIONAL = st.one_of(
    st.builds(RouteMatch, st.sampled_from(["prefix", "path"]), PATHS, st.booleans(), **CONDITIONS),
    st.builds(
        RouteMatch,
        st.just("path_separated_prefix"),
        PATHS.map(lambda p: p.rstrip("/") or "/x"),
        st.booleans(),
        **CONDITIONS,
    ),
    st.builds(RouteMatch, st.just("regex"), REGEXES, **CONDITIONS),
    st.builds(RouteMatch, st.just("connect"), st.just(""), **CONDITIONS),
    st.builds(RouteMatch, st.just("prefix"), st.just("")),
)
ROUTES = st.lists(st.one_of(BARE, CONDITIONAL).map(lambda match: Route(match, Forward("c"))), max_size=14).map(tuple)
LABELS = st.lists(st.sampled_from(["a", "b", "-", ".", "a.b", ".c"]), min_size=1, max_size=4).map("".join)
DOMAINS = st.one_of(
    LABELS, LABELS.map("*{}".format), LABELS.map("{}*".format), st.just("*"), LABELS.map("{}:80".format)
)


@st.composite
def tables(draw: st.DrawFn) -> RouteTable:
    domains = draw(st.lists(DOMAINS, unique=True, min_size=1, max_size=10))
    hosts: list[list[str]] = [[] for _ in range(draw(st.integers(1, 4)))]
    for domain in domains:
        hosts[draw(st.integers(0, len(hosts) - 1))].append(domain)
    return RouteTable(
        "t",
        tuple(VirtualHost(f"v{i}", tuple(names), draw(ROUTES)) for i, names in enumerate(hosts) if names),
        ignore_port_in_host=draw(st.booleans()),
        ignore_path_parameters=draw(st.booleans()),
    )


# Many candidates for one path, told apart by header values: the same value under several names, twice, inverted, as a
# pattern.
EXACT = st.builds(
    HeaderMatch,
    st.sampled_from(["x-a", "x-b", "x-c", "accept", ":method", "host"]),
    string=st.builds(
        StringMatch,
        st.sampled_from(["exact", "exact", "exact", "prefix"]),
        WORDS,
        st.sampled_from([False, False, True]),
    ),
    invert=st.sampled_from([False, False, False, True]),
    treat_missing_as_empty=st.sampled_from([False, False, False, True]),
)
CROWD = st.lists(
    st.builds(
        RouteMatch, st.sampled_from(["prefix", "prefix", "path"]), st.sampled_from(["/", "/a"]), st.sampled_from([True,
        True, False]),
        headers=st.lists(EXACT, max_size=3).map(tuple),
    ),
    min_size=8, max_size=40,
).map(lambda matches: tuple(Route(match, Forward("c")) for match in matches))  # fmt: skip
CROWD_HEADERS = st.lists(st.tuples(st.sampled_from(["x-a", "x-b", "x-c", "accept"]), WORDS), max_size=5)

QUERY_TEXTS = st.sampled_from(["", "", "", "?", "?p=a", "?q=ab&p", "?p=b&p=a", "#a", ";x=1", ";x?q"])
REQUEST_PATHS = st.one_of(st.builds("{}{}".format, PATHS, QUERY_TEXTS), st.just(""))
REQUEST_HEADERS = st.lists(st.tuples(st.sampled_from(["x-a", "x-b"]), WORDS), max_size=3)
METHODS = st.sampled_from(["GET", "GET", "CONNECT"])
AUTHORITIES = st.one_of(LABELS, LABELS.map(str.upper), LABELS.map("{}:80".format), st.just("a.b.c"))
