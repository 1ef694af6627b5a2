# OpenSSL 3, as much of it as io/ uses. Only io/ may import this file; macros of its headers are declared as the functions they stand for.
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t

cdef extern from "<openssl/bio.h>" nogil:
    ctypedef struct BIO
    ctypedef struct BIO_METHOD
    int BIO_CTRL_FLUSH, BIO_TYPE_SOURCE_SINK
    BIO_METHOD *BIO_meth_new(int type, const char *name) noexcept
    int BIO_meth_set_read(BIO_METHOD *, int (*)(BIO *, char *, int) noexcept nogil) noexcept
    int BIO_meth_set_write(BIO_METHOD *, int (*)(BIO *, const char *, int) noexcept nogil) noexcept
    int BIO_meth_set_ctrl(BIO_METHOD *, long (*)(BIO *, int, long, void *) noexcept nogil) noexcept
    void BIO_meth_free(BIO_METHOD *) noexcept
    BIO *BIO_new(const BIO_METHOD *) noexcept
    BIO *BIO_new_mem_buf(const void *, int n) noexcept
    int BIO_free(BIO *) noexcept
    int BIO_up_ref(BIO *) noexcept
    void BIO_set_data(BIO *, void *) noexcept
    void *BIO_get_data(BIO *) noexcept
    void BIO_set_init(BIO *, int) noexcept
    void BIO_clear_retry_flags(BIO *) noexcept
    void BIO_set_retry_read(BIO *) noexcept
    void BIO_set_retry_write(BIO *) noexcept

cdef extern from "<openssl/err.h>" nogil:
    unsigned long ERR_get_error() noexcept
    unsigned long ERR_peek_error() noexcept
    unsigned long ERR_peek_last_error() noexcept
    void ERR_clear_error() noexcept
    int ERR_GET_LIB(unsigned long) noexcept
    int ERR_GET_REASON(unsigned long) noexcept
    const char *ERR_reason_error_string(unsigned long) noexcept
    int ERR_LIB_SSL, ERR_LIB_SYS, ERR_LIB_PEM, ERR_LIB_X509
    int PEM_R_NO_START_LINE

cdef extern from "<openssl/evp.h>" nogil:
    ctypedef struct EVP_PKEY
    ctypedef struct EVP_MD
    ctypedef struct EVP_CIPHER
    ctypedef struct EVP_CIPHER_CTX
    ctypedef struct EVP_MAC_CTX
    int EVP_PKEY_RSA, EVP_PKEY_EC, EVP_PKEY_RSA_PSS, EVP_PKEY_ED25519
    void EVP_PKEY_free(EVP_PKEY *) noexcept
    int EVP_PKEY_up_ref(EVP_PKEY *) noexcept
    int EVP_PKEY_get_base_id(const EVP_PKEY *) noexcept
    int EVP_PKEY_get_bits(const EVP_PKEY *) noexcept
    int EVP_PKEY_eq(const EVP_PKEY *, const EVP_PKEY *) noexcept
    int EVP_PKEY_get_group_name(const EVP_PKEY *, char *name, size_t cap, size_t *n) noexcept
    const EVP_MD *EVP_sha1() noexcept
    const EVP_MD *EVP_sha256() noexcept
    int EVP_Digest(const void *, size_t n, unsigned char *out, unsigned int *len, const EVP_MD *, void *) noexcept
    const EVP_CIPHER *EVP_aes_256_cbc() noexcept
    int EVP_EncryptInit_ex(EVP_CIPHER_CTX *, const EVP_CIPHER *, void *, const unsigned char *key, const unsigned char *iv) noexcept
    int EVP_DecryptInit_ex(EVP_CIPHER_CTX *, const EVP_CIPHER *, void *, const unsigned char *key, const unsigned char *iv) noexcept
    int EVP_MAC_CTX_set_params(EVP_MAC_CTX *, const OSSL_PARAM *) noexcept

cdef extern from "<openssl/params.h>" nogil:
    ctypedef struct OSSL_PARAM:
        const char *key
    OSSL_PARAM OSSL_PARAM_construct_octet_string(const char *key, void *buf, size_t n) noexcept
    OSSL_PARAM OSSL_PARAM_construct_utf8_string(const char *key, char *buf, size_t n) noexcept
    OSSL_PARAM OSSL_PARAM_construct_end() noexcept

