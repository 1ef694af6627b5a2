"""Compiles TLS contexts; see tls.pxd for the law.

Equal parts are made once: each kind of part has a table from its value in the plan to what was compiled of it, which lives as long as
somebody uses it. So one certificate in a thousand contexts is parsed and stored once, and equal contexts are one.
"""
import os
import weakref
from hashlib import sha256
from ipaddress import ip_network

from libc.stdint cimport INT64_MAX, uint8_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, strdup

from meshcore.base.atomics cimport atomic_ref
from meshcore.base.span cimport Span, span
from meshcore.bind.matchers cimport compile_string, keep, take
from meshcore.conf.tls cimport tls_conf_unref
from meshcore.io cimport tls_cert as certs
from meshcore.io.openssl cimport SSL_SESSION
from meshcore.io cimport tls_context as contexts
from meshcore.io.tls cimport tls_load

tls_load()

CERT_ERRORS = {
    certs.CERT_NO_MEMORY: "no memory",
    certs.CERT_BAD_CHAIN: "the certificate chain cannot be read",
    certs.CERT_BAD_KEY: "the private key cannot be read, or its password is wrong",
    certs.CERT_KEY_MISMATCH: "the private key does not belong to the certificate",
    certs.CERT_BAD_PKCS12: "the PKCS #12 file cannot be read, or its password is wrong",
    certs.CERT_KEY_TOO_SHORT: "an RSA key must have at least 2048 bits",
    certs.CERT_BAD_STAPLE: "the OCSP response cannot be read, or is about another certificate",
    certs.CERT_BAD_CURVE: "an ECDSA key must be on P-256, P-384 or P-521",
}
ERRORS = {
    contexts.TLS_NO_MEMORY: "no memory",
    contexts.TLS_BAD_CIPHERS: "no cipher suite is left that is known here",
    contexts.TLS_BAD_CURVES: "a curve is not known here",
    contexts.TLS_BAD_SIGALGS: "a signature algorithm is not known here",
    contexts.TLS_BAD_CA: "no certificate authority can be read",
    contexts.TLS_BAD_CRL: "no certificate revocation list can be read",
}
VERSIONS = {"TLSv1_0": 0x301, "TLSv1_1": 0x302, "TLSv1_2": 0x303, "TLSv1_3": 0x304}
# Envoy's defaults.
CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384",
)
SUITES = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
CURVES = ("X25519", "P-256")
STAPLES = {"lenient": contexts.STAPLE_LENIENT, "strict": contexts.STAPLE_STRICT, "must": contexts.STAPLE_MUST}
SANS = {
    "dns": contexts.SAN_DNS, "uri": contexts.SAN_URI, "email": contexts.SAN_EMAIL, "ip": contexts.SAN_IP, "other": contexts.SAN_OTHER,
}
_certificates = weakref.WeakValueDictionary()
_trusts = weakref.WeakValueDictionary()
_profiles = weakref.WeakValueDictionary()
_rules = weakref.WeakValueDictionary()
_contexts = weakref.WeakValueDictionary()


cdef Span peek(bytes text):
    # Lives as long as `text`.
    return span(<const char *>text, len(text))


cdef class Certificate:
    cdef certs.TlsCert *cert
    cdef object __weakref__

    def __cinit__(self, spec):
        cdef uint8_t error = 0
        cdef bytes chain = spec.chain
        cdef bytes key = spec.key
        cdef bytes password = spec.password
        cdef bytes pkcs12 = spec.pkcs12
        cdef bytes staple = spec.staple
        self.cert = certs.tls_cert_new(peek(chain), peek(key), peek(password), peek(pkcs12), peek(staple), &error)
        if self.cert == NULL:
            raise ValueError(CERT_ERRORS[error])

    def __dealloc__(self):
        certs.tls_cert_unref(self.cert)

    @property
    def until_s(self):
        """When it ends, in seconds since the epoch."""
        return self.cert.until_s

    @property
    def staple_until_s(self):
        """When its OCSP response ends; 0: the response does not say. None: it has none."""
        return self.cert.staple_until_s if self.cert.staple != NULL else None

    @property
    def must_staple(self):
        return bool(self.cert.must_staple)


