"""Each case of the HTTP/1 corpus gives its events, however its bytes are cut, and leaves no memory behind."""

from __future__ import annotations

import pytest

from mesh.codec import ProtocolError
from tests.codec.corpus import Case, load, normal
from tests.codec.driver import same_in_every_way

CASES = load()


def test_the_corpus_is_there() -> None:
    assert len([case for case in CASES if case.error]) >= 200
    assert len([case for case in CASES if not case.error]) >= 200


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case_gives_its_events_however_it_is_cut(case: Case) -> None:
    outcome = same_in_every_way(case.raw, case.parser, normal, case.eof)
    expected = (case.error["status"], case.error["details"], case.error["reason"]) if case.error else None
    assert outcome.events == case.events
    assert outcome.error == expected


WHOLE = [case for case in CASES if not case.error and not case.eof and case.events and case.events[-1] == ["end"]]


@pytest.mark.parametrize("case", WHOLE, ids=str)
def test_trailing_bytes_do_not_change_what_came_before(case: Case) -> None:
    parser = case.parser()
    try:
        events = parser.feed(case.raw + b"\0trailing")
    except ProtocolError as error:
        events = error.events
    assert normal(events)[: len(case.events)] == case.events


@pytest.mark.parametrize("case", WHOLE, ids=str)
def test_no_memory_is_held_between_messages(case: Case) -> None:
    parser = case.parser()
    parser.feed(case.raw)
    assert (parser.state, parser.live_blocks) == ("head", 0)
