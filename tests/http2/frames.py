"""Frames of HTTP/2 as bytes, right or wrong, and what a proxy says to them.

`frame` and `block` make what no library would send. `answer_of` plays one conversation after the preface and tells what came back:
whether the connection lived, with which code it ended, which streams were reset and how, and what was answered on the others.
"""

from __future__ import annotations

import contextlib
import socket

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, WITH_PRIORITY = 1, 1, 4, 8, 32
CODES = (
    "NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED", "FRAME_SIZE_ERROR",
    "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM", "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
)  # fmt: skip
GET = ((":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a"))
POST = ((":method", "POST"), *GET[1:])
LIMIT_S = 60.0


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"", length: int | None = None) -> bytes:
    """`length`: what the frame says of itself, when that is to be wrong."""
    said = len(payload) if length is None else length
    return said.to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def block(*fields: tuple[str, str]) -> bytes:
    """A field block that needs no table of earlier ones."""
    made: bytes = hpack.Encoder().encode(list(fields), huffman=False)
    return made


def head(stream: int = 1, *more: tuple[str, str], fields: tuple[tuple[str, str], ...] = GET, flags: int = END_STREAM) -> bytes:
    """A whole head in one frame."""
    return frame(HEADERS, flags | END_HEADERS, stream, block(*fields, *more))


class Talk:
    """One connection, and what has come on it so far: of a request its path, else what ended and what was answered."""

    def __init__(self, sock: socket.socket, unread: int = 0) -> None:
        """`unread`: so many bytes come before the first frame."""
        self.sock = sock
        self.sock.settimeout(LIMIT_S)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.skip = unread
        self.path = ""
        self.decoder = hpack.Decoder()
        self.unread = b""
        self.block = b""
        self.said: list[str] = []
        self.pongs = 0
        self.end = ""

    def send(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            self.sock.sendall(data)

    def read(self) -> None:
        try:
            data = self.sock.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            self.end = self.end or "closed"
        self.skip, data = max(0, self.skip - len(data)), data[self.skip :]
        self.unread += data
        while len(self.unread) >= 9 and len(self.unread) >= 9 + int.from_bytes(self.unread[:3], "big"):
            length = 9 + int.from_bytes(self.unread[:3], "big")
            whole, self.unread = self.unread[:length], self.unread[length:]
            self.take(whole[3], whole[4], int.from_bytes(whole[5:9], "big") & 0x7FFFFFFF, whole[9:])

    def take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == PING and flags & ACK:
            self.pongs += 1
        elif kind == GOAWAY and (code := int.from_bytes(payload[4:8], "big")):
            self.end = self.end or f"goaway {CODES[code]}"
        elif kind == RST_STREAM:
            self.said.append(f"{stream} reset {CODES[int.from_bytes(payload[:4], 'big')]}")
        elif kind in (HEADERS, CONTINUATION):
            self.block += payload
            if flags & END_HEADERS:
                fields = dict(self.decoder.decode(self.block))
                self.block = b""
                self.path = fields.get(":path", self.path)
                if status := fields.get(":status"):
                    self.said.append(f"{stream} {status}")

    def until_seen(self) -> None:
        """Returns when the peer has said all that it has to say: it has answered two pings, one after the other, or ended."""
        for wanted in (self.pongs + 1, self.pongs + 2):
            self.send(frame(PING, payload=b"up to it"))
            while self.pongs < wanted and not self.end:
                self.read()

    @property
    def outcome(self) -> str:
        """Answers and resets race with an end, so that they count only where there is none."""
        return self.end or ", ".join(["alive", *sorted(self.said)])


def answer_of(port: int, said: bytes, settings: bytes = b"", preface: bytes = PREFACE) -> str:
    """How a proxy takes `said`, in one line: "alive", "closed" or the code of GOAWAY, and what came on each stream while it lived."""
    talk = Talk(socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S))
    with talk.sock:
        talk.send(preface + frame(SETTINGS, payload=settings) + said)
        talk.until_seen()
    return talk.outcome
