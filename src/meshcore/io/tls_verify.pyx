"""Verification of a peer's certificate. See tls_verify.pxd for the law.

As Envoy: first the chain (unless nobody is named who may sign, or untrusted ones are accepted), then the names, then the pins; a certificate
that matches one pin of either kind is good. Names are compared as the rules say: exact DNS rules know wildcards of the certificate, all
others see the text.
"""
from libc.stdint cimport uint32_t
from libc.stdio cimport snprintf
from libc.stdlib cimport free
from libc.string cimport memcmp, strdup, strlen

from meshcore.base.span cimport Span, span, span_equal, span_equal_nocase, span_is
from meshcore.conf.stat_ids cimport TLS_FAIL_HASH, TLS_FAIL_SAN, TLS_FAIL_VERIFY
from meshcore.io.openssl cimport *
from meshcore.io.tls cimport Tls
from meshcore.io.tls_context cimport *
from meshcore.observe.counters cimport stat_inc
from meshcore.route.matcher cimport STRING_EXACT, string_matches

cdef extern from "<arpa/inet.h>" nogil:
    const char *inet_ntop(int family, const void *source, char *out, unsigned int n) noexcept
    int AF_INET, AF_INET6

cdef extern from "<openssl/x509_vfy.h>" nogil:
    ctypedef struct X509_VERIFY_PARAM
    X509_VERIFY_PARAM *X509_STORE_CTX_get0_param(X509_STORE_CTX *) noexcept
    int X509_VERIFY_PARAM_set_purpose(X509_VERIFY_PARAM *, int) noexcept
    int X509_PURPOSE_SSL_CLIENT, X509_PURPOSE_SSL_SERVER
    X509_STORE_CTX *X509_STORE_CTX_new() noexcept
    void X509_STORE_CTX_free(X509_STORE_CTX *) noexcept
    int X509_STORE_CTX_init(X509_STORE_CTX *, X509_STORE *, X509 *, STACK_X509 *) noexcept
    STACK_X509 *X509_STORE_CTX_get1_chain(const X509_STORE_CTX *) noexcept
    void X509_STORE_CTX_set0_verified_chain(X509_STORE_CTX *, STACK_X509 *) noexcept
    STACK_X509 *X509_STORE_CTX_get0_untrusted(const X509_STORE_CTX *) noexcept

cdef extern from * nogil:
    """
    #include <openssl/asn1.h>
    static const ASN1_STRING *asn1_text(const ASN1_TYPE *type) { return type->value.asn1_string; }
    """
    const ASN1_STRING *asn1_text(const ASN1_TYPE *type) noexcept

cdef extern from "<openssl/x509_vfy.h>" nogil:
    int X509_V_ERR_CERT_REVOKED, X509_V_ERR_UNABLE_TO_GET_CRL, X509_V_ERR_CRL_NOT_YET_VALID, X509_V_ERR_PERMITTED_VIOLATION
    int X509_V_ERR_CERT_CHAIN_TOO_LONG

cdef enum:
    ADDRESS_MAX = 48
    TEXT_MAX = 700
    NAMES_MAX = 600
    OID_MAX = 128
    DIGEST = 32
    SPKI_MAX = 4096


# --- the chain ------------------------------------------------------------------------------------------------------


cdef int forgive_expiry(int good, X509_STORE_CTX *found) noexcept nogil:
    cdef int error = X509_STORE_CTX_get_error(found)
    if not good and (error == X509_V_ERR_CERT_HAS_EXPIRED or error == X509_V_ERR_CERT_NOT_YET_VALID):
        X509_STORE_CTX_set_error(found, X509_V_OK)
        return 1
    return good


cdef bint check_chain(Tls *tls, X509_STORE_CTX *found) noexcept nogil:
    cdef TlsRules *rules = tls.context.rules
    if rules.allow_expired:
        X509_STORE_CTX_set_verify_cb(found, forgive_expiry)
    if X509_verify_cert(found) != 1:
        return False
    if rules.depth >= 0 and sk_X509_num(X509_STORE_CTX_get0_chain(found)) - 1 > rules.depth:
        X509_STORE_CTX_set_error(found, X509_V_ERR_CERT_CHAIN_TOO_LONG)
        return False
    return True


# --- names ----------------------------------------------------------------------------------------------------------


