"""Changes inputs at random: bytes, spans, words of the protocol, numbers, and pieces of other inputs.

The choices come from the dice that the caller hands in, so a run is repeated by its seed. A target may bring words of its protocol;
those of HTTP/1 are here. Knows nothing about what they mean.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

LENGTH_MAX = 4096
HTTP1_WORDS = [
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\n\n", b" ", b"\t", b"\0", b"\x0b", b"\x7f", b"\x80", b"\xff", b":", b",", b";", b"_",
    b"GET ", b"HEAD ", b"CONNECT ", b"OPTIONS * ", b" HTTP/1.1", b" HTTP/1.0", b" HTTP/2.0", b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 204 No Content\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"http://a/", b"https://[::1]:80", b"Host: a\r\n",
    b"Content-Length: 3\r\n", b"Content-Length: ", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: ", b"chunked",
    b"Connection: ", b"close", b"keep-alive", b"upgrade", b"Upgrade: websocket\r\n", b"Upgrade: h2c\r\n", b"TE: trailers\r\n",
    b"Expect: 100-continue\r\n", b"Proxy-Connection: close\r\n", b"0\r\n\r\n", b"0\r\n", b"3\r\nabc\r\n", b"FFFFFFFFFFFFFFFF",
    b"18446744073709551616", b"\r\n ", b" \r\n\t", b"X_A: b\r\n",
]  # fmt: skip
NUMBER = re.compile(rb"[0-9A-Fa-f]+")


Change = Callable[[bytes, random.Random, Sequence[bytes], Sequence[bytes]], bytes]


def flip(raw: bytes, dice: random.Random, _: Sequence[bytes], __: Sequence[bytes]) -> bytes:
    at = dice.randrange(len(raw) + 1)
    return raw[:at] + bytes([dice.randrange(256)]) + raw[at + 1 :]


def insert_word(raw: bytes, dice: random.Random, _: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    at = dice.randrange(len(raw) + 1)
    return raw[:at] + dice.choice(words) + raw[at:]


def replace_with_word(raw: bytes, dice: random.Random, _: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    at = dice.randrange(len(raw) + 1)
    return raw[:at] + dice.choice(words) + raw[at + dice.randrange(1, 12) :]


def delete(raw: bytes, dice: random.Random, _: Sequence[bytes], __: Sequence[bytes]) -> bytes:
    at = dice.randrange(len(raw) + 1)
    return raw[:at] + raw[at + dice.randrange(1, 20) :]


def repeat(raw: bytes, dice: random.Random, _: Sequence[bytes], __: Sequence[bytes]) -> bytes:
    at = dice.randrange(len(raw) + 1)
    span = raw[at : at + dice.randrange(1, 60)]
    return raw[:at] + span * dice.randrange(1, 4) + raw[at:]


def move_line(raw: bytes, dice: random.Random, _: Sequence[bytes], __: Sequence[bytes]) -> bytes:
    lines = raw.split(b"\r\n")
    line = lines.pop(dice.randrange(len(lines)))
    lines.insert(dice.randrange(len(lines) + 1), line)
    return b"\r\n".join(lines)


def change_number(raw: bytes, dice: random.Random, _: Sequence[bytes], __: Sequence[bytes]) -> bytes:
    found = list(NUMBER.finditer(raw))
    if not found:
        return raw
    at = dice.choice(found)
    new = dice.choice([b"0", b"1", b"7", b"00000000000000000001", b"FFFFFFFF", b"9223372036854775808", b"1" * 30])
    return raw[: at.start()] + new + raw[at.end() :]


def splice(raw: bytes, dice: random.Random, others: Sequence[bytes], _: Sequence[bytes]) -> bytes:
    other = dice.choice(others)
    return raw[: dice.randrange(len(raw) + 1)] + other[dice.randrange(len(other) + 1) :]


CHANGES: list[Change] = [
    flip, flip, insert_word, insert_word, replace_with_word, delete, repeat, move_line, change_number, splice,
]  # fmt: skip


def mutate(raw: bytes, dice: random.Random, others: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    """`raw` after one to five changes, at most LENGTH_MAX bytes."""
    for _ in range(dice.choice([1, 1, 2, 3, 5])):
        raw = dice.choice(CHANGES)(raw, dice, others, words)
    return raw[:LENGTH_MAX]
