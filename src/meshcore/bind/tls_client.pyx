"""TLS of a client without a socket: bytes of the wire in and out, plain bytes out and in. For those who own their sockets: active health
checks, on their thread, with the GIL.

Contexts, rules and sessions are the engine's, so a host is judged as when it serves. What is counted waits here until it is taken, because
counters belong to workers. A TlsClient ends with its Python object. Must not be used by two threads at once.
"""
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memset

from meshcore.bind import stat_names
from meshcore.bind.tls import alpn_wire, context_address

from meshcore.base.span cimport span
from meshcore.conf.stat_ids cimport TLS_STATS
from meshcore.conf.tls cimport TlsNames, TlsSlot, tls_conf_unref
from meshcore.io.openssl cimport *
from meshcore.io.tls cimport Tls, TLS_SHAKING, tls_ask, tls_name
from meshcore.io.tls_context cimport TlsContext
from meshcore.io.tls_count cimport tls_count_handshake
from meshcore.io.tls_failure cimport tls_failure_text

cdef extern from "<openssl/bio.h>" nogil:
    const BIO_METHOD *BIO_s_mem() noexcept
    int BIO_write(BIO *, const void *, int) noexcept
    int BIO_read(BIO *, void *, int) noexcept
    size_t BIO_ctrl_pending(BIO *) noexcept

cdef enum:
    RECORD = 16 * 1024


class TlsClientError(Exception):
    """The host is not who it should be, or does not speak TLS."""


cdef uint32_t[TLS_STATS] places    # of the counters of a TlsClient: 0, 1, 2 ...
for i in range(TLS_STATS):
    places[<int>i] = i


cdef class TlsClient:
    cdef Tls tls
    cdef TlsSlot slot
    cdef uint64_t[TLS_STATS] counts
    cdef BIO *wire_in              # the SSL object's own
    cdef BIO *wire_out
    cdef readonly bint open        # the handshake is over
    cdef readonly bint ended       # the host said that it writes no more

    def __cinit__(self, spec, str host="", alpn=None):
        cdef bytes name = host.encode()
        cdef bytes protocols = alpn_wire(spec.alpn if alpn is None else alpn)
        cdef TlsNames names
        memset(&names, 0, sizeof(TlsNames))
        names.host = span(<const char *>name, len(name))
        self.tls.context = <TlsContext *><size_t>context_address(spec)
        self.tls.state = TLS_SHAKING
        self.slot.stats = places
        self.tls.slot = &self.slot
        self.tls.stats = self.counts
        self.tls.ssl = SSL_new(self.tls.context.profile.ctx)
        self.wire_in = BIO_new(BIO_s_mem())
        self.wire_out = BIO_new(BIO_s_mem())
        if self.tls.ssl == NULL or self.wire_in == NULL or self.wire_out == NULL:
            BIO_free(self.wire_in)
            BIO_free(self.wire_out)
            raise MemoryError
        SSL_set_bio(self.tls.ssl, self.wire_in, self.wire_out)
        SSL_set_ex_data(self.tls.ssl, 0, &self.tls)
        SSL_set_connect_state(self.tls.ssl)
        tls_ask(&self.tls)
        if not tls_name(&self.tls, &names):
            raise MemoryError
        if protocols:
            SSL_set_alpn_protos(self.tls.ssl, <const unsigned char *><const char *>protocols, <unsigned int>len(protocols))
        self.shake()

    def __dealloc__(self):
        SSL_free(self.tls.ssl)
        if self.tls.context != NULL:
            tls_conf_unref(&self.tls.context.conf)
        free(self.tls.failure)
        free(self.tls.verify_text)
        free(self.tls.own_names)

    cdef int shake(self) except -1:
        cdef int result
        ERR_clear_error()
        result = SSL_do_handshake(self.tls.ssl)
        self.open = result == 1
        if self.open:
            tls_count_handshake(&self.tls)
        elif SSL_get_error(self.tls.ssl, result) != SSL_ERROR_WANT_READ:
            tls_failure_text(&self.tls)
            raise TlsClientError
        return 0

    def feed(self, bytes data):
        """Takes bytes of the wire; the plain bytes in them. TlsClientError: the connection is over."""
        cdef char room[RECORD]
        cdef size_t got = 0
        cdef int error = SSL_ERROR_NONE
        if BIO_write(self.wire_in, <const char *>data, <int>len(data)) != len(data):
            raise MemoryError
        if not self.open:
            self.shake()
        found = []
        ERR_clear_error()
        while self.open and error == SSL_ERROR_NONE:
            if SSL_read_ex(self.tls.ssl, room, RECORD, &got):
                found.append(room[:got])
            else:
                error = SSL_get_error(self.tls.ssl, 0)
        self.ended = error == SSL_ERROR_ZERO_RETURN
        if error not in (SSL_ERROR_NONE, SSL_ERROR_WANT_READ, SSL_ERROR_ZERO_RETURN):
            tls_failure_text(&self.tls)
            raise TlsClientError
        return b"".join(found)

    def write(self, bytes data):
        """Seals plain bytes, after the handshake."""
        cdef size_t wrote = 0
        if data and not SSL_write_ex(self.tls.ssl, <const char *>data, len(data), &wrote):
            ERR_clear_error()
            raise TlsClientError

    def taken_counts(self):
        """{statistic below `ssl.`: how much it grew since the last call}."""
        found = {name: self.counts[<int>i] for i, name in enumerate(stat_names.TLS) if self.counts[<int>i]}
        memset(self.counts, 0, sizeof(self.counts))
        return found

    def take(self):
        """Bytes for the wire."""
        cdef size_t n = BIO_ctrl_pending(self.wire_out)
        cdef bytes out = bytes(n)
        if n:
            BIO_read(self.wire_out, <char *>out, <int>n)
        return out
