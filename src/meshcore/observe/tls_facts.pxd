# TlsFacts: what a TLS handshake settled, as headers, logs and route conditions ask for it.
#
# Made by io/tls when somebody asks first, and then worked out once; counted, because a log line may be written after its connection has gone.
# All texts lie in `text`. One thread.
from libc.stdint cimport int64_t, uint8_t, uint32_t

from meshcore.base.span cimport Span

cdef enum TlsFactKind:
    # Certificate facts, of the peer's or (`*_LOCAL`) of our own certificate; lists are comma-joined, as Envoy prints them.
    FACT_SUBJECT
    FACT_ISSUER
    FACT_SERIAL
    FACT_SHA1
    FACT_SHA256
    FACT_URI_SANS
    FACT_DNS_SANS
    FACT_IP_SANS
    FACT_EMAIL_SANS
    FACT_OTHER_SANS
    FACT_CERT                      # PEM, URL-encoded
    FACT_CHAIN                     # all of it, the same way
    FACT_CHAIN_SHA1
    FACT_CHAIN_SHA256
    FACT_CHAIN_SERIALS
    FACT_ISSUER_SERIAL
    FACT_ISSUER_SHA256
    FACT_LOCAL_SUBJECT
    FACT_LOCAL_URI_SANS
    FACT_LOCAL_DNS_SANS
    FACT_LOCAL_IP_SANS
    FACT_LOCAL_EMAIL_SANS
    FACT_LOCAL_OTHER_SANS
    FACT_VERSION
    FACT_CIPHER
    FACT_GROUP
    FACT_SESSION_ID
    FACT_SNI
    FACTS

cdef struct TlsFacts:
    uint32_t refs
    void *source                   # io/'s: what `work_out` reads; NULL: it has been done, or cannot be any more
    void (*work_out)(TlsFacts *facts) noexcept nogil
    bint presented                 # the peer showed a certificate
    bint validated                 # ... and it was verified
    int64_t not_before             # of the peer's certificate, seconds since the epoch
    int64_t not_after
    Span facts[FACTS]
    Span first_uri                 # of the peer's certificate, first of its kind
    char *text

cdef inline Span tls_fact(TlsFacts *facts, int kind) noexcept nogil:
    if facts.source != NULL:
        facts.work_out(facts)
    return facts.facts[kind]
