# Transport: one byte stream (TCP or Unix socket), accepted or dialled. The only I/O that the layers above know.
#
# Ownership: whoever accepts or dials gets the Transport and sets `ops` and `owner`. After transport_close no hook is called but on_closed,
# once, later; after on_closed the Transport is gone. Bytes given to on_read lie in the worker's scratch buffer and are valid until the hook
# returns. Writing appends to `out`; transport_flush asks for it to be sent, which happens when the event that is being handled is over, so
# a head and its body leave in one system call; what the socket does not take is copied and sent later. `on_high`/`on_low` tell the queue's
# crossing of the marks. A hook may close any transport, its own too. One thread.
#
# TLS is a layer inside (io/tls): transport_secure puts it under an accepted transport, transport_dial takes it along. on_connected then means
# that the handshake is over too; an accepted one is simply not read before. A failed handshake is on_connected or on_end with -EPROTO or the
# socket's error, and transport_failure says why.
from libc.stdint cimport int16_t, uint8_t, uint16_t, uint32_t, uint64_t

from meshcore.base.buffer cimport Buffer
from meshcore.base.held cimport Held
from meshcore.base.span cimport Span
from meshcore.conf.dial cimport Dial, Tally
from meshcore.conf.tls cimport TlsNames, TlsSlot
from meshcore.io.loop cimport Loop
from meshcore.io.uv cimport uv_poll_t
from meshcore.observe.record cimport IpAddress
from meshcore.observe.tls_facts cimport TlsFacts

cdef extern from "<errno.h>" nogil:
    int EPROTO

cdef enum FlushWhen:
    FLUSH_NOT
    FLUSH_SOON                     # when this event is over
    FLUSH_LATE                     # when the loop has seen to all that was ready

cdef enum:
    OPEN = 1                       # Transport.ended: neither a FIN nor an error

cdef struct TransportOps:
    # Dialled ones: 0 or a negative errno. Accepted ones: their TLS handshake is over; may be NULL there.
    void (*on_connected)(Transport *transport, int error) noexcept nogil
    # Dialled with TLS, connected, nothing sent yet: what the owner appends goes out in plain, before the handshake. NULL where nobody does.
    void (*on_dialled)(Transport *transport) noexcept nogil
    void (*on_read)(Transport *transport, const char *at, size_t n) noexcept nogil
    void (*on_end)(Transport *transport, int error) noexcept nogil            # 0 = the peer's FIN, else a negative errno
    void (*on_high)(Transport *transport) noexcept nogil
    void (*on_low)(Transport *transport) noexcept nogil
    void (*on_flush)(Transport *transport) noexcept nogil                     # about to send: the owner may append; NULL where nobody does
    void (*on_flushed)(Transport *transport) noexcept nogil                   # after transport_finish: all bytes and the FIN were handed over
    void (*on_closed)(Transport *transport) noexcept nogil

cdef struct Transport:
    Loop *loop
    const TransportOps *ops
    void *owner
    Buffer out                     # appended, not yet taken by the kernel
    Held unread                    # was read and given back: on_read gets it again, before anything new
    Transport *next_dirty
    uint64_t sent                  # bytes the kernel took
    int fd                         # -1: closed
    uint32_t high                  # mark of the write queue, bytes; 0 = no limit
    uint32_t race_stat             # counts each further address that is dialled
    uint8_t events                 # what the loop watches for
    uint8_t connecting
    uint8_t reading
    uint8_t blocked                  # the kernel takes no more: wait until it is writable
    uint8_t above_high
    uint8_t finishing                # FIN after the last byte
    uint8_t finished
    uint8_t closing
    uint8_t failed                   # a write failed; on_end follows
    uint8_t dirty                    # FlushWhen: in loop.dirty or loop.late
    uint8_t shaking                  # a TLS handshake reads, whoever else does
    uint8_t armed                    # io/ring's Armed
    uint8_t uv_closed                # libuv has let it go, and the ring has not yet
    uint16_t staged                  # its place among the ring's sends; 0: none
    int16_t ended                    # how it ended while nobody read it; OPEN: it has not
    Tally *counted                   # where it counts as open; NULL: nowhere
    void *tls                        # io/tls's; NULL: plain bytes
    void *race                     # io/race's, while several addresses are dialled; NULL: there is one
    uv_poll_t poll

cdef struct TlsOps:
    # What io/tls does for a transport, each function as io/tls.pxd says. A table, because OpenSSL is loaded only when TLS is configured.
    bint (*begin)(Transport *transport, const TlsSlot *slot, bint server, const TlsNames *names) noexcept nogil
    void (*move)(Transport *transport, const TlsSlot *slot) noexcept nogil
    void (*connected)(Transport *transport) noexcept nogil
    void (*readable)(Transport *transport) noexcept nogil
    void (*read_started)(Transport *transport) noexcept nogil
    void (*send)(Transport *transport) noexcept nogil
    bint (*sent_all)(Transport *transport) noexcept nogil
    void (*leave)(Transport *transport) noexcept nogil
    void (*end)(Transport *transport) noexcept nogil
    Span (*alpn)(Transport *transport) noexcept nogil
    Span (*sni)(Transport *transport) noexcept nogil
    Span (*failure)(Transport *transport) noexcept nogil
    TlsFacts *(*facts)(Transport *transport) noexcept nogil
    void (*loop_end)(Loop *loop) noexcept nogil

