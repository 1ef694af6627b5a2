"""Which filter chain takes a connection: the index against the rules written down naively, over random tables."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshcore.bind.chaintest import Chains
from meshcore.bind.spec import Address, ChainMatch, FilterChain

PREFIXES = [("10.0.0.0", 8), ("10.1.0.0", 16), ("10.1.2.0", 24), ("10.1.2.3", 32), ("0.0.0.0", 0), ("::", 0), ("fd00::", 8), ("::1", 128)]
NAMES = ["a.example.com", ".example.com", ".com", "b.org", ".a.example.com"]
PROTOCOLS = ["h2", "http/1.1", "x"]
HOSTS = ["10.1.2.3", "10.1.2.4", "10.1.9.9", "10.9.9.9", "127.0.0.1", "192.168.0.1", "::1", "fd00::1", "2001:db8::1"]


def some(values: list[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(st.sampled_from(values), max_size=2, unique=True).map(tuple)


matches = st.builds(
    ChainMatch,
    destination_port=st.sampled_from([0, 0, 80, 443]),
    prefixes=some(PREFIXES),
    server_names=some(NAMES),
    transport_protocol=st.sampled_from(["", "", "tls", "raw_buffer"]),
    application_protocols=some(PROTOCOLS),
    direct_source_prefixes=some(PREFIXES),
    source_type=st.sampled_from(["any", "any", "local", "external"]),
    source_prefixes=some(PREFIXES),
    source_ports=some([1000, 2000]),
)
addresses = st.builds(Address, st.sampled_from(HOSTS), st.sampled_from([80, 443, 1000, 2000]))
seen = st.tuples(
    addresses,
    addresses,
    addresses,
    st.sampled_from(["", "a.example.com", "b.a.example.com", "example.com", "x.com", "b.org", ".com", "com."]),
    st.sampled_from(["tls", "raw_buffer"]),
    some(PROTOCOLS),
)


# --- the rules, naively ---------------------------------------------------------------------------------------------


def suffixes(name: str) -> list[str]:
    return [name, *(name[i:] for i in range(1, len(name) - 1) if name[i] == ".")] if name else []


def networks(address: Address, wanted: set[Any]) -> list[Any]:
    """Of the prefixes that are asked for, those that hold the address, the longest first."""
    host = ipaddress.ip_address(address.host)
    holding = [one for one in wanted if one and host in ipaddress.ip_network(f"{one[0]}/{one[1]}")]
    return sorted(holding, key=lambda one: -one[1])


def source_type(remote: Address, local: Address) -> str:
    return "local" if remote.host in ("127.0.0.1", "::1") or remote.host == local.host else "external"


def naive(chains: list[FilterChain], facts: tuple[Any, ...]) -> int | None:
    local, remote, direct, name, transport, protocols = facts
    values = {0: [local.port], 2: suffixes(name), 3: [transport], 4: protocols, 6: [source_type(remote, local)], 8: [remote.port]}
    left = [(path, i) for i, chain in enumerate(chains) for path in chain.match.paths() if not chain.fallback]
    for level in range(9):
        wanted = {path[level] for path, _ in left}
        asked = {1: local, 5: direct, 7: remote}.get(level)
        candidates: Any = networks(asked, wanted) if asked else values[level]
        best = next((one for one in candidates if one in wanted), None)
        left = [(path, i) for path, i in left if path[level] == best]
    return next((i for _, i in left), next((i for i, chain in enumerate(chains) if chain.fallback), None))


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.lists(matches, min_size=1, max_size=8), st.booleans(), st.lists(seen, min_size=1, max_size=12))
def test_the_index_finds_what_the_rules_say(asked: list[ChainMatch], fallback: bool, facts: list[Any]) -> None:
    chains, taken = [], set()
    for one in asked:
        paths = set(one.paths())
        if not paths & taken:
            taken |= paths
            chains.append(FilterChain(match=one))
    if fallback:
        chains.append(FilterChain(fallback=True))
    index = Chains(chains)
    for fact in facts:
        local, remote, direct, name, transport, protocols = fact
        found = index.find(local, remote, direct, name.encode(), transport.encode(), [one.encode() for one in protocols])
        assert found == naive(chains, fact)


def test_a_thousand_names_are_one_question() -> None:
    index = Chains([FilterChain(match=ChainMatch(server_names=(f"host{n}.example.com",))) for n in range(1000)])
    here = Address("127.0.0.1", 80)
    assert index.questions == 1
    assert index.find(here, here, here, b"host777.example.com", b"tls", ()) == 777
    assert index.find(here, here, here, b"host1000.example.com", b"tls", ()) is None


@pytest.mark.parametrize("host", ["10.0.0.0", "10.255.255.255"])
def test_the_ends_of_a_range_belong_to_it(host: str) -> None:
    index = Chains([FilterChain(match=ChainMatch(prefixes=(("10.0.0.0", 8),)))])
    assert index.find(Address(host, 1), Address(host, 1), Address(host, 1), b"", b"raw_buffer", ()) == 0


def test_a_connection_of_a_unix_socket_matches_what_asks_for_no_address() -> None:
    socket = Address("/tmp/socket", -1)
    asks = FilterChain(match=ChainMatch(prefixes=(("10.0.0.0", 8),)))
    ports = FilterChain(match=ChainMatch(destination_port=80))
    assert Chains([asks, ports, FilterChain()]).find(socket, socket, socket, b"", b"raw_buffer", ()) == 2
