# TLS contexts: everything that a handshake needs to know, compiled.
#
# Three parts, so that what ten thousand contexts have in common is there once: a profile (OpenSSL's SSL_CTX: versions, ciphers, curves, ALPN,
# session tickets, trusted authorities), rules (what a peer's certificate must be), and the context itself: its certificates with the names
# they serve. All are immutable and counted; made on the main thread, used by every worker. A connection holds its context.
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from meshcore.base.arena cimport Arena
from meshcore.base.span cimport Span
from meshcore.conf.tls cimport TlsConf
from meshcore.io.openssl cimport SSL_CTX, SSL_SESSION, X509_STORE
from meshcore.io.tls_cert cimport TlsCert
from meshcore.observe.record cimport IpAddress
from meshcore.route.matcher cimport Regex, StringMatcher

cdef enum:
    TICKET_KEY = 80                # bytes of a session ticket key: name 16, HMAC 32, AES 32
    SID_LEN = 32                   # of what ties sessions to a context

cdef enum TlsError:
    TLS_OK
    TLS_NO_MEMORY
    TLS_BAD_CIPHERS
    TLS_BAD_CURVES
    TLS_BAD_SIGALGS
    TLS_BAD_CA
    TLS_BAD_CRL

cdef struct TlsTrust:
    # Who may sign a peer's certificate.
    int64_t refs                   # atomic
    X509_STORE *store
    int64_t until_s                # the first end of an authority, seconds since the epoch

cdef struct TlsProfile:
    int64_t refs                   # atomic
    SSL_CTX *ctx
    bint server
    bint speaks_1_3
    bint grants                    # clients of TLS 1.3 get tickets
    char *groups                   # servers: cipher suites of TLS 1.2, "A|B:C" where A and B are as good; NULL: all stand in an order
    TlsTrust *trust                # a reference; NULL: nobody is checked against authorities
    char *alpn                     # wire form, our preference first
    uint32_t alpn_len
    unsigned char *tickets         # keys of TICKET_KEY bytes, the first encrypts; NULL: OpenSSL's own
    uint32_t tickets_len           # keys

cdef struct ProfileSpec:
    # What a profile is made of. Texts end with 0; empty = OpenSSL's default.
    bint server
    int least_version              # OpenSSL's numbers
    int most_version
    const char *ciphers            # of TLS 1.2 and before
    const char *groups             # the same, "A|B:C" where A and B are as good; empty: there are no such
    const char *curves
    const char *suites             # of TLS 1.3
    const char *sigalgs
    Span alpn
    Span tickets                   # whole keys
    bint stateless                 # session tickets
    bint stateful                  # sessions kept here
    bint client_prefers            # the client's order of ciphers counts
    bint renegotiation             # clients: the server may ask for it
    bint keylog                    # some context of it writes its keys
    uint32_t session_s             # how long sessions live; 0 = default
    TlsTrust *trust

cdef enum SanKind:
    SAN_DNS
    SAN_URI
    SAN_EMAIL
    SAN_IP
    SAN_OTHER

cdef struct SanRule:
    uint8_t kind                   # SanKind
    StringMatcher matcher
    Span oid                       # SAN_OTHER: dotted

cdef struct TrustDomain:
    Span name
    TlsTrust *trust                # a reference

cdef struct TlsRules:
    int64_t refs                   # atomic
    Arena arena
    Regex *regexes
    SanRule *sans                  # one of them must match; none: any name will do
    uint32_t sans_len
    unsigned char *hashes          # SHA-256 of the whole certificate, 32 bytes each
    uint32_t hashes_len
    unsigned char *spkis           # SHA-256 of the public key, 32 bytes each
    uint32_t spkis_len
    TrustDomain *domains           # SPIFFE: who may sign for which trust domain
    uint32_t domains_len
    bint require_peer              # no certificate is a failure
    bint verify                    # a peer's certificate is asked for and looked at
    bint accept_untrusted          # ... and its failure is only noted
    bint allow_expired
    int depth                      # certificates above the leaf; -1: as many as there are

cdef struct AddressRange:
    unsigned char at[16]           # an IPv4 address takes the first four
    uint8_t family                 # 4 or 6
    uint8_t bits

cdef struct TlsContext:
    TlsConf conf                   # must be first
    TlsProfile *profile            # a reference
    TlsRules *rules                # a reference
    TlsCert **certs                # references
    uint32_t certs_len
    uint64_t *name_hashes          # of the names that the certificates serve, ascending; none with one certificate
    uint32_t *name_certs           # ... and which certificate
    uint32_t names_len
    bint full_scan                 # an unknown name: any certificate that the client can use, instead of the first
    uint8_t staple_policy          # StaplePolicy
    unsigned char sid[SID_LEN]
    char *sni                      # clients: what is asked for, 0 at its end; NULL: nothing
    uint32_t sni_len
    bint sni_of_host               # clients: the host's own name, when it has one
    bint check_sni                 # clients: the certificate must be for the name that was asked for
    int64_t lock                   # of the sessions; atomic
    SSL_SESSION **sessions         # clients: the newest first
    uint64_t *session_names        # of which names each is, see tls_session_put
    uint32_t sessions_len
    uint32_t sessions_cap
    char *keylog                   # the file that keys are written to; NULL: none
    AddressRange *keylog_local     # whose keys are written; none: everybody's
    AddressRange *keylog_remote
    uint32_t keylog_local_len
    uint32_t keylog_remote_len
    bint closed                    # a secret has not come yet: nobody is let through

cdef enum StaplePolicy:
    STAPLE_LENIENT
    STAPLE_STRICT
    STAPLE_MUST

cdef TlsTrust *tls_trust_new(Span authorities, Span revoked, bint leaf_alone, uint8_t *error) noexcept nogil
cdef void tls_trust_unref(TlsTrust *trust) noexcept nogil
cdef TlsProfile *tls_profile_new(const ProfileSpec *spec, uint8_t *error) noexcept nogil
cdef void tls_profile_unref(TlsProfile *profile) noexcept nogil
cdef TlsRules *tls_rules_new() noexcept nogil                            # all zero; bind/ fills it
cdef void tls_rules_unref(TlsRules *rules) noexcept nogil
# Takes references to all of it. `hashes` and `owners` are the sorted index of names; copied.
cdef TlsContext *tls_context_new(TlsProfile *profile, TlsRules *rules, TlsCert **certs, uint32_t certs_len) noexcept nogil
cdef bint tls_context_index(TlsContext *context) noexcept nogil          # after its certificates are settled; False: no memory
cdef bint tls_logs_keys(const TlsContext *context, const IpAddress *local, const IpAddress *remote) noexcept nogil
cdef uint64_t tls_name_hash(const char *name, size_t n) noexcept nogil   # of a lower-case name
# `names`: a hash of what the connection has in place of the context's names, with a seed that nobody knows; 0: nothing.
cdef void tls_session_put(TlsContext *context, SSL_SESSION *session, uint64_t names) noexcept nogil     # takes it over
cdef SSL_SESSION *tls_session_take(TlsContext *context, uint64_t names) noexcept nogil    # a reference; NULL: none is known