cdef extern from "<openssl/rand.h>" nogil:
    int RAND_bytes(unsigned char *, int n) noexcept

cdef extern from "<openssl/asn1.h>" nogil:
    ctypedef struct ASN1_STRING
    ctypedef struct ASN1_INTEGER
    ctypedef struct ASN1_TIME
    ctypedef struct ASN1_OBJECT
    ctypedef struct ASN1_TYPE:
        int type
    int V_ASN1_UTF8STRING, V_ASN1_BMPSTRING, V_ASN1_BOOLEAN
    const unsigned char *ASN1_STRING_get0_data(const ASN1_STRING *) noexcept
    int ASN1_STRING_length(const ASN1_STRING *) noexcept
    int ASN1_STRING_type(const ASN1_STRING *) noexcept
    int ASN1_STRING_to_UTF8(unsigned char **out, const ASN1_STRING *) noexcept
    int ASN1_TIME_to_tm(const ASN1_TIME *, tm *) noexcept
    void ASN1_STRING_free(ASN1_STRING *) noexcept

cdef extern from "<time.h>" nogil:
    struct tm:
        int tm_sec
    int64_t timegm(tm *) noexcept

cdef extern from "<openssl/bn.h>" nogil:
    ctypedef struct BIGNUM
    char *BN_bn2hex(const BIGNUM *) noexcept
    void BN_free(BIGNUM *) noexcept
    BIGNUM *ASN1_INTEGER_to_BN(const ASN1_INTEGER *, BIGNUM *) noexcept

cdef extern from "<openssl/crypto.h>" nogil:
    void OPENSSL_free(void *) noexcept
    void OPENSSL_cleanse(void *, size_t n) noexcept

