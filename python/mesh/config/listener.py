"""envoy.config.listener.v3.Listener: addresses, listener filters, and filter chains with what chooses among them.

Called by bootstrap.py."""

from __future__ import annotations

from typing import Any

from mesh.config import access_log, address, chain_match, listener_filter, match_tree, network_filter, newer, socket_options, tls
from mesh.config.errors import join, nearest
from mesh.config.fields import Fields, anything, false, unset
from mesh.config.lowering import Lowering, each, metadata, milliseconds_or, wrapped_or
from meshcore.bind import spec

LISTENER = Fields(
    "envoy.config.listener.v3.Listener",
    {
        "name", "address", "additional_addresses", "stat_prefix", "filter_chains", "default_filter_chain",
        "filter_chain_matcher", "per_connection_buffer_limit_bytes", "enable_reuse_port", "tcp_backlog_size", "drain_type",
        "listener_filters", "listener_filters_timeout", "continue_on_listener_filters_timeout",
        "metadata", "use_original_dst", "transparent", "freebind", "bind_to_port", "socket_options",
        "tcp_fast_open_queue_length", "ignore_global_conn_limit", "connection_balance_config", "access_log",
        "max_connections_to_accept_per_socket_event",
    },
    described={"traffic_direction"},
    harmless={
        "deprecated_v1": unset,
        "bypass_overload_manager": anything,
    },
)  # fmt: skip
CHAIN = Fields(
    "envoy.config.listener.v3.FilterChain",
    {"filters", "name", "transport_socket", "transport_socket_connect_timeout", "filter_chain_match", "metadata"},
    harmless={"use_proxy_proto": false},
)
BALANCE = Fields("envoy.config.listener.v3.Listener.ConnectionBalanceConfig", {"exact_balance"})
EXACT = Fields("envoy.config.listener.v3.Listener.ConnectionBalanceConfig.ExactBalance", ())
ADDITIONAL = Fields("envoy.config.listener.v3.AdditionalAddress", {"address"}, harmless={"socket_options": unset})
CHAIN_NAME = "google.protobuf.StringValue"
MIB = 1024 * 1024
FILTERS_TIMEOUT_MS = 15_000
MODIFY_ONLY = 1  # Listener.DrainType


def lower(message: Any, low: Lowering, path: str) -> spec.Listener | None:
    LISTENER.check(message, low.report, path)
    if not message.HasField("address"):
        low.refuse(join(path, "address"), "required, and not set")
        return None
    bound = address.lower(message.address, low, join(path, "address"))
    found = _chains(message, low, path)
    if not found:
        return None
    matcher = None
    if message.HasField("filter_chain_matcher"):
        matcher = _matcher(message, found, low, path)
    at = join(path, "listener_filters")
    filters = each(message.listener_filters, at, lambda item, here: listener_filter.lower(item, low, here))
    extra = []
    for index, item in enumerate(message.additional_addresses):
        at = f"{path}.additional_addresses[{index}]"
        ADDITIONAL.check(item, low.report, at)
        extra.append(address.lower(item.address, low, join(at, "address")))
    return spec.Listener(
        name=message.name or name_of(bound),
        address=bound,
        chains=found,
        stat_prefix=message.stat_prefix,
        buffer_limit=wrapped_or(message, "per_connection_buffer_limit_bytes", MIB),
        backlog=wrapped_or(message, "tcp_backlog_size", 0),
        reuse_port=wrapped_or(message, "enable_reuse_port", True),
        additional_addresses=tuple(extra),
        drain_modify_only=message.drain_type == MODIFY_ONLY,
        matcher=matcher,
        filters=tuple(one for one in filters if one is not None),
        filters_timeout_ms=milliseconds_or(message, "listener_filters_timeout", FILTERS_TIMEOUT_MS),
        filters_continue=message.continue_on_listener_filters_timeout,
        metadata=metadata(message),
        bind_to_port=wrapped_or(message, "bind_to_port", True),
        use_original_dst=wrapped_or(message, "use_original_dst", False),
        ignore_global_limit=message.ignore_global_conn_limit,
        exact_balance=_balance(message, low, path),
        accepts_at_once=wrapped_or(message, "max_connections_to_accept_per_socket_event", 0),
        access_logs=access_log.lower_all(message.access_log, low, join(path, "access_log")),
        freebind=wrapped_or(message, "freebind", False),
        transparent=wrapped_or(message, "transparent", False),
        pipe_mode=message.address.pipe.mode,
        socket_options=_options(message, low, path),
    )


