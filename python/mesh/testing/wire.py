"""One end of a TCP connection in the hands of a test: bytes out in pieces of any size, HTTP/1 messages in, and every way
to end.

A Wire owns its socket. It reads only as much HTTP as a test needs to know where a message ends, and judges nothing. Each
call waits at most `limit` seconds and then raises TimeoutError; an end of the connection before the awaited bytes raises
`Ended`. One thread at a time reads, one writes. Ends with `close` or `reset`; a `with` block closes.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from dataclasses import dataclass, field
from types import TracebackType

LIMIT_S = 10.0
PIECE = 65536


class Ended(Exception):
    """The peer ended the connection too early. `reset`: by RST; `before`: the bytes that had arrived."""

    def __init__(self, reset: bool, before: bytes) -> None:
        super().__init__(f"the connection was {'reset' if reset else 'closed'} after {before[-200:]!r}")
        self.reset = reset
        self.before = before


@dataclass
class Message:
    """A request or a response. `start`: its first line. `complete`: False when the connection ended inside its body."""

    start: str
    headers: list[tuple[str, str]]
    body: bytes = b""
    trailers: list[tuple[str, str]] = field(default_factory=list)
    complete: bool = True
    interim: list[Message] = field(default_factory=list)

    @property
    def status(self) -> int:
        return int(self.start.split(" ")[1])

    @property
    def method(self) -> str:
        return self.start.split(" ")[0]

    @property
    def target(self) -> str:
        return self.start.split(" ")[1]

    def get(self, name: str) -> str | None:
        """The first value of a header, by its lower-case name."""
        return next((value for key, value in self.headers if key == name), None)


class Wire:
    """A connected socket and what has been read from it but not been asked for yet."""

    def __init__(self, sock: socket.socket, limit: float = LIMIT_S) -> None:
        self.socket = sock
        self._held = b""
        sock.settimeout(limit)
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    # --- out ---

    def send(self, data: bytes, step: int = 0) -> None:
        """All of `data`; with `step`, in writes of that many bytes, each a segment of its own."""
        if not step:
            self.socket.sendall(data)
            return
        for at in range(0, len(data), step):
            self.socket.sendall(data[at : at + step])

    def finish(self) -> None:
        """FIN: nothing more is sent, reading goes on."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """FIN in both directions (the kernel makes it RST when bytes are left unread)."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def reset(self) -> None:
        """RST, from any thread."""
        with contextlib.suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with contextlib.suppress(OSError):
            # A thread that still waits in recv would keep the socket alive; this wakes it and sends nothing.
            self.socket.shutdown(socket.SHUT_RD)
        self.socket.close()

    # --- in ---

    def read_until(self, mark: bytes) -> bytes:
        """Everything up to `mark`, which is included."""
        while mark not in self._held:
            self._more()
        at = self._held.index(mark) + len(mark)
        return self._take(at)

    def read_exactly(self, n: int) -> bytes:
        parts: list[bytes] = []
        left = n
        while left > 0:
            if not self._held:
                try:
                    self._more()
                except Ended as ended:
                    raise Ended(ended.reset, b"".join(parts)) from None
            piece = self._take(min(left, len(self._held)))
            parts.append(piece)
            left -= len(piece)
        return b"".join(parts)

    def read_some(self) -> bytes:
        """What is there, at least one byte; b"" when the peer has ended."""
        try:
            if not self._held:
                self._more()
        except Ended:
            return b""
        return self._take(len(self._held))

    def read_all(self) -> bytes:
        """Everything until the peer's FIN; raises Ended after RST."""
        parts = [self._held]
        self._held = b""
        while True:
            try:
                self._more()
            except Ended as ended:
                if ended.reset:
                    raise Ended(True, b"".join(parts)) from None
                return b"".join(parts)
            parts.append(self._take(len(self._held)))

    def ended(self) -> bool:
        """Waits for the end of the connection; False when bytes come first."""
        try:
            if not self._held:
                self._more()
        except Ended:
            return True
        return False

    def read_request(self) -> Message:
        """One whole request."""
        message = self._read_head()
        self._read_body(message, False)
        return message

    def read_response(self, method: str = "GET") -> Message:
        """One response with its body; interim (1xx) responses before it are kept in `interim`."""
        interim: list[Message] = []
        message = self._read_head()
        while message.status < 200 and message.status != 101:
            interim.append(message)
            message = self._read_head()
        message.interim = interim
        if method != "HEAD" and message.status not in (101, 204, 304):
            self._read_body(message, True)
        return message

    def _read_head(self) -> Message:
        lines = self.read_until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        return Message(lines[0], _fields(lines[1:]))

    def _read_body(self, message: Message, until_end: bool) -> None:
        length = message.get("content-length")
        try:
            if message.get("transfer-encoding") == "chunked":
                self._read_chunks(message)
            elif length is not None:
                message.body = self.read_exactly(int(length))
            elif until_end:
                message.body = self.read_all()
        except Ended as ended:
            message.complete = False
            message.body += ended.before

    def _read_chunks(self, message: Message) -> None:
        parts: list[bytes] = []
        try:
            while size := int(self.read_until(b"\r\n").split(b";")[0], 16):
                try:
                    parts.append(self.read_exactly(size + 2)[:-2])
                except Ended as ended:
                    parts.append(ended.before)
                    raise Ended(ended.reset, b"") from None
            while (line := self.read_until(b"\r\n")) != b"\r\n":
                message.trailers += _fields([line.decode("latin-1").strip()])
        except Ended as ended:
            raise Ended(ended.reset, b"") from None
        finally:
            message.body = b"".join(parts)

    def _more(self) -> None:
        try:
            piece = self.socket.recv(PIECE)
        except TimeoutError:
            raise
        except OSError:
            raise Ended(True, self._held) from None
        if not piece:
            raise Ended(False, self._held)
        self._held += piece

    def _take(self, n: int) -> bytes:
        taken, self._held = self._held[:n], self._held[n:]
        return taken


def _fields(lines: list[str]) -> list[tuple[str, str]]:
    pairs = (line.partition(":") for line in lines if line)
    return [(name.lower(), value.strip()) for name, _, value in pairs]


def connect(port: int, host: str = "127.0.0.1", limit: float = LIMIT_S, receive_buffer: int = 0) -> Wire:
    """A client's end. `receive_buffer`: bytes the kernel may hold for a slow reader."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.settimeout(limit)
    try:
        sock.connect((host, port))
    except OSError:
        sock.close()
        raise
    return Wire(sock, limit)
