"""Fuzz target: any bytes as a stream of requests."""

from __future__ import annotations

from mesh.codec import Event, ProtocolError, RequestHead, RequestParser
from tests.codec.corpus import load
from tests.fuzz.properties import Kind, kind_of, meaning, same_when_cut, written_again


def seeds() -> list[bytes]:
    return [case.raw for case in load("request") if len(case.raw) < 4096]


def new_parser() -> RequestParser:
    return RequestParser(max_head_bytes=2048, enable_trailers=True, allow_custom_methods=True)


def accepted(raw: bytes) -> list[Event]:
    """The events of the whole messages before the first error."""
    parser = new_parser()
    try:
        events = parser.feed(raw)
    except ProtocolError as error:
        events = error.events
    while events and type(events[-1]).__name__ != "End":
        events.pop()
    return events


def one(raw: bytes) -> Kind:
    """A request that was accepted is the same request when it is written again: no byte of it can be read in two ways."""
    outcome = same_when_cut(raw, new_parser)
    events = accepted(raw)
    heads = [event for event in events if isinstance(event, RequestHead)]
    # Written again, an HTTP/1.0 request is an HTTP/1.1 one, and one without Host gets an empty Host: both are the proxy's doing.
    if heads and all(head.version == "1.1" for head in heads):
        again = RequestParser(max_head_bytes=1 << 16, enable_trailers=True, allow_custom_methods=True).feed(written_again(events))
        assert meaning(again) == meaning(events), f"{events}\nwritten again: {again}"
    return kind_of(outcome)
