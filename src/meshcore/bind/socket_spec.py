"""What is said to the kernel and to hosts about connections: socket options, own addresses, PROXY headers. Part of spec.py, which says
how all of it is to be read, and under whose name these are used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from meshcore.bind.spec import Address


@dataclass(slots=True, frozen=True)
class SocketOption:
    """One setsockopt; `level` and `name` are the kernel's numbers. `bound`: after bind() rather than before."""

    level: int
    name: int
    value: bytes
    bound: bool = False


@dataclass(slots=True, frozen=True)
class Dial:
    """BindConfig: own addresses of which hosts of the same family are dialled, at most one of each family."""

    sources: tuple[Address, ...] = ()
    freebind: bool = False
    options: tuple[SocketOption, ...] = ()


@dataclass(slots=True, frozen=True)
class ProxyOut:
    """ProxyProtocolUpstreamTransport: the PROXY header that hosts are sent first. `passes`: types of TLV that go on as they came."""

    version: int = 1
    passes: tuple[int, ...] = ()
    added: tuple[tuple[int, bytes], ...] = ()
