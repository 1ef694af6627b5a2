"""TLS with clients: versions, certificates by key and by name, protocols, sessions, and what is counted."""

from __future__ import annotations

import socket
import ssl

import pytest

from mesh import ConfigError
from mesh.config import load
from mesh.testing import Upstream, running
from mesh.testing.running import Running
from mesh.testing.wire import LIMIT_S, Wire
from tests.tls import certificates
from tests.tls.certificates import Pair
from tests.tls.peers import GET, ask, client_side, dialled, downstream, everything, inline, secured


def ssl_stats(proxy: Running) -> dict[str, int]:
    """Counters of the listener's TLS that are not zero, without their prefix."""
    prefix = f"listener.127.0.0.1_{proxy.port}.ssl."
    found = {name.removeprefix(prefix): int(value) for name, value in proxy.proxy.stats.items() if name.startswith(prefix) and value}
    return {name: value for name, value in found.items() if not name.startswith("certificate.")}


@pytest.mark.parametrize(("version", "cipher"), [("TLSv1_2", "ECDHE-ECDSA-AES128-GCM-SHA256"), ("TLSv1_3", "TLS_AES_256_GCM_SHA384")])
def test_a_client_is_served_and_counted_by_version_and_cipher(root: Pair, pair: Pair, version: str, cipher: str) -> None:
    context = client_side(root)
    context.maximum_version = context.minimum_version = ssl.TLSVersion[version]
    context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305")  # of TLS 1.2, where its order counts
    with Upstream() as up, running(secured(downstream(pair), up.port)) as proxy:
        with dialled(proxy.port, context) as wire:
            assert [ask(wire).status for _ in range(3)] == [200, 200, 200]
            assert proxy.down("downstream_cx_ssl_active") == 1
        proxy.quiet()
        assert ssl_stats(proxy) == {
            "handshake": 1, "no_certificate": 1, f"versions.{version.replace('_', '.')}": 1, f"ciphers.{cipher}": 1, "curves.X25519": 1,
        }  # fmt: skip
        assert proxy.down("downstream_cx_ssl_total") == 1


@pytest.mark.parametrize(("signatures", "kind"), [("ECDSA+SHA256", "ecdsa"), ("RSA-PSS+SHA256", "rsa")])
def test_a_client_gets_the_certificate_that_it_can_check(root: Pair, pair: Pair, rsa_pair: Pair, signatures: str, kind: str) -> None:
    context = client_side(root)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256" if kind == "ecdsa" else "ECDHE-RSA-AES128-GCM-SHA256")
    with Upstream() as up, running(secured(downstream(rsa_pair, pair), up.port)) as proxy, dialled(proxy.port, context) as wire:
        assert wire.getpeercert(binary_form=True) == (pair if kind == "ecdsa" else rsa_pair).der
        assert ask(wire).status == 200


def test_the_certificate_follows_the_name_that_is_asked_for(root: Pair) -> None:
    pairs = [certificates.leaf(root, f"dns:{name}") for name in ("one.test", "*.two.test", "deep.two.test")]
    wanted = {"one.test": 0, "ONE.test": 0, "x.two.test": 1, "deep.two.test": 2, "a.b.two.test": 0, "other.test": 0}
    with Upstream() as up, running(secured(downstream(*pairs), up.port)) as proxy:
        for name, index in wanted.items():
            with dialled(proxy.port, client_side(), name) as wire:
                assert wire.getpeercert(binary_form=True) == pairs[index].der, name


@pytest.mark.parametrize(("offered", "settled"), [(["http/1.1"], "http/1.1"), (["x", "http/1.0"], "http/1.0"), (["x"], None), (None, None)])
def test_a_protocol_is_settled_by_our_preference(pair: Pair, offered: list[str] | None, settled: str | None) -> None:
    common = {"alpn_protocols": ["http/1.1", "http/1.0"]}
    with (
        Upstream() as up,
        running(secured(downstream(pair, common=common), up.port)) as proxy,
        dialled(proxy.port, client_side(alpn=offered)) as wire,
    ):
        assert wire.selected_alpn_protocol() == settled