cdef extern from "<openssl/x509.h>" nogil:
    ctypedef struct X509
    ctypedef struct X509_NAME
    ctypedef struct X509_CRL
    ctypedef struct X509_STORE
    ctypedef struct X509_STORE_CTX
    ctypedef struct X509_LOOKUP
    ctypedef struct STACK_X509 "STACK_OF(X509)"
    ctypedef struct STACK_X509_NAME "STACK_OF(X509_NAME)"
    ctypedef struct STACK_GENERAL_NAME "STACK_OF(GENERAL_NAME)"
    X509 *d2i_X509(X509 **, const unsigned char **at, long n) noexcept
    int i2d_X509(const X509 *, unsigned char **out) noexcept
    int i2d_PUBKEY(const EVP_PKEY *, unsigned char **out) noexcept
    EVP_PKEY *d2i_AutoPrivateKey(EVP_PKEY **, const unsigned char **at, long n) noexcept
    int i2d_PrivateKey(const EVP_PKEY *, unsigned char **out) noexcept
    void X509_free(X509 *) noexcept
    int X509_up_ref(X509 *) noexcept
    EVP_PKEY *X509_get0_pubkey(const X509 *) noexcept
    int X509_check_private_key(const X509 *, const EVP_PKEY *) noexcept
    int X509_digest(const X509 *, const EVP_MD *, unsigned char *out, unsigned int *n) noexcept
    X509_NAME *X509_get_subject_name(const X509 *) noexcept
    X509_NAME *X509_get_issuer_name(const X509 *) noexcept
    ASN1_INTEGER *X509_get0_serialNumber(const X509 *) noexcept
    const ASN1_TIME *X509_get0_notBefore(const X509 *) noexcept
    const ASN1_TIME *X509_get0_notAfter(const X509 *) noexcept
    void *X509_get_ext_d2i(const X509 *, int nid, int *critical, int *index) noexcept
    int X509_NAME_print_ex(BIO *, const X509_NAME *, int indent, unsigned long flags) noexcept
    int X509_NAME_get_index_by_NID(const X509_NAME *, int nid, int last) noexcept
    int X509_NAME_get_text_by_NID(const X509_NAME *, int nid, char *out, int n) noexcept
    uint32_t X509_get_extension_flags(X509 *) noexcept
    uint32_t X509_get_key_usage(X509 *) noexcept
    X509_NAME *X509_NAME_dup(const X509_NAME *) noexcept
    int X509_NAME_cmp(const X509_NAME *, const X509_NAME *) noexcept
    int XN_FLAG_RFC2253, ASN1_STRFLGS_ESC_MSB
    int X509_get_ext_by_NID(const X509 *, int nid, int last) noexcept
    int NID_tlsfeature
    int NID_subject_alt_name, NID_commonName, NID_X9_62_prime256v1, NID_secp384r1, NID_secp521r1, NID_X25519, NID_X448
    int X509_V_OK, X509_V_ERR_CERT_HAS_EXPIRED, X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_APPLICATION_VERIFICATION
    int X509_V_ERR_CRL_HAS_EXPIRED
    int X509_V_FLAG_CRL_CHECK, X509_V_FLAG_CRL_CHECK_ALL, X509_V_FLAG_PARTIAL_CHAIN, X509_V_FLAG_TRUSTED_FIRST
    STACK_X509 *sk_X509_new_null() noexcept
    int sk_X509_push(STACK_X509 *, X509 *) noexcept
    int sk_X509_num(const STACK_X509 *) noexcept
    X509 *sk_X509_value(const STACK_X509 *, int) noexcept
    void sk_X509_pop_free(STACK_X509 *, void (*)(X509 *) noexcept nogil) noexcept
    void sk_X509_free(STACK_X509 *) noexcept
    STACK_X509_NAME *sk_X509_NAME_new_null() noexcept
    int sk_X509_NAME_push(STACK_X509_NAME *, X509_NAME *) noexcept
    void sk_X509_NAME_pop_free(STACK_X509_NAME *, void (*)(X509_NAME *) noexcept nogil) noexcept
    void X509_NAME_free(X509_NAME *) noexcept
    void X509_CRL_free(X509_CRL *) noexcept
    X509_STORE *X509_STORE_new() noexcept
    void X509_STORE_free(X509_STORE *) noexcept
    int X509_STORE_up_ref(X509_STORE *) noexcept
    int X509_STORE_add_cert(X509_STORE *, X509 *) noexcept
    int X509_STORE_add_crl(X509_STORE *, X509_CRL *) noexcept
    int X509_STORE_set_flags(X509_STORE *, unsigned long) noexcept
    int X509_STORE_set_default_paths(X509_STORE *) noexcept
    int X509_verify_cert(X509_STORE_CTX *) noexcept
    X509 *X509_STORE_CTX_get0_cert(const X509_STORE_CTX *) noexcept
    STACK_X509 *X509_STORE_CTX_get0_chain(const X509_STORE_CTX *) noexcept
    int X509_STORE_CTX_get_error(const X509_STORE_CTX *) noexcept
    int X509_STORE_CTX_get_error_depth(const X509_STORE_CTX *) noexcept
    void X509_STORE_CTX_set_error(X509_STORE_CTX *, int) noexcept
    void X509_STORE_CTX_set_depth(X509_STORE_CTX *, int) noexcept
    void X509_STORE_CTX_set_verify_cb(X509_STORE_CTX *, int (*)(int, X509_STORE_CTX *) noexcept nogil) noexcept
    void *X509_STORE_CTX_get_ex_data(const X509_STORE_CTX *, int) noexcept
    const char *X509_verify_cert_error_string(long) noexcept

cdef extern from "<openssl/x509v3.h>" nogil:
    ctypedef struct GENERAL_NAME:
        int type
    int GEN_OTHERNAME, GEN_EMAIL, GEN_DNS, GEN_URI, GEN_IPADD
    int EXFLAG_KUSAGE, KU_DIGITAL_SIGNATURE, KU_KEY_ENCIPHERMENT
    void *GENERAL_NAME_get0_value(const GENERAL_NAME *, int *type) noexcept
    int GENERAL_NAME_get0_otherName(const GENERAL_NAME *, ASN1_OBJECT **oid, ASN1_TYPE **value) noexcept
    int sk_GENERAL_NAME_num(const STACK_GENERAL_NAME *) noexcept
    GENERAL_NAME *sk_GENERAL_NAME_value(const STACK_GENERAL_NAME *, int) noexcept
    void GENERAL_NAMES_free(STACK_GENERAL_NAME *) noexcept
    int OBJ_obj2txt(char *out, int n, const ASN1_OBJECT *, int no_name) noexcept

