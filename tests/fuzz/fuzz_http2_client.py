"""Fuzz target: any bytes as what a server sends to a client with four requests under way, one of them still sending."""

from __future__ import annotations

from meshcore.bind.http2test import Session
from tests.fuzz.http2_bytes import WORDS, answered, check
from tests.fuzz.properties import Kind

__all__ = ["WORDS", "one", "seeds"]


def seeds() -> list[bytes]:
    whole = [answered(n) for n in (0, 1, 2, 4)]
    return [*whole, *(whole[0] + word for word in WORDS)]


def asking() -> Session:
    session = Session(False)
    for method, end in (("GET", True), ("HEAD", True), ("POST", False), ("CONNECT", False)):
        session.request(method, "/p" if method != "CONNECT" else "", end)
    session.output()
    return session


def one(raw: bytes) -> Kind:
    return check(asking(), asking(), raw, False)
