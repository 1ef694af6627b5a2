"""Runs one fuzz target for a number of inputs or seconds, in this process, keeping inputs of kinds not seen before.

The input at hand lies in a shared file before the target sees it, so that when native code takes the process down, the parent
still has the bytes (see __main__). A run with the same seed and count tries the same inputs. Ends by count, time, or the first
input that breaks a property.
"""

from __future__ import annotations

import mmap
import random
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from tests.fuzz.mutate import HTTP1_WORDS, LENGTH_MAX, mutate

TARGETS = ["http1_request", "http1_response", "http1_body", "http2_server", "http2_client", "thrift", "thrift_proxy"]
POOL_MAX = 4000


@dataclass
class Broken(Exception):
    """An input breaks a property of a target."""

    target: str
    raw: bytes
    story: str

    def __str__(self) -> str:
        return f"{self.target}: {self.raw!r}\n{self.story}"


class Ledger:
    """A shared place for the input at hand: its length in four bytes, then its bytes."""

    def __init__(self) -> None:
        self._map = mmap.mmap(-1, 4 + LENGTH_MAX * 32)

    def write(self, raw: bytes) -> None:
        self._map[: 4 + len(raw)] = len(raw).to_bytes(4, "little") + raw

    def read(self) -> bytes:
        return self._map[4 : 4 + int.from_bytes(self._map[:4], "little")]


def run(target: str, seed: int, inputs: int | None = None, seconds: float | None = None, ledger: Ledger | None = None) -> tuple[int, int]:
    """(inputs tried, kinds seen). Raises Broken. The seeds of the target are tried first; what it needs around them is its `running`."""
    module: Any = import_module(f"tests.fuzz.fuzz_{target}")
    one: Callable[[bytes], Any] = module.one
    words: list[bytes] = getattr(module, "WORDS", HTTP1_WORDS)
    dice = random.Random(seed)
    pool: list[bytes] = module.seeds()
    seen: set[Any] = set()
    tried = 0
    limit = None if seconds is None else time.monotonic() + seconds
    fresh = list(pool)
    with getattr(module, "running", nullcontext)():
        while (inputs is None or tried < inputs) and (limit is None or time.monotonic() < limit):
            raw = fresh.pop() if fresh else mutate(dice.choice(pool), dice, pool, words)
            if ledger is not None:
                ledger.write(raw)
            try:
                kind = one(raw)
            except Exception as error:
                raise Broken(target, raw, f"{type(error).__name__}: {error}") from error
            tried += 1
            if kind not in seen:
                seen.add(kind)
                if len(pool) < POOL_MAX:
                    pool.append(raw)
    return tried, len(seen)