cdef extern from "<openssl/pem.h>" nogil:
    X509 *PEM_read_bio_X509(BIO *, X509 **, void *cb, void *arg) noexcept
    X509 *PEM_read_bio_X509_AUX(BIO *, X509 **, void *cb, void *arg) noexcept
    X509_CRL *PEM_read_bio_X509_CRL(BIO *, X509_CRL **, void *cb, void *arg) noexcept
    EVP_PKEY *PEM_read_bio_PrivateKey(BIO *, EVP_PKEY **, void *cb, void *arg) noexcept

cdef extern from "<openssl/ocsp.h>" nogil:
    ctypedef struct OCSP_RESPONSE
    ctypedef struct OCSP_BASICRESP
    ctypedef struct OCSP_SINGLERESP
    ctypedef struct OCSP_CERTID
    ctypedef struct ASN1_GENERALIZEDTIME
    OCSP_RESPONSE *d2i_OCSP_RESPONSE(OCSP_RESPONSE **, const unsigned char **at, long n) noexcept
    OCSP_BASICRESP *OCSP_response_get1_basic(OCSP_RESPONSE *) noexcept
    int OCSP_resp_count(OCSP_BASICRESP *) noexcept
    OCSP_SINGLERESP *OCSP_resp_get0(OCSP_BASICRESP *, int) noexcept
    const OCSP_CERTID *OCSP_SINGLERESP_get0_id(const OCSP_SINGLERESP *) noexcept
    int OCSP_id_get0_info(void *, void *, void *, ASN1_INTEGER **serial, OCSP_CERTID *) noexcept
    int OCSP_single_get0_status(OCSP_SINGLERESP *, int *reason, ASN1_GENERALIZEDTIME **, ASN1_GENERALIZEDTIME **,
                                ASN1_GENERALIZEDTIME **next_update) noexcept
    void OCSP_RESPONSE_free(OCSP_RESPONSE *) noexcept
    void OCSP_BASICRESP_free(OCSP_BASICRESP *) noexcept
    int ASN1_INTEGER_cmp(const ASN1_INTEGER *, const ASN1_INTEGER *) noexcept

cdef extern from "<openssl/pkcs12.h>" nogil:
    ctypedef struct PKCS12
    PKCS12 *d2i_PKCS12_bio(BIO *, PKCS12 **) noexcept
    int PKCS12_parse(PKCS12 *, const char *password, EVP_PKEY **, X509 **, STACK_X509 **) noexcept
    void PKCS12_free(PKCS12 *) noexcept