def test_upstreams_hear_of_https(pair: Pair) -> None:
    seen = []

    def answer(wire: Wire) -> None:
        seen.append(wire.read_request())
        wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    with Upstream(answer) as up, running(secured(downstream(pair), up.port)) as proxy, dialled(proxy.port, client_side()) as wire:
        ask(wire)
        assert seen[0].get("x-forwarded-proto") == "https"


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_a_session_is_resumed(root: Pair, pair: Pair, version: str) -> None:
    context = client_side(root)
    context.maximum_version = context.minimum_version = ssl.TLSVersion[version]
    with Upstream() as up, running(secured(downstream(pair), up.port)) as proxy:
        with dialled(proxy.port, context) as wire:
            ask(wire)
            session = wire.session
        with dialled(proxy.port, context, session=session) as wire:
            assert wire.session_reused and ask(wire).status == 200
        assert ssl_stats(proxy)["session_reused"] == 1


def test_bodies_of_all_sizes_arrive_both_ways(pair: Pair) -> None:
    sizes = (0, 1, 100, 16383, 16384, 16385, 70_000, 1 << 20, 5 << 20)
    payload = bytes(range(256)) * (sizes[-1] // 256)

    def echo(wire: Wire) -> None:
        for _ in sizes:
            request = wire.read_request()
            wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(request.body) + request.body)

    with Upstream(echo) as up, running(secured(downstream(pair), up.port)) as proxy, dialled(proxy.port, client_side()) as wire:
        for size in sizes:
            request = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % size + payload[:size]
            assert ask(wire, request).body == payload[:size]


def test_close_notify_ends_a_connection_and_is_answered(pair: Pair) -> None:
    with Upstream() as up, running(secured(downstream(pair), up.port)) as proxy, dialled(proxy.port, client_side()) as wire:
        assert ask(wire).status == 200
        wire.unwrap()              # raises unless close_notify comes back
        proxy.quiet()


def test_a_last_response_is_followed_by_close_notify(pair: Pair) -> None:
    with Upstream() as up, running(secured(downstream(pair), up.port)) as proxy, dialled(proxy.port, client_side()) as wire:
        wire.suppress_ragged_eofs = False
        wire.sendall(GET.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))
        assert everything(wire).startswith(b"HTTP/1.1 200 OK")


def test_a_plain_request_on_a_tls_port_is_a_connection_error(pair: Pair) -> None:
    with Upstream() as up, running(secured(downstream(pair), up.port)) as proxy:
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=LIMIT_S) as wire:
            wire.sendall(GET)
            everything(wire)
        proxy.quiet()
        assert ssl_stats(proxy) == {"connection_error": 1}
        assert proxy.down("downstream_cx_total") == 1 and proxy.down("downstream_rq_total") == 0


def test_a_client_that_is_slow_with_its_handshake_is_let_go(pair: Pair) -> None:
    slow = {"transport_socket_connect_timeout": "0.05s"}
    with Upstream() as up, running(secured(downstream(pair), up.port, chain=slow)) as proxy:
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=LIMIT_S) as wire:
            assert everything(wire) == b""
        assert proxy.stat(f"listener.127.0.0.1_{proxy.port}.downstream_cx_transport_socket_connect_timeout") == 1


def test_a_chain_is_shown_whole_however_its_certificates_are_written(root: Pair) -> None:
    middle = certificates.authority("middle", root)
    deep = certificates.leaf(middle, "dns:a.test", chain=True)
    for chain in (deep.pem, b"before\n" + deep.pem.replace(b"\n", b"\r\n") + b"behind\n"):
        one = {"certificate_chain": inline(chain), "private_key": inline(deep.key_pem)}
        with running(secured(downstream(common={"tls_certificates": [one]}))) as proxy, dialled(proxy.port, client_side(root)) as wire:
            assert wire.getpeercert(binary_form=True) == deep.der


@pytest.mark.parametrize("rest", [b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"-----BEGIN CERTIFICATE-----\nMII"])
def test_a_chain_with_a_broken_certificate_is_refused(pair: Pair, rest: bytes) -> None:
    one = {"certificate_chain": inline(pair.pem + rest), "private_key": inline(pair.key_pem)}
    with pytest.raises(ConfigError, match="the certificate chain cannot be read"):
        load(secured(downstream(common={"tls_certificates": [one]})))
