"""Quick private keys. See tls_key.pxd for the law. The key belongs to a certificate when their public points are the same bytes."""
from libc.stdlib cimport malloc
from libc.string cimport memcmp, memcpy, strcmp

from meshcore.io.openssl cimport *

cdef extern from *:
    """
    #define OPENSSL_SUPPRESS_DEPRECATED
    """

cdef extern from "<openssl/ec.h>" nogil:
    ctypedef struct EC_KEY
    int POINT_CONVERSION_UNCOMPRESSED
    EC_KEY *EC_KEY_new_by_curve_name(int nid) noexcept
    void EC_KEY_free(EC_KEY *) noexcept
    EC_KEY *d2i_ECPrivateKey(EC_KEY **, const unsigned char **at, long n) noexcept
    size_t EC_KEY_key2buf(const EC_KEY *, int form, unsigned char **out, void *) noexcept

cdef extern from "<openssl/x509.h>" nogil:
    ctypedef struct PKCS8_PRIV_KEY_INFO
    ctypedef struct X509_ALGOR
    ctypedef struct ASN1_BIT_STRING:
        int length
        unsigned char *data
    PKCS8_PRIV_KEY_INFO *d2i_PKCS8_PRIV_KEY_INFO(PKCS8_PRIV_KEY_INFO **, const unsigned char **at, long n) noexcept
    void PKCS8_PRIV_KEY_INFO_free(PKCS8_PRIV_KEY_INFO *) noexcept
    int PKCS8_pkey_get0(const ASN1_OBJECT **, const unsigned char **at, int *n, const X509_ALGOR **, const PKCS8_PRIV_KEY_INFO *) noexcept
    void X509_ALGOR_get0(const ASN1_OBJECT **, int *type, const void **value, const X509_ALGOR *) noexcept
    ASN1_BIT_STRING *X509_get0_pubkey_bitstr(const X509 *) noexcept
    int OBJ_obj2nid(const ASN1_OBJECT *) noexcept
    int NID_X9_62_id_ecPublicKey, V_ASN1_OBJECT

cdef extern from "<openssl/pem.h>" nogil:
    int PEM_read_bio(BIO *, char **name, char **header, unsigned char **data, long *n) noexcept


cdef EC_KEY *read_point(const PKCS8_PRIV_KEY_INFO *info) noexcept nogil:
    # NULL: not ECDSA on a curve that certificates may have.
    cdef const ASN1_OBJECT *kind = NULL
    cdef const X509_ALGOR *algorithm = NULL
    cdef const unsigned char *at = NULL
    cdef const void *curve = NULL
    cdef EC_KEY *key
    cdef int type = 0
    cdef int nid
    cdef int n = 0
    if not PKCS8_pkey_get0(&kind, &at, &n, &algorithm, info) or OBJ_obj2nid(kind) != NID_X9_62_id_ecPublicKey:
        return NULL
    X509_ALGOR_get0(NULL, &type, &curve, algorithm)
    nid = OBJ_obj2nid(<const ASN1_OBJECT *>curve) if type == V_ASN1_OBJECT else 0
    if nid != NID_X9_62_prime256v1 and nid != NID_secp384r1 and nid != NID_secp521r1:
        return NULL
    key = EC_KEY_new_by_curve_name(nid)
    if key != NULL and d2i_ECPrivateKey(&key, &at, n) == NULL:
        EC_KEY_free(key)
        return NULL
    return key


cdef uint8_t compare(const EC_KEY *key, X509 *leaf) noexcept nogil:
    cdef ASN1_BIT_STRING *theirs = X509_get0_pubkey_bitstr(leaf)
    cdef unsigned char *ours = NULL
    cdef size_t n = EC_KEY_key2buf(key, POINT_CONVERSION_UNCOMPRESSED, &ours, NULL)
    cdef uint8_t found = QUICK_OTHER
    if n > 0 and theirs != NULL and theirs.length > 0:
        # A point may be written in another form; then OpenSSL compares.
        if <size_t>theirs.length == n and theirs.data[0] == ours[0]:
            found = QUICK_TAKEN if memcmp(theirs.data, ours, n) == 0 else QUICK_MISMATCH
    OPENSSL_free(ours)
    return found


cdef uint8_t take_der(const unsigned char *data, long n, X509 *leaf, char **der, uint32_t *der_len) noexcept nogil:
    cdef const unsigned char *at = data
    cdef PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, n)
    cdef EC_KEY *key = read_point(info) if info != NULL else NULL
    cdef uint8_t found = compare(key, leaf) if key != NULL else QUICK_OTHER
    EC_KEY_free(key)
    PKCS8_PRIV_KEY_INFO_free(info)
    if found == QUICK_TAKEN:
        der[0] = <char *>malloc(n)
        if der[0] == NULL:
            return QUICK_NO_MEMORY
        memcpy(der[0], data, n)
        der_len[0] = <uint32_t>n
    return found


cdef uint8_t tls_key_quick(Span pem, X509 *leaf, char **der, uint32_t *der_len) noexcept nogil:
    cdef BIO *bio = BIO_new_mem_buf(pem.at, <int>pem.len)
    cdef char *name = NULL
    cdef char *header = NULL
    cdef unsigned char *data = NULL
    cdef long n = 0
    cdef uint8_t found = QUICK_OTHER
    if bio != NULL and PEM_read_bio(bio, &name, &header, &data, &n) and strcmp(name, b"PRIVATE KEY") == 0 and header[0] == 0:
        found = take_der(data, n, leaf, der, der_len)
    BIO_free(bio)
    OPENSSL_free(name)
    OPENSSL_free(header)
    if data != NULL:
        OPENSSL_cleanse(data, n)
    OPENSSL_free(data)
    ERR_clear_error()
    return found
