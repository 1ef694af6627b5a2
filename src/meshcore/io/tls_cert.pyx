"""Certificates: reading, checking, keeping as DER, opening for a handshake. See tls_cert.pxd for the law."""
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, strcmp

from meshcore.base.atomics cimport atomic_peek, atomic_swap_if, atomic_unref
from meshcore.base.span cimport lower
from meshcore.io.openssl cimport *
from meshcore.io.tls_key cimport QUICK_MISMATCH, QUICK_NO_MEMORY, QUICK_OTHER, tls_key_quick

cdef extern from "<openssl/asn1.h>" nogil:
    ctypedef struct ASN1_ITEM
    ctypedef struct OSSL_LIB_CTX
    void *ASN1_item_d2i_ex(void **, const unsigned char **at, long n, const ASN1_ITEM *, OSSL_LIB_CTX *, const char *) noexcept

cdef extern from "<openssl/x509.h>" nogil:
    const ASN1_ITEM *X509_it() noexcept

cdef extern from "<openssl/provider.h>" nogil:
    OSSL_LIB_CTX *OSSL_LIB_CTX_new() noexcept
    void *OSSL_PROVIDER_load(OSSL_LIB_CTX *, const char *name) noexcept

cdef extern from "<openssl/pem.h>" nogil:
    int PEM_read_bio(BIO *, char **name, char **header, unsigned char **data, long *n) noexcept

cdef enum:
    LEAST_RSA_BITS = 2048
    NAME_MAX = 256

# A library without algorithms. OpenSSL 3.0 decodes a certificate's public key as soon as it reads the certificate, which takes ten times as
# long as all the rest; where there is nothing to decode it with, the key stays as it came.
cdef OSSL_LIB_CTX *bare = OSSL_LIB_CTX_new()
if bare != NULL and OSSL_PROVIDER_load(bare, b"null") == NULL:
    bare = NULL


cdef int give_password(char *out, int cap, int _writing, void *arg) noexcept nogil:
    cdef Span *password = <Span *>arg
    if password == NULL or password.len == 0 or <int>password.len > cap:
        return 0
    memcpy(out, password.at, password.len)
    return <int>password.len


cdef STACK_X509 *read_chain(Span pem) noexcept nogil:
    # All certificates of a PEM text; NULL when there is none, or one that is broken.
    cdef BIO *bio = BIO_new_mem_buf(pem.at, <int>pem.len)
    cdef STACK_X509 *found = sk_X509_new_null()
    cdef X509 *cert = NULL
    if bio == NULL or found == NULL:
        BIO_free(bio)
        sk_X509_free(found)
        return NULL
    while True:
        cert = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL) if sk_X509_num(found) == 0 else PEM_read_bio_X509(bio, NULL, NULL, NULL)
        if cert == NULL:
            break
        sk_X509_push(found, cert)
    BIO_free(bio)
    if sk_X509_num(found) == 0 or ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE:
        sk_X509_pop_free(found, X509_free)
        found = NULL
    ERR_clear_error()
    return found


cdef X509 *read_quick(BIO *bio) noexcept nogil:
    # The next certificate without its public key; NULL: there is none, or it is not of the common form.
    cdef char *name = NULL
    cdef char *header = NULL
    cdef unsigned char *data = NULL
    cdef const unsigned char *at
    cdef X509 *cert = NULL
    cdef long n = 0
    if PEM_read_bio(bio, &name, &header, &data, &n) and strcmp(name, b"CERTIFICATE") == 0 and header[0] == 0:
        at = data
        cert = <X509 *>ASN1_item_d2i_ex(NULL, &at, n, X509_it(), bare, NULL)
    OPENSSL_free(name)
    OPENSSL_free(header)
    OPENSSL_free(data)
    return cert


cdef STACK_X509 *read_chain_quick(Span pem) noexcept nogil:
    # As read_chain, but no certificate knows its public key; NULL too where read_chain may know more.
    cdef BIO *bio = BIO_new_mem_buf(pem.at, <int>pem.len) if bare != NULL else NULL
    cdef STACK_X509 *found = sk_X509_new_null() if bio != NULL else NULL
    cdef X509 *cert
    if found == NULL:
        BIO_free(bio)
        return NULL
    ERR_clear_error()
    cert = read_quick(bio)
    while cert != NULL:
        sk_X509_push(found, cert)
        ERR_clear_error()          # of public keys that were not decoded
        cert = read_quick(bio)
    BIO_free(bio)
    if sk_X509_num(found) == 0 or ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE:
        sk_X509_pop_free(found, X509_free)
        found = NULL
    ERR_clear_error()
    return found


