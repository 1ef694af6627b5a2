"""Fuzz target: any bytes as the answers to a GET, a HEAD and a GET."""

from __future__ import annotations

from mesh.codec import Event, ProtocolError, ResponseHead, ResponseParser
from tests.codec.corpus import load
from tests.fuzz.properties import Kind, kind_of, meaning, same_when_cut, written_again

LEAST_WRITTEN = 100  # of write_response; upstreams may answer less, as with Envoy


def seeds() -> list[bytes]:
    return [case.raw for case in load("response") if len(case.raw) < 4096]


def new_parser(max_head_bytes: int = 2048) -> ResponseParser:
    parser = ResponseParser(max_head_bytes=max_head_bytes, enable_trailers=True)
    for method in (b"GET", b"HEAD", b"GET"):
        parser.expect(method)
    return parser


def accepted(raw: bytes) -> list[Event]:
    parser = new_parser()
    try:
        events = parser.feed(raw)
    except ProtocolError as error:
        events = error.events
    while events and type(events[-1]).__name__ != "End":
        events.pop()
    return events


def one(raw: bytes) -> Kind:
    """A response that was accepted is the same response when it is written again, if its status is one that may be written."""
    outcome = same_when_cut(raw, new_parser)
    events = accepted(raw)
    statuses = [event.status for event in events if isinstance(event, ResponseHead)]
    if statuses and min(statuses) >= LEAST_WRITTEN:
        again = new_parser(1 << 16).feed(written_again(events))
        assert meaning(again) == meaning(events), f"{events}\nwritten again: {again}"
    return kind_of(outcome)
