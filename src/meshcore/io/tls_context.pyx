"""TLS contexts: building profiles, rules and contexts, and letting them go. See tls_context.pxd for the law."""
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free, malloc, qsort
from libc.string cimport memchr, memcmp, memcpy, strlen

from meshcore.base.arena cimport arena_fini, arena_init
from meshcore.base.atomics cimport atomic_ref, atomic_swap, atomic_unref
from meshcore.base.hash cimport xxhash64
from meshcore.base.span cimport span
from meshcore.io.openssl cimport *
from meshcore.io.tls_cert cimport cert_seconds, tls_cert_unref
from meshcore.io.tls_choice cimport choose_alpn, choose_certificate, choose_order, choose_staple, encrypt_ticket, keep_session, write_keys
from meshcore.io.tls_verify cimport verify_peer
from meshcore.route.regex cimport regex_free_all

cdef enum:
    SESSIONS_KEPT = 1024           # of clients that take no tickets, per profile


# --- who is trusted -------------------------------------------------------------------------------------------------


cdef bint add_authorities(TlsTrust *trust, Span pem) noexcept nogil:
    cdef BIO *bio = BIO_new_mem_buf(pem.at, <int>pem.len)
    cdef X509 *cert
    cdef int64_t until
    cdef int found = 0
    cdef bint clean
    if bio == NULL:
        return False
    while True:
        cert = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL)
        if cert == NULL:
            break
        X509_STORE_add_cert(trust.store, cert)
        until = cert_seconds(X509_get0_notAfter(cert))
        if found == 0 or until < trust.until_s:
            trust.until_s = until
        X509_free(cert)
        found += 1
    clean = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE
    BIO_free(bio)
    ERR_clear_error()
    return found > 0 and clean


cdef bint add_revoked(X509_STORE *store, Span pem) noexcept nogil:
    cdef BIO *bio = BIO_new_mem_buf(pem.at, <int>pem.len)
    cdef X509_CRL *crl
    cdef int found = 0
    if bio == NULL:
        return False
    while True:
        crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL)
        if crl == NULL:
            break
        X509_STORE_add_crl(store, crl)
        X509_CRL_free(crl)
        found += 1
    BIO_free(bio)
    ERR_clear_error()
    return found > 0


cdef TlsTrust *tls_trust_new(Span authorities, Span revoked, bint leaf_alone, uint8_t *error) noexcept nogil:
    cdef TlsTrust *trust = <TlsTrust *>calloc(1, sizeof(TlsTrust))
    error[0] = TLS_OK
    if trust != NULL:
        trust.refs = 1
        trust.store = X509_STORE_new()
    if trust == NULL or trust.store == NULL:
        error[0] = TLS_NO_MEMORY
    elif authorities.len > 0 and not add_authorities(trust, authorities):
        error[0] = TLS_BAD_CA
    elif revoked.len > 0 and not add_revoked(trust.store, revoked):
        error[0] = TLS_BAD_CRL
    if error[0] != TLS_OK:
        tls_trust_unref(trust)
        return NULL
    # As Envoy: an intermediate authority that is trusted needs no root behind it.
    X509_STORE_set_flags(trust.store, X509_V_FLAG_PARTIAL_CHAIN)
    if revoked.len > 0:
        X509_STORE_set_flags(trust.store, X509_V_FLAG_CRL_CHECK if leaf_alone else X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL)
    return trust


cdef void tls_trust_unref(TlsTrust *trust) noexcept nogil:
    if trust != NULL and atomic_unref(&trust.refs) == 0:
        if trust.store != NULL:
            X509_STORE_free(trust.store)
        free(trust)


# --- profiles -------------------------------------------------------------------------------------------------------


cdef char *copy_bytes(Span source) noexcept nogil:
    cdef char *found = <char *>malloc(source.len + 1)
    if found != NULL:
        if source.len:
            memcpy(found, source.at, source.len)
        found[source.len] = 0
    return found


