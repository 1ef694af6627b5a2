"""envoy.extensions.transport_sockets.proxy_protocol.v3: hosts are sent a PROXY header first. Called by cluster.py.

Below it stands the transport socket that carries the bytes; raw_buffer is the one that there may be. Types of TLVs are lowered here
for listeners too."""

from __future__ import annotations

from typing import Any

from mesh.config import tls
from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering, each
from meshcore.bind import spec

TRANSPORT = Fields(
    "envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport", {"config", "transport_socket"}
)
CONFIG = Fields("envoy.config.core.v3.ProxyProtocolConfig", {"version", "pass_through_tlvs", "added_tlvs"})
PASSES = Fields("envoy.config.core.v3.ProxyProtocolPassThroughTLVs", {"match_type", "tlv_type"})
TLV = Fields("envoy.config.core.v3.TlvEntry", {"type", "value"})
ALL_TYPES = tuple(range(256))
INCLUDE_ALL = 0
TLV_MAX = 4096


def is_one(owner: Any) -> bool:
    """Whether a cluster's transport socket is of this kind."""
    packed = owner.transport_socket.typed_config if owner.HasField("transport_socket") else None
    return packed is not None and bool(packed.type_url.endswith(TRANSPORT.message))


def lower(owner: Any, low: Lowering, path: str) -> spec.ProxyOut | None:
    at = join(path, "transport_socket.typed_config")
    message, _ = low.unpack(owner.transport_socket.typed_config, at, {TRANSPORT.message: True}, "a transport socket")
    if message is None:
        return None
    TRANSPORT.check(message, low.report, at)
    if message.HasField("transport_socket"):
        inner = join(at, "transport_socket.typed_config")
        low.unpack(message.transport_socket.typed_config, inner, {tls.RAW: True}, "the transport socket below a PROXY header")
    config, at = message.config, join(at, "config")
    CONFIG.check(config, low.report, at)
    return spec.ProxyOut(
        version=config.version + 1,
        passes=lower_types(config, low, at),
        added=each(config.added_tlvs, join(at, "added_tlvs"), lambda item, here: _added(item, low, here)),
    )


def lower_types(owner: Any, low: Lowering, path: str) -> tuple[int, ...]:
    """The types of a message's `pass_through_tlvs`."""
    if not owner.HasField("pass_through_tlvs"):
        return ()
    PASSES.check(owner.pass_through_tlvs, low.report, join(path, "pass_through_tlvs"))
    return ALL_TYPES if owner.pass_through_tlvs.match_type == INCLUDE_ALL else tuple(owner.pass_through_tlvs.tlv_type)


def _added(item: Any, low: Lowering, path: str) -> tuple[int, bytes]:
    TLV.check(item, low.report, path)
    if not 0 < len(item.value) <= TLV_MAX:
        low.refuse(join(path, "value"), f"{len(item.value)} bytes; 1 to {TLV_MAX} are accepted")
    return int(item.type), bytes(item.value)
