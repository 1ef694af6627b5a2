"""How addresses are printed."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshcore.bind.format import Formatter, address_text


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("1.2.3.4:80", "1.2.3.4:80"),
        ("255.255.255.255:65535", "255.255.255.255:65535"),
        ("0.0.0.0:0", "0.0.0.0:0"),
        ("[::]:0", "[::]:0"),
        ("[::1]:80", "[::1]:80"),
        ("[2001:db8::1:0:0:1]:443", "[2001:db8::1:0:0:1]:443"),
        ("[1:0:0:2:0:0:0:3]:1", "[1:0:0:2::3]:1"),
        ("[1:0:2:3:4:5:6:7]:1", "[1:0:2:3:4:5:6:7]:1"),
        ("[fe80::]:1", "[fe80::]:1"),
        ("[::ffff:1.2.3.4]:1", "[::ffff:1.2.3.4]:1"),
        ("/run/proxy.sock", "/run/proxy.sock"),
        ("@abstract", "@abstract"),
    ],
)
def test_addresses_are_spelled_canonically(address: str, text: str) -> None:
    assert address_text(address) == text


def test_without_its_port_an_ipv6_address_has_no_brackets() -> None:
    assert address_text("[::1]:80", with_port=False) == "::1"
    assert address_text("1.2.3.4:80", with_port=False) == "1.2.3.4"


@given(st.ip_addresses(v=4), st.integers(0, 65535))
def test_any_ipv4_address(address: ipaddress.IPv4Address, port: int) -> None:
    assert address_text(f"{address}:{port}") == f"{address}:{port}"


@given(st.ip_addresses(v=6), st.integers(0, 65535))
def test_any_ipv6_address(address: ipaddress.IPv6Address, port: int) -> None:
    expected = f"::ffff:{address.ipv4_mapped}" if address.ipv4_mapped else str(address)
    assert address_text(f"[{address}]:{port}") == f"[{expected}]:{port}"


@given(st.ip_addresses(v=6), st.integers(0, 140))
def test_the_network_of_an_ipv6_address(address: ipaddress.IPv6Address, bits: int) -> None:
    network = ipaddress.IPv6Network((address, min(bits, 128)), strict=False)
    first = network.network_address
    expected = f"::ffff:{first.ipv4_mapped}" if first.ipv4_mapped else str(first)
    written = Formatter(f"%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT({bits})%").write(
        {"downstream_remote": f"[{address}]:1"}
    )
    assert written.decode() == f"{expected}/{network.prefixlen}"


def test_the_longest_path_of_a_unix_socket_is_not_cut() -> None:
    path = "/" + "x" * 106
    assert address_text(path) == path


def test_a_unix_socket_has_no_port() -> None:
    facts = {"downstream_remote": "/run/a.sock"}
    assert Formatter("%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_REMOTE_PORT%").write(facts) == b"/run/a.sock -"
