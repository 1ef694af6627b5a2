"""envoy.config.listener.v3.Listener: an address and one filter chain that holds an HTTP connection manager or a TCP proxy.

More than one chain, a chain match, TLS and listener filters are refused by name. `default_filter_chain` alone is the
one chain, as in Envoy. Whether a transport socket is plain TCP is decided here for listeners and clusters alike.
Called by bootstrap.py."""

from __future__ import annotations

from typing import Any

from mesh.config import address, hcm, tcp_proxy
from mesh.config.errors import join
from mesh.config.fields import Fields, anything, false, true, unset
from mesh.config.lowering import Lowering, wrapped_or
from meshcore.bind import spec

LISTENER = Fields(
    "envoy.config.listener.v3.Listener",
    {
        "name", "address", "additional_addresses", "stat_prefix", "filter_chains", "default_filter_chain",
        "per_connection_buffer_limit_bytes", "enable_reuse_port", "tcp_backlog_size", "drain_type",
    },
    described={"metadata", "traffic_direction"},
    harmless={
        "use_original_dst": false, "transparent": false, "freebind": false, "bind_to_port": true,
        "listener_filters_timeout": anything, "continue_on_listener_filters_timeout": anything,
        "deprecated_v1": unset,
        "ignore_global_conn_limit": anything, "bypass_overload_manager": anything,
    },
)  # fmt: skip
CHAIN = Fields(
    "envoy.config.listener.v3.FilterChain",
    {"filters", "name", "transport_socket", "filter_chain_match"},
    described={"metadata"},
    harmless={"use_proxy_proto": false, "transport_socket_connect_timeout": anything},
)
FILTER = Fields("envoy.config.listener.v3.Filter", {"name", "typed_config"})
ADDITIONAL = Fields("envoy.config.listener.v3.AdditionalAddress", {"address"}, harmless={"socket_options": unset})
NETWORK_TYPES = {hcm.HCM.message: hcm, tcp_proxy.TCP.message: tcp_proxy}
SOCKET_TYPES = {"envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer": True}
MIB = 1024 * 1024
MODIFY_ONLY = 1  # Listener.DrainType


def lower(message: Any, low: Lowering, path: str) -> spec.Listener | None:
    LISTENER.check(message, low.report, path)
    if not message.HasField("address"):
        low.refuse(join(path, "address"), "required, and not set")
        return None
    bound = address.lower(message.address, low, join(path, "address"))
    found = _chain(message, low, path)
    if found is None:
        return None
    extra = []
    for index, item in enumerate(message.additional_addresses):
        at = f"{path}.additional_addresses[{index}]"
        ADDITIONAL.check(item, low.report, at)
        extra.append(address.lower(item.address, low, join(at, "address")))
    return spec.Listener(
        name=message.name or name_of(bound),
        address=bound,
        chains=(found,),
        stat_prefix=message.stat_prefix,
        buffer_limit=wrapped_or(message, "per_connection_buffer_limit_bytes", MIB),
        backlog=wrapped_or(message, "tcp_backlog_size", 0),
        reuse_port=wrapped_or(message, "enable_reuse_port", True),
        additional_addresses=tuple(extra),
        drain_modify_only=message.drain_type == MODIFY_ONLY,
    )


def name_of(bound: spec.Address) -> str:
    """The name of a listener that was given none: its address, which two listeners cannot share."""
    host = f"[{bound.host}]" if ":" in bound.host else bound.host
    return host if bound.port == address.UNIX_PORT else f"{host}:{bound.port}"


def _chain(message: Any, low: Lowering, path: str) -> spec.FilterChain | None:
    """The only filter chain."""
    chains = [(chain, f"{path}.filter_chains[{index}]") for index, chain in enumerate(message.filter_chains)]
    if message.HasField("default_filter_chain"):
        chains.append((message.default_filter_chain, join(path, "default_filter_chain")))
    if not chains:
        low.refuse(join(path, "filter_chains"), "must have a filter chain")
        return None
    for _, at in chains[1:]:
        low.refuse(at, "more than one filter chain is not implemented yet in mesh; keep one")
    chain, at = chains[0]
    CHAIN.check(chain, low.report, at)
    if chain.HasField("filter_chain_match") and chain.filter_chain_match.ListFields():
        low.refuse(join(at, "filter_chain_match"), "'filter_chain_match' is not implemented yet in mesh; remove it")
    check_socket(chain, low, at)
    if not chain.filters:
        low.refuse(join(at, "filters"), "must have an HTTP connection manager or a TCP proxy")
        return None
    for index in range(1, len(chain.filters)):
        low.refuse(f"{at}.filters[{index}]", "more than one network filter is not implemented yet in mesh; keep one")
    at = f"{at}.filters[0]"
    FILTER.check(chain.filters[0], low.report, at)
    config, kind = low.unpack(chain.filters[0].typed_config, join(at, "typed_config"), NETWORK_TYPES, "a network filter")
    if config is None:
        return None
    if kind is tcp_proxy:
        return spec.FilterChain(tcp=tcp_proxy.lower(config, low, join(at, "typed_config")), name=chain.name)
    manager = hcm.lower(config, low, join(at, "typed_config"))
    return spec.FilterChain(manager, name=chain.name) if manager is not None else None


def check_socket(owner: Any, low: Lowering, path: str) -> None:
    """Refuses every transport socket but plain TCP; `owner` is a filter chain or a cluster."""
    if owner.HasField("transport_socket"):
        at = join(path, "transport_socket.typed_config")
        low.unpack(owner.transport_socket.typed_config, at, SOCKET_TYPES, "a transport socket")
