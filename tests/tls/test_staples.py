"""OCSP staples: who gets one, and what happens without one that is fresh. The client is `openssl s_client`, because Python's cannot ask."""

from __future__ import annotations

import base64
import datetime
import subprocess

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp

from mesh import ConfigError
from mesh.testing import Upstream, running
from mesh.testing.running import Running
from tests.tls import certificates
from tests.tls.certificates import Pair
from tests.tls.peers import certificate, downstream, secured

LONG_AGO = datetime.datetime(2021, 1, 1)


def response(root: Pair, pair: Pair, until: datetime.datetime = certificates.END) -> bytes:
    made = ocsp.OCSPResponseBuilder().add_response(
        pair.cert, root.cert, hashes.SHA1(), ocsp.OCSPCertStatus.GOOD, certificates.START, until, None, None
    )
    signed = made.responder_id(ocsp.OCSPResponderEncoding.HASH, root.cert).sign(root.key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.DER)


def stapled(pair: Pair, staple: bytes | None, policy: str) -> dict[str, object]:
    shown = certificate(pair)
    if staple is not None:
        shown["ocsp_staple"] = {"inline_bytes": base64.b64encode(staple).decode()}
    return downstream(common={"tls_certificates": [shown]}, ocsp_staple_policy=policy)


def handshake(port: int) -> str:
    """What s_client prints of a handshake in which it asks for a staple."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-status", "-servername", "a.test"]
    return subprocess.run(command, input=b"", capture_output=True, timeout=30, check=False).stdout.decode(errors="replace")


def test_the_first_response_to_end_is_told_in_seconds(root: Pair, pair: Pair) -> None:
    until = datetime.datetime.now(datetime.UTC).replace(tzinfo=None) + datetime.timedelta(hours=10)
    with Upstream() as up, running(secured(stapled(pair, response(root, pair, until), "LENIENT_STAPLING"), up.port)) as proxy:
        proxy.proxy.refresh_server_stats()
        assert 9 * 3600 < proxy.stat("server.seconds_until_first_ocsp_response_expiring") <= 10 * 3600


def staple_stats(proxy: Running) -> dict[str, int]:
    prefix = f"listener.127.0.0.1_{proxy.port}.ssl.ocsp_staple_"
    return {name.removeprefix(prefix): int(value) for name, value in proxy.proxy.stats.items() if name.startswith(prefix) and value}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("policy", "fresh", "answer", "counted"),
    [
        ("LENIENT_STAPLING", True, "successful", "responses"),
        ("LENIENT_STAPLING", False, "no response", "omitted"),
        ("LENIENT_STAPLING", None, "no response", "omitted"),
        ("STRICT_STAPLING", True, "successful", "responses"),
        ("STRICT_STAPLING", False, "", "failed"),
        ("STRICT_STAPLING", None, "no response", "omitted"),
        ("MUST_STAPLE", True, "successful", "responses"),
        ("MUST_STAPLE", False, "", "failed"),
    ],
)
def test_a_staple_is_sent_omitted_or_missed_by_policy(
    root: Pair, pair: Pair, policy: str, fresh: bool | None, answer: str, counted: str
) -> None:
    staple = None if fresh is None else response(root, pair, certificates.END if fresh else LONG_AGO)
    with Upstream() as up, running(secured(stapled(pair, staple, policy), up.port)) as proxy:
        said = handshake(proxy.port)
        assert staple_stats(proxy) == {"requests": 1, counted: 1}
    if answer:
        assert f"OCSP Response Status: {answer}" in said or f"OCSP response: {answer} sent" in said
    else:
        assert "OCSP" not in said.replace("OCSP response: no response sent", "")


def test_a_staple_that_must_be_there_is_asked_for_at_load(root: Pair, pair: Pair) -> None:
    with pytest.raises(ConfigError, match=r"tls_certificates\[0\]\.ocsp_staple"), running(secured(stapled(pair, None, "MUST_STAPLE"), 1)):
        pass


def test_a_staple_of_another_certificate_is_refused(root: Pair, pair: Pair, client_pair: Pair) -> None:
    other = response(root, client_pair)
    with pytest.raises(ConfigError, match="another certificate"), running(secured(stapled(pair, other, "LENIENT_STAPLING"), 1)):
        pass
