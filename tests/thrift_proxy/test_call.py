"""The states of a Thrift call: every pair of state and event, and what no sequence of events may do."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshcore.bind.thrifttest import ACTS, EVENTS, STATES, happens, local_text

ROADS = {
    "a call with a reply": ["routed", "connected", "request_end", "reply_begin", "reply_end"],
    "a oneway call": ["routed", "connected", "oneway_end"],
    "no route": ["refused"],
    "a limit": ["limited"],
    "no room": ["routed", "overflow"],
    "an upstream that is gone": ["routed", "connect_failed"],
    "an upstream that hangs up": ["routed", "connected", "request_end", "upstream_closed"],
    "an upstream that hangs up in its reply": ["routed", "connected", "request_end", "reply_begin", "upstream_closed"],
    "an upstream that talks something else": ["routed", "connected", "request_end", "reply_broken"],
}
ENDS = {
    "a call with a reply": {"forward", "release"},
    "a oneway call": {"release"},
    "no route": {"exception", "close"},
    "a limit": {"exception"},
    "no room": {"exception"},
    "an upstream that is gone": {"exception", "close"},
    "an upstream that hangs up": {"exception", "close"},
    "an upstream that hangs up in its reply": {"exception", "close"},
    "an upstream that talks something else": {"exception", "close", "drop"},
}


@pytest.mark.parametrize("road", ROADS)
def test_a_road_ends_as_envoy_ends_it(road: str) -> None:
    state, acts = "routing", frozenset[str]()
    for event in ROADS[road]:
        step = happens(state, event)
        assert step is not None, (state, event)
        state, acts = step
    assert (state, acts) == ("done", ENDS[road])


@pytest.mark.parametrize(("state", "event"), list(itertools.product(STATES, EVENTS)))
def test_every_pair_keeps_the_law(state: str, event: str) -> None:
    step = happens(state, event)
    if step is None:
        return
    after, acts = step
    connected = state in ("sending", "sent", "replying")
    # What is answered is over.
    assert not acts & {"exception", "forward"} or after == "done"
    # What ends while it holds a connection, or waits for one, lets go of it; the upstream's own end is enough.
    if after == "done" and connected and event != "upstream_closed":
        assert len(acts & {"release", "drop"}) == 1
    assert not (acts & {"release"} and not connected)
    # Somebody who has gone is told nothing.
    assert event != "downstream_closed" or acts <= {"drop"}


def test_a_downstream_that_goes_ends_every_call() -> None:
    assert [state for state in STATES if happens(state, "downstream_closed") is None] == ["done"]
    assert {happens(state, "downstream_closed")[0] for state in STATES if state != "done"} == {"done"}  # type: ignore[index]


def test_nothing_happens_to_a_call_that_is_done() -> None:
    assert all(happens("done", event) is None for event in EVENTS)


@pytest.mark.slow
@given(events=st.lists(st.sampled_from(sorted(EVENTS)), max_size=30))
@settings(max_examples=200, deadline=None)
def test_in_any_order_a_call_is_answered_once_and_its_connection_let_go_once(events: list[str]) -> None:
    state, seen = "routing", []
    for event in events:
        step = happens(state, event)
        if step is not None:
            state, acts = step
            seen += sorted(acts)
    assert set(seen) <= set(ACTS)
    assert seen.count("exception") + seen.count("forward") <= 1
    assert seen.count("release") + seen.count("drop") <= 1
    assert seen.count("connect") <= 1


@pytest.mark.parametrize(
    ("reason", "subject", "type", "text"),
    [
        ("no_route", b"add", 1, b"no route for method 'add'"),
        ("unknown_cluster", b"c", 6, b"unknown cluster 'c'"),
        ("maintenance", b"c", 6, b"maintenance mode for cluster 'c'"),
        ("no_healthy_upstream", b"c", 6, b"no healthy upstream for 'c'"),
        ("overflow", b"c", 6, b"thrift upstream request: too many connections"),
        ("remote_start", b"10.0.0.1:9090", 6, b"connection failure before response start: remote connection failure '10.0.0.1:9090'"),
        ("local_reply", b"10.0.0.1:9090", 6, b"connection failure before response complete: local connection failure '10.0.0.1:9090'"),
        ("protocol_error", b"unknown field type 5", 7, b"unknown field type 5"),
    ],
)
def test_a_local_reply_says_what_envoy_says(reason: str, subject: bytes, type: int, text: bytes) -> None:
    assert local_text(reason, subject) == (type, text)


def test_a_long_name_is_cut_and_its_quote_closed() -> None:
    _, text = local_text("no_route", b"m" * 1000)
    assert len(text) == 512 and text.endswith(b"mm'")
