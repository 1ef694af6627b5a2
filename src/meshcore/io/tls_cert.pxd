# A certificate with its chain and private key, as a server or client shows it.
#
# Made once from PEM, DER or PKCS #12 on the main thread, which checks everything, then kept as bytes (DER): ten thousand certificates behind
# SNI cost what their bytes cost. What OpenSSL needs of one is made when a handshake first asks for it, by whatever worker that is, and stays.
# Immutable but for that; shared by all contexts and workers that use it.
from libc.stdint cimport int64_t, uint8_t, uint32_t

from meshcore.base.span cimport Span
from meshcore.io.openssl cimport ASN1_TIME, EVP_PKEY, STACK_X509, X509

cdef enum TlsCertError:
    CERT_OK
    CERT_NO_MEMORY
    CERT_BAD_CHAIN                 # no certificate could be read
    CERT_BAD_KEY                   # the private key could not be read, or its password is wrong
    CERT_KEY_MISMATCH
    CERT_BAD_PKCS12
    CERT_KEY_TOO_SHORT             # RSA below 2048 bits
    CERT_BAD_STAPLE                # no OCSP response, or one about another certificate
    CERT_BAD_CURVE                 # ECDSA on a curve other than P-256, P-384, P-521

cdef enum TlsKeyKind:
    KEY_RSA
    KEY_EC
    KEY_OTHER
    KEY_KINDS

cdef struct TlsOpened:
    X509 *leaf
    EVP_PKEY *key
    STACK_X509 *chain              # above the leaf

cdef struct TlsCert:
    int64_t refs                   # atomic
    TlsOpened *opened              # atomic; NULL: not asked for yet
    char *chain                    # DER, leaf first
    uint32_t chain_len
    char *key                      # DER; NULL: certificates alone
    uint32_t key_len
    uint8_t kind                   # TlsKeyKind
    char *staple                   # OCSP response, DER; NULL: none
    uint32_t staple_len
    int64_t staple_until_s         # its next update, seconds since the epoch
    bint must_staple               # the certificate says so (RFC 7633)
    int64_t until_s                # when the leaf ends, seconds since the epoch
    char *names                    # what SNI may ask for, lower case, one a line: DNS names, or the common name when there are none
    uint32_t names_len

cdef TlsCert *tls_cert_new(Span chain, Span key, Span password, Span pkcs12, Span staple, uint8_t *error) noexcept nogil    # refs = 1
cdef int64_t cert_seconds(const ASN1_TIME *time) noexcept nogil           # since the epoch; 0: there is none
cdef void tls_cert_unref(TlsCert *cert) noexcept nogil
cdef TlsOpened *tls_cert_open(TlsCert *cert) noexcept nogil               # lives as long as the certificate; NULL: no memory
