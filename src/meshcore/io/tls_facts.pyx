"""Facts of a TLS connection. See tls_facts.pxd for the law.

All texts are written one after another into one block that grows; while it does, a span's `at` is an offset.
"""
from libc.stdint cimport uint32_t
from libc.stdlib cimport calloc, realloc
from libc.string cimport memchr, memcpy, strlen

from meshcore.io.openssl cimport *
from meshcore.io.tls cimport Tls
from meshcore.io.tls_cert cimport TlsOpened, cert_seconds, tls_cert_open
from meshcore.io.tls_count cimport tls_group_name
from meshcore.observe.tls_facts cimport *

cdef extern from "<arpa/inet.h>" nogil:
    const char *inet_ntop(int family, const void *source, char *out, unsigned int n) noexcept
    int AF_INET, AF_INET6

cdef extern from "<openssl/bio.h>" nogil:
    const BIO_METHOD *BIO_s_mem() noexcept
    long BIO_get_mem_data(BIO *, char **at) noexcept

cdef extern from "<openssl/pem.h>" nogil:
    int PEM_write_bio_X509(BIO *, const X509 *) noexcept

cdef extern from * nogil:
    """
    #include <openssl/asn1.h>
    static const ASN1_STRING *asn1_text(const ASN1_TYPE *type) { return type->value.asn1_string; }
    """
    const ASN1_STRING *asn1_text(const ASN1_TYPE *type) noexcept

cdef enum:
    ADDRESS_MAX = 48
    FIRST_CAP = 1024

cdef struct Writer:
    char *text
    size_t len
    size_t cap
    bint failed


cdef void put(Writer *out, const char *at, size_t n) noexcept nogil:
    cdef char *grown
    cdef size_t cap = out.cap if out.cap > 0 else FIRST_CAP
    while cap < out.len + n:
        cap *= 2
    if cap != out.cap:
        grown = <char *>realloc(out.text, cap)
        if grown == NULL:
            out.failed = True
            return
        out.text = grown
        out.cap = cap
    if n:
        memcpy(out.text + out.len, at, n)
    out.len += n


cdef inline void begin(Writer *out, TlsFacts *facts, int kind) noexcept nogil:
    facts.facts[kind].at = <const char *>out.len


cdef inline void end(Writer *out, TlsFacts *facts, int kind) noexcept nogil:
    facts.facts[kind].len = <uint32_t>(out.len - <size_t>facts.facts[kind].at)


cdef void put_hex(Writer *out, const unsigned char *at, size_t n) noexcept nogil:
    cdef const char *digits = b"0123456789abcdef"
    cdef char pair[2]
    cdef size_t i
    for i in range(n):
        pair[0] = digits[at[i] >> 4]
        pair[1] = digits[at[i] & 15]
        put(out, pair, 2)


cdef void put_name(Writer *out, const X509_NAME *name) noexcept nogil:
    # RFC 2253: the most specific part first.
    cdef BIO *bio = BIO_new(BIO_s_mem())
    cdef char *at = NULL
    cdef long n
    if bio == NULL:
        return
    X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253)
    n = BIO_get_mem_data(bio, &at)
    if n > 0:
        put(out, at, n)
    BIO_free(bio)


cdef void put_serial(Writer *out, X509 *cert) noexcept nogil:
    cdef BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL)
    cdef char *text
    cdef size_t i = 0
    if number == NULL:
        return
    text = BN_bn2hex(number)
    if text != NULL:
        while text[i] != 0:
            if text[i] >= 65 and text[i] <= 70:
                text[i] += 32
            i += 1
        put(out, text, i)
        OPENSSL_free(text)
    BN_free(number)


cdef void put_digest(Writer *out, X509 *cert, const EVP_MD *kind) noexcept nogil:
    cdef unsigned char digest[64]
    cdef unsigned int n = 0
    if X509_digest(cert, kind, digest, &n):
        put_hex(out, digest, n)