cdef size_t transport_size() noexcept nogil

cdef Transport *transport_adopt(Loop *loop, int fd) noexcept nogil           # a connected socket, which it owns from here; NULL: no memory
# Connects to the first of `n` addresses that answers (io/race); NULL with a negative errno. `tls`: NULL for plain bytes; `names`: of its
# handshake. The addresses must live until on_connected, or until it is closed.
cdef Transport *transport_dial(Loop *loop, const IpAddress *addresses, uint32_t n, const Dial *dial, const TlsSlot *tls,
                               const TlsNames *names, const TransportOps *ops, void *owner, int *error) noexcept nogil
cdef int transport_socket(const IpAddress *address, const Dial *dial) noexcept nogil           # io/ alone: it connects; or a negative errno
cdef void transport_connected(Transport *transport, int error) noexcept nogil                # io/ alone: the dial is over; 0 or an errno
cdef bint transport_secure(Transport *transport, const TlsSlot *slot) noexcept nogil          # of a server, before it is read; False: no memory
cdef void transport_resecure(Transport *transport, const TlsSlot *slot) noexcept nogil        # the table moves; an equal one takes its place
cdef void transport_read_start(Transport *transport) noexcept nogil
cdef void transport_read_stop(Transport *transport) noexcept nogil
# Gives back what was read, and all of `held` with it; reading stops. Once whoever has the transport then is set up, transport_watch is due.
cdef void transport_unread(Transport *transport, Held *held) noexcept nogil
cdef bint transport_original(Transport *transport, IpAddress *out) noexcept nogil            # the address before a REDIRECT; False: none
cdef void transport_copy(Transport *transport, const char *at, size_t n) noexcept nogil      # appends a copy
cdef void transport_append(Transport *transport, const char *at, size_t n) noexcept nogil    # appends; bytes must live until this event is over
cdef char *transport_reserve(Transport *transport, size_t n) noexcept nogil   # room for n <= CHUNK bytes; transport_commit says how many were used
cdef void transport_commit(Transport *transport, size_t n) noexcept nogil
cdef void transport_move(Transport *transport, Buffer *data) noexcept nogil   # takes all slices
cdef void transport_flush_all(Loop *loop) noexcept nogil                      # sends what is due; ends every event
cdef void transport_flush_late_ones(Loop *loop) noexcept nogil                # io/loop alone: before it sleeps
cdef void transport_finish(Transport *transport) noexcept nogil               # FIN when all is written
cdef void transport_say_last(Transport *transport) noexcept nogil             # before transport_close: what the kernel takes of `out` at once
cdef void transport_close(Transport *transport) noexcept nogil
cdef void transport_reset(Transport *transport) noexcept nogil                # RST instead of FIN
cdef void transport_keepalive(Transport *transport, uint32_t probes, uint32_t time_s, uint32_t interval_s) noexcept nogil
cdef void transport_local(Transport *transport, IpAddress *out) noexcept nogil
cdef void transport_remote(Transport *transport, IpAddress *out) noexcept nogil

cdef void transport_watch(Transport *transport) noexcept nogil                # what the loop should look for has changed
# io/ alone: how many bytes, 0 at the end, or a negative errno; what was given back comes first.
cdef ssize_t transport_take(Transport *transport, char *at, size_t n) noexcept nogil
cdef Span transport_alpn(Transport *transport) noexcept nogil                 # the protocol that a TLS handshake settled; empty: none
cdef Span transport_sni(Transport *transport) noexcept nogil                  # the name that a TLS client asked for; empty: none
cdef Span transport_failure(Transport *transport) noexcept nogil              # why TLS failed; empty: it did not. As long as the transport

cdef TlsFacts *transport_facts(Transport *transport) noexcept nogil           # of TLS, the transport's own; NULL: plain, or before the handshake

# io/ring alone: bytes came; the peer's end (0) or a negative errno; bytes that were staged and not taken, with 0 or a negative errno; no
# more events come.
cdef void transport_arrived(Transport *transport, const char *at, size_t n) noexcept nogil
cdef void transport_ended(Transport *transport, int error) noexcept nogil
cdef void transport_unsent(Transport *transport, const char *at, size_t n, int error) noexcept nogil
cdef void transport_let_go(Transport *transport) noexcept nogil

cdef void transport_tls(const TlsOps *ops) noexcept nogil                     # io/tls alone: it is loaded
cdef void transport_loop_end(Loop *loop) noexcept nogil                       # io/loop alone

cdef inline bint transport_is_tls(Transport *transport) noexcept nogil:
    return transport.tls != NULL

cdef inline void transport_flush(Transport *transport) noexcept nogil:
    if not transport.dirty and not transport.closing:
        transport.dirty = FLUSH_SOON
        transport.next_dirty = <Transport *>transport.loop.dirty
        transport.loop.dirty = transport

cdef inline void transport_flush_late(Transport *transport) noexcept nogil:
    # For owners whose on_flush gathers what several events wrote. Nothing that ends with this event may be in `out` until then.
    if not transport.dirty and not transport.closing:
        transport.dirty = FLUSH_LATE
        transport.next_dirty = <Transport *>transport.loop.late
        transport.loop.late = transport

cdef inline uint64_t transport_queued(Transport *transport) noexcept nogil:
    # Bytes that the kernel has not taken.
    return transport.out.len
