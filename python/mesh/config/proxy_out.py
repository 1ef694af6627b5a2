"""The transport socket of a cluster, or of one of its transport_socket_matches: TLS, plain bytes, or either behind a PROXY header
(envoy.extensions.transport_sockets.proxy_protocol.v3).

Called by cluster.py and transport_match.py. Types of TLVs are lowered here for listeners too."""

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


def lower_socket(owner: Any, low: Lowering, path: str) -> tuple[spec.TlsContext | None, spec.ProxyOut | None]:
    """The `transport_socket` of `owner`: what stands between a host's socket and the bytes."""
    if not owner.transport_socket.typed_config.type_url.endswith(TRANSPORT.message):
        return tls.lower_upstream(owner, low, path), None
    at = join(path, "transport_socket.typed_config")
    message, _ = low.unpack(owner.transport_socket.typed_config, at, {TRANSPORT.message: True}, "a transport socket")
    if message is None:
        return None, None
    TRANSPORT.check(message, low.report, at)
    return tls.lower_upstream(message, low, at), _lower(message.config, low, join(at, "config"))


def _lower(config: Any, low: Lowering, path: str) -> spec.ProxyOut:
    CONFIG.check(config, low.report, path)
    return spec.ProxyOut(
        version=config.version + 1,
        passes=lower_types(config, low, path),
        added=lower_tlvs(config.added_tlvs, low, join(path, "added_tlvs")),
    )


def lower_tlvs(items: Any, low: Lowering, path: str) -> tuple[tuple[int, bytes], ...]:
    return each(items, path, lambda item, at: _added(item, low, at))


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
