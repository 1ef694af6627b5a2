# TCP proxy: bytes between a client and one host, unread.
#
# A session is one accepted connection of a CHAIN_TCP filter chain. It chooses a cluster and a host, dials, and reads the client only when the
# upstream is there. Each side's FIN goes to the other side behind its last byte, a reset becomes a reset; the session ends when both have
# sent their FIN, on a failure or a timeout, and when the listener or the server is torn down. Worker thread.
from libc.stdint cimport uint32_t

from meshcore.base.span cimport Span
from meshcore.io.transport cimport Transport
from meshcore.proxy.objects cimport ChainLocal, ClusterLocal, Connection, ListenerLocal

cdef void tcp_refuse(Connection *connection, size_t n, Span details) noexcept nogil         # a network filter has read n bytes and ends it
cdef void tcp_start(ChainLocal *chain, Transport *transport) noexcept nogil        # a new connection for a TCP chain
cdef void tcp_host_failed(ListenerLocal *listener, ClusterLocal *cluster, uint32_t slot) noexcept nogil    # its sessions with that host end
