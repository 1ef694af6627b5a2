"""Fuzz target: any bytes behind the preface, as what a client sends."""

from __future__ import annotations

from meshcore.bind.http2test import Session
from tests.fuzz.http2_bytes import PREFACE, WORDS, asked, check
from tests.fuzz.properties import Kind

__all__ = ["WORDS", "one", "seeds"]


def seeds() -> list[bytes]:
    whole = [asked(n)[1].removeprefix(PREFACE) for n in (0, 1, 2, 4)]
    return [*whole, *(whole[0] + word for word in WORDS)]


def one(raw: bytes) -> Kind:
    return check(Session(True), Session(True), PREFACE + raw, True)
