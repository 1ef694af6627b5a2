"""The other sides of TLS tests: Python's ssl as client and as upstream, and bootstraps with TLS in them.

Only shapes and sockets; what is right is the tests' business. Clients wait at most LIMIT_S.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mesh.testing.bootstrap import bootstrap
from mesh.testing.upstream import Script, ok
from mesh.testing.wire import LIMIT_S, Message, Wire
from tests.tls.certificates import Pair

TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3."
GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"


def inline(text: bytes) -> dict[str, str]:
    return {"inline_string": text.decode()}


def certificate(pair: Pair) -> dict[str, Any]:
    return {"certificate_chain": inline(pair.pem), "private_key": inline(pair.key_pem)}


def trusting(*authorities: Pair, **fields: Any) -> dict[str, Any]:
    """A CertificateValidationContext."""
    return {"trusted_ca": inline(b"".join(one.pem for one in authorities)), **fields}


def downstream(*pairs: Pair, common: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """The transport socket of a filter chain."""
    shared = {"tls_certificates": [certificate(pair) for pair in pairs], **(common or {})}
    return {"name": "tls", "typed_config": {"@type": TLS + "DownstreamTlsContext", "common_tls_context": shared, **fields}}


def upstream(common: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """The transport socket of a cluster."""
    return {"name": "tls", "typed_config": {"@type": TLS + "UpstreamTlsContext", "common_tls_context": common or {}, **fields}}


def secured(transport_socket: dict[str, Any], *up: int, chain: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """A bootstrap whose one listener speaks TLS."""
    made = bootstrap(*up, **fields)
    made["static_resources"]["listeners"][0]["filter_chains"][0] |= {"transport_socket": transport_socket, **(chain or {})}
    return made


def client_side(*authorities: Pair, pair: Pair | None = None, alpn: list[str] | None = None) -> ssl.SSLContext:
    """A client's context; without an authority it believes everything."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if authorities:
        made.load_verify_locations(cadata=b"".join(one.pem for one in authorities).decode())
    else:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    if pair is not None:
        load(made, pair)
    if alpn:
        made.set_alpn_protocols(alpn)
    return made


def server_side(pair: Pair, *authorities: Pair, alpn: list[str] | None = None) -> ssl.SSLContext:
    """A server's context; with an authority it wants certificates."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load(made, pair)
    if authorities:
        made.load_verify_locations(cadata=b"".join(one.pem for one in authorities).decode())
        made.verify_mode = ssl.CERT_REQUIRED
    if alpn:
        made.set_alpn_protocols(alpn)
    return made


def load(target: ssl.SSLContext, pair: Pair) -> None:
    """ssl reads certificates from files alone."""
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(pair.pem + pair.key_pem)
        target.load_cert_chain(file.name)


@contextlib.contextmanager
def dialled(
    port: int, context: ssl.SSLContext, name: str | None = "a.test", session: ssl.SSLSession | None = None
) -> Iterator[ssl.SSLSocket]:
    """A client after its handshake."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S) as plain,
        context.wrap_socket(plain, server_hostname=name, session=session) as wire,
    ):
        yield wire


def ask(wire: ssl.SSLSocket, request: bytes = GET) -> Message:
    reader = Wire(wire)
    reader.send(request)
    return reader.read_response()


def everything(wire: socket.socket) -> bytes:
    """What comes until the other side closes."""
    parts = []
    while part := wire.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


class Secret:
    """A script for `Upstream`: TLS around another script. `seen`: (version, SNI, ALPN, client's certificate) of each handshake;
    `failed`: why handshakes failed."""

    def __init__(self, context: ssl.SSLContext, script: Script = ok) -> None:
        self.context = context
        self.script = script
        self.seen: list[tuple[str | None, str | None, str | None, bytes | None]] = []
        self.failed: list[OSError] = []
        self.reused: list[bool] = []
        self._names: dict[int, str | None] = {}
        context.sni_callback = self._name

    def _name(self, wire: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        self._names[id(wire)] = name

    def __call__(self, wire: Wire) -> None:
        try:
            secured = self.context.wrap_socket(wire.socket, server_side=True)
        except OSError as error:
            self.failed.append(error)
            return
        with secured:
            name = self._names.pop(id(secured), None)
            self.seen.append((secured.version(), name, secured.selected_alpn_protocol(), secured.getpeercert(binary_form=True)))
            self.reused.append(bool(secured.session_reused))
            with contextlib.suppress(OSError):
                self.script(Wire(secured))
