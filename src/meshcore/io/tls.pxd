# TLS on a Transport: between the socket and the plain bytes that everybody above io/ sees.
#
# A Tls belongs to its Transport, from tls_begin until the transport has closed. Reading: ciphertext comes from the socket into the worker's
# scratch buffer, and the plain bytes of all its records go to on_read at once. Writing: what lies in `transport.out` is sealed when the event
# is over. An idle connection owns OpenSSL's state and no buffer. OpenSSL never touches the socket: one BIO per worker stands between, and
# `shared.now` says whose bytes it moves. Worker thread.
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from meshcore.base.buffer cimport Buffer
from meshcore.base.held cimport Held
from meshcore.base.span cimport Span
from meshcore.base.wheel cimport Timer
from meshcore.conf.tls cimport TlsNames, TlsSlot
from meshcore.io.loop cimport Loop
from meshcore.io.openssl cimport BIO, SSL
from meshcore.io.tls_cert cimport KEY_KINDS, TlsCert
from meshcore.io.tls_context cimport TlsContext
from meshcore.io.transport cimport Transport
from meshcore.observe.tls_facts cimport TlsFacts

cdef enum TlsState:
    TLS_WAITING                    # dialled, not connected yet
    TLS_SHAKING                    # the handshake is under way
    TLS_OPEN
    TLS_ENDED                      # close_notify came or went out both ways, or it failed

cdef struct TlsShared:
    # Of one worker.
    BIO *bio
    const char *feed               # ciphertext that OpenSSL may read
    size_t feed_len
    char *wire                     # ciphertext that it has written
    size_t wire_len
    char *gather                   # small slices become one record here

cdef struct Tls:
    Transport *transport           # NULL: whoever has it owns the socket (bind/tls_client)
    SSL *ssl
    TlsContext *context            # a reference
    const TlsSlot *slot
    uint64_t *stats                # where its counters are
    TlsFacts *facts                # a reference; NULL: nobody has asked
    Buffer wire                    # ciphertext that the kernel did not take
    Held held                      # ciphertext that came while nobody read
    Timer timer                    # of the handshake; later it wakes a reader
    TlsCert *offers[KEY_KINDS]     # our certificates that the peer may be shown; the context keeps them
    char *failure                  # why the handshake failed; NULL: it did not
    Span asked                     # clients: the name that the server is asked for; the context's, or of `own_names`
    Span wanted                    # clients: a name that the certificate must be for, of `own_names`; empty: any
    char *own_names                # NULL: `asked` is the context's
    uint64_t names_hash            # of `own_names`, where they are a request's: whose sessions it may use; 0: those of the context
    uint8_t state                  # TlsState
    bint server
    bint owes_tickets              # servers: nothing of the owner has gone yet
    bint said_bye                  # close_notify is sealed
    uint8_t verify_detail          # VerifyFault of io/tls_verify
    char *verify_text              # ... and in words; NULL: it has not failed
    bint peer_validated

cdef void tls_ask(Tls *tls) noexcept nogil                               # whether the peer's certificate is asked for
cdef bint tls_name(Tls *tls, const TlsNames *names) noexcept nogil       # of a client: what the server is asked for; False: no memory
cdef void tls_load() noexcept nogil                                      # makes transports know of TLS; once, before the first context
cdef bint tls_begin(Transport *transport, const TlsSlot *slot, bint server, const TlsNames *names) noexcept nogil      # False: no memory
cdef void tls_connected(Transport *transport) noexcept nogil             # the socket of a dialled one is there: says hello
cdef void tls_readable(Transport *transport) noexcept nogil              # the socket has bytes, or an end
cdef void tls_read_started(Transport *transport) noexcept nogil          # somebody reads again
cdef void tls_send(Transport *transport) noexcept nogil                  # seals and sends what waits; says bye when that is due
cdef bint tls_sent_all(Transport *transport) noexcept nogil
cdef void tls_leave(Transport *transport) noexcept nogil                 # the transport closes: a last close_notify, if it can go at once
cdef void tls_end(Transport *transport) noexcept nogil                   # frees
cdef void tls_loop_end(Loop *loop) noexcept nogil
cdef void tls_move(Transport *transport, const TlsSlot *slot) noexcept nogil        # the table moved; the slot is an equal one
# Facts; empty: there is none.
cdef TlsFacts *tls_facts(Transport *transport) noexcept nogil
cdef Span tls_alpn(Transport *transport) noexcept nogil
cdef Span tls_sni(Transport *transport) noexcept nogil
cdef Span tls_failure(Transport *transport) noexcept nogil               # why the handshake failed

cdef inline Tls *tls_of(Transport *transport) noexcept nogil:
    return <Tls *>transport.tls
