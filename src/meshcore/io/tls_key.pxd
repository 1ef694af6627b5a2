# Private keys of the commonest form (ECDSA in an unencrypted PKCS #8 text), read without OpenSSL's decoders, which take twenty times as long:
# ten thousand certificates behind SNI would take seconds. Whatever has another form is left to them. Main thread.
from libc.stdint cimport uint8_t, uint32_t

from meshcore.base.span cimport Span
from meshcore.io.openssl cimport X509

cdef enum QuickKey:
    QUICK_TAKEN
    QUICK_MISMATCH                 # it does not belong to the certificate
    QUICK_NO_MEMORY
    QUICK_OTHER                    # not of this form, or broken: OpenSSL may say

cdef uint8_t tls_key_quick(Span pem, X509 *leaf, char **der, uint32_t *der_len) noexcept nogil   # `der`: malloc, as OpenSSL reads it too
