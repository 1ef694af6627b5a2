"""Addresses of the short form: `0.0.0.0:8080`, `:8080`, `8080`, `[::]:8080`, or a path for a Unix socket.

Owns how a text splits into host and port, for addresses that are bound and for targets alike; the two differ only in
that what is bound must be an IP. Makes trees of Envoy addresses, never sockets. Called by short/__init__.py (`listen`,
`admin`) and target.py.
"""

from __future__ import annotations

from typing import Any

from mesh.config.address import is_ip
from mesh.config.scalars import shown
from mesh.config.short.value import Reader

ANY = "0.0.0.0"
LOOPBACK = "127.0.0.1"
PORT_MAX = 65535


def addresses(value: Any, reader: Reader) -> list[dict[str, Any]]:
    """`listen` as Envoy addresses."""
    if value is None:
        reader.refuse("listen", "required, and not set; write an address such as 0.0.0.0:8080")
        return []
    if isinstance(value, list):
        return [address(item, reader, f"listen[{index}]") for index, item in enumerate(value)]
    return [address(value, reader, "listen")]


def address(value: Any, reader: Reader, path: str, unnamed: str = ANY) -> dict[str, Any]:
    """One Envoy address that can be bound; `unnamed`: the host of a port alone."""
    if isinstance(value, str) and value.startswith("/"):
        return {"pipe": {"path": value}}
    host, port = split(value)
    if port is None or not is_ip(host or unnamed):
        reader.refuse(path, f"{shown(value)} is no address; write IP:PORT, a port, or the path of a Unix socket")
        return socket(unnamed, 0)
    return socket(host or unnamed, port)


def split(value: Any) -> tuple[str, int | None]:
    """(host, port) of HOST:PORT; an empty host stands for none given, a port of None for one that is missing or no
    port."""
    if isinstance(value, int) and not isinstance(value, bool):
        return "", value if 0 <= value <= PORT_MAX else None
    if not isinstance(value, str):
        return "", None
    host, colon, digits = value.rpartition(":")
    if not colon or (":" in host and not (host.startswith("[") and host.endswith("]"))):
        return value.strip("[]"), None
    port = int(digits) if digits.isdecimal() and digits.isascii() and int(digits) <= PORT_MAX else None
    return host.strip("[]"), port


def socket(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}
