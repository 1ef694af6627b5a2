"""Client certificates: who needs one, which will do, and what upstreams, logs and routes learn of it."""

from __future__ import annotations

import contextlib
import ssl
from pathlib import Path
from typing import Any

import pytest

from mesh.testing import Upstream, running
from mesh.testing.wire import Ended, Message, Wire
from tests.tls import certificates
from tests.tls.certificates import Pair
from tests.tls.peers import GET, ask, client_side, dialled, downstream, secured, trusting


class Note:
    """An upstream that keeps the requests."""

    def __init__(self) -> None:
        self.requests: list[Message] = []

    def __call__(self, wire: Wire) -> None:
        with contextlib.suppress(Ended):
            while True:
                self.requests.append(wire.read_request())
                wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")


def mutual(pair: Pair, root: Pair, **fields: Any) -> dict[str, Any]:
    return downstream(pair, common={"validation_context": trusting(root)}, **fields)


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize("who", ["nobody", "stranger"])
def test_a_client_that_cannot_be_verified_is_refused(root: Pair, stranger: Pair, pair: Pair, version: str, who: str) -> None:
    shown = certificates.leaf(stranger, "dns:client.test") if who == "stranger" else None
    context = client_side(root, pair=shown)
    context.maximum_version = context.minimum_version = ssl.TLSVersion[version]
    with Upstream() as up, running(secured(mutual(pair, root, require_client_certificate=True), up.port)) as proxy:
        with pytest.raises((OSError, Ended)), dialled(proxy.port, context) as wire:
            ask(wire)
        proxy.quiet()
        stat = "fail_verify_no_cert" if who == "nobody" else "fail_verify_error"
        assert proxy.stat(f"listener.127.0.0.1_{proxy.port}.ssl.{stat}") == 1
        assert proxy.stat(f"listener.127.0.0.1_{proxy.port}.ssl.connection_error") == 0


def test_a_certificate_is_optional_unless_it_is_required(root: Pair, pair: Pair) -> None:
    with Upstream() as up, running(secured(mutual(pair, root), up.port)) as proxy, dialled(proxy.port, client_side(root)) as wire:
        assert ask(wire).status == 200


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("SANITIZE", None),
        ("FORWARD_ONLY", "By=x"),
        ("APPEND_FORWARD", "By=x,By=spiffe://mesh.test/server;Hash={hash};{rest}"),
        ("SANITIZE_SET", "By=spiffe://mesh.test/server;Hash={hash};{rest}"),
        ("ALWAYS_FORWARD_ONLY", "By=x"),
    ],
)
def test_upstreams_learn_of_the_client(root: Pair, client_pair: Pair, mode: str, expected: str | None) -> None:
    server = certificates.leaf(root, "dns:a.test", "uri:spiffe://mesh.test/server")
    note = Note()
    hcm = {"forward_client_cert_details": mode, "set_current_client_cert_details": {"subject": True, "dns": True, "uri": True}}
    source = mutual(server, root, require_client_certificate=True)
    request = GET.replace(b"\r\n\r\n", b"\r\nx-forwarded-client-cert: By=x\r\n\r\n")
    with (
        Upstream(note) as up,
        running(_with(secured(source, up.port), hcm)) as proxy,
        dialled(proxy.port, client_side(root, pair=client_pair)) as wire,
    ):
        assert ask(wire, request).status == 200
    rest = 'Subject="CN=client,O=Mesh Tests";URI=spiffe://mesh.test/client;DNS=client.test'
    wanted = expected.format(hash=client_pair.hash, rest=rest) if expected else None
    assert note.requests[0].get("x-forwarded-client-cert") == wanted


def _with(bootstrap: dict[str, Any], hcm: dict[str, Any]) -> dict[str, Any]:
    """The bootstrap with fields of its connection manager."""
    bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"] |= hcm
    return bootstrap


def test_a_uri_that_is_asked_for_stands_there_even_if_there_is_none(root: Pair, pair: Pair) -> None:
    shown = certificates.leaf(root, "dns:one.test", "dns:two.test")
    note = Note()
    hcm = {"forward_client_cert_details": "SANITIZE_SET", "set_current_client_cert_details": {"dns": True, "uri": True}}
    with (
        Upstream(note) as up,
        running(_with(secured(mutual(pair, root), up.port), hcm)) as proxy,
        dialled(proxy.port, client_side(root, pair=shown)) as wire,
    ):
        ask(wire)
    assert note.requests[0].get("x-forwarded-client-cert") == f"Hash={shown.hash};URI=;DNS=one.test;DNS=two.test"


def test_without_a_certificate_nothing_is_believed(root: Pair, pair: Pair) -> None:
    note = Note()
    request = GET.replace(b"\r\n\r\n", b"\r\nx-forwarded-client-cert: By=x\r\n\r\n")
    made = _with(secured(mutual(pair, root), 0), {"forward_client_cert_details": "FORWARD_ONLY"})
    with Upstream(note) as up:
        made["static_resources"]["clusters"] = secured(mutual(pair, root), up.port)["static_resources"]["clusters"]
        with running(made) as proxy, dialled(proxy.port, client_side(root)) as wire:
            ask(wire, request)
    assert note.requests[0].get("x-forwarded-client-cert") is None


def test_logs_tell_what_the_handshake_settled(root: Pair, pair: Pair, client_pair: Pair, tmp_path: Path) -> None:
    log = tmp_path / "log"
    words = (
        "%DOWNSTREAM_TLS_VERSION% %DOWNSTREAM_TLS_CIPHER% %DOWNSTREAM_PEER_SUBJECT% %DOWNSTREAM_PEER_ISSUER% %DOWNSTREAM_PEER_SERIAL% "
        "%DOWNSTREAM_PEER_FINGERPRINT_256% %DOWNSTREAM_PEER_URI_SAN% %DOWNSTREAM_PEER_DNS_SAN% %DOWNSTREAM_LOCAL_DNS_SAN% "
        "%DOWNSTREAM_PEER_IP_SAN% %DOWNSTREAM_TLS_SESSION_ID%\n"
    )
    with Upstream() as up, running(secured(mutual(pair, root), up.port, log=str(log), log_format=words)) as proxy:
        with dialled(proxy.port, client_side(root, pair=client_pair)) as wire:
            ask(wire)
        proxy.quiet()
    serial = f"{client_pair.cert.serial_number:x}"
    serial = serial if len(serial) % 2 == 0 else "0" + serial
    assert log.read_text().strip() == (
        f"TLSv1.3 TLS_AES_256_GCM_SHA384 CN=client,O=Mesh Tests CN=root,O=Mesh Tests {serial} {client_pair.hash} "
        "spiffe://mesh.test/client client.test a.test - -"
    )


@pytest.mark.parametrize("shown", [True, False])
def test_routes_see_whether_a_certificate_was_shown_and_verified(root: Pair, pair: Pair, client_pair: Pair, shown: bool) -> None:
    conditions = {"prefix": "/", "tls_context": {"presented": True, "validated": True}}
    routes: list[dict[str, Any]] = [
        {"match": conditions, "direct_response": {"status": 200}},
        {"match": {"prefix": "/"}, "direct_response": {"status": 403}},
    ]
    made = secured(mutual(pair, root), 1, routes=routes)
    with running(made) as proxy, dialled(proxy.port, client_side(root, pair=client_pair if shown else None)) as wire:
        assert ask(wire).status == (200 if shown else 403)
