"""What must hold for any bytes: the cut does not matter, and what was accepted means the same when it is written again.

Shared by the fuzz targets. A broken property is an AssertionError with the input's story in it; the return value of each is a small
tuple that tells inputs of a kind apart, by which the driver knows a new kind when it sees one.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from mesh.codec import (
    Data,
    End,
    Event,
    RequestHead,
    RequestParser,
    ResponseHead,
    ResponseParser,
    Trailers,
    write_chunk,
    write_last_chunk,
    write_request,
    write_response,
)
from tests.codec.corpus import normal
from tests.codec.driver import Outcome, drive

Kind = tuple[Any, ...]
Parser = RequestParser | ResponseParser


def cut_at_random(raw: bytes) -> list[bytes | memoryview]:
    """Pieces whose edges depend on the bytes alone, so that a found input breaks again."""
    dice = random.Random(raw)
    pieces: list[bytes | memoryview] = []
    at = 0
    while at < len(raw):
        n = dice.choice([1, 1, 2, 3, 7, 40])
        pieces.append(raw[at : at + n])
        at += n
    return pieces


def same_when_cut(raw: bytes, new_parser: Callable[[], Parser]) -> Outcome:
    whole = drive(new_parser(), [raw], True, normal)
    pieces = drive(new_parser(), cut_at_random(raw), True, normal)
    assert whole == pieces, f"whole: {whole}\npieces: {pieces}"
    return whole


def kind_of(outcome: Outcome) -> Kind:
    """The shape of an outcome: which events, which framing, which known headers, which error."""
    shape = []
    for name, *rest in outcome.events[:6]:
        if name in ("request", "response"):
            head = rest[0]
            names = tuple(sorted({field for field, _ in head["headers"]} & {"connection", "upgrade", "te", "expect"}))
            shape.append((name, head["framing"], head["version"], head["keep_alive"], bool(head["protocol"]), names))
        else:
            shape.append(name)
    return (*shape, outcome.error and outcome.error[1:])


def written_again(events: list[Event]) -> bytes:
    """The messages in `events` as this codec writes them, each with the framing that its head says."""
    raw = b""
    chunked = False
    for event in events:
        if isinstance(event, RequestHead):
            scheme = event.scheme
            raw += write_request(event.method, event.path, event.authority, event.headers, scheme=scheme, full_url=bool(scheme))
            chunked = event.framing == "chunked"
        elif isinstance(event, ResponseHead):
            raw += write_response(event.status, event.headers, http_10=event.version == "1.0")
            chunked = event.framing == "chunked"
        elif isinstance(event, Data):
            raw += write_chunk(event.data) if chunked else event.data
        elif isinstance(event, Trailers):
            raw += write_last_chunk(event.headers)
            chunked = False
        elif isinstance(event, End) and chunked:
            raw += write_last_chunk()
            chunked = False
    return raw


def meaning(events: list[Event]) -> list[Any]:
    """Events without what a rewrite changes by design."""
    out = normal(events)
    for name, *rest in out:
        if name == "response":
            rest[0].pop("reason")
        if name in ("request", "response"):
            # Persistence belongs to the hop: a refused upgrade to h2c takes Connection out of the head.
            rest[0].pop("keep_alive")
    return out
