"""Drives one parser with the same bytes cut in every way, and demands the same events each time.

`every_way` yields the ways: whole, byte by byte, in two at every place, in random pieces, each with nothing behind it; the whole
input flush against a guard page, so that one byte read too far is a crash and not luck; and every prefix there, for the reads of
an unfinished head. Must not know what the events mean. Single-threaded; a guard page ends with its GuardPage.
"""

from __future__ import annotations

import ctypes
import itertools
import mmap
import random
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from mesh.codec import Event, ProtocolError

PAGE = mmap.PAGESIZE
SPLITS_MAX = 400  # beyond this many bytes the places to cut at are drawn at random
RANDOM_CUTS = 8
_libc = ctypes.CDLL(None, use_errno=True)


class Parser(Protocol):
    def feed(self, data: bytes | memoryview) -> list[Event]: ...
    def eof(self) -> list[Event]: ...


class Outcome:
    """What came of it: the events, and the error without the words."""

    def __init__(self, events: list[Any], error: tuple[int, str, str] | None) -> None:
        self.events = events
        self.error = error

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Outcome) and (self.events, self.error) == (other.events, other.error)

    def __repr__(self) -> str:
        return f"{self.events} {self.error or ''}"


class GuardPage:
    """Writable memory that ends where an unreadable page begins."""

    def __init__(self, size: int) -> None:
        self.room = (size + PAGE - 1) // PAGE * PAGE or PAGE
        self._map = mmap.mmap(-1, self.room + PAGE)
        self._bytes = ctypes.c_char.from_buffer(self._map)
        self.protect(0)
        self._view = memoryview(self._map)

    def protect(self, access: int) -> None:
        address = ctypes.addressof(self._bytes) + self.room
        if _libc.mprotect(ctypes.c_void_p(address), PAGE, access) != 0:
            raise OSError(ctypes.get_errno(), "mprotect")

    def place(self, data: bytes) -> memoryview:
        """A view of a copy of `data` whose last byte is the last readable one."""
        start = self.room - len(data)
        self._view[start : self.room] = data
        return self._view[start : self.room]

    def close(self) -> None:
        self.protect(mmap.PROT_READ | mmap.PROT_WRITE)
        self._view.release()
        del self._bytes
        self._map.close()


def drive(parser: Parser, pieces: list[bytes | memoryview], eof: bool, normal: Callable[[list[Event]], list[Any]]) -> Outcome:
    events: list[Event] = []
    try:
        for piece in pieces:
            events += parser.feed(piece)
        if eof:
            events += parser.eof()
    except ProtocolError as error:
        events += error.events
        return Outcome(normal(events), (error.status, error.details, error.reason))
    return Outcome(normal(events), None)


def cut(raw: bytes, places: list[int]) -> list[bytes | memoryview]:
    edges = [0, *sorted(places), len(raw)]
    return [raw[a:b] for a, b in itertools.pairwise(edges)]


def every_way(raw: bytes, seed: int = 0) -> Iterator[tuple[str, list[bytes | memoryview]]]:
    """Each way to cut `raw`, with its name; whole first."""
    dice = random.Random(seed)
    yield "whole", [raw]
    if len(raw) <= 20000:
        yield "byte by byte", [raw[i : i + 1] for i in range(len(raw))]
    places = range(1, len(raw))
    if len(raw) > SPLITS_MAX:
        places = sorted(dice.sample(places, SPLITS_MAX // 4))  # type: ignore[assignment]
    for place in places:
        yield f"cut at {place}", cut(raw, [place])
    for _ in range(RANDOM_CUTS if len(raw) > 1 else 0):
        where = [dice.randrange(1, len(raw)) for _ in range(dice.randrange(1, 9))]
        yield f"cut at {where}", cut(raw, where)
    yield "with empty pieces", [b"", raw[: len(raw) // 2], b"", raw[len(raw) // 2 :], b""]


def same_in_every_way(
    raw: bytes, new_parser: Callable[[], Parser], normal: Callable[[list[Event]], list[Any]], eof: bool = False, seed: int = 0
) -> Outcome:
    """The outcome, once it has been the same for every way to cut `raw` and against a guard page."""
    first: Outcome | None = None
    for name, pieces in every_way(raw, seed):
        outcome = drive(new_parser(), pieces, eof, normal)
        if first is None:
            first = outcome
        assert outcome == first, f"{name}: {outcome}\nwhole: {first}"
    assert first is not None
    guard = GuardPage(len(raw))
    try:
        assert drive(new_parser(), [guard.place(raw)], eof, normal) == first
        for end in range(min(len(raw), 2048)):
            drive(new_parser(), [guard.place(raw[:end])], False, normal)
    finally:
        guard.close()
    return first
