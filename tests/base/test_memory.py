"""Arena and slab: what they give out never overlaps, is aligned, comes back, and is counted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from meshcore.bind.basetest import Blocks, Structs, peek

SIZES = st.one_of(st.integers(1, 64), st.integers(1, 6000), st.just(4080), st.just(4081), st.just(100_000))


def had(address: int | None) -> int:
    assert address is not None
    return address


@given(st.lists(SIZES, max_size=60))
def test_arena_memory_is_aligned_and_keeps_its_bytes(sizes: list[int]) -> None:
    blocks = Blocks()
    given_out = [(had(blocks.take(n, i % 256)), n, i % 256) for i, n in enumerate(sizes)]
    for at, n, fill in given_out:
        assert at % 8 == 0
        assert peek(at, n) == bytes([fill]) * n


def test_an_arena_copies_nothing_without_calling_it_out_of_memory() -> None:
    blocks = Blocks()
    assert blocks.copy(b"") is not None
    assert blocks.live == 0


@given(st.lists(st.binary(max_size=5000), max_size=20))
def test_an_arena_copy_is_the_same_bytes(texts: list[bytes]) -> None:
    blocks = Blocks()
    places = [had(blocks.copy(text)) for text in texts]
    assert [peek(at, len(text)) for at, text in zip(places, texts, strict=True)] == texts


def test_blocks_are_recycled_up_to_the_limit_and_big_ones_never() -> None:
    blocks = Blocks(2)
    for _ in range(4):
        blocks.take(4000, 1)
    blocks.take(50_000, 1)
    assert (blocks.live, blocks.kept) == (5, 0)
    blocks.reset()
    assert (blocks.live, blocks.kept) == (0, 2)
    blocks.take(8, 2)
    assert (blocks.live, blocks.kept) == (1, 1)


def test_a_big_request_leaves_the_current_block_in_use() -> None:
    blocks = Blocks()
    first = had(blocks.take(8, 1))
    blocks.take(10_000, 2)
    second = blocks.take(8, 3)
    assert (second, blocks.live) == (first + 8, 2)


@given(st.integers(1, 300), st.lists(st.integers(0, 2), max_size=200))
def test_slab_structs_do_not_overlap_and_come_back(size: int, choices: list[int]) -> None:
    slab = Structs(size)
    live: list[tuple[int, int]] = []
    for i, choice in enumerate(choices):
        if choice == 0 and live:
            at, fill = live.pop(len(live) // 2)
            assert peek(at, slab.size) == bytes([fill]) * slab.size
            slab.free(at)
        else:
            live.append((had(slab.new(i % 256)), i % 256))
        assert slab.live == len(live)
    for at, fill in live:
        assert at % 8 == 0
        assert peek(at, slab.size) == bytes([fill]) * slab.size


def test_a_freed_struct_is_the_next_one_given_out() -> None:
    slab = Structs(48)
    kept, freed = had(slab.new(1)), had(slab.new(2))
    slab.free(freed)
    assert slab.new(3) == freed
    assert peek(kept, 48) == b"\1" * 48


def test_structs_bigger_than_a_page_have_room() -> None:
    slab = Structs(200_000)
    a, b = had(slab.new(1)), had(slab.new(2))
    assert peek(a, 200_000) == b"\1" * 200_000
    assert peek(b, 200_000) == b"\2" * 200_000
