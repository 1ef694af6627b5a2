"""A name server of our own: A and AAAA over UDP, from records that a test changes while it runs."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable

A, AAAA = 1, 28
Records = dict[tuple[str, int], list[tuple[str, int]]]


class NameServer:
    """Answers from `records`, (name, kind): [(address, TTL in seconds)]; what it does not know does not exist. `before` is called on its
    thread with the name and the kind of each question."""

    def __init__(self, records: Records, before: Callable[[str, int], object] | None = None) -> None:
        self.records = records
        self.before = before
        self.asked: list[tuple[str, int]] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> NameServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            packet, peer = self._socket.recvfrom(4096)
            if not packet:
                return
            self._socket.sendto(self._answer(packet), peer)

    def _answer(self, packet: bytes) -> bytes:
        labels, at = [], 12
        while packet[at]:
            labels.append(packet[at + 1 : at + 1 + packet[at]].decode())
            at += 1 + packet[at]
        kind = struct.unpack(">H", packet[at + 1 : at + 3])[0]
        name = ".".join(labels)
        self.asked.append((name, kind))
        if self.before is not None:
            self.before(name, kind)
        records = self.records
        known = any(name == other for other, _kind in records)
        rows = b""
        for text, ttl in records.get((name, kind), []):
            raw = socket.inet_pton(socket.AF_INET if kind == A else socket.AF_INET6, text)
            rows += struct.pack(">HHHIH", 0xC00C, kind, 1, ttl, len(raw)) + raw
        count = len(records.get((name, kind), []))
        flags = 0x8180 if known else 0x8183
        return packet[:2] + struct.pack(">HHHHH", flags, 1, count, 0, 0) + packet[12 : at + 5] + rows
