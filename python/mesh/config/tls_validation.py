"""envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext: what a peer's certificate must be.

Lowers to `meshcore.bind.tls_spec.TlsRules`. Pins are given as text and kept as bytes. Called by tls.py."""

from __future__ import annotations

import base64
import binascii
import os
from typing import Any

from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering, wrapped_or
from meshcore.bind import spec

TLS = "envoy.extensions.transport_sockets.tls.v3."
VALIDATION = Fields(
    TLS + "CertificateValidationContext",
    {
        "trusted_ca", "system_root_certs", "verify_certificate_spki", "verify_certificate_hash", "match_typed_subject_alt_names", "crl",
        "allow_expired_certificate", "trust_chain_verification", "only_verify_leaf_cert_crl", "max_verify_depth",
    },
    harmless={"require_signed_certificate_timestamp": lambda value: not value.value},
)  # fmt: skip
SAN = Fields(TLS + "SubjectAltNameMatcher", {"san_type", "matcher", "oid"})
KINDS = ("", "email", "dns", "uri", "ip", "other")
ACCEPT_UNTRUSTED = 1
DIGEST = 32
SYSTEM_ROOTS = "/etc/ssl/certs/ca-certificates.crt"


def lower(common: Any, low: Lowering, path: str, *, require: bool = False) -> spec.TlsRules:
    if not common.HasField("validation_context"):
        return spec.TlsRules(require=require)
    return lower_context(common.validation_context, low, join(path, "validation_context"), require=require)


def lower_context(message: Any, low: Lowering, path: str, *, require: bool = False) -> spec.TlsRules:
    from mesh.config import matcher

    VALIDATION.check(message, low.report, path)
    found = spec.TlsRules(
        trust=_trust(message, low, path),
        sans=tuple(
            _san(one, low, f"{path}.match_typed_subject_alt_names[{index}]", matcher)
            for index, one in enumerate(message.match_typed_subject_alt_names)
        ),
        hashes=tuple(
            _hash(text, low, f"{path}.verify_certificate_hash[{index}]") for index, text in enumerate(message.verify_certificate_hash)
        ),
        spkis=tuple(
            _spki(text, low, f"{path}.verify_certificate_spki[{index}]") for index, text in enumerate(message.verify_certificate_spki)
        ),
        require=require,
        accept_untrusted=message.trust_chain_verification == ACCEPT_UNTRUSTED,
        allow_expired=message.allow_expired_certificate,
        max_depth=wrapped_or(message, "max_verify_depth", None),
    )
    if found.sans and found.trust is None:
        low.refuse(join(path, "match_typed_subject_alt_names"), "names mean nothing without trusted_ca: anybody may claim them")
    if message.HasField("crl") and found.trust is None:
        low.refuse(join(path, "crl"), "revocation means nothing without trusted_ca")
    return found


def _trust(message: Any, low: Lowering, path: str) -> spec.TlsTrust | None:
    from mesh.config import tls

    if message.HasField("system_root_certs"):
        return _system(message, low, path)
    if not message.HasField("trusted_ca"):
        return None
    found = spec.TlsTrust(
        authorities=low.bytes_of(message.trusted_ca, join(path, "trusted_ca")),
        revoked=low.bytes_of(message.crl, join(path, "crl")),
        revoked_leaf_alone=message.only_verify_leaf_cert_crl,
        source=message.trusted_ca.filename or "<inline>",
    )
    if not low.report.failed:
        tls.check_part(found, low, path)
    return found


def _system(message: Any, low: Lowering, path: str) -> spec.TlsTrust | None:
    name = os.environ.get("SSL_CERT_FILE", SYSTEM_ROOTS)
    try:
        with open(name, "rb") as file:
            authorities = file.read()
    except OSError as error:
        low.refuse(join(path, "system_root_certs"), f"{name!r} cannot be read: {error.strerror}")
        return None
    return spec.TlsTrust(authorities, low.bytes_of(message.crl, join(path, "crl")), message.only_verify_leaf_cert_crl, name)


def _san(message: Any, low: Lowering, path: str, matcher: Any) -> spec.SanMatch:
    SAN.check(message, low.report, path)
    kind = KINDS[message.san_type]
    if kind == "other" and not message.oid:
        low.refuse(join(path, "oid"), "required for OTHER_NAME")
    return spec.SanMatch(kind, matcher.lower_string(message.matcher, low, join(path, "matcher")), message.oid)


def _hash(text: str, low: Lowering, path: str) -> bytes:
    """SHA-256 of the DER certificate in hexadecimal, with or without colons."""
    try:
        found = bytes.fromhex(text.replace(":", ""))
    except ValueError:
        found = b""
    if len(found) != DIGEST:
        low.refuse(path, f"'{text}' is no SHA-256 digest in hexadecimal")
        return bytes(DIGEST)
    return found


def _spki(text: str, low: Lowering, path: str) -> bytes:
    """SHA-256 of the DER public key in base64."""
    try:
        found = base64.b64decode(text, validate=True)
    except binascii.Error:
        found = b""
    if len(found) != DIGEST:
        low.refuse(path, f"'{text}' is no SHA-256 digest in base64")
        return bytes(DIGEST)
    return found