cdef void set_sessions(SSL_CTX *ctx, const ProfileSpec *spec) noexcept nogil:
    if not spec.server:
        # OpenSSL's own store would be looked at by nobody: sessions are handed to the context (tls_session_put).
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL)
        SSL_CTX_sess_set_new_cb(ctx, keep_session)
        return
    if not spec.stateless:
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET)
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_SERVER if spec.stateful else SSL_SESS_CACHE_OFF)
    SSL_CTX_sess_set_cache_size(ctx, SESSIONS_KEPT)
    SSL_CTX_set_num_tickets(ctx, 0)    # they go with the first answer (grant_tickets)
    if spec.session_s:
        SSL_CTX_set_timeout(ctx, spec.session_s)
    if spec.tickets.len > 0:
        SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, encrypt_ticket)


cdef uint8_t set_algorithms(SSL_CTX *ctx, const ProfileSpec *spec) noexcept nogil:
    SSL_CTX_set_min_proto_version(ctx, spec.least_version)
    SSL_CTX_set_max_proto_version(ctx, spec.most_version)
    if spec.least_version < TLS1_2_VERSION:
        SSL_CTX_set_security_level(ctx, 0)         # Debian's default allows nothing before TLS 1.2
    if spec.ciphers[0] != 0 and not SSL_CTX_set_cipher_list(ctx, spec.ciphers):
        return TLS_BAD_CIPHERS
    if not SSL_CTX_set_ciphersuites(ctx, spec.suites):
        return TLS_BAD_CIPHERS
    if spec.curves[0] != 0 and not SSL_CTX_set1_groups_list(ctx, spec.curves):
        return TLS_BAD_CURVES
    if spec.sigalgs[0] != 0 and not SSL_CTX_set1_sigalgs_list(ctx, spec.sigalgs):
        return TLS_BAD_SIGALGS
    return TLS_OK


cdef void set_callbacks(SSL_CTX *ctx, TlsProfile *profile, bint keylog) noexcept nogil:
    SSL_CTX_set_cert_cb(ctx, choose_certificate, NULL)
    SSL_CTX_set_cert_verify_callback(ctx, verify_peer, NULL)
    if keylog:
        SSL_CTX_set_keylog_callback(ctx, write_keys)
    if profile.server:
        SSL_CTX_set_tlsext_status_cb(ctx, choose_staple)
        SSL_CTX_set_client_hello_cb(ctx, choose_order, NULL)
        if profile.alpn_len > 0:
            SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, profile)


cdef TlsProfile *tls_profile_new(const ProfileSpec *spec, uint8_t *error) noexcept nogil:
    cdef TlsProfile *profile = <TlsProfile *>calloc(1, sizeof(TlsProfile))
    error[0] = TLS_NO_MEMORY
    if profile == NULL:
        return NULL
    profile.refs = 1
    profile.server = spec.server
    profile.speaks_1_3 = spec.most_version >= TLS1_3_VERSION
    profile.grants = spec.server and (spec.stateless or spec.stateful)
    if spec.server and not spec.client_prefers and spec.groups[0] != 0:
        profile.groups = copy_bytes(span(spec.groups, strlen(spec.groups)))
    profile.alpn = copy_bytes(spec.alpn)
    profile.alpn_len = spec.alpn.len
    if spec.tickets.len > 0:
        profile.tickets = <unsigned char *>copy_bytes(spec.tickets)
        profile.tickets_len = spec.tickets.len // TICKET_KEY
    profile.ctx = SSL_CTX_new(TLS_server_method() if spec.server else TLS_client_method())
    if profile.ctx == NULL or profile.alpn == NULL or (spec.tickets.len > 0 and profile.tickets == NULL):
        tls_profile_unref(profile)
        return NULL
    SSL_CTX_set_mode(profile.ctx, SSL_MODE_RELEASE_BUFFERS)
    SSL_CTX_set_options(profile.ctx, SSL_OP_NO_COMPRESSION)
    if spec.server or not spec.renegotiation:
        SSL_CTX_set_options(profile.ctx, SSL_OP_NO_RENEGOTIATION)
    if spec.server and not spec.client_prefers:
        SSL_CTX_set_options(profile.ctx, SSL_OP_CIPHER_SERVER_PREFERENCE)
    set_sessions(profile.ctx, spec)
    error[0] = set_algorithms(profile.ctx, spec)
    ERR_clear_error()
    if error[0] != TLS_OK:
        tls_profile_unref(profile)
        return NULL
    if spec.trust != NULL:
        atomic_ref(&spec.trust.refs)
        profile.trust = spec.trust
        X509_STORE_up_ref(spec.trust.store)
        SSL_CTX_set_cert_store(profile.ctx, spec.trust.store)
    set_callbacks(profile.ctx, profile, spec.keylog)
    return profile


