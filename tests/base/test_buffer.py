"""The buffer chain against plain bytes, in every order of its operations; nothing is left in the pool afterwards."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from meshcore.bind.basetest import Chain, Pool, chunk_bytes

N = 3
WHICH = st.integers(0, N - 1)
TEXT = st.one_of(st.binary(max_size=40), st.integers(0, 3 * chunk_bytes).map(lambda n: bytes([n % 251]) * n))


class ChainsAgainstBytes(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.pool = Pool(2)
        self.chains = [Chain(self.pool) for _ in range(N)]
        self.models = [b""] * N
        self.borrowed = [False] * N

    @rule(i=WHICH, text=TEXT)
    def copy(self, i: int, text: bytes) -> None:
        assert self.chains[i].copy(text)
        self.models[i] += text

    @rule(i=WHICH, text=TEXT)
    def borrow(self, i: int, text: bytes) -> None:
        assert self.chains[i].borrow(text)
        self.models[i] += text
        self.borrowed[i] = True

    @rule(i=WHICH)
    def own(self, i: int) -> None:
        assert self.chains[i].own()
        self.borrowed[i] = False

    @rule(i=WHICH, n=st.integers(1, chunk_bytes), part=st.floats(0, 1))
    def reserve_and_commit(self, i: int, n: int, part: float) -> None:
        text = b"r" * int(n * part)
        assert self.chains[i].reserve(n, text)
        self.models[i] += text

    @precondition(lambda self: any(self.models))
    @rule(i=WHICH, part=st.one_of(st.just(0.0), st.just(1.0), st.floats(0, 1)))
    def drain(self, i: int, part: float) -> None:
        n = int(len(self.models[i]) * part)
        self.chains[i].drain(n)
        self.models[i] = self.models[i][n:]

    @rule(to=WHICH, source=WHICH)
    def move(self, to: int, source: int) -> None:
        if to != source:
            self.chains[to].move(self.chains[source])
            self.models[to] += self.models[source]
            self.models[source] = b""
            self.borrowed[to] |= self.borrowed[source]
            self.borrowed[source] = False

    @rule(to=WHICH, source=WHICH)
    def share(self, to: int, source: int) -> None:
        if to != source:
            assert self.chains[source].own()
            self.borrowed[source] = False
            assert self.chains[to].share(self.chains[source])
            self.models[to] += self.models[source]

    @rule(i=WHICH, cap=st.integers(0, 4))
    def few_iovecs_are_the_beginning(self, i: int, cap: int) -> None:
        found = self.chains[i].iovecs(cap)
        assert len(found) <= cap
        assert self.models[i].startswith(b"".join(found))

    @rule(i=WHICH)
    def clear(self, i: int) -> None:
        self.chains[i].clear()
        self.models[i] = b""

    @invariant()
    def they_hold_the_same_bytes(self) -> None:
        for chain, model in zip(self.chains, self.models, strict=True):
            assert len(chain) == len(model)
            assert chain.read(len(model)) == model
            assert b"".join(chain.iovecs()) == model

    def teardown(self) -> None:
        for chain in self.chains:
            chain.clear()
        assert (self.pool.live_chunks, self.pool.live_slices) == (0, 0)
        assert self.pool.free_chunks <= 2


ChainsAgainstBytes.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestChainsAgainstBytes = pytest.mark.slow(ChainsAgainstBytes.TestCase)


def test_moving_and_sharing_copy_nothing() -> None:
    pool = Pool()
    a, b, c = Chain(pool), Chain(pool), Chain(pool)
    a.copy(b"x" * (3 * chunk_bytes))
    assert pool.live_chunks == 3
    b.move(a)
    c.share(b)
    assert (len(a), pool.live_chunks) == (0, 3)
    b.clear()
    assert pool.live_chunks == 3
    c.clear()
    assert pool.live_chunks == 0


def test_appending_to_a_shared_chunk_does_not_write_into_the_other_chain() -> None:
    pool = Pool()
    a, b = Chain(pool), Chain(pool)
    a.copy(b"common")
    b.share(a)
    a.copy(b"-a")
    b.copy(b"-b")
    assert (a.read(8), b.read(8)) == (b"common-a", b"common-b")


def test_small_appends_fill_one_chunk() -> None:
    pool = Pool()
    chain = Chain(pool)
    for _ in range(1000):
        chain.copy(b"0123456789")
    assert (pool.live_chunks, len(chain.iovecs())) == (1, 1)


def test_chunks_are_kept_up_to_the_limit() -> None:
    pool = Pool(2)
    chain = Chain(pool)
    chain.copy(b"x" * (5 * chunk_bytes))
    chain.clear()
    assert (pool.live_chunks, pool.free_chunks) == (0, 2)
