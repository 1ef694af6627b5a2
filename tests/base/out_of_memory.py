"""Runs each operation of base/ and the codec with its n-th allocation failing, for every n; a process of its own (see the test).

An operation that runs out of memory must say so, must have changed nothing, and must work when it is tried again.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from mesh.codec import ProtocolError, RequestParser
from meshcore.bind.basetest import Blocks, Chain, Pool, Structs, chunk_bytes
from meshcore.bind.headtest import Fields

PRELOADED = ctypes.CDLL(None)
TRIES_MAX = 50


def each_failure(name: str, prepare: Callable[[], Any], run: Callable[[Any], Any], look: Callable[[Any], Any]) -> None:
    """Runs until no allocation is left to fail; at least one must have been."""
    failures = 0
    for n in range(TRIES_MAX):
        state = prepare()
        before = look(state)
        PRELOADED.fail_at(n)
        answer = run(state)
        failed = bool(PRELOADED.has_failed())
        PRELOADED.fail_at(-1)
        if not failed:
            assert answer, f"{name}: no memory, but none was missing"
            break
        failures += 1
        assert not answer, f"{name}: allocation {n} failed and it says {answer}"
        assert look(state) == before, f"{name}: allocation {n} failed and left {look(state)!r}, not {before!r}"
        assert run(state), f"{name}: does not work when it is tried again"
    assert failures, f"{name}: nothing was allocated"
    print(f"{name}: {failures} failures")


def chain_with(*texts: bytes) -> Callable[[], Chain]:
    def prepare() -> Chain:
        chain = Chain(Pool(0))
        for text in texts:
            chain.copy(text)
        return chain

    return prepare


def chain_bytes(chain: Chain) -> bytes:
    return chain.read(len(chain))


def borrowing() -> Chain:
    chain = Chain(Pool(0))
    chain.borrow(b"b" * 3 * chunk_bytes)
    chain.borrow(b"c")
    return chain


class Sharing:
    """A chain of two slices, in a pool whose first page of slices has room for one more: sharing needs a page at the second."""

    PAGE_SLICES = (65536 - 16) // 32

    def __init__(self) -> None:
        pool = Pool(0)
        self.source, self.target, self.filler = Chain(pool), Chain(pool), Chain(pool)
        self.source.copy(b"s" * (chunk_bytes + 1))
        while pool.live_slices < self.PAGE_SLICES - 1:
            self.filler.borrow(b"f")


def parse(raw: bytes) -> Callable[[RequestParser], bool]:
    def run(parser: RequestParser) -> bool:
        try:
            return bool(parser.feed(raw))
        except ProtocolError as error:
            assert error.details == "http1.headers_too_large"
            return False

    return run


def main() -> None:
    each_failure("buffer_copy", chain_with(b"a" * 100), lambda c: c.copy(b"d" * 3 * chunk_bytes), chain_bytes)
    each_failure("buffer_borrow", chain_with(), lambda c: c.borrow(b"d"), chain_bytes)
    each_failure("buffer_own", borrowing, lambda c: c.own(), chain_bytes)
    each_failure("buffer_reserve", chain_with(), lambda c: c.reserve(100, b"d"), chain_bytes)
    each_failure("buffer_share", Sharing, lambda s: s.target.share(s.source), lambda s: chain_bytes(s.target))
    each_failure("arena_take", Blocks, lambda b: b.take(100, 1) is not None, lambda b: b.live)
    each_failure("arena_take, big", Blocks, lambda b: b.take(10**6, 1) is not None, lambda b: b.live)
    each_failure("slab_new", lambda: Structs(64), lambda s: s.new(1) is not None, lambda s: s.live)
    each_failure("head_add_copy", Fields, lambda h: h.add_copy(b"x" * 5000, b"y" * 5000), lambda h: h.items())
    each_failure("head_set_copy", Fields, lambda h: h.set_copy(2, b"y"), lambda h: h.items())

    # A parser that ran out of memory refuses the head; what matters is that it does not fall over, at any allocation.
    raw = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(60)) + b"\r\n"
    raw += b"3\r\nabc\r\n0\r\nX-T: " + b"t" * 6000 + b"\r\n\r\n"
    failures = 0
    for n in range(TRIES_MAX):
        parser = RequestParser(enable_trailers=True)
        PRELOADED.fail_at(n)
        answer = parse(raw)(parser)
        failed = bool(PRELOADED.has_failed())
        PRELOADED.fail_at(-1)
        if not failed:
            assert answer
            break
        failures += 1
        assert not answer
    assert failures >= 2
    print(f"RequestParser.feed: {failures} failures")


if __name__ == "__main__":
    main()