cdef bint dns_covers(Span pattern, Span name) noexcept nogil:
    # RFC 6125 as Envoy reads it: "*" stands for the whole first label, or for a part of it.
    cdef uint32_t i = 0
    if span_equal_nocase(pattern, name):
        return True
    if pattern.len < 3 or pattern.at[0] != b'*' or pattern.at[1] != b'.':
        return False
    while i < name.len and name.at[i] != b'.':
        i += 1
    if i == 0 or i == name.len:
        return False
    return span_equal_nocase(span(pattern.at + 1, pattern.len - 1), span(name.at + i, name.len - i))


cdef bint rule_matches(const SanRule *rule, Span name) noexcept nogil:
    if rule.kind == SAN_DNS and rule.matcher.kind == STRING_EXACT:
        return dns_covers(name, rule.matcher.value)
    return string_matches(&rule.matcher, name)


cdef int kind_of(int type) noexcept nogil:
    if type == GEN_DNS:
        return SAN_DNS
    if type == GEN_URI:
        return SAN_URI
    if type == GEN_EMAIL:
        return SAN_EMAIL
    if type == GEN_IPADD:
        return SAN_IP
    if type == GEN_OTHERNAME:
        return SAN_OTHER
    return -1


cdef Span address_text(const ASN1_STRING *value, char *out) noexcept nogil:
    cdef int n = ASN1_STRING_length(value)
    if n != 4 and n != 16:
        return span(b"", 0)
    inet_ntop(AF_INET if n == 4 else AF_INET6, ASN1_STRING_get0_data(value), out, ADDRESS_MAX)
    return span(out, strlen(out))


cdef bint other_matches(const SanRule *rule, const GENERAL_NAME *name) noexcept nogil:
    cdef ASN1_OBJECT *oid = NULL
    cdef ASN1_TYPE *value = NULL
    cdef char dotted[OID_MAX]
    cdef unsigned char *text = NULL
    cdef int n
    cdef bint good
    if not GENERAL_NAME_get0_otherName(name, &oid, &value) or value == NULL or value.type == V_ASN1_BOOLEAN:
        return False
    n = OBJ_obj2txt(dotted, OID_MAX, oid, 1)
    if n <= 0 or not span_is(rule.oid, dotted, n):
        return False
    n = ASN1_STRING_to_UTF8(&text, asn1_text(value))
    if n < 0:
        return False
    good = string_matches(&rule.matcher, span(<const char *>text, n))
    OPENSSL_free(text)
    return good


cdef bint name_matches(TlsRules *rules, const GENERAL_NAME *name) noexcept nogil:
    cdef int type = 0
    cdef const ASN1_STRING *value = <const ASN1_STRING *>GENERAL_NAME_get0_value(name, &type)
    cdef int kind = kind_of(type)
    cdef char text[ADDRESS_MAX]
    cdef Span shown
    cdef uint32_t i
    if kind < 0:
        return False
    if kind == SAN_IP:
        shown = address_text(value, text)
    elif kind != SAN_OTHER:
        shown = span(<const char *>ASN1_STRING_get0_data(value), ASN1_STRING_length(value))
    for i in range(rules.sans_len):
        if rules.sans[i].kind != kind:
            continue
        if other_matches(&rules.sans[i], name) if kind == SAN_OTHER else rule_matches(&rules.sans[i], shown):
            return True
    return False


cdef bint check_names(TlsRules *rules, X509 *cert) noexcept nogil:
    cdef STACK_GENERAL_NAME *names = <STACK_GENERAL_NAME *>X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL)
    cdef bint good = False
    cdef int i
    if names == NULL:
        return False
    for i in range(sk_GENERAL_NAME_num(names)):
        if name_matches(rules, sk_GENERAL_NAME_value(names, i)):
            good = True
            break
    GENERAL_NAMES_free(names)
    return good


