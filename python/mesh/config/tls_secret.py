"""envoy.extensions.transport_sockets.tls.v3.Secret and SdsSecretConfig: secrets, and references to them.

A reference names a secret of static_resources.secrets, or a file that is watched; the plan holds the reference, `mesh.secrets` what it
stands for. Called by tls.py and tls_validation.py when a configuration is loaded, and by mesh.secrets whenever a secret has changed."""

from __future__ import annotations

from typing import Any

from mesh.config import config_source
from mesh.config.errors import join, nearest
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering
from meshcore.bind import spec

TLS = "envoy.extensions.transport_sockets.tls.v3."
REFERENCE = Fields(TLS + "SdsSecretConfig", {"name", "sds_config"})
SECRET = Fields(TLS + "Secret", {"name", "tls_certificate", "validation_context", "session_ticket_keys"})


def lower_reference(message: Any, low: Lowering, path: str) -> spec.SecretRef | None:
    REFERENCE.check(message, low.report, path)
    if message.HasField("sds_config"):
        source = config_source.lower(message.sds_config, low, join(path, "sds_config"))
        return spec.SecretRef(message.name, source) if source is not None else None
    if message.name not in low.secrets:
        low.refuse(join(path, "name"), f"static_resources.secrets has no '{message.name}'{nearest(message.name, low.secrets)}")
        return None
    return spec.SecretRef(message.name)


def anonymous(**content: Any) -> spec.SecretRef:
    """A secret in the place where it is used: its own files are watched."""
    from envoy.extensions.transport_sockets.tls.v3.secret_pb2 import Secret

    return spec.SecretRef("", None, Secret(**content).SerializeToString())


def lower(message: Any, low: Lowering, path: str) -> Any:
    """What the secret holds: a TlsCertificate, ticket keys, or (a validation context is merged first) its message."""
    from mesh.config import tls, tls_validation

    SECRET.check(message, low.report, path)
    which = message.WhichOneof("type")
    if which == "tls_certificate":
        return tls.lower_certificate(message.tls_certificate, low, join(path, which), message.name)
    if which == "validation_context":
        tls_validation.lower_context(message.validation_context, low, join(path, which), name=message.name, whole=False)
        return message.validation_context
    if which == "session_ticket_keys":
        return tls.lower_tickets(message.session_ticket_keys, low, join(path, which))
    low.refuse(path, "a secret holds a tls_certificate, a validation_context or session_ticket_keys")
    return None


def files(message: Any) -> tuple[str, list[str]]:
    """(directory that is watched, or "", names of the files that the secret consists of)."""
    held = getattr(message, message.WhichOneof("type") or "tls_certificate")
    names = ("certificate_chain", "private_key", "pkcs12", "password", "ocsp_staple", "trusted_ca", "crl")
    sources = [getattr(held, name) for name in names if name in held.DESCRIPTOR.fields_by_name and held.HasField(name)]
    directory = held.watched_directory.path if "watched_directory" in held.DESCRIPTOR.fields_by_name else ""
    return directory, [source.filename for source in sources if source.filename]
