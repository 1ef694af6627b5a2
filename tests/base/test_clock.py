"""The cached clock and the random numbers."""

from __future__ import annotations

import time

from meshcore.bind.basetest import Watch, Xoshiro

MASK = (1 << 64) - 1


def test_time_stands_until_it_is_said_to_be_stale() -> None:
    watch = Watch()
    first = watch.ns
    # Burns real time by the clock itself.
    while time.monotonic_ns() <= first:
        pass
    assert watch.ns == first
    watch.stale()
    assert watch.ns > first
    assert watch.ms == watch.ns // 1_000_000


def test_a_frozen_clock_does_not_move() -> None:
    watch = Watch()
    watch.freeze(5_000_000_000)
    watch.stale()
    assert (watch.ns, watch.ms) == (5_000_000_000, 5000)


def test_wall_time_is_the_system_s() -> None:
    before = time.time_ns() // 1000
    watch = Watch()
    after = time.time_ns() // 1000
    assert before - 1000 <= watch.wall_us <= after + 1000


def test_seeded_numbers_are_xoshiro256_starstar_seeded_by_splitmix64() -> None:
    def mix(x: int) -> int:
        x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & MASK
        x = (x ^ x >> 27) * 0x94D049BB133111EB & MASK
        return x ^ x >> 31

    def rotate(x: int, n: int) -> int:
        return (x << n | x >> (64 - n)) & MASK

    s = [mix(42 + 0x9E3779B97F4A7C15 * i & MASK) for i in (1, 2, 3, 4)]
    expected = []
    for _ in range(100):
        expected.append(rotate(s[1] * 5 & MASK, 7) * 9 & MASK)
        t = s[1] << 17 & MASK
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = rotate(s[3], 45)
    numbers = Xoshiro(42)
    assert [numbers.u64() for _ in range(100)] == expected


def test_two_generators_seeded_from_the_system_differ() -> None:
    assert [Xoshiro().u64() for _ in range(4)] != [Xoshiro().u64() for _ in range(4)]


def test_bits_are_spread() -> None:
    numbers = Xoshiro(1)
    drawn = [numbers.u64() for _ in range(4000)]
    for bit in range(64):
        ones = sum(n >> bit & 1 for n in drawn)
        assert 1750 < ones < 2250