cdef EVP_PKEY *read_key(Span pem, Span *password) noexcept nogil:
    cdef BIO *bio = BIO_new_mem_buf(pem.at, <int>pem.len)
    cdef EVP_PKEY *key = NULL
    if bio != NULL:
        key = PEM_read_bio_PrivateKey(bio, NULL, <void *>give_password, password)
        BIO_free(bio)
    ERR_clear_error()
    return key


cdef STACK_X509 *read_pkcs12(Span der, Span password, EVP_PKEY **key) noexcept nogil:
    # The chain of a PKCS #12 file, leaf first; NULL when it cannot be read.
    cdef BIO *bio = BIO_new_mem_buf(der.at, <int>der.len)
    cdef PKCS12 *file = NULL
    cdef X509 *leaf = NULL
    cdef STACK_X509 *others = NULL
    cdef STACK_X509 *found = NULL
    cdef char *text = <char *>calloc(1, password.len + 1)
    cdef int i
    if bio != NULL and text != NULL:
        memcpy(text, password.at, password.len)
        file = d2i_PKCS12_bio(bio, NULL)
        if file != NULL and PKCS12_parse(file, text, key, &leaf, &others) and leaf != NULL:
            found = sk_X509_new_null()
            sk_X509_push(found, leaf)
            if others != NULL:
                for i in range(sk_X509_num(others)):
                    X509_up_ref(sk_X509_value(others, i))
                    sk_X509_push(found, sk_X509_value(others, i))
    if others != NULL:
        sk_X509_pop_free(others, X509_free)
    if file != NULL:
        PKCS12_free(file)
    BIO_free(bio)
    free(text)
    ERR_clear_error()
    return found


cdef uint8_t check_key(const EVP_PKEY *key) noexcept nogil:
    cdef char group[32]
    cdef size_t n = 0
    cdef int kind = EVP_PKEY_get_base_id(key)
    if kind == EVP_PKEY_RSA and EVP_PKEY_get_bits(key) < LEAST_RSA_BITS:
        return CERT_KEY_TOO_SHORT
    if kind == EVP_PKEY_EC:
        if not EVP_PKEY_get_group_name(key, group, sizeof(group), &n):
            return CERT_BAD_CURVE
        if not (is_text(group, b"prime256v1") or is_text(group, b"secp384r1") or is_text(group, b"secp521r1")):
            return CERT_BAD_CURVE
    return CERT_OK


cdef inline bint is_text(const char *a, const char *b) noexcept nogil:
    cdef size_t i = 0
    while a[i] != 0 and a[i] == b[i]:
        i += 1
    return a[i] == b[i]


cdef bint keep_chain(TlsCert *cert, STACK_X509 *chain) noexcept nogil:
    cdef unsigned char *at
    cdef int total = 0
    cdef int i
    for i in range(sk_X509_num(chain)):
        total += i2d_X509(sk_X509_value(chain, i), NULL)
    cert.chain = <char *>malloc(total)
    if cert.chain == NULL:
        return False
    at = <unsigned char *>cert.chain
    for i in range(sk_X509_num(chain)):
        i2d_X509(sk_X509_value(chain, i), &at)
    cert.chain_len = <uint32_t>total
    return True


cdef bint keep_key(TlsCert *cert, EVP_PKEY *key) noexcept nogil:
    cdef unsigned char *at
    cdef int n = i2d_PrivateKey(key, NULL)
    if n <= 0:
        return False
    cert.key = <char *>malloc(n)
    if cert.key == NULL:
        return False
    at = <unsigned char *>cert.key
    i2d_PrivateKey(key, &at)
    cert.key_len = <uint32_t>n
    return True


