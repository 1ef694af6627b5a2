# Accepted connections, whatever they speak: which filter chain takes one, and what its listener knows of it. Worker thread.
from libc.stdint cimport uint32_t

from meshcore.base.span cimport Span, span
from meshcore.io.listener cimport Server
from meshcore.io.transport cimport Transport
from meshcore.observe.record cimport IpAddress
from meshcore.proxy.objects cimport Arrival, ChainLocal, Connection, ConnectionOps, ListenerLocal

cdef void connection_accept(Server *server, Transport *transport) noexcept nogil        # a listener's hook
cdef void connection_take(ListenerLocal *listener, Transport *transport) noexcept nogil       # the same, from another worker
cdef void connection_counted(Server *server, uint32_t n) noexcept nogil                 # a hook too: so many came with one event
# Whether the listener, or all together, have as many connections as they may; counted. Else this one counts until its transport closes.
cdef bint limits_refuse(ListenerLocal *listener, Transport *transport) noexcept nogil
cdef void limits_move(ListenerLocal *listener, Transport *transport) noexcept nogil            # it counts for this one now, limits or not
cdef void connection_refused(Server *server, bint dropped) noexcept nogil               # the same, when no descriptor is left
# A chain is chosen by what is known, and has it from here. False: none takes it; that is counted, and the caller closes.
cdef bint connection_give(ListenerLocal *listener, Transport *transport, Arrival *arrival) noexcept nogil
# The connection belongs to its listener from here until connection_end, which the chain calls last, when the transport is gone.
cdef void connection_begin(Connection *connection, const ConnectionOps *ops, ChainLocal *chain, Transport *transport) noexcept nogil
cdef void connection_end(Connection *connection) noexcept nogil
cdef void connection_move(Connection *source, Connection *to) noexcept nogil            # another struct takes its place; `source` is no longer used
cdef inline IpAddress *connection_direct_remote(Connection *connection) noexcept nogil:
    # The peer, whatever a listener filter says.
    if connection.arrival != NULL and connection.arrival.direct_remote.family:
        return &connection.arrival.direct_remote
    return &connection.remote

cdef inline Span connection_server_name(Connection *connection) noexcept nogil:
    return connection.arrival.server_name if connection.arrival != NULL else span(NULL, 0)

cdef IpAddress *connection_direct_local(Connection *connection) noexcept nogil          # ... before it was redirected
cdef IpAddress *connection_local(Connection *connection) noexcept nogil                 # the address that the client dialled
# Connections whose chain both tables have (ChainConf.was) go over to the new one; where `old` has nothing left, it may end.
cdef void connections_move(ListenerLocal *old, ListenerLocal *listener) noexcept nogil
cdef void connections_drain(ListenerLocal *listener) noexcept nogil
cdef void connections_abort(ListenerLocal *listener) noexcept nogil
