# TLS settings as the tables hold them: which context a filter chain or a cluster uses now, and where it counts. What a context is made of is
# io/'s own (io/tls_context); the tables keep it alive and hand it on.
#
# A slot lives as long as its table; its context can be replaced while it runs (new certificates). The main thread swaps the pointer, lets
# every worker pass between two events, and only then lets go of the old context: so a worker that has just read the pointer may still take a
# reference, without a lock.
from libc.stdint cimport int64_t, uint32_t

from meshcore.base.span cimport Span
from meshcore.conf.stat_ids cimport TLS_STATS

cdef struct TlsConf:
    # The first member of what io/tls_context makes.
    int64_t refs                   # atomic: its owner on the main thread, slots, connections
    void (*end)(TlsConf *conf) noexcept nogil

cdef struct TlsSlot:
    TlsConf *conf                  # a reference; new connections use this
    const uint32_t *stats          # TLS_STATS slots: <prefix>.ssl.*
    uint32_t handshake_ms          # transport_socket_connect_timeout; 0 = off
    uint32_t timeout_stat          # what is counted when it is over
    uint32_t unready_stat          # counts connections while a secret of the context has not come

cdef struct TlsNames:
    # Whom a client dials, beside what its context says. The texts are copied.
    Span host                      # the host's own name, which a context may say to ask for
    Span sni                       # asked for whatever the context says; empty: it says
    Span san                       # the certificate must be for this name; empty: for any
    Span alpn                      # what is offered where the context offers nothing, in wire form; empty: nothing

cdef TlsConf *tls_slot_take(const TlsSlot *slot) noexcept nogil           # a reference to the context of now; worker thread
cdef TlsConf *tls_slot_swap(TlsSlot *slot, TlsConf *conf) noexcept nogil  # takes a reference over and gives the old one; main thread
cdef void tls_conf_unref(TlsConf *conf) noexcept nogil                    # NULL is nothing