cdef void tls_profile_unref(TlsProfile *profile) noexcept nogil:
    if profile != NULL and atomic_unref(&profile.refs) == 0:
        if profile.ctx != NULL:
            SSL_CTX_free(profile.ctx)
        tls_trust_unref(profile.trust)
        free(profile.alpn)
        free(profile.groups)
        free(profile.tickets)
        free(profile)


# --- rules ----------------------------------------------------------------------------------------------------------


cdef TlsRules *tls_rules_new() noexcept nogil:
    cdef TlsRules *rules = <TlsRules *>calloc(1, sizeof(TlsRules))
    if rules != NULL:
        rules.refs = 1
        rules.depth = -1
        arena_init(&rules.arena, NULL)
    return rules


cdef void tls_rules_unref(TlsRules *rules) noexcept nogil:
    cdef uint32_t i
    if rules != NULL and atomic_unref(&rules.refs) == 0:
        for i in range(rules.domains_len):
            tls_trust_unref(rules.domains[i].trust)
        regex_free_all(&rules.regexes)
        arena_fini(&rules.arena)
        free(rules)


# --- contexts -------------------------------------------------------------------------------------------------------


cdef void end(TlsConf *conf) noexcept nogil:
    cdef TlsContext *context = <TlsContext *>conf
    cdef uint32_t i
    for i in range(context.certs_len):
        tls_cert_unref(context.certs[i])
    for i in range(context.sessions_len):
        SSL_SESSION_free(context.sessions[i])
    tls_profile_unref(context.profile)
    tls_rules_unref(context.rules)
    free(context.certs)
    free(context.name_hashes)
    free(context.name_certs)
    free(context.sessions)
    free(context.session_names)
    free(context.sni)
    free(context.keylog_local)
    free(context.keylog_remote)
    free(context.keylog)
    free(context)


cdef TlsContext *tls_context_new(TlsProfile *profile, TlsRules *rules, TlsCert **certs, uint32_t certs_len) noexcept nogil:
    cdef TlsContext *context = <TlsContext *>calloc(1, sizeof(TlsContext))
    cdef uint32_t i
    if context == NULL:
        return NULL
    context.conf.refs = 1
    context.conf.end = end
    context.certs = <TlsCert **>calloc(max(1, certs_len), sizeof(TlsCert *))
    if context.certs == NULL:
        free(context)
        return NULL
    atomic_ref(&profile.refs)
    context.profile = profile
    atomic_ref(&rules.refs)
    context.rules = rules
    for i in range(certs_len):
        atomic_ref(&certs[i].refs)
        context.certs[i] = certs[i]
    context.certs_len = certs_len
    return context


cdef bint in_range(const IpAddress *address, const AddressRange *range) noexcept nogil:
    cdef uint32_t whole = range.bits // 8
    cdef uint32_t rest = range.bits % 8
    if address.family != range.family or memcmp(address.bytes, range.at, whole) != 0:
        return False
    return rest == 0 or (address.bytes[whole] ^ range.at[whole]) >> (8 - rest) == 0


cdef bint in_some(const IpAddress *address, const AddressRange *ranges, uint32_t n) noexcept nogil:
    cdef uint32_t i
    for i in range(n):
        if in_range(address, &ranges[i]):
            return True
    return n == 0


