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
        "match_subject_alt_names",
        "allow_expired_certificate", "trust_chain_verification", "only_verify_leaf_cert_crl", "max_verify_depth", "watched_directory",
        "custom_validator_config",
    },
    harmless={"require_signed_certificate_timestamp": lambda value: not value.value},
)  # fmt: skip
SPIFFE = Fields(TLS + "SPIFFECertValidatorConfig", {"trust_domains"})
COMBINED = Fields(
    TLS + "CommonTlsContext.CombinedCertificateValidationContext",
    {"default_validation_context", "validation_context_sds_secret_config"},
)
SAN = Fields(TLS + "SubjectAltNameMatcher", {"san_type", "matcher", "oid"})
KINDS = ("", "email", "dns", "uri", "ip", "other")
UNTYPED = ("uri", "dns", "email", "ip")  # whose kind nobody says
ACCEPT_UNTRUSTED = 1
DIGEST = 32
SYSTEM_ROOTS = "/etc/ssl/certs/ca-certificates.crt"


def lower(common: Any, low: Lowering, path: str, *, require: bool = False) -> dict[str, Any]:
    """The fields `rules`, `validation_secret` and `validation_default` of a TlsContext."""
    from mesh.config import tls_secret

    which = common.WhichOneof("validation_context_type")
    at = join(path, which or "")
    only_required = spec.TlsRules(require=require)
    if which == "validation_context":
        rules = lower_context(common.validation_context, low, at, require=require)
        if not common.validation_context.HasField("watched_directory"):
            return {"rules": rules}
        return {"rules": only_required, "validation_secret": tls_secret.anonymous(validation_context=common.validation_context)}
    if which == "validation_context_sds_secret_config":
        found = tls_secret.lower_reference(common.validation_context_sds_secret_config, low, at)
        return {"rules": only_required, "validation_secret": found}
    if which == "combined_validation_context":
        COMBINED.check(common.combined_validation_context, low.report, at)
        default = common.combined_validation_context.default_validation_context
        lower_context(default, low, join(at, "default_validation_context"), whole=False)
        reference = common.combined_validation_context.validation_context_sds_secret_config
        found = tls_secret.lower_reference(reference, low, join(at, "validation_context_sds_secret_config"))
        return {"rules": only_required, "validation_secret": found, "validation_default": default.SerializeToString()}
    return {"rules": only_required}


def lower_context(message: Any, low: Lowering, path: str, *, require: bool = False, name: str = "", whole: bool = True) -> spec.TlsRules:
    """`whole`: names and revocation need authorities; a part that is yet to be merged may lack them."""
    VALIDATION.check(message, low.report, path)
    found = spec.TlsRules(
        trust=_trust(message, low, path, name),
        sans=_sans(message, low, path),
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
        domains=_domains(message, low, join(path, "custom_validator_config")),
    )
    if not whole or found.domains:
        return found
    if found.sans and found.trust is None:
        low.refuse(join(path, "match_typed_subject_alt_names"), "names mean nothing without trusted_ca: anybody may claim them")
    if message.HasField("crl") and found.trust is None:
        low.refuse(join(path, "crl"), "revocation means nothing without trusted_ca")
    return found


def _trust(message: Any, low: Lowering, path: str, name: str) -> spec.TlsTrust | None:
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
        name=name,
    )
    if not low.report.failed:
        tls.check_part(found, low, path)
    return found


def _domains(message: Any, low: Lowering, path: str) -> tuple[tuple[str, spec.TlsTrust], ...]:
    """The trust domains of the SPIFFE validator."""
    from mesh.config import tls

    if not message.HasField("custom_validator_config"):
        return ()
    if message.HasField("trusted_ca") or message.HasField("system_root_certs"):
        low.refuse(path, "names the authorities by trust domain: trusted_ca and system_root_certs cannot stand beside it")
    packed = message.custom_validator_config.typed_config
    found, table = low.unpack(packed, join(path, "typed_config"), {SPIFFE.message: SPIFFE}, "a validator")
    if found is None or table is None:
        return ()
    SPIFFE.check(found, low.report, join(path, "typed_config"))
    domains: dict[str, spec.TlsTrust] = {}
    for index, one in enumerate(found.trust_domains):
        at = f"{path}.typed_config.trust_domains[{index}]"
        if one.name in domains:
            low.refuse(join(at, "name"), f"'{one.name}' stands twice")
        authorities = low.bytes_of(one.trust_bundle, join(at, "trust_bundle"))
        domains[one.name] = spec.TlsTrust(authorities, source=one.trust_bundle.filename or "<inline>")
        if not low.report.failed:
            tls.check_part(domains[one.name], low, join(at, "trust_bundle"))
    return tuple(domains.items())


def _system(message: Any, low: Lowering, path: str) -> spec.TlsTrust | None:
    name = os.environ.get("SSL_CERT_FILE", SYSTEM_ROOTS)
    try:
        with open(name, "rb") as file:
            authorities = file.read()
    except OSError as error:
        low.refuse(join(path, "system_root_certs"), f"{name!r} cannot be read: {error.strerror}")
        return None
    return spec.TlsTrust(authorities, low.bytes_of(message.crl, join(path, "crl")), message.only_verify_leaf_cert_crl, name)


def _sans(message: Any, low: Lowering, path: str) -> tuple[spec.SanMatch, ...]:
    """match_typed_subject_alt_names, or the older match_subject_alt_names, whose rules are for names of all kinds."""
    from mesh.config import matcher

    at = join(path, "match_subject_alt_names")
    if message.match_subject_alt_names and message.match_typed_subject_alt_names:
        low.refuse(at, "cannot stand beside match_typed_subject_alt_names")
    older = [matcher.lower_string(one, low, f"{at}[{index}]") for index, one in enumerate(message.match_subject_alt_names)]
    at = join(path, "match_typed_subject_alt_names")
    typed = [_san(one, low, f"{at}[{index}]", matcher) for index, one in enumerate(message.match_typed_subject_alt_names)]
    return (*typed, *(spec.SanMatch(kind, rule) for rule in older for kind in UNTYPED))


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
