"""envoy.config.core.v3.Address, SocketAddress, Pipe and CidrRange to plain addresses.

A listener and a static host need an IP literal or a Unix path, because nothing resolves names there; `lower_target`
is for the clusters that do resolve. A Unix path has at most 107 bytes (sockaddr_un); one that begins with @ is
a name of the abstract namespace. Called by listener.py, endpoint.py, cluster.py, hcm.py and bootstrap.py."""

from __future__ import annotations

import ipaddress
from typing import Any

from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering
from meshcore.bind import spec

ADDRESS = Fields("envoy.config.core.v3.Address", {"socket_address", "pipe"})
SOCKET = Fields("envoy.config.core.v3.SocketAddress", {"protocol", "address", "port_value", "ipv4_compat"})
PIPE = Fields("envoy.config.core.v3.Pipe", {"path", "mode"})
UDP = 1
UNIX_PORT = -1
PIPE_PATH_MAX = 107


def lower(message: Any, low: Lowering, path: str, *, advice: str = "") -> spec.Address:
    """An address that needs no resolution."""
    ADDRESS.check(message, low.report, path)
    which = message.WhichOneof("address")
    if which == "pipe":
        return _pipe(message.pipe, low, join(path, which))
    host, port = _socket(message.socket_address, low, join(path, "socket_address"))
    if which == "socket_address" and not is_ip(host):
        low.refuse(join(path, "socket_address.address"), f"'{host}' is not an IP address{advice}")
    return spec.Address(host, port)


def lower_target(message: Any, low: Lowering, path: str) -> tuple[str, int]:
    """(name or IP, port) of an address that a resolver will look up."""
    ADDRESS.check(message, low.report, path)
    if message.WhichOneof("address") == "pipe":
        low.refuse(join(path, "pipe"), "a path cannot be resolved by DNS; use a cluster of type STATIC")
        return "", 0
    return _socket(message.socket_address, low, join(path, "socket_address"))


def _socket(message: Any, low: Lowering, path: str) -> tuple[str, int]:
    SOCKET.check(message, low.report, path)
    if message.protocol == UDP:
        low.refuse(join(path, "protocol"), "'UDP' is not implemented yet in mesh; remove it")
    if message.WhichOneof("port_specifier") == "named_port":
        return message.address, 0
    return message.address, message.port_value


def _pipe(message: Any, low: Lowering, path: str) -> spec.Address:
    PIPE.check(message, low.report, path)
    if message.path.startswith("@") and message.mode:
        low.refuse(join(path, "mode"), "an abstract socket (@) has no mode")
    if len(message.path.encode()) > PIPE_PATH_MAX:
        low.refuse(join(path, "path"), f"a socket path has at most {PIPE_PATH_MAX} bytes")
    return spec.Address(message.path, UNIX_PORT)


def is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def lower_cidr(message: Any, low: Lowering, path: str) -> tuple[str, int]:
    """(prefix address, length) of a CidrRange."""
    length = message.prefix_len.value if message.HasField("prefix_len") else 0
    if not is_ip(message.address_prefix):
        low.refuse(join(path, "address_prefix"), f"'{message.address_prefix}' is not an IP address")
    elif length > (longest := ipaddress.ip_address(message.address_prefix).max_prefixlen):
        low.refuse(join(path, "prefix_len"), f"{length} is out of range; 0 to {longest} is accepted")
    return message.address_prefix, length