cdef void add_name(TlsCert *cert, const char *name, size_t n) noexcept nogil:
    # There is room for it: names are at most as long as the certificate that holds them.
    cdef size_t i
    for i in range(n):
        cert.names[cert.names_len + i] = lower(name[i])
    cert.names_len += <uint32_t>n
    cert.names[cert.names_len] = b'\n'
    cert.names_len += 1


cdef bint keep_names(TlsCert *cert, X509 *leaf) noexcept nogil:
    cdef STACK_GENERAL_NAME *names = <STACK_GENERAL_NAME *>X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL)
    cdef const ASN1_STRING *text
    cdef char common[NAME_MAX]
    cdef int kind = 0
    cdef int i
    cdef int n
    cert.names = <char *>malloc(i2d_X509(leaf, NULL) + NAME_MAX)
    if cert.names == NULL:
        GENERAL_NAMES_free(names)
        return False
    if names != NULL:
        for i in range(sk_GENERAL_NAME_num(names)):
            text = <const ASN1_STRING *>GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &kind)
            if kind == GEN_DNS:
                add_name(cert, <const char *>ASN1_STRING_get0_data(text), ASN1_STRING_length(text))
        GENERAL_NAMES_free(names)
    if cert.names_len == 0:
        n = X509_NAME_get_text_by_NID(X509_get_subject_name(leaf), NID_commonName, common, sizeof(common))
        if n > 0:
            add_name(cert, common, n)
    return shrink_names(cert)


cdef bint shrink_names(TlsCert *cert) noexcept nogil:
    cdef char *exact = <char *>malloc(cert.names_len + 1)
    if exact == NULL:
        return False
    memcpy(exact, cert.names, cert.names_len)
    free(cert.names)
    cert.names = exact
    return True


cdef bint keep_staple(TlsCert *cert, Span staple) noexcept nogil:
    if staple.len == 0:
        return True
    cert.staple = <char *>malloc(staple.len)
    if cert.staple == NULL:
        return False
    memcpy(cert.staple, staple.at, staple.len)
    cert.staple_len = staple.len
    return True


cdef int64_t cert_seconds(const ASN1_TIME *time) noexcept nogil:
    cdef tm parts
    return timegm(&parts) if time != NULL and ASN1_TIME_to_tm(time, &parts) else 0


cdef bint read_staple(TlsCert *cert, X509 *leaf) noexcept nogil:
    # When the response ends; False: it is none, or about another certificate.
    cdef const unsigned char *at = <const unsigned char *>cert.staple
    cdef OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &at, cert.staple_len)
    cdef OCSP_BASICRESP *basic = OCSP_response_get1_basic(response) if response != NULL else NULL
    cdef OCSP_SINGLERESP *single
    cdef ASN1_INTEGER *serial = NULL
    cdef ASN1_GENERALIZEDTIME *until = NULL
    cdef bint good = False
    if basic != NULL and OCSP_resp_count(basic) == 1:
        single = OCSP_resp_get0(basic, 0)
        OCSP_id_get0_info(NULL, NULL, NULL, &serial, <OCSP_CERTID *>OCSP_SINGLERESP_get0_id(single))
        if OCSP_single_get0_status(single, NULL, NULL, NULL, &until) >= 0 and serial != NULL:
            good = ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(leaf)) == 0
            cert.staple_until_s = cert_seconds(<const ASN1_TIME *>until)
    OCSP_BASICRESP_free(basic)
    OCSP_RESPONSE_free(response)
    return good


cdef uint8_t fill(TlsCert *cert, STACK_X509 *chain, EVP_PKEY *key, Span staple) noexcept nogil:
    cdef X509 *leaf = sk_X509_value(chain, 0)
    cdef int kind = EVP_PKEY_EC if cert.key != NULL else EVP_PKEY_get_base_id(X509_get0_pubkey(leaf)) if X509_get0_pubkey(leaf) != NULL else 0
    cdef uint8_t error
    cert.kind = KEY_RSA if kind == EVP_PKEY_RSA else (KEY_EC if kind == EVP_PKEY_EC else KEY_OTHER)
    if key != NULL:
        if not X509_check_private_key(leaf, key):
            return CERT_KEY_MISMATCH
        error = check_key(key)
        if error != CERT_OK:
            return error
        if not keep_key(cert, key):
            return CERT_NO_MEMORY
    if not keep_chain(cert, chain) or not keep_names(cert, leaf) or not keep_staple(cert, staple):
        return CERT_NO_MEMORY
    cert.must_staple = X509_get_ext_by_NID(leaf, NID_tlsfeature, -1) >= 0
    cert.until_s = cert_seconds(X509_get0_notAfter(leaf))
    if cert.staple != NULL and not read_staple(cert, leaf):
        return CERT_BAD_STAPLE
    return CERT_OK


