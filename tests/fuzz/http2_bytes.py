"""What the fuzz targets of HTTP/2 share: frames, conversations made by the `h2` package as seeds, and what must hold for any bytes.

A session reads the same events however its bytes are cut, never says anything of a stream that it has closed, and what it sends is whole
frames. Events of bodies are joined before they are compared.
"""

from __future__ import annotations

from typing import Any

import h2.config
import h2.connection

from meshcore.bind.http2test import Session
from tests.fuzz.properties import Kind, cut_at_random

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FIELDS = [
    (":method", "POST"), (":scheme", "http"), (":path", "/p"), (":authority", "a"), ("x-a", "b"), ("cookie", "a=1"), ("cookie", "b=2"),
]  # fmt: skip


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


WORDS = [
    frame(0, 0, 1, b"body"), frame(0, 1, 1, b"end"), frame(0, 0, 1), frame(0, 8, 1, b"\x02ab\0\0"),
    frame(1, 5, 3, b"\x82\x86\x84\x41\x01a"),
    frame(1, 4, 3, b"\x83\x86\x84\x41\x01a"), frame(1, 1, 5, b"\x82\x86"), frame(9, 4, 5, b"\x84\x41\x01a"), frame(1, 4, 1, b"\x88"),
    frame(1, 5, 1, b"\x40\x01t\x01v"), frame(1, 0x25, 7, b"\0\0\0\x01\x10\x82\x86\x84\x41\x01a"), frame(2, 0, 1, b"\0\0\0\x03\x10"),
    frame(3, 0, 1, b"\0\0\0\x08"), frame(3, 0, 3, b"\0\0\0\x07"), frame(4, 0, 0), frame(4, 1, 0), frame(4, 0, 0, b"\0\x04\0\0\0\0"),
    frame(4, 0, 0, b"\0\x03\0\0\0\x01"), frame(4, 0, 0, b"\0\x01\0\0\0\0"), frame(4, 0, 0, b"\0\x05\0\xff\xff\xff"),
    frame(6, 0, 0, b"12345678"),
    frame(6, 1, 0, b"12345678"), frame(7, 0, 0, b"\0\0\0\x01\0\0\0\0"), frame(7, 0, 0, b"\0\0\0\0\0\0\0\x02"),
    frame(8, 0, 0, b"\0\0\0\x10"), frame(8, 0, 1, b"\x7f\xff\xff\xff"), frame(8, 0, 1, b"\0\0\0\0"),
    frame(5, 4, 1, b"\0\0\0\x02\x82"), frame(11, 0, 0, b"unknown"),
    b"\x82", b"\x84", b"\x86", b"\x88", b"\x89", b"\x8e", b"\x3f\xe1\x1f", b"\x20", b"\x40\x0aconnection\x05close", b"\x40\x02:x\x01y",
    b"\x40\x04Name\x01v", b"\x0f\x0d\x011", b"\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff", b"\xbe", b"\xff\xff\xff\xff\xff",
]  # fmt: skip


def asked(streams: int) -> tuple[h2.connection.H2Connection, bytes]:
    """A client of the package that has sent that many requests, and its bytes."""
    client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    client.initiate_connection()
    for n in range(streams):
        client.send_headers(2 * n + 1, FIELDS, end_stream=n % 2 == 0)
        if n % 2:
            client.send_data(2 * n + 1, b"body" * n, end_stream=n % 3 == 0)
            if n % 3:
                client.send_headers(2 * n + 1, [("sum", "7")], end_stream=True)
    return client, client.data_to_send()


def answered(streams: int) -> bytes:
    """What a server of the package sends to `streams` requests."""
    _, data = asked(streams)
    server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    server.initiate_connection()
    server.receive_data(data)
    for n in range(streams):
        stream = 2 * n + 1
        if n % 2:
            server.send_headers(stream, [(":status", "103"), ("link", "</a>")])
        server.send_headers(stream, [(":status", "200"), ("x-a", "b"), ("content-type", "text/plain")], end_stream=n % 3 == 2)
        if n % 3 != 2:
            server.send_data(stream, b"answer" * n, end_stream=n % 3 == 0)
        if n % 3 == 1:
            server.send_headers(stream, [("grpc-status", "0")], end_stream=True)
    server.ping(b"12345678")
    return server.data_to_send()


def drive(session: Session, pieces: list[Any]) -> list[tuple[Any, ...]]:
    """All events, with what came of one body together."""
    found: list[tuple[Any, ...]] = []
    for piece in pieces:
        for event in session.feed(bytes(piece)):
            if event[0] == "data" and found and found[-1][:2] == event[:2]:
                found[-1] = (*event[:2], found[-1][2] + event[2])
            else:
                found.append(event)
    return found


def until_done(events: list[tuple[Any, ...]], server: bool) -> list[tuple[Any, ...]]:
    """Up to where the peer has said GOAWAY and no stream is left: nghttp2 reads no further, unless the bytes came with those before."""
    left = set() if server else {1, 3, 5, 7}
    leaving = False
    for at, event in enumerate(events):
        leaving = leaving or event[0] == "goaway"
        if event[0] == "open":
            left.add(event[1])
        elif event[0] == "closed":
            left.discard(event[1])
        if leaving and not left:
            return events[: at + 1]
    return events


def check(whole: Session, pieces: Session, raw: bytes, server: bool) -> Kind:
    events = until_done(drive(whole, [raw]), server)
    again = until_done(drive(pieces, cut_at_random(raw)), server)
    assert events == again, f"whole: {events}\npieces: {again}"
    closed: set[int] = set()
    for event in events:
        if event[0] in ("head", "data", "trailers", "end", "closed"):
            assert event[1] not in closed, events
            closed |= {event[1]} if event[0] == "closed" else set()
    sent = whole.output().removeprefix(b"" if server else PREFACE)
    while sent:
        assert len(sent) >= 9, "a part of a frame"
        end = 9 + int.from_bytes(sent[:3], "big")
        assert len(sent) >= end, "a part of a frame"
        sent = sent[end:]
    return tuple((event[0], event[-1] if event[0] in ("closed", "goaway", "error") else 0) for event in events[:8])
