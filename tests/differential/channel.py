"""What lies under a recorded connection: a plain socket, or TLS on it.

`recv` and `sendall` are those of the asyncio loop. TLS runs on memory buffers, so that both ends of a case can say what happened:
`settled` is what the handshake settled, `ending` names the alert that came; a server may expect a PROXY header before it. The reader
shakes hands; writers wait for it. Must not interpret what it carries.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
from typing import Any

CHUNK = 65536
HANDSHAKE = b"\x16\x03\x01"  # how a client's first record begins
V2 = b"\r\n\r\n\0\r\nQUIT\n"


class Plain:
    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.settled: dict[str, Any] = {}
        self.session: ssl.SSLSession | None = None

    async def recv(self, n: int) -> bytes:
        return await asyncio.get_running_loop().sock_recv(self.sock, n)

    async def sendall(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.sock, data)

    def ending(self, error: OSError | None) -> tuple[str, str]:
        """How the peer ended, in the harness's words, and more for the transcript. None: it sent its end."""
        return ("reset", type(error).__name__) if error is not None else ("eof", "")

    async def say_bye(self) -> None:
        """Before this side closes."""

    def keep_session(self) -> None:
        """While the connection is there still."""


class Tls(Plain):
    def __init__(
        self,
        sock: socket.socket,
        context: ssl.SSLContext,
        server: bool,
        name: str | None = None,
        session: ssl.SSLSession | None = None,
        *,
        led: bool = False,
    ) -> None:
        super().__init__(sock)
        self._in = ssl.MemoryBIO()
        self._out = ssl.MemoryBIO()
        self._sending = asyncio.Lock()
        self._open = asyncio.Event()
        self._failed = False
        self._asked: str | None = None
        if server:
            context.sni_callback = self._note_name
        self._object = context.wrap_bio(self._in, self._out, server_side=server, server_hostname=name, session=session)
        self._server = server
        self._led = led
        self._leader = ""

    def _note_name(self, _object: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        self._asked = name

    async def _flush(self) -> None:
        async with self._sending:
            if data := self._out.read():
                await super().sendall(data)

    async def _feed(self) -> None:
        await self._flush()
        piece = await super().recv(CHUNK)
        if piece:
            self._in.write(piece)
        else:
            self._in.write_eof()

    async def _read_leader(self) -> None:
        """Takes the PROXY header that comes before the handshake."""
        head = b""
        while HANDSHAKE not in head:
            piece = await super().recv(CHUNK)
            if not piece:
                raise ConnectionError("no handshake behind the PROXY header")
            head += piece
        end = head.index(HANDSHAKE)
        self._in.write(head[end:])
        self._leader = leader_text(head[:end])

    async def _shake(self) -> None:
        if self._led:
            self._led = False
            await self._read_leader()
        while True:
            try:
                self._object.do_handshake()
                break
            except ssl.SSLWantReadError:
                await self._feed()
        await self._flush()
        self.settled = self._facts()
        self._open.set()

    def _facts(self) -> dict[str, Any]:
        cipher = self._object.cipher()
        facts: dict[str, Any] = {
            "version": self._object.version(), "cipher": cipher[0] if cipher else "", "alpn": self._object.selected_alpn_protocol(),
            "resumed": self._object.session_reused, "peer": _subject(self._object.getpeercert(binary_form=True)),
        }  # fmt: skip
        facts |= {"before it": self._leader} if self._leader else {}
        return facts | ({"asked for": self._asked} if self._server else {})

    async def recv(self, n: int) -> bytes:
        try:
            if not self._open.is_set():
                await self._shake()
            while True:
                try:
                    return self._object.read(n)
                except ssl.SSLWantReadError:
                    await self._feed()
        except OSError:
            self._failed = True
            self._open.set()
            with contextlib.suppress(OSError):
                await self._flush()
            raise

    async def sendall(self, data: bytes) -> None:
        await self._open.wait()
        if self._failed:
            raise ConnectionError("the handshake failed")
        self._object.write(data)
        await self._flush()

    def ending(self, error: OSError | None) -> tuple[str, str]:
        if not isinstance(error, ssl.SSLError):
            return super().ending(error)
        reason = error.reason or type(error).__name__
        if isinstance(error, ssl.SSLEOFError) or "UNEXPECTED_EOF" in reason:
            return ("eof without close_notify" if self.settled else "eof in the handshake", reason)
        if "ALERT_" in reason:
            return f"alert {reason.partition('ALERT_')[2].lower()}", reason
        return f"refused by us: {reason}", reason

    async def say_bye(self) -> None:
        if not self.settled or self._failed:
            return
        with contextlib.suppress(OSError):
            with contextlib.suppress(ssl.SSLWantReadError):
                self._object.unwrap()
            await self._flush()

    def keep_session(self) -> None:
        if self.settled:
            self.session = self._object.session


def leader_text(head: bytes) -> str:
    """A PROXY header without the ports of local clients."""
    if not head.startswith(V2):
        return re.sub(r"(PROXY TCP4 127\.0\.0\.1 127\.0\.0\.1) \d+ \d+", r"\1", head.decode("latin-1").rstrip("\r\n"))
    addresses = head[16:24] if len(head) >= 28 and head[13] == 0x11 else b""
    rest = head[28:] if addresses else head[16:]
    ports = head[24:28] if addresses and addresses[:1] != b"\x7f" else b""
    return f"v2 {head[12:14].hex()} {addresses.hex()} {ports.hex()} {rest.hex()}"


def _subject(der: bytes | None) -> str:
    """The common name of a certificate."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    if der is None:
        return ""
    names = x509.load_der_x509_certificate(der).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else "(nameless)"
