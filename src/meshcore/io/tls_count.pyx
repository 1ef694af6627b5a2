"""What a handshake is counted as: version, cipher, curve and signature by name. See tls_count.pxd for the law.

The rows of each table are in the order of its names in bind/stat_names.py; the last name of each is for what no row knows.
"""
from libc.stdint cimport uint16_t, uint32_t

from meshcore.conf.stat_ids cimport (
    TLS_CIPHERS, TLS_CIPHERS_LEN, TLS_CURVES, TLS_CURVES_LEN, TLS_HANDSHAKE, TLS_NO_CERTIFICATE, TLS_SESSION_REUSED, TLS_SIGALGS,
    TLS_SIGALGS_LEN, TLS_VERSIONS,
)
from meshcore.io.openssl cimport *
from meshcore.observe.counters cimport stat_inc

cdef extern from "<openssl/objects.h>" nogil:
    int NID_sha1, NID_sha256, NID_sha384, NID_sha512

cdef uint16_t[TLS_CIPHERS_LEN - 1] ciphers = [
    0x1301, 0x1302, 0x1303, 0xC02B, 0xC02C, 0xC02F, 0xC030, 0xCCA8, 0xCCA9, 0xC009, 0xC00A, 0xC013, 0xC014, 0xC027, 0x009C, 0x009D, 0x002F,
    0x0035,
]
cdef int[TLS_CURVES_LEN - 1] curves = [NID_X25519, NID_X9_62_prime256v1, NID_secp384r1, NID_secp521r1]
cdef int[TLS_SIGALGS_LEN - 1][2] sigalgs = [
    [EVP_PKEY_RSA, NID_sha1], [EVP_PKEY_RSA, NID_sha256], [EVP_PKEY_RSA, NID_sha384], [EVP_PKEY_RSA, NID_sha512],
    [EVP_PKEY_EC, NID_sha1], [EVP_PKEY_EC, NID_sha256], [EVP_PKEY_EC, NID_sha384], [EVP_PKEY_EC, NID_sha512],
    [EVP_PKEY_RSA_PSS, NID_sha256], [EVP_PKEY_RSA_PSS, NID_sha384], [EVP_PKEY_RSA_PSS, NID_sha512], [EVP_PKEY_ED25519, 0],
]


cdef uint32_t cipher_row(SSL *ssl) noexcept nogil:
    cdef uint16_t id = SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(ssl))
    cdef uint32_t i
    for i in range(TLS_CIPHERS_LEN - 1):
        if ciphers[i] == id:
            return i
    return TLS_CIPHERS_LEN - 1


cdef const char *tls_group_name(long nid) noexcept nogil:
    if nid == NID_X25519:
        return b"X25519"
    if nid == NID_X9_62_prime256v1:
        return b"P-256"
    if nid == NID_secp384r1:
        return b"P-384"
    if nid == NID_secp521r1:
        return b"P-521"
    return NULL


cdef uint32_t curve_row(long nid) noexcept nogil:
    cdef uint32_t i
    for i in range(TLS_CURVES_LEN - 1):
        if curves[i] == nid:
            return i
    return TLS_CURVES_LEN - 1


cdef uint32_t sigalg_row(int kind, int digest) noexcept nogil:
    cdef uint32_t i
    for i in range(TLS_SIGALGS_LEN - 1):
        if sigalgs[i][0] == kind and (sigalgs[i][1] == digest or sigalgs[i][1] == 0):
            return i
    return TLS_SIGALGS_LEN - 1


cdef void tls_count_handshake(Tls *tls) noexcept nogil:
    cdef SSL *ssl = tls.ssl
    cdef const uint32_t *stats = tls.slot.stats
    cdef int version = SSL_version(ssl)
    cdef long curve = SSL_get_negotiated_group(ssl)
    cdef int kind = 0
    cdef int digest = 0
    stat_inc(tls.stats, stats[TLS_HANDSHAKE])
    if SSL_session_reused(ssl):
        stat_inc(tls.stats, stats[TLS_SESSION_REUSED])
    if SSL_get0_peer_certificate(ssl) == NULL:
        stat_inc(tls.stats, stats[TLS_NO_CERTIFICATE])
    if version >= TLS1_VERSION and version <= TLS1_3_VERSION:
        stat_inc(tls.stats, stats[TLS_VERSIONS + version - TLS1_VERSION])
    stat_inc(tls.stats, stats[TLS_CIPHERS + cipher_row(ssl)])
    if curve != 0:
        stat_inc(tls.stats, stats[TLS_CURVES + curve_row(curve)])
    if SSL_get_peer_signature_type_nid(ssl, &kind) and kind != 0:
        SSL_get_peer_signature_nid(ssl, &digest)
        stat_inc(tls.stats, stats[TLS_SIGALGS + sigalg_row(kind, digest)])
