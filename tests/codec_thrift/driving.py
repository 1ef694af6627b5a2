"""Feeds a Thrift decoder the same bytes cut in every way and demands the same outcome each time; guard pages as for the other codecs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mesh.codec.thrift import DecodeError, Decoder, Message
from tests.codec.driver import GuardPage, every_way

Outcome = tuple[list[Message], str | None]
TRUNCATED_BELOW = 1024


def drive(decoder: Decoder, pieces: Sequence[bytes | memoryview], eof: bool = True) -> Outcome:
    """The messages, and the error if there was one."""
    messages: list[Message] = []
    try:
        for piece in pieces:
            messages += decoder.feed(piece)
        if eof:
            decoder.eof()
    except DecodeError as error:
        return messages + error.messages, error.error
    return messages, None


def same_in_every_way(raw: bytes, new_decoder: Callable[..., Decoder], **options: Any) -> Outcome:
    """The outcome, once it has been the same for every cut and against a guard page, where every prefix is read, too."""
    first: Outcome | None = None
    for name, pieces in every_way(raw):
        outcome = drive(new_decoder(**options), pieces)
        if first is None:
            first = outcome
        assert outcome == first, name
    assert first is not None
    guard = GuardPage(len(raw))
    try:
        assert drive(new_decoder(**options), [guard.place(raw)]) == first
        for end in range(min(len(raw), TRUNCATED_BELOW)):
            drive(new_decoder(**options), [guard.place(raw[:end])], eof=False)
    finally:
        guard.close()
    return first