cdef bint tls_logs_keys(const TlsContext *context, const IpAddress *local, const IpAddress *remote) noexcept nogil:
    if context.keylog == NULL:
        return False
    return in_some(local, context.keylog_local, context.keylog_local_len) and in_some(remote, context.keylog_remote, context.keylog_remote_len)


cdef uint64_t tls_name_hash(const char *name, size_t n) noexcept nogil:
    return xxhash64(name, n, 0)


cdef struct NameEntry:
    uint64_t hash
    uint32_t cert


cdef int by_hash(const void *a, const void *b) noexcept nogil:
    # Equal names in the order of their certificates.
    cdef const NameEntry *left = <const NameEntry *>a
    cdef const NameEntry *right = <const NameEntry *>b
    if left.hash != right.hash:
        return -1 if left.hash < right.hash else 1
    return <int>left.cert - <int>right.cert


cdef uint32_t read_names(TlsContext *context, NameEntry *out) noexcept nogil:
    # How many names there are; `out` may be NULL.
    cdef uint32_t n = 0
    cdef uint32_t i
    cdef const char *at
    cdef const char *end
    cdef const char *line
    for i in range(context.certs_len):
        at = context.certs[i].names
        end = at + context.certs[i].names_len
        while at < end:
            line = <const char *>memchr(at, b'\n', end - at)
            if out != NULL:
                out[n].hash = tls_name_hash(at, line - at)
                out[n].cert = i
            n += 1
            at = line + 1
    return n


cdef bint tls_context_index(TlsContext *context) noexcept nogil:
    cdef NameEntry *entries
    cdef uint32_t n
    cdef uint32_t i
    if context.certs_len < 2:
        return True
    n = read_names(context, NULL)
    entries = <NameEntry *>malloc(max(1, n) * sizeof(NameEntry))
    context.name_hashes = <uint64_t *>malloc(max(1, n) * sizeof(uint64_t))
    context.name_certs = <uint32_t *>malloc(max(1, n) * sizeof(uint32_t))
    if entries == NULL or context.name_hashes == NULL or context.name_certs == NULL:
        free(entries)
        return False
    read_names(context, entries)
    qsort(entries, n, sizeof(NameEntry), by_hash)
    for i in range(n):
        context.name_hashes[i] = entries[i].hash
        context.name_certs[i] = entries[i].cert
    context.names_len = n
    free(entries)
    return True


# --- sessions of clients --------------------------------------------------------------------------------------------


cdef void lock(TlsContext *context) noexcept nogil:
    # Held for a few instructions, once per handshake.
    while atomic_swap(&context.lock, 1) != 0:
        pass


cdef void unlock(TlsContext *context) noexcept nogil:
    atomic_swap(&context.lock, 0)


cdef void tls_session_put(TlsContext *context, SSL_SESSION *session, uint64_t names) noexcept nogil:
    cdef SSL_SESSION *old = session
    cdef uint32_t i
    if context.sessions_cap > 0:
        lock(context)
        old = NULL
        if context.sessions_len == context.sessions_cap:
            context.sessions_len -= 1
            old = context.sessions[context.sessions_len]
        i = context.sessions_len
        while i > 0:
            context.sessions[i] = context.sessions[i - 1]
            context.session_names[i] = context.session_names[i - 1]
            i -= 1
        context.sessions[0] = session
        context.session_names[0] = names
        context.sessions_len += 1
        unlock(context)
    if old != NULL:
        SSL_SESSION_free(old)


cdef SSL_SESSION *tls_session_take(TlsContext *context, uint64_t names) noexcept nogil:
    # A session of TLS 1.3 should serve once only; the newest one is kept while there is no other.
    cdef SSL_SESSION *session = NULL
    cdef uint32_t i
    if context.sessions_cap == 0:
        return NULL
    lock(context)
    for i in range(context.sessions_len):
        if context.session_names[i] == names:
            session = context.sessions[i]
            SSL_SESSION_up_ref(session)
            break
    unlock(context)
    return session
