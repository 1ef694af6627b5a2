"""The harness itself: texts become the right bytes, transcripts are read right, a difference is never overlooked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.differential.case import Case, CaseError, load_cases, parse_case
from tests.differential.compare import ABSENT, diff, judge, load_known
from tests.differential.config import Ports, build_bootstrap, merge
from tests.differential.messages import read_requests, read_responses
from tests.differential.normalise import Normaliser
from tests.differential.observation import Observation, Side
from tests.differential.peer_socket import Event
from tests.differential.run import parse_stats
from tests.differential.wire import WireError, message, unescape

SIMPLE = {"name": "simple", "send": "GET / HTTP/1.1\nHost: a"}
ANSWER = b"HTTP/1.1 200 OK\r\ndate: Mon, 23 Nov 2026 01:59:06 GMT\r\ncontent-length: 2\r\n\r\nok"


def observed(
    answer: bytes = ANSWER, end: str = "open", end_at: float | None = None, log: str = "{}", **stats: int
) -> Observation:
    events = [
        Event(0.0, "connected"),
        Event(0.1, "sent", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        Event(0.5, "still open"),
    ]
    client = Side(answer, end, end_at, 0.2, True, events)
    request = b"GET / HTTP/1.1\r\nhost: a\r\nx-request-id: 37a653a0-7f55-4d37-bf11-2f172ec34f00\r\n\r\n"
    upstream = Side(request, "open", None, 0.2, False, [Event(0.1, "accepted")])
    counters = {f"http.simple.{name}": value for name, value in stats.items()}
    return Observation(
        clients=[client],
        upstreams={"up": [upstream]},
        log=log,
        stats=counters,
        ports=Ports(12001, {"up": 40001}),
        given=events[1].payload,
    )


def simple() -> Case:
    return parse_case(dict(SIMPLE), "tests")


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        ("GET / HTTP/1.1\nHost: a\n", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("POST / HTTP/1.1\nHost: a\n\nbody\n", b"POST / HTTP/1.1\r\nHost: a\r\n\r\nbody"),
        ("A\nX: one\\rtwo", b"A\r\nX: one\rtwo\r\n\r\n"),
        ("A\nX: \\x00\\xff\\n", b"A\r\nX: \x00\xff\n\r\n\r\n"),
        ("A\n\n0\\r\\n\\r\\n\n", b"A\r\n\r\n0\r\n\r\n"),
        ("A\nX: {{ab*3}}", b"A\r\nX: ababab\r\n\r\n"),
        ("A\n{{X: b\\r\\n*2}}Y: c", b"A\r\nX: b\r\nX: b\r\nY: c\r\n\r\n"),
        ("A\nHost: h:{{port}}", b"A\r\nHost: h:80\r\n\r\n"),
    ],
)
def test_message_text_becomes_wire_bytes(text: str, wire: bytes) -> None:
    assert message(text, {"port": "80"}) == wire


def test_raw_text_gets_nothing_added() -> None:
    assert unescape("GET\\r\\n\nx") == b"GET\r\n\nx"


@pytest.mark.parametrize("text", ["\\q", "{{nobody}}"])
def test_unknown_escape_is_refused(text: str) -> None:
    with pytest.raises(WireError):
        unescape(text)


def test_responses_of_every_framing_are_read() -> None:
    wire = (
        b"HTTP/1.1 100 Continue\r\n\r\n"
        b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc"
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n"
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\nx-t: 1\r\n\r\n"
        b"HTTP/1.1 204 No Content\r\n\r\n"
        b"HTTP/1.1 200 OK\r\n\r\nrest"
    )
    found = read_responses(wire, ["GET", "HEAD", "GET"], closed=True)
    assert [(m.status, m.framing, m.body) for m in found.messages] == [
        (100, "none", b""),
        (200, "content-length", b"abc"),
        (200, "none", b""),
        (200, "chunked", b"abc"),
        (204, "none", b""),
        (200, "close", b"rest"),
    ]
    assert found.messages[3].trailers == [("x-t", "1")]
    assert found.finals() == 5


@pytest.mark.parametrize("cut", range(1, len(ANSWER)))
def test_cut_response_is_never_complete(cut: int) -> None:
    assert read_responses(ANSWER[:cut], ["GET"], closed=True).finals() == 0


def test_unreadable_bytes_are_kept() -> None:
    found = read_responses(ANSWER + b"garbage\r\n\r\n", ["GET"], closed=True)
    assert found.finals() == 1
    assert found.rest == b"garbage\r\n\r\n"


def test_request_after_upgrade_is_a_tunnel() -> None:
    found = read_requests(b"GET / HTTP/1.1\r\nupgrade: websocket\r\n\r\nbytes", closed=False)
    assert (found.messages[0].framing, found.messages[0].body) == ("tunnel", b"bytes")


def test_identical_observations_have_no_difference() -> None:
    verdict = judge(simple(), observed(), observed(), {})
    assert verdict.same
    assert not verdict.unexplained


@pytest.mark.parametrize(
    ("aspect", "ours"),
    [
        ("status", observed(ANSWER.replace(b"200 OK", b"201 Created"))),
        ("headers", observed(ANSWER.replace(b"content-length", b"Content-Length"))),
        ("headers", observed(ANSWER.replace(b" GMT", b" UTC"))),
        ("headers", observed(ANSWER.replace(b"\r\n\r\n", b"\r\nx-new: 1\r\n\r\n"))),
        ("body", observed(ANSWER.replace(b"ok", b"no"))),
        ("framing", observed(ANSWER[:-1])),
        ("close", observed(end="eof", end_at=0.3)),
        ("close", observed(end="reset", end_at=0.3)),
        ("log", observed(log='{"code":200}')),
        ("log", observed(log="")),
        ("stats", observed(downstream_rq_total=1)),
    ],
)
def test_every_aspect_notices_its_difference(aspect: str, ours: Observation) -> None:
    assert aspect in judge(simple(), observed(), ours, {}).unexplained


def test_close_at_once_differs_from_delayed_close() -> None:
    verdict = judge(simple(), observed(end="eof", end_at=0.3), observed(end="eof", end_at=1.3), {})
    assert verdict.aspects == {"close"}


def test_upstream_request_is_compared() -> None:
    ours = observed()
    ours.upstreams["up"][0].received = ours.upstreams["up"][0].received.replace(b"host: a", b"host: b")
    assert judge(simple(), observed(), ours, {}).aspects == {"upstream"}


def test_request_id_is_compared_by_shape_only() -> None:
    ours = observed()
    received = ours.upstreams["up"][0].received
    ours.upstreams["up"][0].received = received.replace(b"37a653a0", b"00000000")
    assert judge(simple(), observed(), ours, {}).same
    ours.upstreams["up"][0].received = received.replace(b"37a653a0", b"not-hex!")
    assert not judge(simple(), observed(), ours, {}).same


def test_value_sent_by_the_case_is_not_normalised() -> None:
    seen = observed(b"HTTP/1.1 200 OK\r\ndate: Mon, 01 Jan 2001 00:00:00 GMT\r\ncontent-length: 0\r\n\r\n")
    seen.given += b"HTTP/1.1 200 OK\r\nDate: Mon, 01 Jan 2001 00:00:00 GMT\r\n\r\n"
    assert Normaliser(simple(), seen).aspects()["headers"][0][0]["date"] == ["Mon, 01 Jan 2001 00:00:00 GMT"]


def test_failure_of_our_run_is_a_difference_of_the_case() -> None:
    verdict = judge(simple(), observed(), Observation(failure="refused: x"), {})
    assert verdict.unexplained == {"run"}


def test_wrong_expectation_breaks_the_case() -> None:
    case = parse_case({**SIMPLE, "status": 404}, "tests")
    assert "404" in judge(case, observed(), observed(), {}).broken


def test_excluded_aspect_is_not_compared() -> None:
    case = parse_case({**SIMPLE, "exclude": {"body": "for this test"}}, "tests")
    assert judge(case, observed(), observed(ANSWER.replace(b"ok", b"no")), {}).same


def test_known_difference_is_explained_until_it_vanishes() -> None:
    known = {"body": "they agreed to differ here"}
    assert not judge(simple(), observed(), observed(ANSWER.replace(b"ok", b"no")), known).unexplained
    assert judge(simple(), observed(), observed(), known).vanished == {"body"}


def test_known_whole_case_explains_every_aspect_but_not_a_failed_run() -> None:
    known = {"all": "another way altogether, on purpose"}
    ours = observed(ANSWER.replace(b"200 OK", b"400 Bad Request").replace(b"ok", b"no"))
    assert not judge(simple(), observed(), ours, known).unexplained
    assert judge(simple(), observed(), observed(), known).vanished == {"all"}
    assert judge(simple(), observed(), Observation(failure="crashed: x"), known).unexplained == {"run"}


def test_only_what_known_yaml_does_not_say_is_surprising() -> None:
    other = observed(ANSWER.replace(b"ok", b"no"))
    assert not judge(simple(), observed(), observed(), {}).surprising
    assert judge(simple(), observed(), other, {}).surprising
    assert not judge(simple(), observed(), other, {"body": "why"}).surprising
    assert judge(simple(), observed(), observed(), {"body": "why"}).surprising
    assert judge(simple(), Observation(failure="hung"), observed(), {}).surprising


def test_diff_names_the_place() -> None:
    assert diff({"a": [1, {"b": 2}]}, {"a": [1, {"c": 2}]}) == [("a[1].b", 2, ABSENT), ("a[1].c", ABSENT, 2)]
    assert diff([1], ["1"]) == [("[0]", 1, "1")]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("nobody: {body: a reason that is long enough}", "nobody"),
        ("simple: {taste: a reason that is long enough}", "taste"),
        ("simple: {body: short}", "reason"),
    ],
)
def test_known_differences_need_a_case_an_aspect_and_a_reason(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "known.yaml"
    path.write_text(text)
    with pytest.raises(CaseError, match=complaint):
        load_known([simple()], path)


@pytest.mark.parametrize(
    ("raw", "complaint"),
    [
        ({**SIMPLE, "hmc": {}}, "hmc"),
        ({"name": "x"}, "send"),
        ({**SIMPLE, "name": "Upper"}, "name"),
        ({**SIMPLE, "upstream": ["explode"]}, "explode"),
        ({**SIMPLE, "exclude": {"log": ""}}, "reason"),
    ],
)
def test_mistake_in_a_case_is_refused(raw: dict[str, object], complaint: str) -> None:
    with pytest.raises(CaseError, match=complaint):
        parse_case(raw, "tests")


def test_case_files_load_and_are_many() -> None:
    assert len(load_cases()) >= 160


def test_merge_lays_messages_over_each_other() -> None:
    assert merge({"a": {"b": 1, "c": 2}, "d": [1]}, {"a": {"b": 3, "c": None}, "d": [2]}) == {"a": {"b": 3}, "d": [2]}


def test_bootstrap_has_one_listener_per_case_and_names_clusters_after_it() -> None:
    case = parse_case({**SIMPLE, "upstreams": {"a": None, "b": None}, "route": {"cluster": "@b"}}, "tests")
    resources = build_bootstrap([case], {"simple": Ports(1, {"a": 2, "b": 3})}, 4, Path("/logs"))["static_resources"]
    assert [cluster["name"] for cluster in resources["clusters"]] == ["simple__a", "simple__b"]
    hcm = resources["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    assert hcm["route_config"]["virtual_hosts"][0]["routes"][0]["route"] == {"cluster": "simple__b"}


def test_stats_text_is_read_without_histograms() -> None:
    assert parse_stats('a.b: 3\nh: P0(nan,1) P25(nan,2)\ntext: "x"\n') == {"a.b": 3}