cdef bint has_name(X509 *cert, Span wanted, bint dns_alone) noexcept nogil:
    # One of the certificate's names is this one; its DNS names may have wildcards.
    cdef STACK_GENERAL_NAME *names = <STACK_GENERAL_NAME *>X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL)
    cdef const ASN1_STRING *value
    cdef char address[ADDRESS_MAX]
    cdef bint good = False
    cdef int type = 0
    cdef int i
    if names == NULL:
        return False
    for i in range(sk_GENERAL_NAME_num(names)):
        value = <const ASN1_STRING *>GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type)
        if type == GEN_DNS:
            good = dns_covers(span(<const char *>ASN1_STRING_get0_data(value), ASN1_STRING_length(value)), wanted)
        elif type == GEN_IPADD and not dns_alone:
            good = span_equal(address_text(value, address), wanted)
        elif (type == GEN_URI or type == GEN_EMAIL) and not dns_alone:
            good = span_is(wanted, <const char *>ASN1_STRING_get0_data(value), ASN1_STRING_length(value))
        if good:
            break
    GENERAL_NAMES_free(names)
    return good


# --- pins -----------------------------------------------------------------------------------------------------------


cdef bint among(const unsigned char *digest, const unsigned char *list, uint32_t n) noexcept nogil:
    cdef uint32_t i
    for i in range(n):
        if memcmp(digest, list + i * DIGEST, DIGEST) == 0:
            return True
    return False


cdef bint check_pins(TlsRules *rules, X509 *cert) noexcept nogil:
    cdef unsigned char digest[64]
    cdef unsigned char key[SPKI_MAX]
    cdef unsigned char *at = key
    cdef unsigned int n = 0
    cdef int len
    if rules.hashes_len > 0 and X509_digest(cert, EVP_sha256(), digest, &n) and among(digest, rules.hashes, rules.hashes_len):
        return True
    if rules.spkis_len == 0:
        return False
    len = i2d_PUBKEY(X509_get0_pubkey(cert), NULL)
    if len <= 0 or len > SPKI_MAX:
        return False
    len = i2d_PUBKEY(X509_get0_pubkey(cert), &at)
    return EVP_Digest(key, len, digest, &n, EVP_sha256(), NULL) == 1 and among(digest, rules.spkis, rules.spkis_len)


# --- SPIFFE ---------------------------------------------------------------------------------------------------------


cdef Span trust_domain(X509 *cert, STACK_GENERAL_NAME *names) noexcept nogil:
    # Of the first URI spiffe://DOMAIN/...; empty: none. The text lives as long as `names`.
    cdef const ASN1_STRING *value
    cdef const char *at
    cdef int type = 0
    cdef int i
    cdef int n
    cdef int end
    for i in range(sk_GENERAL_NAME_num(names)):
        value = <const ASN1_STRING *>GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type)
        if type != GEN_URI:
            continue
        at = <const char *>ASN1_STRING_get0_data(value)
        n = ASN1_STRING_length(value)
        if n < 9 or memcmp(at, b"spiffe://", 9) != 0:
            continue
        end = 9
        while end < n and at[end] != b'/':
            end += 1
        return span(at + 9, end - 9)
    return span(NULL, 0)


cdef X509_STORE *store_of(TlsRules *rules, X509 *cert) noexcept nogil:
    # The authorities of the certificate's trust domain; NULL: it has none that is known.
    cdef STACK_GENERAL_NAME *names = <STACK_GENERAL_NAME *>X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL)
    cdef X509_STORE *store = NULL
    cdef Span domain
    cdef uint32_t i
    if names == NULL:
        return NULL
    domain = trust_domain(cert, names)
    for i in range(rules.domains_len):
        if domain.len > 0 and span_equal(domain, rules.domains[i].name):
            store = rules.domains[i].trust.store
            break
    GENERAL_NAMES_free(names)
    return store


cdef bint check_domain(Tls *tls, X509_STORE_CTX *found) noexcept nogil:
    cdef X509 *cert = X509_STORE_CTX_get0_cert(found)
    cdef X509_STORE *store = store_of(tls.context.rules, cert)
    cdef X509_STORE_CTX *own
    cdef bint good = False
    if store == NULL:
        tls.verify_detail = FAULT_DOMAIN
        return False
    own = X509_STORE_CTX_new()
    if own != NULL and X509_STORE_CTX_init(own, store, cert, X509_STORE_CTX_get0_untrusted(found)):
        X509_VERIFY_PARAM_set_purpose(X509_STORE_CTX_get0_param(own), X509_PURPOSE_SSL_CLIENT if tls.server else X509_PURPOSE_SSL_SERVER)
        if tls.context.rules.allow_expired:
            X509_STORE_CTX_set_verify_cb(own, forgive_expiry)
        good = X509_verify_cert(own) == 1
        if good:
            X509_STORE_CTX_set0_verified_chain(found, X509_STORE_CTX_get1_chain(own))
        else:
            tls.verify_detail = FAULT_DOMAIN
    X509_STORE_CTX_free(own)
    return good