cdef extern from "<openssl/ssl.h>" nogil:
    ctypedef struct SSL
    ctypedef struct SSL_CTX
    ctypedef struct SSL_METHOD
    ctypedef struct SSL_SESSION
    ctypedef struct SSL_CIPHER
    int TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION
    int SSL_ERROR_NONE, SSL_ERROR_SSL, SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE, SSL_ERROR_SYSCALL, SSL_ERROR_ZERO_RETURN
    int SSL_MODE_RELEASE_BUFFERS, SSL_MODE_AUTO_RETRY, SSL_MODE_ENABLE_PARTIAL_WRITE, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
    unsigned long SSL_OP_NO_RENEGOTIATION, SSL_OP_CIPHER_SERVER_PREFERENCE, SSL_OP_PRIORITIZE_CHACHA, SSL_OP_NO_COMPRESSION
    unsigned long SSL_OP_NO_TICKET, SSL_OP_IGNORE_UNEXPECTED_EOF, SSL_OP_ALLOW_CLIENT_RENEGOTIATION, SSL_OP_LEGACY_SERVER_CONNECT
    int SSL_SESS_CACHE_OFF, SSL_SESS_CACHE_CLIENT, SSL_SESS_CACHE_SERVER, SSL_SESS_CACHE_NO_INTERNAL
    int SSL_VERIFY_NONE, SSL_VERIFY_PEER, SSL_VERIFY_FAIL_IF_NO_PEER_CERT
    int SSL_TLSEXT_ERR_OK, SSL_TLSEXT_ERR_NOACK, SSL_TLSEXT_ERR_ALERT_FATAL
    int OPENSSL_NPN_NEGOTIATED, TLSEXT_NAMETYPE_host_name, TLSEXT_STATUSTYPE_ocsp
    int SSL_R_CERTIFICATE_VERIFY_FAILED, SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE
    int SSL_AD_INTERNAL_ERROR

    const SSL_METHOD *TLS_server_method() noexcept
    const SSL_METHOD *TLS_client_method() noexcept
    SSL_CTX *SSL_CTX_new(const SSL_METHOD *) noexcept
    void SSL_CTX_free(SSL_CTX *) noexcept
    int SSL_CTX_up_ref(SSL_CTX *) noexcept
    long SSL_CTX_set_mode(SSL_CTX *, long) noexcept
    uint64_t SSL_CTX_set_options(SSL_CTX *, uint64_t) noexcept
    uint64_t SSL_CTX_clear_options(SSL_CTX *, uint64_t) noexcept
    int SSL_CTX_set_min_proto_version(SSL_CTX *, int) noexcept
    int SSL_CTX_set_max_proto_version(SSL_CTX *, int) noexcept
    int SSL_CTX_set_cipher_list(SSL_CTX *, const char *) noexcept
    int SSL_CTX_set_ciphersuites(SSL_CTX *, const char *) noexcept
    int SSL_CTX_set1_groups_list(SSL_CTX *, const char *) noexcept
    int SSL_CTX_set1_sigalgs_list(SSL_CTX *, const char *) noexcept
    long SSL_CTX_set_session_cache_mode(SSL_CTX *, long) noexcept
    long SSL_CTX_sess_set_cache_size(SSL_CTX *, long) noexcept
    long SSL_CTX_set_timeout(SSL_CTX *, long) noexcept
    int SSL_CTX_set_num_tickets(SSL_CTX *, size_t) noexcept
    int SSL_new_session_ticket(SSL *) noexcept
    int SSL_free_buffers(SSL *) noexcept
    void SSL_CTX_sess_set_new_cb(SSL_CTX *, int (*)(SSL *, SSL_SESSION *) noexcept nogil) noexcept
    void SSL_CTX_set_cert_store(SSL_CTX *, X509_STORE *) noexcept
    void SSL_CTX_set_cert_verify_callback(SSL_CTX *, int (*)(X509_STORE_CTX *, void *) noexcept nogil, void *) noexcept
    void SSL_CTX_set_cert_cb(SSL_CTX *, int (*)(SSL *, void *) noexcept nogil, void *) noexcept
    void SSL_CTX_set_alpn_select_cb(SSL_CTX *, int (*)(SSL *, const unsigned char **, unsigned char *, const unsigned char *, unsigned int,
                                                       void *) noexcept nogil, void *) noexcept
    long SSL_CTX_set_tlsext_servername_callback(SSL_CTX *, int (*)(SSL *, int *, void *) noexcept nogil) noexcept
    long SSL_CTX_set_tlsext_status_cb(SSL_CTX *, int (*)(SSL *, void *) noexcept nogil) noexcept
    long SSL_CTX_set_tlsext_ticket_key_evp_cb(SSL_CTX *, int (*)(SSL *, unsigned char *, unsigned char *, EVP_CIPHER_CTX *, EVP_MAC_CTX *,
                                                                int) noexcept nogil) noexcept
    void SSL_CTX_set_keylog_callback(SSL_CTX *, void (*)(const SSL *, const char *) noexcept nogil) noexcept
    void SSL_CTX_set_client_CA_list(SSL_CTX *, STACK_X509_NAME *) noexcept
    void SSL_CTX_set_verify(SSL_CTX *, int mode, void *) noexcept
    int SSL_CTX_set_ex_data(SSL_CTX *, int, void *) noexcept
    void SSL_CTX_set_security_level(SSL_CTX *, int) noexcept
    void SSL_CTX_set_default_passwd_cb(SSL_CTX *, void *) noexcept

    SSL *SSL_new(SSL_CTX *) noexcept
    void SSL_free(SSL *) noexcept
    int SSL_set_ex_data(SSL *, int, void *) noexcept
    void *SSL_get_ex_data(const SSL *, int) noexcept
    int SSL_get_ex_new_index(long, void *, void *, void *, void *) noexcept
    int SSL_get_ex_data_X509_STORE_CTX_idx() noexcept
    void SSL_set_bio(SSL *, BIO *, BIO *) noexcept
    void SSL_set_accept_state(SSL *) noexcept
    void SSL_set_connect_state(SSL *) noexcept
    int SSL_do_handshake(SSL *) noexcept
    int SSL_read_ex(SSL *, void *, size_t, size_t *) noexcept
    int SSL_write_ex(SSL *, const void *, size_t, size_t *) noexcept
    int SSL_shutdown(SSL *) noexcept
    int SSL_get_shutdown(const SSL *) noexcept
    int SSL_get_error(const SSL *, int) noexcept
    int SSL_is_init_finished(const SSL *) noexcept
    int SSL_session_reused(const SSL *) noexcept
    int SSL_is_server(const SSL *) noexcept
    const char *SSL_get_version(const SSL *) noexcept
    int SSL_version(const SSL *) noexcept
    const SSL_CIPHER *SSL_get_current_cipher(const SSL *) noexcept
    const char *SSL_CIPHER_get_name(const SSL_CIPHER *) noexcept
    uint16_t SSL_CIPHER_get_protocol_id(const SSL_CIPHER *) noexcept
    long SSL_get_negotiated_group(SSL *) noexcept
    const char *SSL_group_to_name(SSL *, int) noexcept
    int SSL_get_peer_signature_nid(const SSL *, int *) noexcept
    int SSL_get_peer_signature_type_nid(const SSL *, int *) noexcept
    X509 *SSL_get0_peer_certificate(const SSL *) noexcept
    STACK_X509 *SSL_get0_verified_chain(const SSL *) noexcept
    const SSL_CIPHER *SSL_get_pending_cipher(const SSL *) noexcept
    int SSL_CIPHER_get_kx_nid(const SSL_CIPHER *) noexcept
    int NID_kx_rsa, SSL_CLIENT_HELLO_SUCCESS, TLSEXT_TYPE_supported_versions
    uint64_t SSL_clear_options(SSL *, uint64_t) noexcept
    int SSL_client_hello_get0_ext(SSL *, unsigned int type, const unsigned char **, size_t *) noexcept
    void SSL_CTX_set_client_hello_cb(SSL_CTX *, int (*)(SSL *, int *, void *) noexcept nogil, void *) noexcept
    STACK_X509 *SSL_get_peer_cert_chain(const SSL *) noexcept
    X509 *SSL_get_certificate(const SSL *) noexcept
    long SSL_get_verify_result(const SSL *) noexcept
    void SSL_set_verify(SSL *, int mode, void *) noexcept
    void SSL_get0_alpn_selected(const SSL *, const unsigned char **, unsigned int *) noexcept
    int SSL_set_alpn_protos(SSL *, const unsigned char *, unsigned int) noexcept
    int SSL_select_next_proto(unsigned char **, unsigned char *, const unsigned char *, unsigned int, const unsigned char *, unsigned int) noexcept
    const char *SSL_get_servername(const SSL *, int) noexcept
    long SSL_set_tlsext_host_name(SSL *, const char *) noexcept
    int SSL_use_cert_and_key(SSL *, X509 *, EVP_PKEY *, STACK_X509 *, int override) noexcept
    int SSL_set_session_id_context(SSL *, const unsigned char *, unsigned int) noexcept
    SSL_SESSION *SSL_get_session(const SSL *) noexcept
    int SSL_set_session(SSL *, SSL_SESSION *) noexcept
    const unsigned char *SSL_SESSION_get_id(const SSL_SESSION *, unsigned int *) noexcept
    int SSL_SESSION_up_ref(SSL_SESSION *) noexcept
    void SSL_SESSION_free(SSL_SESSION *) noexcept
    int SSL_SESSION_is_resumable(const SSL_SESSION *) noexcept
    int SSL_get_peer_tmp_key(SSL *, EVP_PKEY **) noexcept
    long SSL_set_tlsext_status_ocsp_resp(SSL *, unsigned char *, long) noexcept
    long SSL_get_tlsext_status_type(SSL *) noexcept
    int SSL_renegotiate_pending(const SSL *) noexcept
    int SSL_key_update(SSL *, int) noexcept
    size_t SSL_client_hello_get0_ciphers(SSL *, const unsigned char **) noexcept
