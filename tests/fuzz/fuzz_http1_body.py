"""Fuzz target: any bytes as a chunked body, against a second reading of RFC 9112, 7.1 in a few lines of Python."""

from __future__ import annotations

import re

from mesh.codec import RequestParser
from tests.codec.corpus import load
from tests.fuzz.properties import Kind, same_when_cut

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
SIZE_LINE = re.compile(rb"([0-9A-Fa-f]+)(?:[ \t;][^\r\n]*)?\r\n")


def seeds() -> list[bytes]:
    found = []
    for case in load("request"):
        head, mark, body = case.raw.partition(b"\r\n\r\n")
        if mark and b"chunked" in head.lower() and 0 < len(body) < 4096:
            found.append(body)
    return found


def model(raw: bytes) -> bytes:
    """The body bytes that lie in `raw` up to its end, or up to where it stops being a chunked body."""
    body = b""
    while (line := SIZE_LINE.match(raw)) is not None:
        size = int(line[1], 16)
        if size >= 1 << 64:
            break
        raw = raw[line.end() :]
        if size == 0:
            break
        body += raw[:size]
        if raw[size : size + 2] != b"\r\n":
            break
        raw = raw[size + 2 :]
    return body


def one(raw: bytes) -> Kind:
    outcome = same_when_cut(HEAD + raw, lambda: RequestParser(max_head_bytes=2048))
    body = ""
    for name, *rest in outcome.events[1:]:
        if name != "data":
            break
        body += rest[0]
    assert body.encode("latin-1") == model(raw), f"{outcome}\nexpected {model(raw)!r}"
    ends = [event for event in outcome.events if event == ["end"]]
    return (len(body) > 0, len(ends), outcome.error and outcome.error[1:])
