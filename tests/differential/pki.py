"""Certificates of the TLS cases, made once per run: authorities, leaves by name, revocation lists. Files in a directory that ends with
the process.

In a configuration, a text `pki:NAME.WHAT` stands for one of them: `pem` (chain), `key`, `p12` (its password is `secret`), `crl` (of an
authority) are file names; `hash` and `spki` are the pins themselves; `inline` and `inline_key` the text of pem and key. Must not know
what is tested with them. Main thread.
"""

from __future__ import annotations

import atexit
import datetime
import functools
import json
import tempfile
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from tests.tls import certificates
from tests.tls.certificates import Pair

PAST = datetime.datetime(2021, 1, 1)
# name: (who signs, names, how)
LEAVES: dict[str, tuple[str, list[str], dict[str, Any]]] = {
    "server": ("root", ["dns:a.test"], {"common": "server"}),
    "server_rsa": ("root", ["dns:a.test"], {"common": "server_rsa", "kind": "rsa"}),
    "server_p384": ("root", ["dns:p384.test"], {"common": "server_p384", "kind": "p384"}),
    "server_cipher_only": ("root", ["dns:a.test"], {"common": "server_cipher_only", "kind": "rsa", "deciphers_alone": True}),
    "b": ("root", ["dns:b.test", "dns:*.b.test"], {"common": "b"}),
    "c": ("root", ["dns:c.test", "dns:x.b.test"], {"common": "c"}),
    "no_san": ("root", [], {"common": "named.test"}),
    "many_names": (
        "root",
        [
            "uri:spiffe://mesh.test/one", "uri:spiffe://mesh.test/two", "dns:one.test", "dns:two.test", "ip:127.0.0.1", "ip:::1",
            "email:one@mesh.test", "other:somebody",
        ],
        {"common": "many"},
    ),
    "client": ("root", ["uri:spiffe://mesh.test/client", "dns:client.test"], {"common": "client"}),
    "client_rsa": ("root", ["uri:spiffe://mesh.test/client"], {"common": "client_rsa", "kind": "rsa"}),
    "client_email": ("root", ["email:me@mesh.test", "ip:10.1.2.3"], {"common": "client_email"}),
    "other_name": ("root", ["other:somebody"], {"common": "other_name"}),
    "expired": ("root", ["dns:a.test"], {"common": "expired", "end": PAST}),
    "early": ("root", ["dns:a.test"], {"common": "early", "start": datetime.datetime(2048, 1, 1)}),
    "stranger_leaf": ("stranger", ["dns:a.test", "uri:spiffe://mesh.test/client"], {"common": "stranger_leaf"}),
    "deep": ("middle", ["dns:a.test", "uri:spiffe://mesh.test/deep"], {"common": "deep", "chain": True}),
    "no_chain": ("middle", ["dns:a.test"], {"common": "no_chain"}),
    "revoked": ("root", ["dns:a.test"], {"common": "revoked"}),
    "other_domain": ("stranger", ["uri:spiffe://other.test/client"], {"common": "other_domain"}),
    "odd_names": (
        "root",
        [
            "uri:spiffe://mesh.test/a,b", "uri:spiffe://mesh.test/c", "uri:,", "dns:odd,name.test", "dns:plain.test",
            "email:a,b@mesh.test", "other:x,y",
        ],
        {"common": "odd"},
    ),
    "quoted": ("root", ["uri:spiffe://mesh.test/a,b;c=\"d\""], {"common": 'q"u,o;t=e d'}),
}  # fmt: skip


@functools.cache
def pair(name: str) -> Pair:
    if name in ("root", "stranger"):
        return certificates.authority(name)
    if name == "middle":
        return certificates.authority("middle", pair("root"))
    signer, names, how = LEAVES[name]
    return certificates.leaf(pair(signer), *names, **how)


@functools.cache
def directory() -> Path:
    made = tempfile.TemporaryDirectory(prefix="pki")
    atexit.register(made.cleanup)
    return Path(made.name)


@functools.cache
def resolve(text: str) -> str:
    """What `pki:NAME.WHAT` stands for."""
    name, _, what = text.removeprefix("pki:").partition(".")
    one = pair(name)
    if what in ("hash", "spki"):
        return str(getattr(one, what))
    if what.startswith("inline"):
        return (one.key_pem if what == "inline_key" else one.pem).decode()
    contents = {"pem": one.pem, "key": one.key_pem}
    if what == "crl":
        contents["crl"] = certificates.revoked(one, pair("revoked"))
    if what == "p12":
        locked = serialization.BestAvailableEncryption(b"secret")
        contents["p12"] = pkcs12.serialize_key_and_certificates(name.encode(), one.key, one.cert, None, locked)
    if what in ("secret", "authority"):
        contents[what] = _response(name, what)
    path = directory() / f"{name}.{'json' if what in ('secret', 'authority') else what}"
    path.write_bytes(contents[what])
    return str(path)


def _response(name: str, what: str) -> bytes:
    """A DiscoveryResponse with the certificate, or with the authority, as the secret NAME."""
    chain, key = ({"filename": resolve(f"pki:{name}.{part}")} for part in ("pem", "key"))
    held = {"tls_certificate": {"certificate_chain": chain, "private_key": key}}
    if what == "authority":
        held = {"validation_context": {"trusted_ca": chain}}
    kind = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
    return json.dumps({"version_info": "1", "resources": [{"@type": kind, "name": name, **held}]}).encode()


def resolved(value: Any) -> Any:
    """`value` with every such text replaced."""
    if isinstance(value, dict):
        return {key: resolved(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [resolved(inner) for inner in value]
    return resolve(value) if isinstance(value, str) and value.startswith("pki:") else value
