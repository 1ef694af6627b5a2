"""envoy.extensions.transport_sockets.tls.v3: the transport sockets of filter chains and clusters, and what both have in common.

Reads the files that the messages name, compiles each part once to see whether it is good (so that a broken key is refused by the path of
its field), and lowers to `meshcore.bind.tls_spec`; what is a secret, or watched, becomes a reference (tls_secret.py). Called by
listener.py and cluster.py; what a peer's certificate must be is in tls_validation.py."""

from __future__ import annotations

from typing import Any

from mesh.config import address, tls_secret, tls_validation
from mesh.config.errors import join
from mesh.config.fields import Fields, anything
from mesh.config.lowering import Lowering, wrapped_or
from meshcore.bind import spec

TLS = "envoy.extensions.transport_sockets.tls.v3."
DOWNSTREAM = Fields(
    TLS + "DownstreamTlsContext",
    {
        "common_tls_context", "require_client_certificate", "session_ticket_keys", "session_ticket_keys_sds_secret_config",
        "disable_stateless_session_resumption",
        "disable_stateful_session_resumption", "session_timeout", "ocsp_staple_policy", "full_scan_certs_on_sni_mismatch",
        "prefer_client_ciphers",
    },
    harmless={"require_sni": lambda value: not value.value},
)  # fmt: skip
UPSTREAM = Fields(
    TLS + "UpstreamTlsContext",
    {
        "common_tls_context", "sni", "auto_host_sni", "auto_sni_san_validation", "allow_renegotiation", "max_session_keys",
    },
    harmless={"enforce_rsa_key_usage": anything},  # Envoy 1.40 enforces it whatever this says, and so do we
)  # fmt: skip
COMMON = Fields(
    TLS + "CommonTlsContext",
    {
        "tls_params", "tls_certificates", "tls_certificate_sds_secret_configs", "validation_context",
        "validation_context_sds_secret_config", "combined_validation_context", "alpn_protocols", "key_log",
    },
)
PARAMETERS = Fields(
    TLS + "TlsParameters",
    {
        "tls_minimum_protocol_version", "tls_maximum_protocol_version", "cipher_suites", "ecdh_curves", "signature_algorithms",
        "compliance_policies",
    },
)  # fmt: skip
CERTIFICATE = Fields(
    TLS + "TlsCertificate",
    {"certificate_chain", "private_key", "pkcs12", "password", "ocsp_staple", "watched_directory"},
    harmless={"signed_certificate_timestamp": anything},
)
KEY_LOG = Fields(TLS + "TlsKeyLog", {"path", "local_address_range", "remote_address_range"})
TICKETS = Fields(TLS + "TlsSessionTicketKeys", {"keys"})
RAW = "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"
# FIPS_202205, the one compliance policy: what NIST SP 800-52r2 and FIPS 140 leave of TLS, as BoringSSL reads them.
FIPS = spec.TlsParameters(
    ciphers=(
        "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384",
    ),
    suites=("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"),
    curves=("P-256", "P-384"),
    sigalgs=(
        "rsa_pss_rsae_sha256", "rsa_pkcs1_sha256", "ecdsa_secp256r1_sha256", "rsa_pss_rsae_sha384", "rsa_pkcs1_sha384",
        "ecdsa_secp384r1_sha384", "rsa_pss_rsae_sha512", "rsa_pkcs1_sha512",
    ),
)  # fmt: skip
VERSIONS = ("", "TLSv1_0", "TLSv1_1", "TLSv1_2", "TLSv1_3")
STAPLES = ("lenient", "strict", "must")
TICKET_KEY = 80
ALPN_MAX = 255


