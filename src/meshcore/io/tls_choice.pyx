"""Choices of a handshake. See tls_choice.pxd for the law.

The certificate: by the name that the client asks for, exact before wildcard, else the first one. Where several serve the name, one of each
kind of key is offered and OpenSSL takes what the client can check, ECDSA before RSA.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memchr, memcmp, memcpy, memset, strlen
from posix.fcntl cimport O_APPEND, O_CREAT, O_WRONLY, open
from posix.unistd cimport close, write

from meshcore.base.span cimport Span, lower, span, span_is
from meshcore.conf.stat_ids cimport TLS_OCSP_FAILED, TLS_OCSP_OMITTED, TLS_OCSP_REQUESTS, TLS_OCSP_RESPONSES
from meshcore.io.openssl cimport *
from meshcore.io.tls cimport Tls
from meshcore.io.tls_cert cimport KEY_KINDS, TlsCert, TlsOpened, tls_cert_open
from meshcore.io.tls_context cimport (
    STAPLE_MUST, STAPLE_STRICT, TICKET_KEY, TlsContext, TlsProfile, tls_logs_keys, tls_name_hash, tls_session_put,
)
from meshcore.io.transport cimport transport_local, transport_remote
from meshcore.observe.counters cimport stat_inc
from meshcore.observe.record cimport IpAddress

cdef extern from "<openssl/crypto.h>" nogil:
    void *OPENSSL_malloc(size_t n) noexcept

cdef extern from "<openssl/ssl.h>" nogil:
    ctypedef struct STACK_SSL_CIPHER "STACK_OF(SSL_CIPHER)"
    STACK_SSL_CIPHER *SSL_get_ciphers(const SSL *) noexcept
    int sk_SSL_CIPHER_num(const STACK_SSL_CIPHER *) noexcept
    const SSL_CIPHER *sk_SSL_CIPHER_value(const STACK_SSL_CIPHER *, int) noexcept
    int SSL_set_cipher_list(SSL *, const char *) noexcept

cdef extern from "<fcntl.h>" nogil:
    int O_CLOEXEC

cdef extern from "<time.h>" nogil:
    int64_t time(void *) noexcept

cdef enum:
    NAME_MAX = 256
    TICKET_NAME = 16
    TICKET_HMAC = 32
    LINE_MAX = 1024
    LIST_MAX = 2048                # of a list of cipher suites
    GROUP_MAX = 16
    SUITES_MAX = 1 << 16


cdef inline Tls *tls_of_ssl(const SSL *ssl) noexcept nogil:
    return <Tls *>SSL_get_ex_data(ssl, 0)


# --- certificates ---------------------------------------------------------------------------------------------------


cdef uint32_t first_of(TlsContext *context, uint64_t hash) noexcept nogil:
    # Where a name begins in the index; names_len when it is not there.
    cdef uint32_t low = 0
    cdef uint32_t high = context.names_len
    cdef uint32_t middle
    while low < high:
        middle = (low + high) // 2
        if context.name_hashes[middle] < hash:
            low = middle + 1
        else:
            high = middle
    if low < context.names_len and context.name_hashes[low] == hash:
        return low
    return context.names_len


cdef void offer(TlsContext *context, uint32_t index, TlsCert **offers) noexcept nogil:
    cdef TlsCert *cert = context.certs[index]
    if offers[cert.kind] == NULL:
        offers[cert.kind] = cert


cdef bint offer_named(TlsContext *context, uint64_t hash, TlsCert **offers) noexcept nogil:
    cdef uint32_t i = first_of(context, hash)
    if i == context.names_len:
        return False
    while i < context.names_len and context.name_hashes[i] == hash:
        offer(context, context.name_certs[i], offers)
        i += 1
    return True


cdef bint offer_by_sni(TlsContext *context, const char *sni, TlsCert **offers) noexcept nogil:
    cdef char name[NAME_MAX]
    cdef const char *dot
    cdef size_t n = strlen(sni)
    cdef size_t i
    if n == 0 or n >= NAME_MAX - 1:
        return False
    for i in range(n):
        name[i] = lower(sni[i])
    if offer_named(context, tls_name_hash(name, n), offers):
        return True
    dot = <const char *>memchr(name, b'.', n)
    if dot == NULL or dot == name:
        return False
    i = dot - name - 1
    name[i] = b'*'
    return offer_named(context, tls_name_hash(name + i, n - i), offers)


cdef int choose_certificate(SSL *ssl, void *arg) noexcept nogil:
    cdef Tls *tls = tls_of_ssl(ssl)
    cdef TlsContext *context = tls.context
    cdef const char *sni
    cdef TlsCert **offers = tls.offers
    cdef TlsOpened *opened
    cdef uint32_t i
    if context.certs_len == 0:
        return 1
    memset(offers, 0, KEY_KINDS * sizeof(TlsCert *))
    sni = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) if tls.server and context.certs_len > 1 else NULL
    if sni == NULL or not offer_by_sni(context, sni, offers):
        if tls.server and (sni == NULL or context.full_scan):
            for i in range(context.certs_len):
                offer(context, i, offers)
        else:
            offer(context, 0, offers)
    for i in range(KEY_KINDS):
        if offers[i] == NULL:
            continue
        opened = tls_cert_open(offers[i])
        if opened == NULL or opened.key == NULL or not SSL_use_cert_and_key(ssl, opened.leaf, opened.key, opened.chain, 1):
            return 0
    return 1


# --- ciphers --------------------------------------------------------------------------------------------------------


cdef size_t place_of(SSL *ssl, Span name) noexcept nogil:
    # Where the client's hello names a suite; SUITES_MAX: nowhere.
    cdef STACK_SSL_CIPHER *ours = SSL_get_ciphers(ssl)
    cdef const unsigned char *theirs = NULL
    cdef size_t n = SSL_client_hello_get0_ciphers(ssl, &theirs)
    cdef const char *text
    cdef uint16_t id
    cdef size_t place
    cdef int i
    for i in range(sk_SSL_CIPHER_num(ours)):
        text = SSL_CIPHER_get_name(sk_SSL_CIPHER_value(ours, i))
        if not span_is(name, text, strlen(text)):
            continue
        id = SSL_CIPHER_get_protocol_id(sk_SSL_CIPHER_value(ours, i))
        for place in range(n // 2):
            if (<uint16_t>theirs[2 * place] << 8 | theirs[2 * place + 1]) == id:
                return place
    return SUITES_MAX


cdef bint put_group(SSL *ssl, Span group, char *out) noexcept nogil:
    # The members of "A|B", those first that the client names first, as "B:A"; whether that is another order.
    cdef Span whole = group
    cdef Span members[GROUP_MAX]
    cdef size_t places[GROUP_MAX]
    cdef Span member
    cdef size_t place
    cdef const char *bar
    cdef int n = 0
    cdef int i
    cdef bint moved = False
    while group.len > 0 and n < GROUP_MAX:
        bar = <const char *>memchr(group.at, b'|', group.len)
        member = span(group.at, bar - group.at if bar != NULL else group.len)
        group = span(member.at + member.len + 1, group.len - member.len - 1) if bar != NULL else span(group.at, 0)
        place = place_of(ssl, member)
        i = n
        while i > 0 and places[i - 1] > place:
            members[i] = members[i - 1]
            places[i] = places[i - 1]
            i -= 1
            moved = True
        members[i] = member
        places[i] = place
        n += 1
    if group.len > 0:
        memcpy(out, whole.at, whole.len)       # too many to look at: as they stand
        out[whole.len] = b':'
        for i in range(<int>whole.len):
            out[i] = b':' if out[i] == b'|' else out[i]
        return False
    for i in range(n):
        memcpy(out, members[i].at, members[i].len)
        out[members[i].len] = b':'
        out += members[i].len + 1
    return moved


cdef void order_groups(SSL *ssl, const char *groups) noexcept nogil:
    # OpenSSL knows no suites that are as good as each other: the connection gets an order of its own where the client has another.
    cdef char list[LIST_MAX]
    cdef size_t n = strlen(groups)
    cdef size_t done = 0
    cdef const char *colon
    cdef size_t one
    cdef bint moved = False
    if n + 2 > LIST_MAX:
        return
    while done < n:
        colon = <const char *>memchr(groups + done, b':', n - done)
        one = colon - groups - done if colon != NULL else n - done
        if put_group(ssl, span(groups + done, one), list + done):
            moved = True
        done += one + 1
    list[n] = 0
    if moved:
        SSL_set_cipher_list(ssl, list)


cdef bint offers_1_3(SSL *ssl) noexcept nogil:
    cdef const unsigned char *at = NULL
    cdef size_t n = 0
    cdef size_t i = 1
    if SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_supported_versions, &at, &n):
        while i + 1 < n:
            if at[i] == 3 and at[i + 1] == 4:
                return True
            i += 2
    return False


cdef int choose_order(SSL *ssl, int *alert, void *arg) noexcept nogil:
    # In TLS 1.3 all suites are good, and Envoy takes the client's order; before, ours, where that is one.
    cdef TlsProfile *profile = tls_of_ssl(ssl).context.profile
    if profile.speaks_1_3 and offers_1_3(ssl):
        SSL_clear_options(ssl, SSL_OP_CIPHER_SERVER_PREFERENCE)
    elif profile.groups != NULL:
        order_groups(ssl, profile.groups)
    return SSL_CLIENT_HELLO_SUCCESS


# --- protocols ------------------------------------------------------------------------------------------------------


cdef int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *offered, unsigned int n,
                     void *profile) noexcept nogil:
    cdef TlsProfile *ours = <TlsProfile *>profile
    cdef unsigned char *found = NULL
    cdef int result = SSL_select_next_proto(&found, out_len, <const unsigned char *>ours.alpn, ours.alpn_len, offered, n)
    out[0] = found
    return SSL_TLSEXT_ERR_OK if result == OPENSSL_NPN_NEGOTIATED else SSL_TLSEXT_ERR_NOACK


# --- staples --------------------------------------------------------------------------------------------------------


cdef TlsCert *shown(Tls *tls, SSL *ssl) noexcept nogil:
    # Our certificate that OpenSSL has taken.
    cdef X509 *leaf = SSL_get_certificate(ssl)
    cdef uint32_t i
    for i in range(KEY_KINDS):
        if tls.offers[i] != NULL and tls.offers[i].opened.leaf == leaf:
            return tls.offers[i]
    return NULL


cdef bint refuses_without(TlsCert *cert, uint8_t policy) noexcept nogil:
    # STRICT: a response that is there must be fresh; MUST, which a certificate can ask for too: there must be one.
    return policy == STAPLE_MUST or cert.must_staple or (policy == STAPLE_STRICT and cert.staple != NULL)


cdef int choose_staple(SSL *ssl, void *arg) noexcept nogil:
    cdef Tls *tls = tls_of_ssl(ssl)
    cdef TlsCert *cert = shown(tls, ssl)
    cdef uint64_t *stats = tls.stats
    cdef unsigned char *copy
    stat_inc(stats, tls.slot.stats[TLS_OCSP_REQUESTS])
    if cert == NULL or cert.staple == NULL or cert.staple_until_s < time(NULL):
        if cert != NULL and refuses_without(cert, tls.context.staple_policy):
            stat_inc(stats, tls.slot.stats[TLS_OCSP_FAILED])
            return SSL_TLSEXT_ERR_ALERT_FATAL
        stat_inc(stats, tls.slot.stats[TLS_OCSP_OMITTED])
        return SSL_TLSEXT_ERR_NOACK
    copy = <unsigned char *>OPENSSL_malloc(cert.staple_len)
    if copy == NULL:
        return SSL_TLSEXT_ERR_NOACK
    memcpy(copy, cert.staple, cert.staple_len)
    SSL_set_tlsext_status_ocsp_resp(ssl, copy, cert.staple_len)
    stat_inc(stats, tls.slot.stats[TLS_OCSP_RESPONSES])
    return SSL_TLSEXT_ERR_OK


# --- sessions -------------------------------------------------------------------------------------------------------


cdef bint set_mac(EVP_MAC_CTX *mac, unsigned char *key) noexcept nogil:
    cdef OSSL_PARAM params[3]
    params[0] = OSSL_PARAM_construct_octet_string(b"key", key, TICKET_HMAC)
    params[1] = OSSL_PARAM_construct_utf8_string(b"digest", b"sha256", 0)
    params[2] = OSSL_PARAM_construct_end()
    return EVP_MAC_CTX_set_params(mac, params) == 1


cdef int encrypt_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                        int encrypting) noexcept nogil:
    # 1: done; 2: done, and the client should get a fresh ticket; 0: not one of ours; -1: failed.
    cdef TlsProfile *profile = tls_of_ssl(ssl).context.profile
    cdef unsigned char *key = profile.tickets
    cdef uint32_t i
    if encrypting:
        if RAND_bytes(iv, 16) != 1:
            return -1
        memcpy(name, key, TICKET_NAME)
        if not EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key + TICKET_NAME + TICKET_HMAC, iv):
            return -1
        return 1 if set_mac(mac, key + TICKET_NAME) else -1
    for i in range(profile.tickets_len):
        key = profile.tickets + i * TICKET_KEY
        if memcmp(name, key, TICKET_NAME) == 0:
            if not set_mac(mac, key + TICKET_NAME):
                return -1
            if not EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key + TICKET_NAME + TICKET_HMAC, iv):
                return -1
            return 1 if i == 0 else 2
    return 0


cdef void grant_tickets(Tls *tls) noexcept nogil:
    # As Envoy's TLS: they leave with the first bytes of the owner, so that no system call is theirs and who asks nothing gets none.
    if tls.context.profile.grants and SSL_version(tls.ssl) == TLS1_3_VERSION:
        SSL_new_session_ticket(tls.ssl)
        if not SSL_session_reused(tls.ssl):
            SSL_new_session_ticket(tls.ssl)
        SSL_do_handshake(tls.ssl)      # seals them; the answer's record follows
        SSL_free_buffers(tls.ssl)      # OpenSSL's state machine has made one to read into


cdef int keep_session(SSL *ssl, SSL_SESSION *session) noexcept nogil:
    # 1: the session is ours now.
    cdef Tls *tls = tls_of_ssl(ssl)
    if tls == NULL or tls.context.sessions_cap == 0:
        return 0
    tls_session_put(tls.context, session, tls.names_hash)
    return 1


cdef void write_keys(const SSL *ssl, const char *line) noexcept nogil:
    # NSS key log format; one write per line, so that lines of several workers do not mix. It is for debugging, and may be slow.
    cdef Tls *tls = tls_of_ssl(ssl)
    cdef char text[LINE_MAX]
    cdef size_t n = strlen(line)
    cdef int file
    cdef IpAddress local
    cdef IpAddress remote
    if tls == NULL or tls.transport == NULL or n + 1 > LINE_MAX:
        return
    transport_local(tls.transport, &local)
    transport_remote(tls.transport, &remote)
    if not tls_logs_keys(tls.context, &local, &remote):
        return
    memcpy(text, line, n)
    text[n] = b'\n'
    file = open(tls.context.keylog, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o600)
    if file >= 0:
        write(file, text, n + 1)
        close(file)
