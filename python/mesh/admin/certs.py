"""/certs: the certificates that listeners and clusters show, and the authorities that they trust, in Envoy's shape.

One entry for each context, of clusters and then of listeners, as they are now. Days are whole ones, 0 when it has ended."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from mesh.admin.json_text import dumps, shown
from mesh.admin.pages import Query
from mesh.filters import Reply

if TYPE_CHECKING:
    from mesh.proxy import Proxy
    from meshcore.bind.spec import TlsCertificate, TlsContext, TlsTrust


def page(proxy: Proxy, query: Query) -> Reply:
    from envoy.admin.v3.certs_pb2 import Certificates

    message = Certificates()
    with proxy.published() as running:
        found = list(contexts(running))
    for context in found:
        rules = context.rules
        trusts = (rules.trust,) if rules.trust is not None else tuple(trust for _name, trust in rules.domains)
        if not context.certificates and not trusts:
            continue
        entry = message.certificates.add()
        for trust in trusts:
            describe(trust_of(trust), trust.source, entry.ca_cert)
        for one in context.certificates:
            describe(chain_of(one)[:1], one.source, entry.cert_chain)
    return Reply(200, dumps(shown(message, defaults=True)), "application/json")


def contexts(running: Any) -> Iterator[TlsContext]:
    """The TLS contexts that run, with the contents of their secrets."""
    chains = [chain.tls for live in running.listeners.values() for chain in live.spec.chains]
    for context in (*(one for live in running.clusters.values() for one in live.spec.tls_contexts), *chains):
        if context is not None:
            yield running.secrets.context(context) if running.secrets is not None and context.secrets else context


def chain_of(one: TlsCertificate) -> list[Any]:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import pkcs12

    if not one.pkcs12:
        return x509.load_pem_x509_certificates(one.chain)
    _key, leaf, above = pkcs12.load_key_and_certificates(one.pkcs12, one.password or None)
    return [leaf, *above] if leaf is not None else []


def trust_of(trust: TlsTrust) -> list[Any]:
    from cryptography import x509

    return x509.load_pem_x509_certificates(trust.authorities)


def describe(found: Iterable[Any], source: str, out: Any) -> None:
    now = datetime.datetime.now(datetime.UTC)
    for cert in found:
        entry = out.add(path=source, serial_number=_serial(cert.serial_number))
        entry.days_until_expiration = max(0, (cert.not_valid_after_utc - now).days)
        entry.valid_from.FromDatetime(cert.not_valid_before_utc)
        entry.expiration_time.FromDatetime(cert.not_valid_after_utc)
        for kind, name in _names(cert):
            entry.subject_alt_names.add(**{kind: name})


def _serial(number: int) -> str:
    text = f"{number:x}"
    return text if len(text) % 2 == 0 else "0" + text


def _names(cert: Any) -> list[tuple[str, str]]:
    from cryptography import x509

    try:
        names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    kinds = ((x509.DNSName, "dns"), (x509.UniformResourceIdentifier, "uri"), (x509.IPAddress, "ip_address"))
    return [(name, str(value)) for kind, name in kinds for value in names.get_values_for_type(kind)]
