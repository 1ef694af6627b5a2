"""Real certificates, made when a test asks for them: authorities, leaves with any names, revocation lists, SPIFFE identities.

Keys are P-256 unless said (an RSA key takes 50 ms to make, so there is one for all leaves that want RSA). All dates are of 2020 to 2049.
Everything is PEM bytes; nothing is written to disk here.
"""

from __future__ import annotations

import base64
import datetime
import functools
import hashlib
import ipaddress
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

START = datetime.datetime(2020, 1, 1)
END = datetime.datetime(2049, 12, 31)
OTHER_OID = "1.3.6.1.4.1.311.20.2.3"


@functools.cache
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    cert: x509.Certificate
    key: Any
    above: bytes = b""  # intermediates, PEM

    @property
    def pem(self) -> bytes:
        return self.cert.public_bytes(serialization.Encoding.PEM) + self.above

    @property
    def der(self) -> bytes:
        return self.cert.public_bytes(serialization.Encoding.DER)

    @property
    def key_pem(self) -> bytes:
        plain = serialization.NoEncryption()
        return bytes(self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))

    def locked_key(self, password: bytes) -> bytes:
        locked = serialization.BestAvailableEncryption(password)
        return bytes(self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked))

    @property
    def hash(self) -> str:
        return hashlib.sha256(self.der).hexdigest()

    @property
    def spki(self) -> str:
        public = self.cert.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(hashlib.sha256(public).digest()).decode()


def name(common: str) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Mesh Tests")]
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common)] if common else parts)


def general_name(text: str) -> x509.GeneralName:
    """`dns:a`, `uri:spiffe://a/b`, `ip:127.0.0.1`, `email:a@b`, `other:text`."""
    kind, _, value = text.partition(":")
    if kind == "ip":
        return x509.IPAddress(ipaddress.ip_address(value))
    if kind == "uri":
        return x509.UniformResourceIdentifier(value)
    if kind == "email":
        return x509.RFC822Name._init_without_validation(value)  # Pythons disagree about names with a comma
    if kind == "other":
        return x509.OtherName(x509.ObjectIdentifier(OTHER_OID), b"\x0c" + bytes((len(value),)) + value.encode())
    return x509.DNSName(value)


def authority(common: str = "root", above: Pair | None = None, *, start: datetime.datetime = START, end: datetime.datetime = END) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = above.cert.subject if above else name(common)
    made = (
        x509.CertificateBuilder()
        .subject_name(name(common))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(above.key if above else key, hashes.SHA256())
    )
    return Pair(made, key)


def leaf(
    signer: Pair,
    *names: str,
    common: str = "leaf",
    kind: str = "ec",
    start: datetime.datetime = START,
    end: datetime.datetime = END,
    serial: int = 0,
    chain: bool = False,
    deciphers_alone: bool = False,
) -> Pair:
    """`names` as `general_name` reads them. `kind`: ec | rsa | p384. `chain`: the signer goes along. `deciphers_alone`: the key may not
    sign."""
    curves = {"ec": ec.SECP256R1(), "p384": ec.SECP384R1()}
    key: Any = rsa_key() if kind == "rsa" else ec.generate_private_key(curves[kind])
    made = (
        x509.CertificateBuilder()
        .subject_name(name(common))
        .issuer_name(signer.cert.subject)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False, deciphers_alone=deciphers_alone), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    )
    if names:
        made = made.add_extension(x509.SubjectAlternativeName([general_name(one) for one in names]), critical=False)
    return Pair(made.sign(signer.key, hashes.SHA256()), key, signer.pem if chain else b"")


def _usage(*, signs: bool, deciphers_alone: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not deciphers_alone, content_commitment=False, key_encipherment=not signs,
        data_encipherment=False, key_agreement=False, key_cert_sign=signs, crl_sign=signs, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def revoked(signer: Pair, *pairs: Pair) -> bytes:
    """A revocation list, PEM."""
    made = x509.CertificateRevocationListBuilder().issuer_name(signer.cert.subject).last_update(START).next_update(END)
    for pair in pairs:
        entry = x509.RevokedCertificateBuilder().serial_number(pair.cert.serial_number).revocation_date(START).build()
        made = made.add_revoked_certificate(entry)
    return made.sign(signer.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
