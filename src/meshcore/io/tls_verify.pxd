# Whether a peer's certificate will do: its chain, its names, its pins. OpenSSL calls verify_peer once per full handshake, on the connection's
# thread; what it finds is counted and kept in the Tls.
from libc.stdint cimport uint8_t

from meshcore.io.openssl cimport X509_STORE_CTX

cdef enum VerifyFault:
    FAULT_NONE
    FAULT_CHAIN                    # OpenSSL's own reason follows
    FAULT_SAN
    FAULT_HASH
    FAULT_DOMAIN                   # SPIFFE: no trust domain, or one that is not known
    FAULT_NAME                     # not for the name that was asked for
    FAULT_WANTED                   # not for the name that this connection must be for
    FAULT_USAGE                    # an RSA key that may not do what the key exchange needs

cdef int verify_peer(X509_STORE_CTX *found, void *arg) noexcept nogil
