"""envoy.config.core.v3: socket options, keep-alive of listeners' sockets, and the addresses of which hosts are dialled (BindConfig).

Called by listener.py and cluster.py."""

from __future__ import annotations

import socket
import struct
from typing import Any

from mesh.config import address
from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering, each
from meshcore.bind import spec

OPTION = Fields(
    "envoy.config.core.v3.SocketOption", {"level", "name", "int_value", "buf_value", "state"}, described={"description"}
)
BIND = Fields("envoy.config.core.v3.BindConfig", {"source_address", "extra_source_addresses", "freebind", "socket_options"})
EXTRA = Fields("envoy.config.core.v3.ExtraSourceAddress", {"address"})
TCP_FASTOPEN = 23
KEEP_ALIVE = {
    "keepalive_probes": socket.TCP_KEEPCNT, "keepalive_time": socket.TCP_KEEPIDLE, "keepalive_interval": socket.TCP_KEEPINTVL,
}  # fmt: skip


def number(level: int, name: int, value: int) -> spec.SocketOption:
    return spec.SocketOption(level, name, struct.pack("i", value))


def lower_all(items: Any, low: Lowering, path: str) -> tuple[spec.SocketOption, ...]:
    """Options of a listening socket that are set once it listens are set once it is bound: the kernel knows no difference for them."""

    def one(item: Any, at: str) -> spec.SocketOption:
        OPTION.check(item, low.report, at)
        value = item.buf_value if item.WhichOneof("value") == "buf_value" else struct.pack("i", item.int_value)
        return spec.SocketOption(item.level, item.name, value, bound=item.state != 0)

    return each(items, path, one)


def fast_open(queue_len: int) -> spec.SocketOption:
    return spec.SocketOption(socket.IPPROTO_TCP, TCP_FASTOPEN, struct.pack("i", queue_len), bound=True)


def keep_alive(message: Any) -> tuple[spec.SocketOption, ...]:
    """TcpKeepalive: accepted connections inherit it from the listening socket. What is not set is the system's."""
    found = [number(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for name, option in KEEP_ALIVE.items():
        if message.HasField(name):
            found.append(number(socket.IPPROTO_TCP, option, getattr(message, name).value))
    return tuple(found)


def lower_bind(message: Any, low: Lowering, path: str) -> spec.Dial:
    BIND.check(message, low.report, path)
    sources: list[spec.Address] = []
    if message.HasField("source_address"):
        sources.append(_source(message.source_address, low, join(path, "source_address")))
    for index, extra in enumerate(message.extra_source_addresses):
        at = f"{path}.extra_source_addresses[{index}]"
        EXTRA.check(extra, low.report, at)
        if not sources:
            low.refuse(at, "'source_address' is not set, which comes first")
        sources.append(_source(extra.address, low, join(at, "address")))
    if len(sources) > len({":" in one.host for one in sources}):
        low.refuse(join(path, "extra_source_addresses"), "at most one address of each family is implemented in mesh")
    return spec.Dial(tuple(sources), message.freebind.value, lower_all(message.socket_options, low, join(path, "socket_options")))


def _source(message: Any, low: Lowering, path: str) -> spec.Address:
    if not address.is_ip(message.address):
        low.refuse(join(path, "address"), f"'{message.address}' is not an IP address")
    return spec.Address(message.address, message.port_value)