def lower_downstream(owner: Any, low: Lowering, path: str) -> spec.TlsContext | None:
    """The transport socket of a filter chain; None: plain bytes."""
    message, path = _socket(owner, low, path, DOWNSTREAM)
    if message is None:
        return None
    common, at = message.common_tls_context, join(path, "common_tls_context")
    certificates, secrets = _certificates(common, low, at)
    if not certificates and not secrets:
        low.refuse(join(at, "tls_certificates"), "a server needs a certificate")
    _check_staples(certificates, STAPLES[message.ocsp_staple_policy], low, join(at, "tls_certificates"))
    return _compiled(
        spec.TlsContext(
            server=True,
            certificates=certificates,
            **tls_validation.lower(common, low, at, require=wrapped_or(message, "require_client_certificate", False)),
            certificate_secrets=secrets,
            ticket_secret=_ticket_secret(message, low, path),
            keylog=_keylog(common, low, at),
            parameters=_parameters(common.tls_params, low, join(at, "tls_params"), "TLSv1_3"),
            alpn=_alpn(common, low, at),
            tickets=lower_tickets(message.session_ticket_keys, low, join(path, "session_ticket_keys")),
            stateless_resumption=not message.disable_stateless_session_resumption,
            stateful_resumption=not message.disable_stateful_session_resumption,
            session_timeout_s=int(message.session_timeout.seconds),
            staple_policy=STAPLES[message.ocsp_staple_policy],
            full_scan=wrapped_or(message, "full_scan_certs_on_sni_mismatch", False),
            prefer_client_ciphers=message.prefer_client_ciphers,
        ),
        low,
        path,
    )


def lower_upstream(owner: Any, low: Lowering, path: str) -> spec.TlsContext | None:
    """The transport socket of a cluster; None: plain bytes."""
    message, path = _socket(owner, low, path, UPSTREAM)
    if message is None:
        return None
    common, at = message.common_tls_context, join(path, "common_tls_context")
    certificates, secrets = _certificates(common, low, at)
    if len(certificates) + len(secrets) > 1:
        low.refuse(join(at, "tls_certificates"), "a client has at most one certificate")
    return _compiled(
        spec.TlsContext(
            server=False,
            certificates=certificates,
            **tls_validation.lower(common, low, at),
            certificate_secrets=secrets,
            keylog=_keylog(common, low, at),
            parameters=_parameters(common.tls_params, low, join(at, "tls_params"), "TLSv1_2"),
            alpn=_alpn(common, low, at),
            sni=message.sni,
            sni_of_host=message.auto_host_sni,
            check_sni=message.auto_sni_san_validation,
            allow_renegotiation=message.allow_renegotiation,
            max_sessions=wrapped_or(message, "max_session_keys", 1),
        ),
        low,
        path,
    )


def _socket(owner: Any, low: Lowering, path: str, fields: Fields) -> tuple[Any, str]:
    """(TLS context of a filter chain or cluster, its path); None without one."""
    if not owner.HasField("transport_socket"):
        return None, path
    at = join(path, "transport_socket.typed_config")
    message, table = low.unpack(owner.transport_socket.typed_config, at, {RAW: None, fields.message: fields}, "a transport socket")
    if message is None or table is None:
        return None, at
    fields.check(message, low.report, at)
    COMMON.check(message.common_tls_context, low.report, join(at, "common_tls_context"))
    return message, at


def _compiled(found: spec.TlsContext, low: Lowering, path: str) -> spec.TlsContext:
    """The context, if all of it goes together."""
    if not low.report.failed and (wrong := _wrong(found, low)):
        low.refuse(path, wrong)
    return found


def _wrong(part: Any, low: Lowering) -> str:
    """What the TLS library has against a part of a plan. It is kept until the load is over, so that it is compiled once."""
    from meshcore.bind import tls

    try:
        low.kept.append(tls.check(part))
    except (ValueError, OSError) as error:
        return str(error)
    return ""


def check_part(part: Any, low: Lowering, path: str) -> None:
    """Refuses a certificate or trust that cannot be used."""
    if wrong := _wrong(part, low):
        low.refuse(path, wrong)


def _parameters(message: Any, low: Lowering, path: str, most: str) -> spec.TlsParameters:
    PARAMETERS.check(message, low.report, path)
    if message.compliance_policies:
        return FIPS                # it comes last, whatever else is said
    found = spec.TlsParameters(
        least=VERSIONS[message.tls_minimum_protocol_version] or "TLSv1_2",
        most=VERSIONS[message.tls_maximum_protocol_version] or most,
        ciphers=tuple(_suites(message.cipher_suites)),
        curves=tuple(name for entry in message.ecdh_curves for name in entry.split(":")),
        sigalgs=tuple(message.signature_algorithms),
    )
    if VERSIONS.index(found.least) > VERSIONS.index(found.most):
        low.refuse(join(path, "tls_minimum_protocol_version"), f"{found.least} is above the maximum, {found.most}")
    return found


