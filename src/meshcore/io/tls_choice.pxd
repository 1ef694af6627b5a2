# What OpenSSL asks during a handshake: which certificate, which protocol, which staple, which ticket key; and the sessions and keys it hands
# out. All are its callbacks, on the thread of the connection; the Tls is the SSL's ex data 0.
from meshcore.io.openssl cimport EVP_CIPHER_CTX, EVP_MAC_CTX, SSL, SSL_SESSION
from meshcore.io.tls cimport Tls

cdef int choose_certificate(SSL *ssl, void *arg) noexcept nogil
cdef int choose_order(SSL *ssl, int *alert, void *arg) noexcept nogil     # whose preference of ciphers counts
cdef int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *offered, unsigned int n,
                     void *profile) noexcept nogil
cdef int choose_staple(SSL *ssl, void *arg) noexcept nogil
cdef int encrypt_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                        int encrypting) noexcept nogil
cdef int keep_session(SSL *ssl, SSL_SESSION *session) noexcept nogil
cdef void grant_tickets(Tls *tls) noexcept nogil                         # once, before a server's first bytes
cdef void write_keys(const SSL *ssl, const char *line) noexcept nogil