cdef class Trust:
    cdef contexts.TlsTrust *trust
    cdef object __weakref__

    def __cinit__(self, spec):
        cdef uint8_t error = 0
        cdef bytes authorities = spec.authorities
        cdef bytes revoked = spec.revoked
        self.trust = contexts.tls_trust_new(peek(authorities), peek(revoked), spec.revoked_leaf_alone, &error)
        if self.trust == NULL:
            raise ValueError(ERRORS[error])

    def __dealloc__(self):
        contexts.tls_trust_unref(self.trust)

    @property
    def until_s(self):
        """The first end of an authority, in seconds since the epoch."""
        return self.trust.until_s


cdef class Profile:
    cdef contexts.TlsProfile *profile
    cdef object __weakref__

    def __cinit__(self, spec, trust):
        cdef contexts.ProfileSpec made
        cdef uint8_t error = 0
        cdef bytes groups = ":".join(spec.parameters.ciphers or CIPHERS).encode()
        cdef bytes ciphers = groups.replace(b"|", b":")
        cdef bytes curves = ":".join(spec.parameters.curves or CURVES).encode()
        cdef bytes suites = ":".join(spec.parameters.suites or SUITES).encode()
        cdef bytes sigalgs = ":".join(spec.parameters.sigalgs).encode()
        cdef bytes alpn = alpn_wire(spec.alpn)
        cdef bytes tickets = b"".join(spec.tickets)
        made.server = spec.server
        made.least_version = VERSIONS[spec.parameters.least]
        made.most_version = VERSIONS[spec.parameters.most]
        made.ciphers = ciphers
        made.groups = groups if b"|" in groups else b""
        made.curves = curves
        made.suites = suites
        made.sigalgs = sigalgs
        made.alpn = peek(alpn)
        made.tickets = peek(tickets)
        made.stateless = spec.stateless_resumption
        made.stateful = spec.stateful_resumption
        made.client_prefers = spec.prefer_client_ciphers
        made.renegotiation = spec.allow_renegotiation
        made.keylog = spec.keylog is not None
        made.session_s = spec.session_timeout_s
        made.trust = (<Trust>trust).trust if trust is not None else NULL
        self.profile = contexts.tls_profile_new(&made, &error)
        if self.profile == NULL:
            raise ValueError(ERRORS[error])

    def __dealloc__(self):
        contexts.tls_profile_unref(self.profile)


def alpn_wire(protocols):
    """ALPN's list: each name behind its length."""
    return b"".join(bytes((len(name.encode()),)) + name.encode() for name in protocols)


