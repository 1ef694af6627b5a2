"""Probe: one check of one host over a connection of its own. The base of all kinds of checks, and what they need to know of a host.

`start` begins a check, `done` is called with its Result exactly once unless `abort` came first (a timeout, or a host that left). Between
checks the connection is kept when it may be reused. Subclasses say what goes out when the connection is there (`on_ready`) and what the
bytes mean that come back (`on_bytes`); they call `finish`. On the loop of mesh.health.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from mesh.health.state import NETWORK, Result
from meshcore.bind.record import record, replace
from meshcore.bind.spec import Address, Cluster, Endpoint, ProxyOut, TlsContext

if TYPE_CHECKING:
    from meshcore.bind.tls_client import TlsClient

UNIX_PORT = -1
V2 = 2
V2_LOCAL = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"
USER_AGENT = "Envoy/HC"
UNREADY = "client_ssl_socket_factory.upstream_context_secrets_not_ready"


@record
class Target:
    """A host to check: where, as what the cluster knows it, from which local address (None: any), and what stands between: TLS, a PROXY
    header (None: nothing). `alpn` None: as `tls` says."""

    address: Address
    endpoint: Endpoint
    cluster: str
    source: Address | None = None
    tls: TlsContext | None = None
    alpn: tuple[str, ...] | None = None
    says: ProxyOut | None = None

    @property
    def hostname(self) -> str:
        """What the host wants to be called in checks; "" when it does not say."""
        return self.endpoint.check.hostname if self.endpoint.check is not None else ""

    @property
    def scheme(self) -> bytes:
        return b"http" if self.tls is None else b"https"


def target_in(cluster: Cluster, endpoint: Endpoint) -> Target:
    """A host of a cluster that is checked, with all that stands between."""
    check = cluster.health_check
    assert check is not None
    place = cluster.socket_of(endpoint, check.socket_criteria)
    way = cluster.socket_matches[place - 1] if place else cluster
    alpn = check.alpn or (() if cluster.protocol == "auto" else None)
    plain = target_of(endpoint, cluster.name, cluster.bind_address)
    return replace(plain, tls=way.tls, alpn=alpn, says=way.proxy_out)


def target_of(endpoint: Endpoint, cluster: str, source: Address | None = None) -> Target:
    """Where an endpoint is checked: as it serves, unless its health_check_config says otherwise."""
    address, check = endpoint.address, endpoint.check
    if check is not None and address.port != UNIX_PORT:
        address = Address(check.host or address.host, check.port or address.port)
    return Target(address, endpoint, cluster, source)


class Probe(asyncio.Protocol):
    """`reuse`: the connection serves more than one check."""

    def __init__(self, target: Target, reuse: bool, done: Callable[[Result], None]) -> None:
        self.target = target
        self.reuse = reuse
        self._done = done
        self._busy = False
        self._transport: asyncio.Transport | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._secure: TlsClient | None = None
        self.count: Callable[[str, int], None] = lambda name, n: None  # statistics of the cluster
        self.secure: Callable[[TlsContext], TlsContext] = lambda context: context  # with the secrets of now

    # --- for the checker ---

    def start(self) -> None:
        """Begins a check."""
        self._busy = True
        if self._transport is not None:
            self.on_ready()
        else:
            self._connecting = asyncio.get_running_loop().create_task(self._connect())

    def abort(self) -> None:
        """Ends the check under way, if any, and the connection; `done` is not called."""
        self._busy = False
        self.close()

    # --- for the kinds ---

    def on_connected(self) -> None:
        """A new connection is there; `on_ready` follows."""

    def on_ready(self) -> None:
        """A check begins on the connection."""
        raise NotImplementedError

    def on_bytes(self, data: bytes) -> None:
        """The host said something during a check."""
        raise NotImplementedError

    def on_end(self) -> None:
        """The host closed during a check."""
        self.finish(Result(NETWORK))

    def on_data(self, data: bytes) -> None:
        """The host said something."""
        if self._busy:
            self.on_bytes(data)

    def write(self, data: bytes) -> None:
        if self._transport is None:
            return
        if self._secure is not None:
            self._secure.write(data)
            data = self._secure.take()
        self._transport.write(data)

    def finish(self, result: Result, *, close: bool = False) -> None:
        """The check is over."""
        if not self._busy:
            return
        self._busy = False
        if close or not self.reuse or result.failure in (NETWORK,):
            self.close()
        self._done(result)

    def close(self) -> None:
        """Ends the connection without ado."""
        if self._connecting is not None:
            self._connecting.cancel()
            self._connecting = None
        transport, self._transport = self._transport, None
        self._secure = None
        if transport is not None:
            transport.abort()

    # --- asyncio ---

    async def _connect(self) -> None:
        loop, address = asyncio.get_running_loop(), self.target.address
        source = self.target.source
        try:
            if address.port == UNIX_PORT:
                await loop.create_unix_connection(lambda: self, address.host)
            else:
                local = (source.host, source.port) if source is not None else None
                await loop.create_connection(lambda: self, address.host, address.port, local_addr=local)
        except OSError:
            self._connecting = None
            self.finish(Result(NETWORK))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._connecting = None
        assert isinstance(transport, asyncio.Transport)
        if not self._busy:
            transport.abort()
            return
        self._transport = transport
        if self.target.says is not None:
            transport.write(proxy_header(self.target.says.version, transport))
        if self.target.tls is None:
            self.on_connected()
            self.on_ready()
            return
        context = self.secure(self.target.tls)
        if not context.ready:
            self.count(UNREADY, 1)
            self.finish(Result(NETWORK))
            return
        from meshcore.bind.tls_client import TlsClient

        self._secure = TlsClient(context, self.target.endpoint.hostname, self.target.alpn)
        transport.write(self._secure.take())

    def data_received(self, data: bytes) -> None:
        if self._transport is None:
            return
        if self._secure is None:
            self.on_data(data)
        else:
            self._unseal(self._secure, self._transport, data)

    def _unseal(self, secure: TlsClient, transport: asyncio.Transport, data: bytes) -> None:
        from meshcore.bind.tls_client import TlsClientError

        shaking = not secure.open
        plain, failed = b"", False
        try:
            plain = secure.feed(data)
        except TlsClientError:
            failed = True
        transport.write(secure.take())
        for name, n in secure.taken_counts().items():
            self.count(f"ssl.{name}", n)
        if failed:
            self._lost()
            return
        if shaking and secure.open and self._busy:
            self.on_connected()
            self.on_ready()
        if plain and self._transport is transport:
            self.on_data(plain)
        if secure.ended and self._transport is transport:
            self._lost()

    def _lost(self) -> None:
        """The host is gone in the middle of a check, or between two."""
        if self._busy and self._secure is not None and not self._secure.open:
            self.finish(Result(NETWORK))
        elif self._busy:
            self.on_end()
        else:
            self.close()

    def connection_lost(self, error: Exception | None) -> None:
        # Ours was forgotten before it was closed: a loss that comes here was the host's doing, or of a connection that is gone anyway.
        if self._transport is None:
            return
        if self._busy and self._secure is not None and not self._secure.open:
            self.finish(Result(NETWORK))
            return
        self._transport = None
        if self._busy:
            self.on_end()


def proxy_header(version: int, transport: asyncio.Transport) -> bytes:
    """The PROXY header of a connection that is the proxy's own."""
    if version == V2:
        return V2_LOCAL
    (source, source_port), (host, port) = (transport.get_extra_info(name)[:2] for name in ("sockname", "peername"))
    return f"PROXY TCP{6 if ':' in host else 4} {source} {host} {source_port} {port}\r\n".encode()


def contains_in_order(parts: tuple[bytes, ...], data: bytes) -> bool:
    """Whether all of `parts` are in `data`, each behind the one before, with anything between them."""
    at = 0
    for part in parts:
        at = data.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return True