def _suites(entries: Any) -> list[str]:
    """The names of cipher_suites; a group of equal preference, `[A|B]`, is `A|B`."""
    return [part.strip("[]") for entry in entries for part in entry.split(":")]


def _alpn(common: Any, low: Lowering, path: str) -> tuple[str, ...]:
    names = tuple(name for entry in common.alpn_protocols for name in entry.split(","))
    for index, name in enumerate(names):
        if not 0 < len(name.encode()) <= ALPN_MAX:
            low.refuse(f"{path}.alpn_protocols[{index}]", f"a protocol's name has 1 to {ALPN_MAX} bytes")
            return ()
    return names


def _certificates(common: Any, low: Lowering, path: str) -> tuple[tuple[spec.TlsCertificate, ...], tuple[spec.SecretRef, ...]]:
    """(certificates that stay, secrets): one whose directory is watched is a secret too."""
    at = join(path, "tls_certificates")
    stay, secrets = [], []
    for index, one in enumerate(common.tls_certificates):
        found = lower_certificate(one, low, f"{at}[{index}]")
        if one.HasField("watched_directory"):
            secrets.append(tls_secret.anonymous(tls_certificate=one))
        else:
            stay.append(found)
    at = join(path, "tls_certificate_sds_secret_configs")
    for index, one in enumerate(common.tls_certificate_sds_secret_configs):
        secrets += filter(None, [tls_secret.lower_reference(one, low, f"{at}[{index}]")])
    return tuple(stay), tuple(secrets)


def _ticket_secret(message: Any, low: Lowering, path: str) -> spec.SecretRef | None:
    name = "session_ticket_keys_sds_secret_config"
    if not message.HasField(name):
        return None
    return tls_secret.lower_reference(message.session_ticket_keys_sds_secret_config, low, join(path, name))


def _keylog(common: Any, low: Lowering, path: str) -> spec.KeyLog | None:
    if not common.HasField("key_log"):
        return None
    message, at = common.key_log, join(path, "key_log")
    KEY_LOG.check(message, low.report, at)
    networks = [
        tuple(address.lower_cidr(one, low, f"{at}.{name}[{index}]") for index, one in enumerate(getattr(message, name)))
        for name in ("local_address_range", "remote_address_range")
    ]
    return spec.KeyLog(message.path, *networks)


def lower_certificate(message: Any, low: Lowering, path: str, name: str = "") -> spec.TlsCertificate:
    CERTIFICATE.check(message, low.report, path)
    source = message.certificate_chain if not message.HasField("pkcs12") else message.pkcs12
    found = spec.TlsCertificate(
        chain=low.bytes_of(message.certificate_chain, join(path, "certificate_chain")),
        key=low.bytes_of(message.private_key, join(path, "private_key")),
        password=low.bytes_of(message.password, join(path, "password")),
        pkcs12=low.bytes_of(message.pkcs12, join(path, "pkcs12")),
        staple=low.bytes_of(message.ocsp_staple, join(path, "ocsp_staple")),
        source=source.filename or "<inline>",
        name=name,
    )
    if found.pkcs12 and (found.chain or found.key):
        low.refuse(join(path, "pkcs12"), "holds certificate and key: certificate_chain and private_key cannot stand beside it")
    elif not found.pkcs12 and not found.key:
        low.refuse(join(path, "private_key"), "a certificate needs its private key")
    elif not low.report.failed:
        check_part(found, low, path)
    return found


def _check_staples(certificates: tuple[spec.TlsCertificate, ...], policy: str, low: Lowering, path: str) -> None:
    from meshcore.bind import tls

    for index, one in enumerate(certificates if not low.report.failed else ()):
        if not one.staple and (policy == "must" or tls.check(one).must_staple):
            low.refuse(f"{path}[{index}].ocsp_staple", "required by ocsp_staple_policy MUST_STAPLE, or by the certificate itself")


def lower_tickets(message: Any, low: Lowering, at: str) -> tuple[bytes, ...]:
    """TlsSessionTicketKeys."""
    TICKETS.check(message, low.report, at)
    found = []
    for index, source in enumerate(message.keys):
        key = low.bytes_of(source, f"{at}.keys[{index}]")
        if len(key) != TICKET_KEY:
            low.refuse(f"{at}.keys[{index}]", f"a session ticket key has {TICKET_KEY} bytes, not {len(key)}")
        found.append(key)
    return tuple(found)