def _options(message: Any, low: Lowering, path: str) -> tuple[spec.SocketOption, ...]:
    found = socket_options.lower_all(message.socket_options, low, join(path, "socket_options"))
    queue_len = wrapped_or(message, "tcp_fast_open_queue_length", 0)
    if queue_len:
        found += (socket_options.fast_open(queue_len),)
    alive = newer.value(message, "tcp_keepalive")
    return found if alive is None else (*found, *socket_options.keep_alive(alive))


def _balance(message: Any, low: Lowering, path: str) -> bool:
    config, at = message.connection_balance_config, join(path, "connection_balance_config")
    BALANCE.check(config, low.report, at)
    EXACT.check(config.exact_balance, low.report, join(at, "exact_balance"))
    return bool(config.HasField("exact_balance"))


def name_of(bound: spec.Address) -> str:
    """The name of a listener that was given none: its address, which two listeners cannot share."""
    host = f"[{bound.host}]" if ":" in bound.host else bound.host
    return host if bound.port == address.UNIX_PORT else f"{host}:{bound.port}"


def _chains(message: Any, low: Lowering, path: str) -> tuple[spec.FilterChain, ...]:
    """The filter chains, the default one last; () after a refusal."""
    chains = [(chain, f"{path}.filter_chains[{index}]", False) for index, chain in enumerate(message.filter_chains)]
    if message.HasField("default_filter_chain"):
        chains.append((message.default_filter_chain, join(path, "default_filter_chain"), True))
    if not chains:
        low.refuse(join(path, "filter_chains"), "must have a filter chain")
    lowered = [(_chain(chain, low, at, fallback), at) for chain, at, fallback in chains]
    found = [(chain, at) for chain, at in lowered if chain is not None]
    if not message.HasField("filter_chain_matcher"):
        chain_match.refuse_overlaps(found, low)
    return tuple(chain for chain, _ in found) if len(found) == len(chains) else ()


def _matcher(message: Any, chains: tuple[spec.FilterChain, ...], low: Lowering, path: str) -> spec.MatchTree:
    """The tree that chooses a chain by its name."""
    places: dict[str, int] = {}
    for place, chain in enumerate(chains):
        at = f"{path}.filter_chains[{place}]"
        if chain.fallback:
            continue
        if chain.match != chain_match.NO_MATCH:
            low.refuse(join(at, "filter_chain_match"), "'filter_chain_matcher' is set as well, and only one of the two may be")
        if not chain.name or places.setdefault(chain.name, place) != place:
            low.refuse(join(at, "name"), "'filter_chain_matcher' needs names that differ")

    def action(item: Any, at: str) -> int:
        here = join(at, "typed_config")
        config, _ = low.unpack(item.typed_config, here, {CHAIN_NAME: True}, "the action of a filter_chain_matcher")
        name = config.value if config is not None else ""
        if config is not None and name not in places:
            low.refuse(here, f"no filter chain is called '{name}'{nearest(name, places)}")
        return places.get(name, 0)

    at = join(path, "filter_chain_matcher")
    tree = match_tree.lower(message.filter_chain_matcher, low, at, action)
    match_tree.refuse_requests(tree, low, at)
    return tree


def _chain(chain: Any, low: Lowering, at: str, fallback: bool) -> spec.FilterChain | None:
    CHAIN.check(chain, low.report, at)
    match = chain_match.NO_MATCH
    if chain.HasField("filter_chain_match"):
        match = chain_match.lower(chain.filter_chain_match, low, join(at, "filter_chain_match"))
    secure = tls.lower_downstream(chain, low, at)
    found = network_filter.lower_all(chain.filters, low, join(at, "filters"))
    if found is None:
        return None
    return spec.FilterChain(
        name=chain.name,
        metadata=metadata(chain),
        match=match,
        fallback=fallback,
        tls=secure,
        handshake_timeout_ms=milliseconds_or(chain, "transport_socket_connect_timeout", 0),
        **found,
    )
