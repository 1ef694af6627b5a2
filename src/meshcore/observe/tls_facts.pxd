# TlsFacts: what a TLS handshake settled, as headers, logs and route conditions ask for it.
#
# Made by io/tls for a connection when somebody asks first; the texts are worked out when one of them is wanted. Counted, because a log line may
# be written after its connection has gone. One thread.
from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport free

from meshcore.base.span cimport Span

cdef enum TlsFactKind:
    # Of the peer's certificate, of its chain, of our own certificate (`*_LOCAL_*`), of the connection. Lists are joined with commas, for texts.
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
    FACT_CHAIN                     # all certificates, the same way
    FACT_CHAIN_SHA1                # of each certificate that was shown
    FACT_CHAIN_SHA256
    FACT_CHAIN_SERIALS
    FACT_ISSUER_SERIAL             # of the certificate that signed the peer's, shown or trusted
    FACT_ISSUER_SHA256
    FACT_LOCAL_SUBJECT
    FACT_LOCAL_URI_SANS
    FACT_LOCAL_DNS_SANS
    FACT_LOCAL_IP_SANS
    FACT_LOCAL_EMAIL_SANS
    FACT_LOCAL_OTHER_SANS
    FACT_VERSION
    FACT_CIPHER
    FACT_SESSION_ID
    FACT_GROUP                     # of the key exchange
    FACT_ASKED                     # clients: the name that the server was asked for
    # The same names for those who look at each: NAME_END stands behind every one, which no name holds. See tls_next_name.
    FACT_URI_NAMES
    FACT_DNS_NAMES
    FACT_LOCAL_URI_NAMES
    FACTS

cdef enum:
    NAME_END = 0

cdef struct TlsFacts:
    uint32_t refs
    void *source                   # io/'s, what `work_out` reads; NULL: that has been done
    void (*work_out)(TlsFacts *facts) noexcept nogil
    bint presented                 # the peer showed a certificate
    bint validated                 # ... and it was verified
    int64_t not_before_s           # of the peer's certificate, seconds since the epoch; worked out with the texts
    int64_t not_after_s
    Span facts[FACTS]
    char *text                     # all of them

cdef inline Span tls_fact(TlsFacts *facts, int kind) noexcept nogil:
    if facts.source != NULL:
        facts.work_out(facts)
    return facts.facts[kind]

cdef inline Span tls_next_name(Span *names) noexcept nogil:
    # Takes the first name out of a list of names; the list must not be empty.
    cdef Span name = names[0]
    name.len = 0
    while name.at[name.len] != NAME_END:
        name.len += 1
    names.at += name.len + 1
    names.len -= name.len + 1
    return name

cdef inline TlsFacts *tls_facts_ref(TlsFacts *facts) noexcept nogil:
    if facts != NULL:
        facts.refs += 1
    return facts

cdef inline void tls_facts_unref(TlsFacts *facts) noexcept nogil:
    if facts != NULL:
        facts.refs -= 1
        if facts.refs == 0:
            free(facts.text)
            free(facts)
