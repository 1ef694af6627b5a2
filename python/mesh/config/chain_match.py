"""envoy.config.listener.v3.FilterChainMatch: which connections a filter chain takes, and that no two chains ask for the same.

Prefixes lose their host bits, server names their case and the star of a leading `*.`. Called by listener.py."""

from __future__ import annotations

import ipaddress
from typing import Any

from mesh.config import address
from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering, each, wrapped_or
from meshcore.bind import spec

MATCH = Fields(
    "envoy.config.listener.v3.FilterChainMatch",
    {
        "destination_port", "prefix_ranges", "direct_source_prefix_ranges", "source_type", "source_prefix_ranges", "source_ports",
        "server_names", "transport_protocol", "application_protocols",
    },
)  # fmt: skip
SOURCE_TYPES = ("any", "local", "external")
NO_MATCH = spec.ChainMatch()


def lower(message: Any, low: Lowering, path: str) -> spec.ChainMatch:
    MATCH.check(message, low.report, path)
    return spec.ChainMatch(
        destination_port=wrapped_or(message, "destination_port", 0),
        prefixes=_prefixes(message.prefix_ranges, low, join(path, "prefix_ranges")),
        server_names=each(message.server_names, join(path, "server_names"), lambda name, at: _server_name(name, low, at)),
        transport_protocol=message.transport_protocol,
        application_protocols=tuple(message.application_protocols),
        direct_source_prefixes=_prefixes(message.direct_source_prefix_ranges, low, join(path, "direct_source_prefix_ranges")),
        source_type=SOURCE_TYPES[message.source_type] if message.source_type < len(SOURCE_TYPES) else "any",
        source_prefixes=_prefixes(message.source_prefix_ranges, low, join(path, "source_prefix_ranges")),
        source_ports=tuple(message.source_ports),
    )


def _prefixes(items: Any, low: Lowering, path: str) -> tuple[tuple[str, int], ...]:
    return each(items, path, lambda item, at: _prefix(item, low, at))


def _prefix(item: Any, low: Lowering, path: str) -> tuple[str, int]:
    host, bits = address.lower_cidr(item, low, path)
    try:
        return str(ipaddress.ip_network(f"{host}/{bits}", strict=False).network_address), bits
    except ValueError:
        return host, bits  # was refused


def _server_name(name: str, low: Lowering, path: str) -> str:
    bare = name[1:] if name.startswith("*.") else name
    if "*" in bare:
        low.refuse(path, f"'{name}': a star may only stand for the first labels, as in '*.example.com'")
    return bare.lower()


def refuse_overlaps(chains: list[tuple[spec.FilterChain, str]], low: Lowering) -> None:
    """Two chains that ask for the same at every question could both take one connection."""
    owners: dict[tuple[Any, ...], str] = {}
    for chain, path in chains:
        if chain.fallback:
            continue
        for way in chain.match.paths():
            if (owner := owners.setdefault(way, path)) != path:
                low.refuse(join(path, "filter_chain_match"), f"takes the same connections as {owner}")
                break
