"""Accepted connections: from the listener's socket to a filter chain. See connection.pxd for the law.

Owns the list of a listener's connections and their listener statistics. Must not know a protocol: what a chain does with the bytes is its
own file's (downstream.pyx for HTTP, tcp_proxy.pyx for bytes). Called by the loop for each new socket, and by the engine when a listener
drains or the server stops.
"""
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc

from meshcore.base.clock cimport clock_ms, clock_ns
from meshcore.conf.stat_ids cimport LISTENER_CX_ACTIVE, LISTENER_CX_DESTROY, LISTENER_CX_NO_DESCRIPTOR, LISTENER_CX_TOTAL
from meshcore.conf.tables cimport CHAIN_TCP, CODEC_HTTP2
from meshcore.io.listener cimport Server
from meshcore.io.transport cimport Transport, transport_close, transport_local, transport_remote
from meshcore.observe.counters cimport gauge_add, histogram_record, stat_inc
from meshcore.observe.record cimport IpAddress
from meshcore.proxy.downstream cimport downstream_start
from meshcore.proxy.engine cimport listener_unuse
from meshcore.proxy.http2.downstream cimport http2_downstream_start
from meshcore.proxy.objects cimport *
from meshcore.proxy.tcp_proxy cimport tcp_start

cdef enum:
    SHORTAGE_LOG_MS = 5000         # a shortage of descriptors is logged so often
    NS_PER_MS = 1000000


cdef void connection_accept(Server *server, Transport *transport) noexcept nogil:
    cdef ListenerLocal *listener = <ListenerLocal *>server.owner
    cdef ChainLocal *chain
    if listener.retired:
        transport_close(transport)
        return
    chain = &listener.chains[0]
    if chain.conf.kind == CHAIN_TCP:
        tcp_start(chain, transport)
    elif chain.conf.hcm.codec == CODEC_HTTP2:
        http2_downstream_start(chain, transport)
    else:
        downstream_start(chain, transport)


cdef void connection_refused(Server *server, bint dropped) noexcept nogil:
    cdef ListenerLocal *listener = <ListenerLocal *>server.owner
    cdef Engine *engine = listener.engine
    cdef uint64_t now = clock_ms(&engine.loop.clock)
    if dropped:
        stat_inc(engine.stats, listener.conf.stats[LISTENER_CX_NO_DESCRIPTOR])
        engine.short_since += 1
    if engine.on_shortage != NULL and (engine.short_ms == 0 or now >= engine.short_ms + SHORTAGE_LOG_MS):
        engine.on_shortage(engine, engine.short_since)
        engine.short_ms = now
        engine.short_since = 0


cdef void connection_begin(Connection *connection, const ConnectionOps *ops, ChainLocal *chain, Transport *transport) noexcept nogil:
    cdef ListenerLocal *listener = chain.listener
    cdef Engine *engine = listener.engine
    connection.ops = ops
    connection.chain = chain
    connection.transport = transport
    connection.started_ns = clock_ns(&engine.loop.clock)
    engine.next_id += 1
    connection.id = engine.next_id
    connection.local = NULL
    transport_remote(transport, &connection.remote)
    transport.high = listener.conf.buffer_limit
    listener.users += 1
    connection.next = listener.connections
    connection.link = &listener.connections
    if connection.next != NULL:
        connection.next.link = &connection.next
    listener.connections = connection
    stat_inc(engine.stats, listener.conf.stats[LISTENER_CX_TOTAL])
    gauge_add(engine.stats, listener.conf.stats[LISTENER_CX_ACTIVE], 1)


cdef void connection_end(Connection *connection) noexcept nogil:
    cdef ListenerLocal *listener = connection.chain.listener
    cdef Engine *engine = listener.engine
    gauge_add(engine.stats, listener.conf.stats[LISTENER_CX_ACTIVE], -1)
    stat_inc(engine.stats, listener.conf.stats[LISTENER_CX_DESTROY])
    histogram_record(engine.stats, listener.conf.cx_length, (clock_ns(&engine.loop.clock) - connection.started_ns) // NS_PER_MS)
    connection.link[0] = connection.next
    if connection.next != NULL:
        connection.next.link = connection.link
    free(connection.local)
    listener_unuse(listener)


cdef void connection_move(Connection *source, Connection *to) noexcept nogil:
    to[0] = source[0]
    to.link[0] = to
    if to.next != NULL:
        to.next.link = &to.next


cdef IpAddress *connection_local(Connection *connection) noexcept nogil:
    # A listener on a wildcard address learns its local address per connection, and only when somebody asks.
    cdef IpAddress *bound = &connection.chain.listener.conf.address
    cdef int i
    if connection.local != NULL:
        return connection.local
    if bound.family == 1:
        return bound
    for i in range(4 if bound.family == 4 else 16):
        if bound.bytes[i] != 0:
            return bound
    connection.local = <IpAddress *>malloc(sizeof(IpAddress))
    if connection.local == NULL:
        return bound
    transport_local(connection.transport, connection.local)
    return connection.local


cdef void connections_drain(ListenerLocal *listener) noexcept nogil:
    cdef Connection *connection = listener.connections
    cdef Connection *next
    while connection != NULL:
        next = connection.next
        connection.ops.drain(connection)
        connection = next


cdef void connections_abort(ListenerLocal *listener) noexcept nogil:
    # A retired listener lives by its connections alone: held until the last of them was seen.
    cdef Connection *connection = listener.connections
    cdef Connection *next
    listener.users += 1
    while connection != NULL:
        next = connection.next
        connection.ops.abort(connection)
        connection = next
    listener_unuse(listener)
