"""Certificates of the TLS scenarios: P-256, self-signed, one name each. Made once per number, kept below build/bench."""

import datetime
from pathlib import Path

from bench.machine import ROOT

VALID_DAYS = 3650


def made(n: int) -> Path:
    """A folder with `nK.example.pem` and `.key`, and both in one file below `both`, for K below n. The first is for `n0.example`."""
    folder = ROOT / "build" / "bench" / f"certificates-{n}"
    if not (folder / "complete").exists():
        (folder / "both").mkdir(parents=True, exist_ok=True)
        for k in range(n):
            _make(folder, f"n{k}.example")
        (folder / "complete").touch()
    return folder


def _make(folder: Path, name: str) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    chain = signed.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / f"{name}.pem").write_bytes(chain)
    (folder / f"{name}.key").write_bytes(private)
    (folder / "both" / f"{name}.pem").write_bytes(chain + private)
