"""What is said to the kernel and to hosts about connections: socket options, own addresses, PROXY headers. Part of spec.py, which says
how all of it is to be read, and under whose name these are used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshcore.bind.record import record

if TYPE_CHECKING:
    from meshcore.bind.spec import Address


@record
class SocketOption:
    """One setsockopt; `level` and `name` are the kernel's numbers. `bound`: after bind() rather than before."""

    level: int
    name: int
    value: bytes
    bound: bool = False


@record
class Dial:
    """BindConfig: own addresses of which hosts of the same family are dialled, at most one of each family."""

    sources: tuple[Address, ...] = ()
    freebind: bool = False
    options: tuple[SocketOption, ...] = ()


@record
class ProxyOut:
    """ProxyProtocolUpstreamTransport: the PROXY header that hosts are sent first. `passes`: types of TLV that go on as they came."""

    version: int = 1
    passes: tuple[int, ...] = ()
    added: tuple[tuple[int, bytes], ...] = ()
