"""Accepted connections: from the listener's socket to a filter chain. See connection.pxd for the law.

Owns the list of a listener's connections and their listener statistics. Must not know a protocol: what a chain does with the bytes is its
own file's (downstream.pyx for HTTP, tcp_proxy.pyx for bytes, thrift/connection.pyx for Thrift). Called by the loop for each new socket, and
by the engine when a listener drains or the server stops.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from meshcore.base.atomics cimport atomic_add, atomic_load
from meshcore.base.clock cimport clock_ms, clock_ns
from meshcore.base.held cimport Held, held_fini
from meshcore.base.runtime cimport runtime_integer
from meshcore.base.span cimport Span, span
from meshcore.codec.sniff cimport sniff_protocol
from meshcore.conf.stat_ids cimport (
    HCM_CX_SSL_ACTIVE, HCM_CX_SSL_TOTAL, LISTENER_CX_ACTIVE, LISTENER_CX_DESTROY, LISTENER_CX_NO_DESCRIPTOR, LISTENER_CX_TOTAL,
    LISTENER_CX_OVERFLOW, LISTENER_GLOBAL_CX_OVERFLOW, LISTENER_NO_CHAIN_MATCH,
)
from meshcore.conf.tables cimport CHAIN_HTTP, CHAIN_TCP, CHAIN_THRIFT, CODEC_HTTP2
from meshcore.conf.dial cimport Tally
from meshcore.conf.shares cimport Shares
from meshcore.io.listener cimport Server
from meshcore.io.transport cimport (
    Transport, transport_close, transport_is_tls, transport_local, transport_remote, transport_resecure, transport_secure,
)
from meshcore.observe.counters cimport gauge_add, histogram_record, stat_add, stat_inc
from meshcore.observe.record cimport FLAG_NR, IpAddress, Record
from meshcore.proxy.accepted cimport accepted_start
from meshcore.proxy.connection_state cimport connection_state_free
from meshcore.proxy.answerer cimport answerer_start
from meshcore.proxy.downstream cimport downstream_start
from meshcore.proxy.engine cimport listener_unuse
from meshcore.proxy.http2.downstream cimport http2_downstream_start
from meshcore.proxy.listener_log cimport listener_log_connection, listener_log_refused
from meshcore.proxy.network_filter cimport network_filters_end
from meshcore.proxy.network_rules cimport network_rules_guard
from meshcore.proxy.objects cimport *
from meshcore.proxy.tcp_proxy cimport tcp_start
from meshcore.proxy.thrift.connection cimport thrift_start
from meshcore.route.chain_index cimport ChainFacts, chain_index_find
from meshcore.route.match_tree cimport match_tree_find

cdef int64_t NO_LIMIT = (<int64_t>1 << 62)

cdef enum:
    SHORTAGE_LOG_MS = 5000         # a shortage of descriptors is logged so often
    NS_PER_MS = 1000000
    PROTOCOLS_MAX = 32             # of a client's application protocols that are looked at
    JOINED_MAX = 512

cdef Span RAW_BUFFER = span(b"raw_buffer", 10)
cdef Span TLS = span(b"tls", 3)
cdef Span NO_CHAIN = span(b"filter_chain_not_found", 22)


cdef void connection_accept(Server *server, Transport *transport) noexcept nogil:
    connection_take(<ListenerLocal *>server.owner, transport)


cdef void connection_counted(Server *server, uint32_t n) noexcept nogil:
    cdef ListenerLocal *listener = <ListenerLocal *>server.owner
    histogram_record(listener.engine.stats, listener.conf.accepted_at_once, n)


cdef void connection_take(ListenerLocal *listener, Transport *transport) noexcept nogil:
    cdef Arrival arrival
    if listener.retired or limits_refuse(listener, transport):
        transport_close(transport)
        return
    if listener.conf.filters_len:
        accepted_start(listener, transport)
    elif listener.conf.choose == NULL and listener.conf.matcher == NULL:
        start(&listener.chains[0], transport)
    else:
        memset(&arrival, 0, sizeof(Arrival))
        transport_remote(transport, &arrival.remote)
        if not connection_give(listener, transport, &arrival):
            transport_close(transport)


cdef bint limits_refuse(ListenerLocal *listener, Transport *transport) noexcept nogil:
    cdef Tally *open = listener.conf.open
    cdef Shares *shares = listener.conf.shares
    if atomic_load(&open.above.n) >= runtime_integer(listener.conf.most_of_all, NO_LIMIT):
        stat_inc(listener.engine.stats, listener.conf.stats[LISTENER_GLOBAL_CX_OVERFLOW])
        if shares != NULL:
            atomic_add(&shares.of[listener.engine.index].n, -1)
        return True
    # Its share was counted when the worker was chosen.
    transport.counted = open if shares == NULL else &shares.of[listener.engine.index]
    atomic_add(&open.above.n, 1)
    atomic_add(&open.n, 1)
    if atomic_load(&open.n) <= runtime_integer(listener.conf.most, NO_LIMIT):
        return False
    stat_inc(listener.engine.stats, listener.conf.stats[LISTENER_CX_OVERFLOW])
    return True


cdef void limits_move(ListenerLocal *listener, Transport *transport) noexcept nogil:
    cdef Shares *shares = listener.conf.shares
    move_tallies(transport.counted, -1)
    transport.counted = listener.conf.open if shares == NULL else &shares.of[listener.engine.index]
    move_tallies(transport.counted, 1)


cdef void move_tallies(Tally *tally, int n) noexcept nogil:
    # All but that of all listeners together.
    while tally.above != NULL:
        atomic_add(&tally.n, n)
        tally = tally.above


cdef bint connection_give(ListenerLocal *listener, Transport *transport, Arrival *arrival) noexcept nogil:
    cdef Engine *engine = listener.engine
    cdef ChainLocal *chain = choose(listener, transport, arrival)
    if chain == NULL:
        stat_inc(engine.stats, listener.conf.stats[LISTENER_NO_CHAIN_MATCH])
        if listener.conf.logs_len:
            listener_log_refused(listener, transport, arrival, clock_ns(&engine.loop.clock), FLAG_NR, NO_CHAIN)
        return False
    engine.arriving = arrival
    start(chain, transport)
    engine.arriving = NULL
    return True


cdef ChainLocal *choose(ListenerLocal *listener, Transport *transport, Arrival *arrival) noexcept nogil:
    # NULL: no chain takes it.
    cdef ChainFacts facts
    cdef Span protocols[PROTOCOLS_MAX]
    cdef Span rest = arrival.protocols
    cdef int found
    if listener.conf.matcher != NULL:
        know_local(transport, arrival)
        return choose_by_tree(listener, arrival)
    if listener.conf.choose == NULL:
        return &listener.chains[0]
    if listener.conf.choose.local:
        know_local(transport, arrival)
    memset(&facts, 0, sizeof(ChainFacts))
    facts.local = &arrival.local
    facts.remote = &arrival.remote
    facts.direct_remote = &arrival.direct_remote if arrival.direct_remote.family else &arrival.remote
    facts.server_name = arrival.server_name
    facts.transport_protocol = TLS if arrival.tls else RAW_BUFFER
    facts.application_protocols = protocols
    while facts.application_protocols_len < PROTOCOLS_MAX and sniff_protocol(&rest, &protocols[facts.application_protocols_len]):
        facts.application_protocols_len += 1
    found = chain_index_find(listener.conf.choose, &facts)
    return &listener.chains[found] if found >= 0 else NULL


cdef void know_local(Transport *transport, Arrival *arrival) noexcept nogil:
    if arrival.local.family == 0:
        transport_local(transport, &arrival.local)


cdef Span join_protocols(const Arrival *arrival, char *room) noexcept nogil:
    # 'h2','http/1.1': as inputs of a matcher see them.
    cdef Span rest = arrival.protocols
    cdef Span one
    cdef size_t n = 0
    while sniff_protocol(&rest, &one) and n + one.len + 3 < JOINED_MAX:
        if n:
            room[n] = 44
            n += 1
        room[n] = 39
        memcpy(room + n + 1, one.at, one.len)
        room[n + 1 + one.len] = 39
        n += one.len + 2
    return span(room, n)


cdef ChainLocal *choose_by_tree(ListenerLocal *listener, Arrival *arrival) noexcept nogil:
    cdef Record record
    cdef char room[JOINED_MAX]
    cdef uint32_t found = 0
    memset(&record, 0, sizeof(Record))
    record.downstream_local = record.downstream_direct_local = &arrival.local
    record.downstream_remote = &arrival.remote
    record.downstream_direct_remote = &arrival.direct_remote if arrival.direct_remote.family else &arrival.remote
    record.server_name = arrival.server_name
    record.transport_protocol = TLS if arrival.tls else RAW_BUFFER
    record.application_protocols = join_protocols(arrival, room)
    if match_tree_find(listener.conf.matcher, NULL, &record, &found) and found < listener.conf.chains_len:
        return &listener.chains[found]
    return &listener.chains[listener.conf.fallback - 1] if listener.conf.fallback else NULL


cdef void start(ChainLocal *chain, Transport *transport) noexcept nogil:
    if chain.conf.tls != NULL and not transport_secure(transport, chain.conf.tls):
        transport_close(transport)
        return
    if chain.conf.kind == CHAIN_TCP:
        tcp_start(chain, transport)
    elif chain.conf.kind == CHAIN_THRIFT:
        thrift_start(chain, transport)
    elif chain.conf.kind != CHAIN_HTTP:
        answerer_start(chain, transport)
    elif chain.conf.hcm.codec == CODEC_HTTP2:
        http2_downstream_start(chain, transport)
    else:
        downstream_start(chain, transport)
    if chain.conf.guarded and not transport.closing and not (<Connection *>transport.owner).refused:
        network_rules_guard(<Connection *>transport.owner)


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
    connection.arrival = NULL
    connection.received = connection.flags = 0
    connection.close_reason = span(NULL, 0)
    connection.new_http = connection.refused = False
    connection.not_hello = 0
    connection.counted = 0
    connection.state = NULL
    if engine.arriving != NULL:
        adopt(connection, engine.arriving)
    else:
        transport_remote(transport, &connection.remote)
    transport.high = listener.conf.buffer_limit
    link(connection, listener)
    stat_inc(engine.stats, listener.conf.stats[LISTENER_CX_TOTAL])
    gauge_add(engine.stats, listener.conf.stats[LISTENER_CX_ACTIVE], 1)
    if transport_is_tls(transport) and chain.conf.hcm != NULL:
        stat_add(engine.stats, chain.conf.hcm.stats[HCM_CX_SSL_TOTAL], transport.shaking)      # not where a secret is missing
        gauge_add(engine.stats, chain.conf.hcm.stats[HCM_CX_SSL_ACTIVE], 1)


cdef void adopt(Connection *connection, Arrival *arrival) noexcept nogil:
    # What a log line or a filter may ask for later is kept, and only where there is such a thing.
    connection.remote = arrival.remote
    connection.state = arrival.state
    connection.not_hello = arrival.other
    arrival.state = NULL
    if arrival.texts == NULL and not arrival.direct_remote.family and not arrival.redirected and not arrival.protocols.len and \
            not arrival.tlvs.len and not arrival.bind.family and not arrival.mark:
        return
    connection.arrival = <Arrival *>malloc(sizeof(Arrival))
    if connection.arrival == NULL:
        return
    connection.arrival[0] = arrival[0]
    arrival.texts = NULL
    memset(&arrival.tlvs, 0, sizeof(Held))
    if arrival.redirected:
        connection.local = <IpAddress *>malloc(sizeof(IpAddress))
        if connection.local != NULL:
            connection.local[0] = arrival.local


cdef void link(Connection *connection, ListenerLocal *listener) noexcept nogil:
    listener.users += 1
    connection.next = listener.connections
    connection.link = &listener.connections
    if connection.next != NULL:
        connection.next.link = &connection.next
    listener.connections = connection


cdef void unlink(Connection *connection) noexcept nogil:
    connection.link[0] = connection.next
    if connection.next != NULL:
        connection.next.link = connection.link


cdef void connections_move(ListenerLocal *old, ListenerLocal *listener) noexcept nogil:
    cdef Connection *connection = old.connections
    cdef Connection *next
    cdef ChainLocal **heirs = <ChainLocal **>calloc(old.conf.chains_len, sizeof(ChainLocal *))
    cdef uint32_t i
    if heirs == NULL:
        return
    for i in range(listener.conf.chains_len):
        if 0 < listener.conf.chains[i].was <= old.conf.chains_len:
            heirs[listener.conf.chains[i].was - 1] = &listener.chains[i]
    while connection != NULL:
        next = connection.next
        i = <uint32_t>(connection.chain - old.chains)
        if heirs[i] != NULL:
            unlink(connection)
            connection.chain = heirs[i]
            transport_resecure(connection.transport, heirs[i].conf.tls)
            link(connection, listener)
            listener_unuse(old)
        connection = next
    free(heirs)


cdef void connection_end(Connection *connection) noexcept nogil:
    cdef ListenerLocal *listener = connection.chain.listener
    cdef Engine *engine = listener.engine
    gauge_add(engine.stats, listener.conf.stats[LISTENER_CX_ACTIVE], -1)
    if listener.conf.logs_len and connection.chain.conf.kind != CHAIN_TCP:
        listener_log_connection(connection)
    # Only an HTTP connection ends inside its transport's last hook; under a TCP session the transport may be gone.
    if connection.chain.conf.hcm != NULL and transport_is_tls(connection.transport):
        gauge_add(engine.stats, connection.chain.conf.hcm.stats[HCM_CX_SSL_ACTIVE], -1)
    stat_inc(engine.stats, listener.conf.stats[LISTENER_CX_DESTROY])
    histogram_record(engine.stats, listener.conf.cx_length, (clock_ns(&engine.loop.clock) - connection.started_ns) // NS_PER_MS)
    unlink(connection)
    if connection.counted:
        network_filters_end(connection)
    if connection.arrival != NULL:
        free(connection.arrival.texts)
        held_fini(&connection.arrival.tlvs)
        free(connection.arrival)
    free(connection.local)
    connection_state_free(connection.state)
    listener_unuse(listener)


cdef void connection_move(Connection *source, Connection *to) noexcept nogil:
    to[0] = source[0]
    to.link[0] = to
    if to.next != NULL:
        to.next.link = &to.next


cdef IpAddress *connection_direct_local(Connection *connection) noexcept nogil:
    if connection.arrival != NULL and connection.arrival.direct_local.family:
        return &connection.arrival.direct_local
    return connection_local(connection)


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
