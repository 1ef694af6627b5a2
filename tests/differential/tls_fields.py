"""TLS of a case, the key `tls`: transport sockets for the configuration, and contexts for the scripted ends.

`server` is about the listener: `certs` (names in pki.py), `ca`, `require`, `validation`, `common` and `context` (fields laid over those
messages). `towards` is the same about clusters, with `cert` and `sni`. `client` says how our client speaks (a list: connection by
connection) and `up` how our upstreams do: `cert`, `ca`, `sni`, `alpn`, `version` (1.2 | 1.3 | ..), `ciphers`, `curve`, `resume` (the
session of the connection before), `plain` (no TLS at all), `only` (the upstreams that speak it, by name), `led` (upstreams: a PROXY
header comes before the handshake). Must not open sockets.
"""

from __future__ import annotations

import ssl
from typing import Any

from tests.differential import pki

TYPE = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3."
KEYS = {"server", "towards", "client", "up"}
OF_ENDS = {"cert", "ca", "sni", "alpn", "version", "ciphers", "curve", "resume", "plain", "name", "only", "led"}
OF_SERVER = {"certs", "ca", "require", "validation", "common", "context"}
OF_TOWARDS = {"cert", "ca", "sni", "validation", "common", "context"}
DOWNSTREAM_FACTS = (
    "TLS_VERSION TLS_CIPHER TLS_SESSION_ID TLS_GROUP PEER_SUBJECT PEER_ISSUER PEER_SERIAL PEER_FINGERPRINT_1 PEER_FINGERPRINT_256 "
    "PEER_CHAIN_FINGERPRINTS_1 PEER_CHAIN_FINGERPRINTS_256 PEER_CHAIN_SERIALS PEER_ISSUER_SERIAL PEER_ISSUER_FINGERPRINT_256 PEER_CERT "
    "PEER_CERT_V_START PEER_CERT_V_END PEER_URI_SAN PEER_DNS_SAN PEER_IP_SAN PEER_EMAIL_SAN PEER_OTHERNAME_SAN LOCAL_SUBJECT LOCAL_URI_SAN "
    "LOCAL_DNS_SAN LOCAL_IP_SAN LOCAL_EMAIL_SAN LOCAL_OTHERNAME_SAN TRANSPORT_FAILURE_REASON"
)
UPSTREAM_FACTS = (
    "TLS_VERSION TLS_CIPHER TLS_SESSION_ID TLS_GROUP PEER_SUBJECT PEER_ISSUER PEER_CERT PEER_CERT_V_START PEER_CERT_V_END PEER_URI_SAN "
    "PEER_DNS_SAN PEER_IP_SAN LOCAL_URI_SAN LOCAL_DNS_SAN LOCAL_IP_SAN SERVER_NAME"
)
# Beside the common log format.
LOG = {f"downstream_{name.lower()}": f"%DOWNSTREAM_{name}%" for name in DOWNSTREAM_FACTS.split()} | {
    f"upstream_{name.lower()}": f"%UPSTREAM_{name}%" for name in UPSTREAM_FACTS.split()
} | {"server_name": "%REQUESTED_SERVER_NAME%"}  # fmt: skip
VERSIONS = {
    "1.0": ssl.TLSVersion.TLSv1, "1.1": ssl.TLSVersion.TLSv1_1, "1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3,
}  # fmt: skip


def check(spec: dict[str, Any]) -> str:
    """What is wrong with the key's value; empty: nothing."""
    known = {"server": OF_SERVER, "towards": OF_TOWARDS, "client": OF_ENDS, "up": OF_ENDS}
    if unknown := spec.keys() - KEYS:
        return f"tls: {sorted(unknown)}; known: {sorted(KEYS)}"
    for part, value in spec.items():
        for one in value if isinstance(value, list) else [value]:
            if unknown := (one or {}).keys() - known[part]:
                return f"tls: {part}: {sorted(unknown)}; known: {sorted(known[part])}"
    return ""


def _certificate(name: str) -> dict[str, Any]:
    return {"certificate_chain": {"filename": f"pki:{name}.pem"}, "private_key": {"filename": f"pki:{name}.key"}}


def _common(spec: dict[str, Any], names: list[str]) -> dict[str, Any]:
    made: dict[str, Any] = {"tls_certificates": [_certificate(name) for name in names]} if names else {}
    validation = dict(spec.get("validation") or {})
    if "ca" in spec:
        validation["trusted_ca"] = {"filename": f"pki:{spec['ca']}.pem"}
    if validation:
        made["validation_context"] = validation
    return made | (spec.get("common") or {})


def server_socket(spec: dict[str, Any] | None) -> dict[str, Any]:
    """The transport socket of a filter chain."""
    spec = spec or {}
    made = {"@type": TYPE + "DownstreamTlsContext", "common_tls_context": _common(spec, spec.get("certs", ["server"]))}
    if spec.get("require"):
        made["require_client_certificate"] = True
    return {"name": "tls", "typed_config": made | (spec.get("context") or {})}


def towards_socket(spec: dict[str, Any] | None) -> dict[str, Any]:
    """The transport socket of a cluster."""
    spec = spec or {}
    made = {"@type": TYPE + "UpstreamTlsContext", "common_tls_context": _common(spec, [spec["cert"]] if "cert" in spec else [])}
    if "sni" in spec:
        made["sni"] = spec["sni"]
    return {"name": "tls", "typed_config": made | (spec.get("context") or {})}


def end_context(spec: dict[str, Any], *, server: bool) -> ssl.SSLContext:
    """OpenSSL's context of a scripted end. A client without `ca` believes everything; a server with it wants a certificate."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    cert = spec.get("cert", "server" if server else None)
    if cert:
        made.load_cert_chain(pki.resolve(f"pki:{cert}.pem"), pki.resolve(f"pki:{cert}.key"))
    if "ca" in spec:
        made.load_verify_locations(pki.resolve(f"pki:{spec['ca']}.pem"))
        made.verify_mode = ssl.CERT_REQUIRED
    # Envoy takes AES-128 and ChaCha20 as equals in TLS 1.2 and lets the client decide, whose order differs between builds of Python.
    made.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20:DEFAULT")
    if "version" in spec:
        version = VERSIONS[str(spec["version"])]
        if version < ssl.TLSVersion.TLSv1_2:
            made.set_ciphers("DEFAULT:@SECLEVEL=0")
        made.minimum_version = made.maximum_version = version
    if "ciphers" in spec:
        made.set_ciphers(spec["ciphers"])
    if "curve" in spec:
        made.set_ecdh_curve(spec["curve"])
    if "alpn" in spec:
        made.set_alpn_protocols(spec["alpn"])
    return made
