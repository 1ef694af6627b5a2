"""TLS with hosts: what they are asked for, what their certificates must be, and what is said when they are not."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest

from mesh import ConfigError
from mesh.config import load
from mesh.testing import Upstream, running
from mesh.testing.bootstrap import bootstrap, cluster
from tests.tls import certificates
from tests.tls.certificates import Pair
from tests.tls.peers import Secret, certificate, server_side, trusting, upstream

LONG_AGO = datetime.datetime(2021, 1, 1)


def towards(port: int, socket: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return bootstrap(clusters=[cluster("up", port, transport_socket=socket)], **fields)


def test_a_host_hears_the_name_that_is_configured(root: Pair, pair: Pair) -> None:
    script = Secret(server_side(pair, alpn=["http/1.1"]))
    socket = upstream({"validation_context": trusting(root), "alpn_protocols": ["http/1.1"]}, sni="a.test")
    with Upstream(script) as up, running(towards(up.port, socket)) as proxy:
        assert proxy.get().status == 200
        assert script.seen == [("TLSv1.2", "a.test", "http/1.1", None)]
        assert proxy.up("ssl.handshake") == 1 and proxy.up("ssl.versions.TLSv1.2") == 1


def test_a_host_gets_our_certificate(root: Pair, pair: Pair, client_pair: Pair) -> None:
    script = Secret(server_side(pair, root))
    socket = upstream({"tls_certificates": [certificate(client_pair)]})
    with Upstream(script) as up, running(towards(up.port, socket)) as proxy:
        assert proxy.get().status == 200
        assert script.seen[0][3] == client_pair.der


@pytest.mark.parametrize(
    "match",
    [
        {"san_type": "DNS", "matcher": {"exact": "a.test"}},
        {"san_type": "DNS", "matcher": {"exact": "x.wild.test"}},
        {"san_type": "DNS", "matcher": {"suffix": ".test"}},
        {"san_type": "URI", "matcher": {"prefix": "spiffe://mesh.test/"}},
        {"san_type": "IP_ADDRESS", "matcher": {"exact": "127.0.0.1"}},
        {"san_type": "EMAIL", "matcher": {"safe_regex": {"regex": ".*@a.test"}}},
        {"san_type": "OTHER_NAME", "matcher": {"exact": "someone"}, "oid": certificates.OTHER_OID},
    ],
    ids=lambda match: str(match["san_type"]),
)
@pytest.mark.parametrize("good", [True, False])
def test_a_name_of_any_kind_must_match(root: Pair, match: dict[str, Any], good: bool) -> None:
    names = ("dns:a.test", "dns:*.wild.test", "uri:spiffe://mesh.test/web", "ip:127.0.0.1", "email:me@a.test", "other:someone")
    pair = certificates.leaf(root, *(names if good else ("dns:b.example", "uri:http://mesh", "ip:127.0.0.2", "email:a@b", "other:nobody")))
    socket = upstream({"validation_context": trusting(root, match_typed_subject_alt_names=[match])})
    with Upstream(Secret(server_side(pair))) as up, running(towards(up.port, socket)) as proxy:
        assert proxy.get().status == (200 if good else 503)
        assert proxy.up("ssl.fail_verify_san") == (0 if good else 1)


@pytest.mark.parametrize("kind", ["stranger", "expired", "revoked", "untrusted", "late"])
def test_a_certificate_that_nobody_vouches_for_fails(root: Pair, stranger: Pair, kind: str) -> None:
    old = certificates.leaf(root, "dns:a.test", start=certificates.START, end=LONG_AGO)
    good = certificates.leaf(root, "dns:a.test")
    pair = {"stranger": certificates.leaf(stranger, "dns:a.test"), "untrusted": certificates.leaf(stranger, "dns:a.test")}.get(kind, good)
    if kind in ("expired", "late"):
        pair = old
    context = trusting(root)
    if kind == "revoked":
        context["crl"] = {"inline_string": certificates.revoked(root, good).decode()}
    if kind == "late":
        context["allow_expired_certificate"] = True
    if kind == "untrusted":
        context["trust_chain_verification"] = "ACCEPT_UNTRUSTED"
    failing = kind in ("stranger", "expired", "revoked")
    with Upstream(Secret(server_side(pair))) as up, running(towards(up.port, upstream({"validation_context": context}))) as proxy:
        assert proxy.get().status == (503 if failing else 200)
        assert proxy.up("ssl.fail_verify_error") == (0 if kind == "late" else 1)


@pytest.mark.parametrize("pin", ["verify_certificate_hash", "verify_certificate_spki"])
@pytest.mark.parametrize("good", [True, False])
def test_a_pin_must_match(root: Pair, pair: Pair, client_pair: Pair, pin: str, good: bool) -> None:
    pinned = pair if good else client_pair
    value = pinned.hash if pin == "verify_certificate_hash" else pinned.spki
    socket = upstream({"validation_context": {pin: [value]}})
    with Upstream(Secret(server_side(pair))) as up, running(towards(up.port, socket)) as proxy:
        assert proxy.get().status == (200 if good else 503)
        assert proxy.up("ssl.fail_verify_cert_hash") == (0 if good else 1)


def test_a_failure_is_told_in_envoys_words(root: Pair, stranger: Pair, tmp_path: Path) -> None:
    pair = certificates.leaf(stranger, "dns:a.test")
    log = tmp_path / "log"
    words = "%RESPONSE_FLAGS% %UPSTREAM_TRANSPORT_FAILURE_REASON%\n"
    socket = upstream({"validation_context": trusting(root)})
    with Upstream(Secret(server_side(pair))) as up, running(towards(up.port, socket, log=str(log), log_format=words)) as proxy:
        assert proxy.get().status == 503
    flags, reason = log.read_text().split()
    assert flags == "UF"
    assert reason.startswith("TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED")


def test_a_session_is_resumed(root: Pair, pair: Pair) -> None:
    script = Secret(server_side(pair))
    once = {"max_requests_per_connection": 1}
    with Upstream(script) as up:
        made = bootstrap(clusters=[cluster("up", up.port, transport_socket=upstream(), http=once)])
        with running(made) as proxy:
            assert [proxy.get().status for _ in range(3)] == [200, 200, 200]
            assert proxy.up("ssl.session_reused") == 2


def test_a_host_without_tls_is_a_failed_connection() -> None:
    def plain(wire: Any) -> None:
        wire.send(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")

    with Upstream(plain) as up, running(towards(up.port, upstream())) as proxy:
        assert proxy.get().status == 503
        assert proxy.up("ssl.connection_error") == 1 and proxy.up("upstream_cx_connect_fail") == 1


def test_a_host_that_leaves_in_the_handshake_is_a_failed_connection() -> None:
    with Upstream(lambda wire: wire.close()) as up, running(towards(up.port, upstream())) as proxy:
        assert proxy.get().status == 503
        assert proxy.up("upstream_cx_connect_fail") == 1


def test_rules_of_both_forms_for_names_are_refused(root: Pair) -> None:
    both = {"match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": "a"}}], "match_subject_alt_names": [{"exact": "a"}]}
    made = cluster("up", 1, transport_socket=upstream({"validation_context": trusting(root, **both)}))
    with pytest.raises(ConfigError, match="match_subject_alt_names: cannot stand beside match_typed_subject_alt_names"):
        load(bootstrap(clusters=[made]))
