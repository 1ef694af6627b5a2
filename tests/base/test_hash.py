"""xxHash64 against the vectors of its specification, and SplitMix64's finalizer against the generator it comes from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshcore.bind.basetest import mix64, xxhash64

PRIME32 = 2654435761
PRIME64 = 11400714785074694797
MASK = (1 << 64) - 1


def sanity_bytes(n: int) -> bytes:
    """The pseudo-random buffer of xxHash's own sanity check."""
    out, generator = bytearray(), PRIME32
    for _ in range(n):
        out.append(generator >> 56 & 0xFF)
        generator = generator * PRIME64 & MASK
    return bytes(out)


# Length, seed, hash: the sanity check's table for XXH64.
VECTORS = [
    (0, 0, 0xEF46DB3751D8E999),
    (0, PRIME32, 0xAC75FDA2929B17EF),
    (1, 0, 0xE934A84ADB052768),
    (1, PRIME32, 0x5014607643A9B4C3),
    (4, 0, 0x9136A0DCA57457EE),
    (4, PRIME32, 0xCAAB286BD8E9FDB5),
    (14, 0, 0x8282DCC4994E35C8),
    (14, PRIME32, 0xC3BD6BF63DEB6DF0),
    (222, 0, 0xB641AE8CB691C174),
    (222, PRIME32, 0x20CB8AB7AE10C14A),
]


@pytest.mark.parametrize(("n", "seed", "expected"), VECTORS)
def test_xxhash64_gives_the_published_values(n: int, seed: int, expected: int) -> None:
    assert xxhash64(sanity_bytes(n), seed) == expected


@pytest.mark.parametrize(("text", "expected"), [(b"a", 0xD24EC4F1A98C6E5B), (b"abc", 0x44BC2CF5AD770999), (b"xxhash", 0x32DD38952C4BC720)])
def test_xxhash64_of_known_words(text: bytes, expected: int) -> None:
    assert xxhash64(text) == expected


def slow_xxhash64(data: bytes, seed: int) -> int:
    """The algorithm once more, from the specification's prose, with Python's integers."""
    p1, p2, p3 = 11400714785074694791, 14029467366897019727, 1609587929392839161
    p4, p5 = 9650029242287828579, 2870177450012600261

    def rotate(x: int, n: int) -> int:
        return (x << n | x >> (64 - n)) & MASK

    def mixed(acc: int, lane: int) -> int:
        return rotate((acc + lane * p2) & MASK, 31) * p1 & MASK

    def word(at: int, n: int) -> int:
        return int.from_bytes(data[at : at + n], "little")

    at = 0
    if len(data) >= 32:
        accs = [(seed + p1 + p2) & MASK, (seed + p2) & MASK, seed, (seed - p1) & MASK]
        while at + 32 <= len(data):
            accs = [mixed(acc, word(at + 8 * i, 8)) for i, acc in enumerate(accs)]
            at += 32
        h = sum(rotate(acc, n) for acc, n in zip(accs, (1, 7, 12, 18), strict=True)) & MASK
        for acc in accs:
            h = ((h ^ mixed(0, acc)) * p1 + p4) & MASK
    else:
        h = (seed + p5) & MASK
    h = (h + len(data)) & MASK
    while at + 8 <= len(data):
        h = (rotate(h ^ mixed(0, word(at, 8)), 27) * p1 + p4) & MASK
        at += 8
    if at + 4 <= len(data):
        h = (rotate(h ^ word(at, 4) * p1 & MASK, 23) * p2 + p3) & MASK
        at += 4
    for byte in data[at:]:
        h = rotate(h ^ byte * p5 & MASK, 11) * p1 & MASK
    h = (h ^ h >> 33) * p2 & MASK
    h = (h ^ h >> 29) * p3 & MASK
    return h ^ h >> 32


@given(st.binary(max_size=200), st.integers(0, MASK))
def test_xxhash64_is_its_specification_for_every_length_and_seed(data: bytes, seed: int) -> None:
    assert xxhash64(data, seed) == slow_xxhash64(data, seed)


def test_mix64_is_the_output_step_of_splitmix64() -> None:
    # The first outputs of SplitMix64 seeded with 0.
    golden = 0x9E3779B97F4A7C15
    assert [mix64(golden * i & MASK) for i in (1, 2, 3)] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