# --- what its key may do --------------------------------------------------------------------------------------------


cdef bint may_be_used(SSL *ssl, X509 *cert) noexcept nogil:
    # RFC 5246 7.4.2 of servers: an RSA key that says what it is for must be for this key exchange. Other keys: OpenSSL looks itself.
    cdef const SSL_CIPHER *cipher = SSL_get_pending_cipher(ssl)
    cdef bint deciphers = SSL_version(ssl) < TLS1_3_VERSION and cipher != NULL and SSL_CIPHER_get_kx_nid(cipher) == NID_kx_rsa
    if EVP_PKEY_get_base_id(X509_get0_pubkey(cert)) != EVP_PKEY_RSA or not X509_get_extension_flags(cert) & <uint32_t>EXFLAG_KUSAGE:
        return True
    return (X509_get_key_usage(cert) & <uint32_t>(KU_KEY_ENCIPHERMENT if deciphers else KU_DIGITAL_SIGNATURE)) != 0


# --- all of it ------------------------------------------------------------------------------------------------------


cdef Span other_text(const GENERAL_NAME *name, unsigned char **text) noexcept nogil:
    # `text` is to be freed.
    cdef ASN1_OBJECT *oid = NULL
    cdef ASN1_TYPE *value = NULL
    cdef int n = -1
    if GENERAL_NAME_get0_otherName(name, &oid, &value) and value != NULL and value.type != V_ASN1_BOOLEAN:
        n = ASN1_STRING_to_UTF8(text, asn1_text(value))
    return span(<const char *>text[0], n) if n > 0 else span(b"", 0)


cdef size_t put_names(X509 *cert, char *out, size_t cap) noexcept nogil:
    # "a.test, b.test": all kinds in the order of the certificate.
    cdef STACK_GENERAL_NAME *names = <STACK_GENERAL_NAME *>X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL)
    cdef const ASN1_STRING *value
    cdef char address[ADDRESS_MAX]
    cdef unsigned char *other
    cdef Span text
    cdef size_t n = 0
    cdef int type = 0
    cdef int i
    if names == NULL:
        return 0
    for i in range(sk_GENERAL_NAME_num(names)):
        value = <const ASN1_STRING *>GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type)
        other = NULL
        if type == GEN_IPADD:
            text = address_text(value, address)
        elif type == GEN_DNS or type == GEN_URI or type == GEN_EMAIL:
            text = span(<const char *>ASN1_STRING_get0_data(value), ASN1_STRING_length(value))
        elif type == GEN_OTHERNAME:
            text = other_text(sk_GENERAL_NAME_value(names, i), &other)
        else:
            continue
        if n + text.len + 3 < cap:
            if n > 0:
                n += <size_t>snprintf(out + n, cap - n, b", ")
            n += <size_t>snprintf(out + n, cap - n, b"%.*s", <int>text.len, text.at)
        OPENSSL_free(other)
    GENERAL_NAMES_free(names)
    return n


cdef void tell(Tls *tls, uint8_t fault, X509_STORE_CTX *found) noexcept nogil:
    # In Envoy's words.
    cdef char text[TEXT_MAX]
    cdef char names[NAMES_MAX]
    cdef int error = X509_STORE_CTX_get_error(found)
    text[0] = names[0] = 0
    if fault == FAULT_CHAIN and about_crl(error):
        snprintf(text, TEXT_MAX, b"X509_verify_cert: certificate verification error at depth %d: certificate revocation check against "
                 b"provided CRLs failed: %s", X509_STORE_CTX_get_error_depth(found), X509_verify_cert_error_string(error))
    elif fault == FAULT_CHAIN:
        snprintf(text, TEXT_MAX, b"X509_verify_cert: certificate verification error at depth %d: %s", X509_STORE_CTX_get_error_depth(found),
                 X509_verify_cert_error_string(error))
    elif fault == FAULT_SAN or fault == FAULT_NAME:
        put_names(X509_STORE_CTX_get0_cert(found), names, NAMES_MAX)
        snprintf(text, TEXT_MAX, b"SAN matcher, certificate SANs are [%s]", names)
    elif fault == FAULT_WANTED:
        put_names(X509_STORE_CTX_get0_cert(found), names, NAMES_MAX)
        snprintf(text, TEXT_MAX, b"verify SAN list, expected SANs: [%.*s], certificate SANs: [%s]", <int>tls.wanted.len, tls.wanted.at, names)
    elif fault == FAULT_HASH:
        snprintf(text, TEXT_MAX, b"cert hash and spki")
    if text[0] != 0:
        free(tls.verify_text)
        tls.verify_text = strdup(text)