cdef void put_pem(Writer *out, X509 *cert) noexcept nogil:
    # With what a header cannot hold as %XX.
    cdef BIO *bio = BIO_new(BIO_s_mem())
    cdef char *at = NULL
    cdef long n
    cdef long i
    if bio == NULL:
        return
    PEM_write_bio_X509(bio, cert)
    n = BIO_get_mem_data(bio, &at)
    for i in range(n):
        if at[i] == b'\n':
            put(out, b"%0A", 3)
        elif at[i] == b' ':
            put(out, b"%20", 3)
        elif at[i] == b'+':
            put(out, b"%2B", 3)
        elif at[i] == b'/':
            put(out, b"%2F", 3)
        elif at[i] == b'=':
            put(out, b"%3D", 3)
        else:
            put(out, at + i, 1)
    BIO_free(bio)


cdef void put_other(Writer *out, const GENERAL_NAME *name) noexcept nogil:
    cdef ASN1_OBJECT *oid = NULL
    cdef ASN1_TYPE *value = NULL
    cdef unsigned char *text = NULL
    cdef int n
    if not GENERAL_NAME_get0_otherName(name, &oid, &value) or value == NULL or value.type == V_ASN1_BOOLEAN:
        return
    n = ASN1_STRING_to_UTF8(&text, asn1_text(value))
    if n >= 0:
        put(out, <const char *>text, n)
        OPENSSL_free(text)


cdef bint put_san(Writer *out, const GENERAL_NAME *name, int type) noexcept nogil:
    # False: a name of another type, or one that holds what ends names: nobody is called that.
    cdef char address[ADDRESS_MAX]
    cdef int found = 0
    cdef const ASN1_STRING *value = <const ASN1_STRING *>GENERAL_NAME_get0_value(name, &found)
    cdef const unsigned char *at
    cdef int n
    if found != type:
        return False
    if type == GEN_OTHERNAME:
        put_other(out, name)
        return True
    at = ASN1_STRING_get0_data(value)
    n = ASN1_STRING_length(value)
    if type != GEN_IPADD:
        if memchr(at, NAME_END, n) != NULL:
            return False
        put(out, <const char *>at, n)
    elif n == 4 or n == 16:
        inet_ntop(AF_INET if n == 4 else AF_INET6, at, address, ADDRESS_MAX)
        put(out, address, strlen(address))
    return True


cdef void put_sans(Writer *out, TlsFacts *facts, int kind, STACK_GENERAL_NAME *names, int type) noexcept nogil:
    # As a text: with commas between names.
    cdef int n = sk_GENERAL_NAME_num(names) if names != NULL else 0
    cdef bint first = True
    cdef int i
    begin(out, facts, kind)
    for i in range(n):
        if not first:
            put(out, b",", 1)
        if put_san(out, sk_GENERAL_NAME_value(names, i), type):
            first = False
        elif not first:
            out.len -= 1
    end(out, facts, kind)


cdef void put_each_name(Writer *out, TlsFacts *facts, int kind, STACK_GENERAL_NAME *names, int type) noexcept nogil:
    cdef int n = sk_GENERAL_NAME_num(names) if names != NULL else 0
    cdef char end_of_name = NAME_END
    cdef int i
    begin(out, facts, kind)
    for i in range(n):
        if put_san(out, sk_GENERAL_NAME_value(names, i), type):
            put(out, &end_of_name, 1)
    end(out, facts, kind)


cdef void put_names(Writer *out, TlsFacts *facts, X509 *cert, int first, int uris, int hosts) noexcept nogil:
    # URI, DNS, IP, email and other names, in the order of their kinds; `uris` and `hosts` are those lists again; FACTS: nobody asks.
    cdef STACK_GENERAL_NAME *names = <STACK_GENERAL_NAME *>X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL)
    put_sans(out, facts, first, names, GEN_URI)
    put_sans(out, facts, first + 1, names, GEN_DNS)
    put_sans(out, facts, first + 2, names, GEN_IPADD)
    put_sans(out, facts, first + 3, names, GEN_EMAIL)
    put_sans(out, facts, first + 4, names, GEN_OTHERNAME)
    put_each_name(out, facts, uris, names, GEN_URI)
    if hosts != FACTS:
        put_each_name(out, facts, hosts, names, GEN_DNS)
    GENERAL_NAMES_free(names)


