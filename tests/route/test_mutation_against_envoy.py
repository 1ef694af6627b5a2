"""Header mutations: what the upstream and the client receive, from Envoy and from the compiled table, names, values
and order."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshcore.bind.route_face import RouteTableFace
from meshcore.bind.single_headers import SINGLE_REQUEST, SINGLE_RESPONSE
from meshcore.bind.spec import (
    Forward,
    HeaderAdd,
    HeaderMutation,
    Route,
    RouteMatch,
    RouteTable,
    VirtualHost,
    WeightedCluster,
)
from tests.route.real_envoy import Answer, ask_envoy, read_head, request

HEADERS = [
    ("x-a", "1"),
    ("x-b", "2"),
    ("x-a", "3"),
    ("user-agent", "one"),
    ("x-empty", ""),
    ("x-gone", "g"),
    ("accept", "q"),
]
OWN = {"host", "x-forwarded-proto", "content-length", "date", "server"}


def of(lists: dict[str, tuple]) -> HeaderMutation:
    """The same lists for requests and responses."""
    return HeaderMutation(lists.get("add", ()), lists.get("remove", ()), lists.get("add", ()), lists.get("remove", ()))


def add(name: str, value: str, action: str = "append", keep_empty: bool = False) -> HeaderAdd:
    return HeaderAdd(name, value, action, keep_empty)


CASES: dict[str, dict[str, tuple]] = {
    "append to a repeated header": {"add": (add("x-a", "4"),)},
    "append to a header of one line": {"add": (add("user-agent", "two"), add("accept", "z"), add("vary", "v"))},
    "append a new one, twice": {"add": (add("x-new", "1"), add("x-new", "2"))},
    "overwrite": {
        "add": (
            add("x-a", "9", "overwrite"),
            add("user-agent", "new", "overwrite"),
            add("x-new", "n", "overwrite"),
        )
    },
    "overwrite twice": {"add": (add("x-a", "8", "overwrite"), add("x-a", "9", "overwrite"))},
    "overwrite after append": {"add": (add("x-a", "8"), add("x-a", "9", "overwrite"))},
    "add if absent": {"add": tuple(add(name, "9", "add_if_absent") for name in ("x-a", "x-new", "x-new"))},
    "overwrite if there": {"add": tuple(add(name, "9", "overwrite_if_exists") for name in ("x-a", "x-new"))},
    "empty values": {"add": (add("x-a", ""), add("x-b", "", "overwrite"), add("x-new", ""))},
    "empty values kept": {
        "add": (
            add("x-a", "", keep_empty=True),
            add("x-b", "", "overwrite", True),
            add("x-new", "", "append", True),
            add("user-agent", "", "append", True),
        )
    },
    "remove": {"remove": ("x-a", "X-Gone", "user-agent", "x-never")},
    "remove, then add": {"remove": ("x-a",), "add": (add("x-a", "9"), add("x-gone", "9", "add_if_absent"))},
    "remove makes absent": {
        "remove": ("x-a",),
        "add": (add("x-a", "9", "add_if_absent"), add("x-a", "8", "overwrite_if_exists")),
    },
    "append to an empty header": {"add": (add("x-empty", "1"),)},
    "names in capitals": {"add": (add("X-Caps", "1"), add("X-A", "9", "overwrite"))},
    "percent signs": {"add": (add("x-p", "100%%"), add("x-q", "%%%PROTOCOL%%%"))},
    "operators": {
        "add": (
            add("x-path", "%REQ(:path)%"),
            add("x-two", "a=%REQ(x-b)%,%PROTOCOL%"),
            add("x-miss", "%REQ(x-never)%"),
            add("x-part", "[%REQ(x-never)%]"),
            add("x-alt", "%REQ(x-never?x-b):1%"),
        )
    },
    "operators see the head as it was": {"add": (add("x-b", "new", "overwrite"), add("x-seen", "%REQ(x-b)%"))},
    "operators that miss overwrite nothing": {"add": (add("x-b", "%REQ(x-never)%", "overwrite"),)},
}


def only(headers: list[tuple[str, str]], named: set[str] | None = None) -> list[tuple[str, str]]:
    return [(name, value) for name, value in headers if name not in OWN and (named is None or name in named)]


def upstream_saw(answer: Answer) -> list[tuple[str, str]]:
    return only(read_head(answer.body.encode("latin-1"))[1])


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> tuple[RouteTableFace, list[Answer]]:
    routes = [
        Route(RouteMatch("prefix", f"/c{i}/"), Forward("up"), mutation=of(c)) for i, c in enumerate(CASES.values())
    ]
    table = RouteTable("t", (VirtualHost("v", ("*",), tuple(routes)),))
    asked = [request("a", f"/c{i}/", HEADERS) for i in range(len(routes))]
    return RouteTableFace(table), ask_envoy(table, asked, tmp_path_factory.mktemp("envoy"), response_headers=HEADERS)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_the_upstream_receives_what_envoy_sends(answers: tuple[RouteTableFace, list[Answer]], case: str) -> None:
    index = list(CASES).index(case)
    face, theirs = answers
    assert face.mutate_request("a", f"/c{index}/", HEADERS) == upstream_saw(theirs[index])


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_the_client_receives_what_envoy_sends(answers: tuple[RouteTableFace, list[Answer]], case: str) -> None:
    index = list(CASES).index(case)
    face, theirs = answers
    ours = face.mutate_response("a", f"/c{index}/", HEADERS, headers=HEADERS)
    assert ours == only(theirs[index].headers)


@pytest.mark.slow
@pytest.mark.parametrize("most_specific", [False, True])
@pytest.mark.parametrize("action", ["append", "overwrite", "add_if_absent", "overwrite_if_exists"])
def test_levels_are_applied_in_the_same_order(tmp_path: Path, most_specific: bool, action: str) -> None:
    def level(name: str) -> HeaderMutation:
        return of(
            {
                "add": (add("x-a", name, action), add("x-level", name, action)),
                "remove": ("x-gone",) if name == "host" else (),
            }
        )

    weighted = Forward(weighted=(WeightedCluster("up", 1, level("cluster")),))
    routes = (
        Route(RouteMatch("prefix", "/w"), weighted, mutation=level("route")),
        Route(RouteMatch("prefix", "/r"), Forward("up"), mutation=level("route")),
        Route(RouteMatch("prefix", "/"), Forward("up")),
    )
    host = VirtualHost("v", ("*",), routes, mutation=level("host"))
    table = RouteTable("t", (host,), mutation=level("table"), most_specific_mutations_win=most_specific)
    paths = ["/w", "/r", "/"]
    theirs = ask_envoy(table, [request("a", path, HEADERS) for path in paths], tmp_path, response_headers=HEADERS)
    face = RouteTableFace(table)
    for path, answer in zip(paths, theirs, strict=True):
        assert face.mutate_request("a", path, HEADERS) == upstream_saw(answer)
        assert face.mutate_response("a", path, HEADERS) == only(answer.headers)


@pytest.mark.slow
def test_the_headers_of_one_line_are_those_of_envoy(tmp_path: Path) -> None:
    # Some names mean something to the connection manager or to the codec and never arrive as they were sent.
    framing = {
        "connection",
        "content-length",
        "keep-alive",
        "proxy-connection",
        "transfer-encoding",
        "upgrade",
        "te",
        "expect",
    }
    plain = [
        "x-plain",
        "cookie",
        "accept-language",
        "priority",
        "forwarded",
        "dnt",
        "allow",
        "link",
        "range",
        "warning",
    ]
    for group, single, upward in ((SINGLE_REQUEST, SINGLE_REQUEST, True), (SINGLE_RESPONSE, SINGLE_RESPONSE, False)):
        names = sorted(name for name in (*group, *plain) if name not in framing and not name.startswith("x-envoy-"))
        for some in (names[0::2], names[1::2]):
            lists = of({"add": tuple(add(name, "two") for name in some)})
            routes = (Route(RouteMatch("prefix", "/"), Forward("up"), mutation=lists),)
            table = RouteTable("t", (VirtualHost("v", ("*",), routes),))
            sent = [(name, "one") for name in some]
            where = tmp_path / f"{upward}{some[0]}"
            where.mkdir()
            (answer,) = ask_envoy(
                table, [request("a", "/", sent if upward else ())], where, response_headers=() if upward else sent,
                hcm={"server_header_transformation": "PASS_THROUGH"},
            )  # fmt: skip
            seen = read_head(answer.body.encode("latin-1"))[1] if upward else answer.headers
            for name in some:
                values = [value for key, value in seen if key == name]
                if values != ["two"]:
                    assert values == (["one,two"] if name in single else ["one", "two"]), name