cdef bint about_crl(int error) noexcept nogil:
    return (error == X509_V_ERR_CERT_REVOKED or error == X509_V_ERR_UNABLE_TO_GET_CRL or error == X509_V_ERR_CRL_HAS_EXPIRED
            or error == X509_V_ERR_CRL_NOT_YET_VALID)


cdef int error_for_alert(uint8_t fault, int error) noexcept nogil:
    # OpenSSL makes the alert of the error: certificate_unknown of those that it does not know, and as Envoy certificate_expired of a
    # certificate that is not valid yet.
    if error == X509_V_ERR_CERT_NOT_YET_VALID:
        return X509_V_ERR_CERT_HAS_EXPIRED
    return X509_V_ERR_PERMITTED_VIOLATION if fault != FAULT_CHAIN or error == X509_V_OK else error


cdef bint fails(Tls *tls, X509_STORE_CTX *found, uint8_t fault, int stat) noexcept nogil:
    # What untrusted peers are let through with is counted all the same.
    tls.verify_detail = fault
    stat_inc(tls.stats, tls.slot.stats[stat])
    if tls.context.rules.accept_untrusted:
        return False
    tell(tls, fault, found)
    X509_STORE_CTX_set_error(found, error_for_alert(fault, X509_STORE_CTX_get_error(found)))
    return True


cdef int verify_peer(X509_STORE_CTX *found, void *arg) noexcept nogil:
    cdef SSL *ssl = <SSL *>X509_STORE_CTX_get_ex_data(found, SSL_get_ex_data_X509_STORE_CTX_idx())
    cdef Tls *tls = <Tls *>SSL_get_ex_data(ssl, 0)
    cdef TlsRules *rules = tls.context.rules
    cdef X509 *cert = X509_STORE_CTX_get0_cert(found)
    cdef bint checked = rules.domains_len > 0 or tls.context.profile.trust != NULL
    cdef bint good = True
    tls.verify_detail = FAULT_NONE
    tls.peer_validated = False
    if not tls.server and not may_be_used(ssl, cert):
        tls.verify_detail = FAULT_USAGE
        X509_STORE_CTX_set_error(found, X509_V_ERR_PERMITTED_VIOLATION)
        return 0
    if tls.wanted.len > 0 and not rules.verify:
        tls.verify_detail = FAULT_WANTED       # as Envoy: a name means nothing when anybody may claim it
        X509_STORE_CTX_set_error(found, X509_V_ERR_PERMITTED_VIOLATION)
        return 0
    if rules.domains_len > 0:
        good = check_domain(tls, found)
    elif tls.context.profile.trust != NULL:
        good = check_chain(tls, found)
    if not good and fails(tls, found, tls.verify_detail if tls.verify_detail != FAULT_NONE else FAULT_CHAIN, TLS_FAIL_VERIFY):
        return 0
    if good and tls.wanted.len > 0:
        checked = True
        if not has_name(cert, tls.wanted, False):
            good = False
            if fails(tls, found, FAULT_WANTED, TLS_FAIL_SAN):
                return 0
    if good and rules.sans_len > 0:
        checked = True
        if not check_names(rules, cert):
            good = False
            if fails(tls, found, FAULT_SAN, TLS_FAIL_SAN):
                return 0
    if good and rules.hashes_len + rules.spkis_len > 0:
        checked = True
        if not check_pins(rules, cert):
            good = False
            if fails(tls, found, FAULT_HASH, TLS_FAIL_HASH):
                return 0
    if good and tls.context.check_sni and tls.asked.len > 0:
        checked = True
        if not has_name(cert, tls.asked, True):
            good = False
            if fails(tls, found, FAULT_NAME, TLS_FAIL_SAN):
                return 0
    tls.peer_validated = good and checked
    X509_STORE_CTX_set_error(found, X509_V_OK)
    return 1