cdef TlsCert *tls_cert_new(Span chain, Span key, Span password, Span pkcs12, Span staple, uint8_t *error) noexcept nogil:
    cdef TlsCert *cert = <TlsCert *>calloc(1, sizeof(TlsCert))
    cdef STACK_X509 *found = NULL
    cdef EVP_PKEY *private_key = NULL
    cdef uint8_t quick = QUICK_OTHER
    error[0] = CERT_OK
    if cert == NULL:
        error[0] = CERT_NO_MEMORY
        return NULL
    cert.refs = 1
    if pkcs12.len > 0:
        found = read_pkcs12(pkcs12, password, &private_key)
        error[0] = CERT_OK if found != NULL and private_key != NULL else CERT_BAD_PKCS12
    else:
        found = read_chain_quick(chain) if key.len > 0 else NULL
        if found != NULL:
            quick = tls_key_quick(key, sk_X509_value(found, 0), &cert.key, &cert.key_len)
        if quick == QUICK_MISMATCH:
            error[0] = CERT_KEY_MISMATCH
        elif quick == QUICK_NO_MEMORY:
            error[0] = CERT_NO_MEMORY
        elif quick == QUICK_OTHER:
            sk_X509_pop_free(found, X509_free)
            found = read_chain(chain)
            if found == NULL:
                error[0] = CERT_BAD_CHAIN
            elif key.len > 0:
                private_key = read_key(key, &password)
                error[0] = CERT_OK if private_key != NULL else CERT_BAD_KEY
    if error[0] == CERT_OK:
        error[0] = fill(cert, found, private_key, staple)
    ERR_clear_error()
    sk_X509_pop_free(found, X509_free)
    EVP_PKEY_free(private_key)
    if error[0] != CERT_OK:
        tls_cert_unref(cert)
        return NULL
    return cert


cdef void close_opened(TlsOpened *opened) noexcept nogil:
    if opened != NULL:
        X509_free(opened.leaf)
        EVP_PKEY_free(opened.key)
        sk_X509_pop_free(opened.chain, X509_free)
        free(opened)


cdef void tls_cert_unref(TlsCert *cert) noexcept nogil:
    if cert != NULL and atomic_unref(&cert.refs) == 0:
        close_opened(cert.opened)
        free(cert.chain)
        free(cert.key)
        free(cert.staple)
        free(cert.names)
        free(cert)


cdef TlsOpened *tls_cert_open(TlsCert *cert) noexcept nogil:
    # Two workers may do this at once: the first one's is kept.
    cdef TlsOpened *opened = <TlsOpened *>atomic_peek(<void **>&cert.opened)
    cdef const unsigned char *at = <const unsigned char *>cert.chain
    cdef const unsigned char *end = at + cert.chain_len
    cdef X509 *other
    if opened != NULL:
        return opened
    opened = <TlsOpened *>calloc(1, sizeof(TlsOpened))
    if opened == NULL:
        return NULL
    opened.leaf = d2i_X509(NULL, &at, end - at)
    opened.chain = sk_X509_new_null()
    while opened.chain != NULL and at < end:
        other = d2i_X509(NULL, &at, end - at)
        if other == NULL:
            break
        sk_X509_push(opened.chain, other)
    at = <const unsigned char *>cert.key
    if cert.key != NULL:
        opened.key = d2i_AutoPrivateKey(NULL, &at, cert.key_len)
    if opened.leaf == NULL or opened.chain == NULL or (cert.key != NULL and opened.key == NULL):
        close_opened(opened)
        return NULL
    while not atomic_swap_if(<void **>&cert.opened, NULL, opened):
        if cert.opened != NULL:
            close_opened(opened)
            return cert.opened
    return opened