cdef void put_one(Writer *out, TlsFacts *facts, int kind, X509 *cert) noexcept nogil:
    if out.len > <size_t>facts.facts[kind].at:
        put(out, b",", 1)
    if kind == FACT_CHAIN_SERIALS:
        put_serial(out, cert)
    else:
        put_digest(out, cert, EVP_sha1() if kind == FACT_CHAIN_SHA1 else EVP_sha256())


cdef void put_each(Writer *out, TlsFacts *facts, int kind, STACK_X509 *chain, X509 *leaf) noexcept nogil:
    cdef int i
    begin(out, facts, kind)
    if leaf != NULL:
        put_one(out, facts, kind, leaf)
    if chain != NULL:
        for i in range(sk_X509_num(chain)):
            put_one(out, facts, kind, sk_X509_value(chain, i))
    end(out, facts, kind)


cdef void put_issuer(Writer *out, TlsFacts *facts, SSL *ssl) noexcept nogil:
    cdef STACK_X509 *verified = SSL_get0_verified_chain(ssl)
    cdef X509 *issuer = sk_X509_value(verified, 1) if verified != NULL and sk_X509_num(verified) > 1 else NULL
    if issuer == NULL:
        return
    begin(out, facts, FACT_ISSUER_SERIAL)
    put_serial(out, issuer)
    end(out, facts, FACT_ISSUER_SERIAL)
    begin(out, facts, FACT_ISSUER_SHA256)
    put_digest(out, issuer, EVP_sha256())
    end(out, facts, FACT_ISSUER_SHA256)


cdef void put_peer(Writer *out, TlsFacts *facts, SSL *ssl, X509 *cert, bint server) noexcept nogil:
    # A server's view of the chain lacks the leaf, a client's has it.
    cdef STACK_X509 *chain = SSL_get_peer_cert_chain(ssl)
    cdef int i
    begin(out, facts, FACT_SUBJECT)
    put_name(out, X509_get_subject_name(cert))
    end(out, facts, FACT_SUBJECT)
    begin(out, facts, FACT_ISSUER)
    put_name(out, X509_get_issuer_name(cert))
    end(out, facts, FACT_ISSUER)
    begin(out, facts, FACT_SERIAL)
    put_serial(out, cert)
    end(out, facts, FACT_SERIAL)
    begin(out, facts, FACT_SHA1)
    put_digest(out, cert, EVP_sha1())
    end(out, facts, FACT_SHA1)
    begin(out, facts, FACT_SHA256)
    put_digest(out, cert, EVP_sha256())
    end(out, facts, FACT_SHA256)
    put_names(out, facts, cert, FACT_URI_SANS, FACT_URI_NAMES, FACT_DNS_NAMES)
    facts.not_before_s = cert_seconds(X509_get0_notBefore(cert))
    facts.not_after_s = cert_seconds(X509_get0_notAfter(cert))
    put_issuer(out, facts, ssl)
    begin(out, facts, FACT_CERT)
    put_pem(out, cert)
    end(out, facts, FACT_CERT)
    begin(out, facts, FACT_CHAIN)
    if server:
        put_pem(out, cert)
    if chain != NULL:
        for i in range(sk_X509_num(chain)):
            put_pem(out, sk_X509_value(chain, i))
    end(out, facts, FACT_CHAIN)
    put_each(out, facts, FACT_CHAIN_SHA1, chain, cert if server else NULL)
    put_each(out, facts, FACT_CHAIN_SHA256, chain, cert if server else NULL)
    put_each(out, facts, FACT_CHAIN_SERIALS, chain, cert if server else NULL)


