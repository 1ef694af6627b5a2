"""TLS in the plan: what a filter chain or a cluster says of TLS, as plain values. Imported through spec.py.

The same rules as there: nothing validates, equal values compile to the same context. Certificates and keys are their bytes, not the
names of files, so that a file with new content is a change. What holds a private key is not printed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshcore.bind.record import field, record

if TYPE_CHECKING:
    from meshcore.bind.spec import FileSource, StringMatch


@record
class TlsCertificate:
    """A certificate with its key: PEM (`chain`, leaf first, and `key`), or all of it as PKCS #12. `staple`: an OCSP response, DER."""

    chain: bytes = b""
    key: bytes = field(default=b"", repr=False)
    password: bytes = field(default=b"", repr=False)
    pkcs12: bytes = field(default=b"", repr=False)
    staple: bytes = b""
    source: str = ""  # where it was read from, for whoever asks
    name: str = field(default="", compare=False)  # of the secret that holds it


@record
class SanMatch:
    """What a subject alternative name may be. `kind`: dns | uri | email | ip | other (with its `oid`)."""

    kind: str
    match: StringMatch
    oid: str = ""


@record
class TlsTrust:
    """Who may sign: certificates and revocation lists, PEM."""

    authorities: bytes = b""
    revoked: bytes = b""
    revoked_leaf_alone: bool = False
    source: str = ""
    name: str = field(default="", compare=False)  # of the secret that holds it


@record
class TlsRules:
    """What a peer's certificate must be; without any of it, it is not looked at. `hashes` and `spkis`: SHA-256 digests."""

    trust: TlsTrust | None = None
    sans: tuple[SanMatch, ...] = ()
    hashes: tuple[bytes, ...] = ()
    spkis: tuple[bytes, ...] = ()
    require: bool = False  # a peer without a certificate is refused
    accept_untrusted: bool = False
    allow_expired: bool = False
    max_depth: int | None = None
    domains: tuple[tuple[str, TlsTrust], ...] = ()  # SPIFFE: who may sign for which trust domain, in place of `trust`


@record
class TlsParameters:
    """Versions are TLSv1_0 | TLSv1_1 | TLSv1_2 | TLSv1_3; empty lists are Envoy's defaults. `A|B` among ciphers: one is as good as the
    other."""

    least: str = "TLSv1_2"
    most: str = "TLSv1_3"
    ciphers: tuple[str, ...] = ()
    suites: tuple[str, ...] = ()  # of TLS 1.3
    curves: tuple[str, ...] = ()
    sigalgs: tuple[str, ...] = ()


@record
class SecretRef:
    """A secret that may change while it is used: one of the configuration by its name, or what the file `source` says is called so.
    `packed`: the message itself, of one without a name whose own files are watched."""

    name: str
    source: FileSource | None = None
    packed: bytes = field(default=b"", repr=False)


@record
class KeyLog:
    """Where session keys are written, in NSS's format; of connections between these networks (CIDR; none: any)."""

    path: str
    local: tuple[tuple[str, int], ...] = ()
    remote: tuple[tuple[str, int], ...] = ()


@record
class TlsContext:
    """One side's settings. `server`: of a filter chain, else of a cluster. `tickets`: session ticket keys, the first encrypts.

    What secrets hold stands in the plan as references; `mesh.secrets` puts their contents in their places. `validation_default`: the
    CertificateValidationContext that the secret's is merged onto. A context that is not `ready`, because a secret has not come yet, lets
    nobody through."""

    server: bool
    certificates: tuple[TlsCertificate, ...] = ()
    rules: TlsRules = TlsRules()
    parameters: TlsParameters = TlsParameters()
    alpn: tuple[str, ...] = ()
    # of servers
    tickets: tuple[bytes, ...] = field(default=(), repr=False)
    stateless_resumption: bool = True
    stateful_resumption: bool = True
    session_timeout_s: int = 0
    staple_policy: str = "lenient"  # lenient | strict | must
    full_scan: bool = False
    prefer_client_ciphers: bool = False
    # of clients
    sni: str = ""
    sni_of_host: bool = False
    check_sni: bool = False
    allow_renegotiation: bool = False
    max_sessions: int = 1
    keylog: KeyLog | None = None
    certificate_secrets: tuple[SecretRef, ...] = ()
    validation_secret: SecretRef | None = None
    validation_default: bytes = b""
    ticket_secret: SecretRef | None = None
    ready: bool = True

    @property
    def secrets(self) -> tuple[SecretRef, ...]:
        one = (self.validation_secret, self.ticket_secret)
        return (*self.certificate_secrets, *(secret for secret in one if secret is not None))