cdef class Rules:
    cdef contexts.TlsRules *rules
    cdef list trusts               # of its SPIFFE domains
    cdef object __weakref__

    def __cinit__(self, spec):
        cdef contexts.TlsRules *rules = contexts.tls_rules_new()
        if rules == NULL:
            raise MemoryError
        self.rules = rules
        self.trusts = []
        rules.require_peer = spec.require
        rules.verify = bool(spec.require or spec.trust or spec.sans or spec.hashes or spec.spkis or spec.domains)
        rules.accept_untrusted = spec.accept_untrusted
        rules.allow_expired = spec.allow_expired
        rules.depth = -1 if spec.max_depth is None else spec.max_depth
        rules.hashes = <unsigned char *>keep(&rules.arena, b"".join(spec.hashes)).at
        rules.hashes_len = len(spec.hashes)
        rules.spkis = <unsigned char *>keep(&rules.arena, b"".join(spec.spkis)).at
        rules.spkis_len = len(spec.spkis)
        rules.sans = <contexts.SanRule *>take(&rules.arena, max(1, len(spec.sans)) * sizeof(contexts.SanRule))
        for i, san in enumerate(spec.sans):
            rules.sans[<int>i].kind = SANS[san.kind]
            rules.sans[<int>i].oid = keep(&rules.arena, san.oid)
            compile_string(&rules.arena, &rules.regexes, san.match, &rules.sans[<int>i].matcher)
        rules.sans_len = len(spec.sans)
        rules.domains = <contexts.TrustDomain *>take(&rules.arena, max(1, len(spec.domains)) * sizeof(contexts.TrustDomain))
        for i, (name, trust) in enumerate(spec.domains):
            self.trusts.append(interned(_trusts, trust, Trust))
            atomic_ref(&(<Trust>self.trusts[i]).trust.refs)
            rules.domains[<int>i].name = keep(&rules.arena, name)
            rules.domains[<int>i].trust = (<Trust>self.trusts[i]).trust
            rules.domains_len = i + 1

    def __dealloc__(self):
        contexts.tls_rules_unref(self.rules)


cdef class Context:
    cdef contexts.TlsContext *context
    cdef tuple parts               # what it was compiled from lives as long as it does, so that it is found again
    cdef object __weakref__

    def __cinit__(self, spec, Profile profile, Rules rules, list certificates):
        cdef contexts.TlsContext *context
        cdef certs.TlsCert **list = <certs.TlsCert **>malloc(max(1, len(certificates)) * sizeof(certs.TlsCert *))
        cdef bytes sni = spec.sni.encode()
        if list == NULL:
            raise MemoryError
        for i, one in enumerate(certificates):
            list[<int>i] = (<Certificate>one).cert
        context = contexts.tls_context_new(profile.profile, rules.rules, list, len(certificates))
        free(list)
        if context == NULL:
            raise MemoryError
        self.context = context
        self.parts = (profile, rules, *certificates)
        if not contexts.tls_context_index(context):
            raise MemoryError
        context.full_scan = spec.full_scan
        context.staple_policy = STAPLES[spec.staple_policy]
        if sni:
            context.sni = strdup(sni)
            context.sni_len = len(sni)
        context.sni_of_host = spec.sni_of_host
        context.check_sni = spec.check_sni
        context.closed = not spec.ready
        self.set_sessions(spec)
        if spec.keylog is not None:
            self.set_keylog(spec.keylog)

    cdef int set_keylog(self, spec) except -1:
        os.close(os.open(spec.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600))
        self.context.keylog = strdup(os.fsencode(spec.path))
        self.context.keylog_local = ranges_of(spec.local)
        self.context.keylog_local_len = len(spec.local)
        self.context.keylog_remote = ranges_of(spec.remote)
        self.context.keylog_remote_len = len(spec.remote)
        return 0

    cdef int set_sessions(self, spec) except -1:
        cdef bytes identity = session_identity(spec)
        memcpy(self.context.sid, <const char *>identity, contexts.SID_LEN)
        if not spec.server and spec.max_sessions:
            self.context.sessions = <SSL_SESSION **>malloc(spec.max_sessions * sizeof(void *))
            self.context.session_names = <uint64_t *>malloc(spec.max_sessions * sizeof(uint64_t))
            if self.context.sessions == NULL or self.context.session_names == NULL:
                raise MemoryError
            self.context.sessions_cap = spec.max_sessions
        return 0

    def __dealloc__(self):
        if self.context != NULL:
            tls_conf_unref(&self.context.conf)


cdef contexts.AddressRange *ranges_of(networks) except NULL:
    cdef contexts.AddressRange *found = <contexts.AddressRange *>calloc(max(1, len(networks)), sizeof(contexts.AddressRange))
    cdef bytes packed
    if found == NULL:
        raise MemoryError
    for i, text in enumerate(networks):
        network = ip_network("%s/%d" % text, strict=False)
        packed = network.network_address.packed
        memcpy(found[<int>i].at, <const char *>packed, len(packed))
        found[<int>i].family = network.version
        found[<int>i].bits = network.prefixlen
    return found