cdef void put_text(Writer *out, TlsFacts *facts, int kind, const char *text) noexcept nogil:
    begin(out, facts, kind)
    if text != NULL:
        put(out, text, strlen(text))
    end(out, facts, kind)


cdef void put_session(Writer *out, TlsFacts *facts, SSL *ssl) noexcept nogil:
    # From TLS 1.3 on a session has no identity on the wire; OpenSSL makes one up.
    cdef SSL_SESSION *session = SSL_get_session(ssl) if SSL_version(ssl) < TLS1_3_VERSION else NULL
    cdef const unsigned char *id
    cdef unsigned int n = 0
    begin(out, facts, FACT_SESSION_ID)
    if session != NULL:
        id = SSL_SESSION_get_id(session, &n)
        put_hex(out, id, n)
    end(out, facts, FACT_SESSION_ID)


cdef X509 *own_certificate(Tls *tls) noexcept nogil:
    # A handshake that shows none (a session that is resumed, a server that asks for none) has one all the same.
    cdef X509 *shown = SSL_get_certificate(tls.ssl)
    cdef TlsOpened *opened
    if shown != NULL or tls.context.certs_len == 0:
        return shown
    opened = tls_cert_open(tls.context.certs[0])
    return opened.leaf if opened != NULL else NULL


cdef void work_out(TlsFacts *facts) noexcept nogil:
    cdef Tls *tls = <Tls *>facts.source
    cdef X509 *peer = SSL_get0_peer_certificate(tls.ssl)
    cdef X509 *own = own_certificate(tls)
    cdef Writer out
    cdef int i
    facts.source = NULL
    out.text = NULL
    out.len = out.cap = 0
    out.failed = False
    if peer != NULL:
        put_peer(&out, facts, tls.ssl, peer, tls.server)
    if own != NULL:
        begin(&out, facts, FACT_LOCAL_SUBJECT)
        put_name(&out, X509_get_subject_name(own))
        end(&out, facts, FACT_LOCAL_SUBJECT)
        put_names(&out, facts, own, FACT_LOCAL_URI_SANS, FACT_LOCAL_URI_NAMES, FACTS)
    put_text(&out, facts, FACT_VERSION, SSL_get_version(tls.ssl))
    put_text(&out, facts, FACT_CIPHER, SSL_CIPHER_get_name(SSL_get_current_cipher(tls.ssl)))
    put_session(&out, facts, tls.ssl)
    put_text(&out, facts, FACT_GROUP, tls_group_name(SSL_get_negotiated_group(tls.ssl)))
    begin(&out, facts, FACT_ASKED)
    put(&out, tls.asked.at, tls.asked.len)
    end(&out, facts, FACT_ASKED)
    facts.text = out.text
    for i in range(FACTS):
        if out.failed:
            facts.facts[i].len = 0
        facts.facts[i].at = out.text + <size_t>facts.facts[i].at if facts.facts[i].len > 0 else NULL
    ERR_clear_error()


cdef TlsFacts *facts_new(Tls *tls) noexcept nogil:
    cdef TlsFacts *facts = <TlsFacts *>calloc(1, sizeof(TlsFacts))
    if facts == NULL:
        return NULL
    facts.refs = 1
    facts.source = tls
    facts.work_out = work_out
    facts.presented = SSL_get0_peer_certificate(tls.ssl) != NULL
    # A session that is resumed was verified when it began.
    facts.validated = facts.presented and (tls.peer_validated or SSL_session_reused(tls.ssl) and tls.context.rules.verify)
    return facts


cdef void facts_leave(TlsFacts *facts) noexcept nogil:
    if facts.refs > 1 and facts.source != NULL:
        facts.work_out(facts)
    facts.source = NULL
    tls_facts_unref(facts)
