# TCP proxy: bytes between a client and one host, unread.
#
# A session is one accepted connection of a CHAIN_TCP filter chain. It chooses a cluster and a host, dials, and reads the client only when the
# upstream is there. Each side's FIN goes to the other side behind its last byte, a reset becomes a reset; the session ends when both have
# sent their FIN, on a failure or a timeout, and when the listener or the server is torn down. Worker thread.
from libc.stdint cimport uint32_t, uint64_t

from meshcore.base.span cimport Span
from meshcore.io.transport cimport Transport, TransportOps
from meshcore.proxy.objects cimport ChainLocal, ClusterLocal, Connection, ListenerLocal, TcpSession

cdef void tcp_refuse_unseen(Connection *connection, uint64_t flags, Span reason) noexcept nogil    # a network filter never let it begin
cdef void tcp_refuse(Connection *connection, size_t n, Span details) noexcept nogil         # a network filter has read n bytes and ends it

# What tcp_dial and tcp_tunnel tell a session.
cdef void tcp_opened(TcpSession *session) noexcept nogil                      # the host has agreed
cdef void tcp_read(TcpSession *session, Span data) noexcept nogil             # bytes of the host
cdef void tcp_upstream_end(TcpSession *session) noexcept nogil                # no more of them
cdef void tcp_give_up(TcpSession *session, uint64_t flags, Span reason) noexcept nogil    # no byte was exchanged and none will be
cdef void tcp_finish(TcpSession *session, uint64_t flags, bint reset) noexcept nogil
cdef void tcp_start(ChainLocal *chain, Transport *transport) noexcept nogil        # a new connection for a TCP chain
cdef void tcp_host_failed(ListenerLocal *listener, ClusterLocal *cluster, uint32_t slot) noexcept nogil    # its sessions with that host end
cdef const TransportOps *tcp_up_ops() noexcept nogil                          # of the transport towards its host