def session_identity(spec):
    """What a session must have in common with the context that resumes it: 32 bytes."""
    digest = sha256(repr((spec.rules, spec.alpn)).encode())
    for one in spec.certificates:
        digest.update(sha256(one.chain + one.pkcs12).digest())
    return digest.digest()


cdef interned(table, key, make):
    found = table.get(key)
    if found is None:
        found = table[key] = make(key)
    return found


cdef Context context_of(spec):
    cdef Context found = _contexts.get(spec)
    if found is not None:
        return found
    trust = interned(_trusts, spec.rules.trust, Trust) if spec.rules.trust is not None else None
    key = (
        spec.server, spec.parameters, spec.alpn, spec.tickets, spec.stateless_resumption, spec.stateful_resumption,
        spec.session_timeout_s, spec.prefer_client_ciphers, spec.allow_renegotiation, spec.rules.trust, spec.keylog is not None,
    )
    profile = _profiles.get(key)
    if profile is None:
        profile = _profiles[key] = Profile(spec, trust)
    rules = interned(_rules, spec.rules, Rules)
    found = _contexts[spec] = Context(spec, profile, rules, [interned(_certificates, one, Certificate) for one in spec.certificates])
    return found


def context_address(spec):
    """The TlsConf of a TlsContext, with a reference for the caller; bind/tables alone, which must not be linked with this module."""
    cdef Context context = context_of(spec)
    atomic_ref(&context.context.conf.refs)
    return <size_t>&context.context.conf


def check(spec):
    """Compiles a part of a plan, TlsCertificate, TlsTrust or TlsContext; ValueError says what is wrong with it. It is kept while it is used."""
    kind = type(spec).__name__
    if kind == "TlsCertificate":
        return interned(_certificates, spec, Certificate)
    if kind == "TlsTrust":
        return interned(_trusts, spec, Trust)
    return context_of(spec)


def stat_name(kind, name):
    """How Envoy names a certificate in statistics: by the secret that holds it, or by nothing."""
    return name or f"unnamed_{kind}_{sha256(name.encode()).hexdigest()[:8]}"


def expiries(spec):
    """(name in statistics, end in seconds since the epoch) of the certificates of a TlsContext; the authorities' first end is one of them."""
    found = [
        ("unnamed_cert_" if one.pkcs12 and not one.name else stat_name("cert", one.name), interned(_certificates, one, Certificate).until_s)
        for one in spec.certificates
    ]
    if spec.rules.trust is None and (spec.rules.hashes or spec.rules.spkis):
        found.append(("unnamed_ca_cert", INT64_MAX))
    for i, (_, trust) in enumerate(spec.rules.domains):
        found.append((f"unnamed_ca_cert_{i}", interned(_trusts, trust, Trust).until_s))
    if spec.rules.trust is not None:
        found.append((stat_name("ca_cert", spec.rules.trust.name), interned(_trusts, spec.rules.trust, Trust).until_s))
    return found


def first_ends(spec):
    """(first end of a certificate or authority, first end of an OCSP response) of a TlsContext, in seconds since the epoch; None: it has
    none."""
    certificates = [interned(_certificates, one, Certificate) for one in spec.certificates]
    trusts = [*((spec.rules.trust,) if spec.rules.trust is not None else ()), *(trust for _, trust in spec.rules.domains)]
    ends = [*(one.until_s for one in certificates), *(interned(_trusts, one, Trust).until_s for one in trusts)]
    staples = [one.staple_until_s for one in certificates if one.staple_until_s is not None]
    return min(ends, default=None), min(staples, default=None)


def live():
    """How many certificates, trust stores and contexts there are."""
    return len(_certificates), len(_trusts), len(_contexts)
