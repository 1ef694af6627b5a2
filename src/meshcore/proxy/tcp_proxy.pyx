"""TCP proxy. See tcp_proxy.pxd for the law.

Owns the session's two transports and what it counts: tcp.<stat_prefix>.*, the cluster's connections and (as Envoy counts a TCP connection)
one request of it. Must not read the bytes. A session is freed when both transports have said that they are gone.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memset, strlen

from meshcore.base.atomics cimport atomic_add, atomic_ref
from meshcore.base.clock cimport clock_ms, clock_ns, clock_wall_us
from meshcore.base.random cimport random_u64
from meshcore.base.slab cimport slab_free, slab_new
from meshcore.base.span cimport Span, span
from meshcore.base.wheel cimport Timer, timer_cancel, timer_init, wheel_arm
from meshcore.cluster.balancer cimport Pick, balancer_hashes, balancer_pick
from meshcore.cluster.breaker cimport RESOURCE_CONNECTIONS, breaker_allows, breaker_give, breaker_take
from meshcore.cluster.host cimport (
    HOST_CX_ACTIVE, HOST_CX_CONNECT_FAIL, HOST_CX_TOTAL, HOST_RQ_ACTIVE, HOST_RQ_TOTAL, Host, host_note, host_unref,
)
from meshcore.cluster.outlier cimport outlier_connected, outlier_failed
from meshcore.conf.dial cimport Dial
from meshcore.conf.stat_ids cimport *
from meshcore.conf.tables cimport ClusterConf, TcpConf, cluster_tls
from meshcore.conf.tls cimport TlsNames
from meshcore.io.loop cimport loop_error_text
from meshcore.io.transport cimport *
from meshcore.observe.counters cimport gauge_add, histogram_record, stat_add
from meshcore.observe.metadata cimport FilterState
from meshcore.observe.record cimport *
from meshcore.proxy.access_log cimport write_logs
from meshcore.proxy.aggregate cimport aggregate_choose
from meshcore.proxy.connection cimport (
    connection_begin, connection_direct_local, connection_direct_remote, connection_end, connection_local, connection_server_name,
)
from meshcore.proxy.engine cimport cluster_unuse, engine_find_cluster
from meshcore.proxy.network_filter cimport network_filters_pass
from meshcore.proxy.objects cimport *
from meshcore.proxy.origin cimport Origin, origin_dial, origin_names, origin_say
from meshcore.proxy.original_dst cimport original_dst_of
from meshcore.proxy.own_pools cimport own_origin
from meshcore.route.hash_policy cimport HashAnswer, HashSource, hash_policy_run

cdef extern from "<errno.h>" nogil:
    int ECONNREFUSED

cdef extern from "<string.h>" nogil:
    char *strndup(const char *text, size_t n) noexcept

cdef enum:
    NS_PER_MS = 1000000
    STATUS_REFUSED = 503           # what outlier detection counts
    STATUS_SLOW = 504


cdef inline TcpConf *conf_of(TcpSession *session) noexcept nogil:
    return session.conn.chain.conf.tcp


cdef inline void count(TcpSession *session, int stat, int64_t n) noexcept nogil:
    stat_add(session.engine.stats, conf_of(session).stats[stat], n)


cdef inline void count_cluster(TcpSession *session, int stat, int64_t n) noexcept nogil:
    stat_add(session.engine.stats, session.cluster.conf.stats[stat], n)


cdef inline void gauge_cluster(TcpSession *session, int stat, int64_t n) noexcept nogil:
    gauge_add(session.engine.stats, session.cluster.conf.stats[stat], n)


cdef inline uint64_t now_ms(TcpSession *session) noexcept nogil:
    return clock_ms(&session.engine.loop.clock)


# --- life -----------------------------------------------------------------------------------------------------------


cdef void tcp_start(ChainLocal *chain, Transport *transport) noexcept nogil:
    cdef Engine *engine = chain.listener.engine
    cdef TcpSession *session = <TcpSession *>slab_new(&engine.tcp_sessions)
    if session == NULL:
        transport_close(transport)
        return
    memset(session, 0, sizeof(TcpSession))
    connection_begin(&session.conn, &connection_ops, chain, transport)
    session.engine = engine
    session.wall_us = clock_wall_us(&engine.loop.clock)
    timer_init(&session.idle, on_idle, session)
    timer_init(&session.connecting, on_connect_timeout, session)
    timer_init(&session.duration, on_duration, session)
    timer_init(&session.logging, on_log_due, session)
    transport.ops = &down_ops
    transport.owner = session
    session.open = 1
    count(session, TCP_CX_TOTAL, 1)
    if chain.conf.filters_len and not network_filters_pass(&session.conn):
        session.local_close = True
        session.log_at_end = True
        finish(session, FLAG_URX, False)       # what Envoy logs for a connection that it never looked at
        return
    if conf_of(session).duration_ms:
        wheel_arm(&engine.loop.wheel, &session.duration, now_ms(session) + conf_of(session).duration_ms)
    if conf_of(session).log_every_ms:
        wheel_arm(&engine.loop.wheel, &session.logging, now_ms(session) + conf_of(session).log_every_ms)
    session.routed = cluster_of(session)
    if session.routed == NULL:
        count(session, TCP_NO_ROUTE, 1)
        give_up(session, FLAG_NC, NO_CLUSTER)
        return
    session.routed.users += 1
    use_cluster(session, session.routed)
    connect(session)


cdef void use_cluster(TcpSession *session, ClusterLocal *cluster) noexcept nogil:
    cluster.users += 1
    if session.cluster != NULL:
        cluster_unuse(session.cluster)
    session.cluster = cluster


cdef ClusterLocal *cluster_of(TcpSession *session) noexcept nogil:
    cdef Engine *engine = session.engine
    cdef TcpConf *conf = conf_of(session)
    cdef uint64_t at
    cdef uint32_t index
    cdef uint32_t i = 0
    cdef Span name = connection_server_name(&session.conn)
    if session.conn.chain.conf.by_server_name and name.len > 0:
        return engine_find_cluster(engine, name)
    if conf.choices_len > 1:
        at = random_u64(&engine.loop.random) % conf.total_weight
        while at >= conf.weights[i]:
            at -= conf.weights[i]
            i += 1
    index = conf.choices[i]
    session.criteria = conf.criteria[i]
    return engine.clusters[index] if index < engine.clusters_cap else NULL


cdef void finish(TcpSession *session, uint64_t flags, bint reset) noexcept nogil:
    # The last act: counts, the log line, and both transports go. A close lets out what waits; a reset does not.
    cdef Transport *upstream = session.upstream
    if session.closed:
        return
    session.flags |= flags
    session.closed = True
    timer_cancel(&session.engine.loop.wheel, &session.idle)
    timer_cancel(&session.engine.loop.wheel, &session.connecting)
    timer_cancel(&session.engine.loop.wheel, &session.duration)
    timer_cancel(&session.engine.loop.wheel, &session.logging)
    if session.log_at_end:
        write_line(session, LOG_TCP_CONNECTION_END, NOTHING)
    if upstream != NULL:
        leave_host(session)
        if reset:
            transport_reset(upstream)
        else:
            transport_close(upstream)
    if reset:
        transport_reset(session.conn.transport)
    else:
        transport_close(session.conn.transport)


cdef void give_up(TcpSession *session, uint64_t flags, Span reason) noexcept nogil:
    # No byte was exchanged and none will be.
    session.down_reason = reason
    session.local_close = True
    session.log_at_end = True
    finish(session, flags, False)


cdef void on_gone(Transport *transport) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>transport.owner
    session.open -= 1
    if session.open > 0:
        return
    if session.cluster != NULL:
        cluster_unuse(session.cluster)
        cluster_unuse(session.routed)
    if session.host != NULL:
        host_unref(session.host)
    free(session.up_failure)
    free(session.down_failure)
    connection_end(&session.conn)
    slab_free(&session.engine.tcp_sessions, session)


# --- upstream -------------------------------------------------------------------------------------------------------


cdef Span NO_CLUSTER = span(b"tcp_initializion_failure:3", 26)
cdef Span NO_HOST = span(b"tcp_initializion_failure:1", 26)
cdef Span OVERFLOWN = span(b"tcp_initializion_failure:2", 26)
cdef Span NOT_CONNECTED = span(b"tcp_initializion_failure:0", 26)
cdef Span NOTHING = span(b"", 0)
cdef Span REFUSED = span(b"rbac_deny_close", 15)
cdef Span IDLE = span(b"tcp_session_idle_timeout", 24)
cdef Span DURATION = span(b"max_connection_duration_reached", 31)


cdef void connect(TcpSession *session) noexcept nogil:
    # Tries hosts until one is being dialled or the session is given up.
    cdef int error = 0
    while not dial(session, &error):
        count_connect_failure(session, error)


cdef void hash_connection(TcpSession *session, Pick *pick) noexcept nogil:
    cdef FilterState nothing
    cdef HashSource source
    cdef HashAnswer answer
    nothing.items = NULL
    memset(&source, 0, sizeof(HashSource))
    source.remote = &session.conn.remote
    source.peer = connection_direct_remote(&session.conn)
    source.local = connection_local(&session.conn)
    source.state = &session.conn.state.objects if session.conn.state != NULL else &nothing
    hash_policy_run(conf_of(session).hash, &source, &answer)
    pick.hash = answer.hash
    pick.has_hash = answer.found


cdef Host *choose_host(TcpSession *session, Pick *pick) noexcept nogil:
    if session.cluster.original != NULL:
        return original_dst_of(session.cluster, &session.conn)
    pick.criteria = session.criteria
    if conf_of(session).hash != NULL and balancer_hashes(&session.cluster.balancer):
        hash_connection(session, pick)
    return balancer_pick(&session.cluster.balancer, pick)


cdef bint dial(TcpSession *session, int *error) noexcept nogil:
    # False: this host cannot even be dialled.
    cdef Engine *engine = session.engine
    cdef ClusterLocal *chosen = session.routed
    cdef ClusterConf *conf
    cdef Host *host
    cdef Origin origin
    cdef Dial room
    cdef TlsNames names
    cdef const Dial *how
    cdef uint32_t line
    cdef Pick pick
    memset(&pick, 0, sizeof(Pick))
    if chosen.aggregate != NULL:
        chosen = aggregate_choose(chosen, &pick, &line)
        use_cluster(session, session.routed if chosen == NULL else chosen)
    conf = session.cluster.conf
    how = &conf.dial
    if not breaker_allows(&conf.breakers[0], RESOURCE_CONNECTIONS):
        count_cluster(session, CLUSTER_CX_OVERFLOW, 1)
        give_up(session, FLAG_UO, OVERFLOWN)
        return True
    if session.attempts >= conf_of(session).connect_attempts:
        count_cluster(session, CLUSTER_CX_CONNECT_ATTEMPTS_EXCEEDED, 1)
        give_up(session, FLAG_URX, NOT_CONNECTED)
        return True
    host = choose_host(session, &pick)
    if host == NULL:
        count_cluster(session, CLUSTER_CX_NONE_HEALTHY, 1)
        give_up(session, FLAG_UH, NO_HOST)
        return True
    atomic_ref(&host.refs)
    if session.host != NULL:
        host_unref(session.host)
    session.host = host
    session.attempts += 1
    session.dialled_ns = clock_ns(&engine.loop.clock)
    count_cluster(session, CLUSTER_RQ_PENDING_TOTAL, 1)
    count_cluster(session, CLUSTER_CX_TOTAL, 1)
    atomic_add(&host.stats[HOST_CX_TOTAL], 1)
    if own_origin(session.cluster, &session.conn, NULL, &origin):
        how = origin_dial(&origin, how, &room)
    names = origin_names(NULL, host)
    session.upstream = transport_dial(&engine.loop, host.dials, host.dials_len, how, cluster_tls(conf, host), &names, &up_ops, session, error)
    if session.upstream == NULL:
        return False
    session.open += 1
    session.upstream.high = conf.buffer_limit
    session.upstream.race_stat = conf.stats[CLUSTER_CX_TOTAL]
    breaker_take(&conf.breakers[0], RESOURCE_CONNECTIONS)
    gauge_cluster(session, CLUSTER_CX_ACTIVE, 1)
    gauge_cluster(session, CLUSTER_RQ_PENDING_ACTIVE, 1)
    atomic_add(&host.stats[HOST_CX_ACTIVE], 1)
    engine.next_id += 1
    session.upstream_id = engine.next_id
    wheel_arm(&engine.loop.wheel, &session.connecting, clock_ms(&engine.loop.clock) + conf.connect_ms)
    return True


cdef void count_connect_failure(TcpSession *session, int error) noexcept nogil:
    # `error`: a negative errno, or 0 when the host took too long.
    cdef const char *text
    count_cluster(session, CLUSTER_CX_CONNECT_FAIL, 1)
    count_cluster(session, CLUSTER_RQ_PENDING_FAILURE_EJECT, 1)
    atomic_add(&session.host.stats[HOST_CX_CONNECT_FAIL], 1)
    session.flags |= FLAG_UF
    if session.host.outlier != NULL:
        outlier_failed(session.host.outlier, STATUS_REFUSED if error < 0 else STATUS_SLOW)
    session.failure = span(b"", 0)
    if error == -ECONNREFUSED:
        session.failure = span(b"delayed connect error: Connection refused", 41)
    elif error < 0:
        text = loop_error_text(error)
        session.failure = span(text, strlen(text))


cdef void keep_failure(TcpSession *session, char **kept, Transport *transport) noexcept nogil:
    # Of TLS: the line is written when the transport has gone.
    cdef Span text = transport_failure(transport)
    free(kept[0])
    kept[0] = strndup(text.at, text.len) if text.len > 0 else NULL


cdef void drop_upstream(TcpSession *session) noexcept nogil:
    # A try that failed: its transport goes alone.
    cdef Transport *upstream = session.upstream
    leave_host(session)
    transport_close(upstream)


cdef void leave_host(TcpSession *session) noexcept nogil:
    # What the connection counted ends; the host stays known for the log line.
    cdef ClusterConf *conf = session.cluster.conf
    cdef bint local = session.local_close
    session.upstream = NULL
    gauge_cluster(session, CLUSTER_CX_ACTIVE, -1)
    count_cluster(session, CLUSTER_CX_DESTROY, 1)
    count_cluster(session, CLUSTER_CX_DESTROY_LOCAL if local else CLUSTER_CX_DESTROY_REMOTE, 1)
    breaker_give(&conf.breakers[0], RESOURCE_CONNECTIONS)
    atomic_add(&session.host.stats[HOST_CX_ACTIVE], -1)
    if not session.connected:
        gauge_cluster(session, CLUSTER_RQ_PENDING_ACTIVE, -1)
        return
    histogram_record(session.engine.stats, conf.cx_length_ms, (clock_ns(&session.engine.loop.clock) - session.dialled_ns) // NS_PER_MS)
    count_cluster(session, CLUSTER_CX_DESTROY_WITH_RQ, 1)
    count_cluster(session, CLUSTER_CX_DESTROY_LOCAL_WITH_RQ if local else CLUSTER_CX_DESTROY_REMOTE_WITH_RQ, 1)
    gauge_cluster(session, CLUSTER_RQ_ACTIVE, -1)
    atomic_add(&session.host.stats[HOST_RQ_ACTIVE], -1)


cdef void on_connected(Transport *transport, int error) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>transport.owner
    cdef ClusterConf *conf
    cdef Origin origin
    timer_cancel(&session.engine.loop.wheel, &session.connecting)
    if error < 0:
        keep_failure(session, &session.up_failure, transport)
        drop_upstream(session)
        count_connect_failure(session, error)
        if session.up_failure != NULL:
            session.failure = span(session.up_failure, strlen(session.up_failure))
        connect(session)
        return
    conf = session.cluster.conf
    session.connected = True
    session.log_at_end = True
    session.failure = span(b"", 0)
    transport_local(transport, &session.upstream_local)
    if session.host.outlier != NULL:
        outlier_connected(session.host.outlier)
    if conf.says != NULL:
        own_origin(session.cluster, &session.conn, NULL, &origin)
        origin_say(&origin, conf.says, transport)
    if conf.keepalive:
        transport_keepalive(transport, conf.keepalive_probes, conf.keepalive_time_s, conf.keepalive_interval_s)
    histogram_record(session.engine.stats, conf.cx_connect_ms, (clock_ns(&session.engine.loop.clock) - session.dialled_ns) // NS_PER_MS)
    gauge_cluster(session, CLUSTER_RQ_PENDING_ACTIVE, -1)
    count_cluster(session, CLUSTER_RQ_TOTAL, 1)
    gauge_cluster(session, CLUSTER_RQ_ACTIVE, 1)
    atomic_add(&session.host.stats[HOST_RQ_TOTAL], 1)
    atomic_add(&session.host.stats[HOST_RQ_ACTIVE], 1)
    touch(session)
    if conf_of(session).log_connected:
        write_line(session, LOG_TCP_UPSTREAM_CONNECTED, NOTHING)
    transport_read_start(transport)
    transport_read_start(session.conn.transport)


cdef void on_connect_timeout(Timer *timer) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>timer.owner
    count_cluster(session, CLUSTER_CX_CONNECT_TIMEOUT, 1)
    session.local_close = True
    drop_upstream(session)
    session.local_close = False
    count_connect_failure(session, 0)
    connect(session)


# --- bytes ----------------------------------------------------------------------------------------------------------


cdef void touch(TcpSession *session) noexcept nogil:
    # The idle timer looks at active_ns only when it fires.
    session.active_ns = clock_ns(&session.engine.loop.clock)
    if session.idle.link == NULL and conf_of(session).idle_ms:
        wheel_arm(&session.engine.loop.wheel, &session.idle, session.active_ns // NS_PER_MS + conf_of(session).idle_ms)


cdef void on_down_read(Transport *transport, const char *at, size_t n) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>transport.owner
    session.received += n
    count(session, TCP_RX_BYTES, <int64_t>n)
    count_cluster(session, CLUSTER_CX_TX_BYTES, <int64_t>n)
    session.active_ns = clock_ns(&session.engine.loop.clock)
    transport_append(session.upstream, at, n)
    transport_flush(session.upstream)


cdef void on_up_read(Transport *transport, const char *at, size_t n) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>transport.owner
    session.sent += n
    count(session, TCP_TX_BYTES, <int64_t>n)
    count_cluster(session, CLUSTER_CX_RX_BYTES, <int64_t>n)
    session.active_ns = clock_ns(&session.engine.loop.clock)
    transport_append(session.conn.transport, at, n)
    transport_flush(session.conn.transport)


cdef void on_down_end(Transport *transport, int error) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>transport.owner
    if error == -EPROTO:           # no TLS: an alert has said so
        keep_failure(session, &session.down_failure, transport)
        session.local_close = True
        finish(session, 0, False)
        return
    if error < 0:
        session.down_close = CLOSE_REMOTE_RESET
        session.local_close = True
        finish(session, 0, True)
        return
    session.down_ended = True
    session.local_close = session.up_ended         # as Envoy counts it: who sends the last FIN has closed
    transport_finish(session.upstream)


cdef void on_up_end(Transport *transport, int error) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>transport.owner
    if error < 0:
        session.down_close = CLOSE_LOCAL_RESET
        finish(session, FLAG_UR, True)
        return
    session.up_ended = True
    transport_finish(session.conn.transport)


cdef void on_flushed(Transport *transport) noexcept nogil:
    # A side has all bytes and the FIN. When that is true of both, nothing is left to do.
    cdef TcpSession *session = <TcpSession *>transport.owner
    if transport == session.upstream:
        session.up_flushed = True
    else:
        session.down_flushed = True
    if session.up_flushed and session.down_flushed and session.up_ended and session.down_ended:
        finish(session, 0, False)


cdef void on_down_high(Transport *transport) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>transport.owner
    if session.upstream != NULL:
        count_cluster(session, CLUSTER_FLOW_PAUSED, 1)
        transport_read_stop(session.upstream)


cdef void on_down_low(Transport *transport) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>transport.owner
    if session.upstream != NULL and not session.up_ended:
        count_cluster(session, CLUSTER_FLOW_RESUMED, 1)
        transport_read_start(session.upstream)


cdef void on_up_high(Transport *transport) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>transport.owner
    count(session, TCP_PAUSED, 1)
    transport_read_stop(session.conn.transport)


cdef void on_up_low(Transport *transport) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>transport.owner
    if not session.down_ended:
        count(session, TCP_RESUMED, 1)
        transport_read_start(session.conn.transport)


# --- limits ---------------------------------------------------------------------------------------------------------


cdef void on_idle(Timer *timer) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>timer.owner
    cdef uint64_t due = session.active_ns // NS_PER_MS + conf_of(session).idle_ms
    if now_ms(session) < due:
        wheel_arm(&session.engine.loop.wheel, timer, due)
        return
    count(session, TCP_IDLE_TIMEOUT, 1)
    session.down_reason = IDLE
    session.up_reason = IDLE
    session.local_close = True
    finish(session, 0, False)


cdef void tcp_host_failed(ListenerLocal *listener, ClusterLocal *cluster, uint32_t slot) noexcept nogil:
    cdef Connection *connection = listener.connections
    cdef Connection *next
    cdef TcpSession *session
    while connection != NULL:
        next = connection.next
        session = <TcpSession *>connection
        if connection.ops == &connection_ops and session.cluster == cluster and session.upstream != NULL and session.host.slot == slot:
            session.local_close = True
            finish(session, 0, False)
        connection = next


cdef void on_duration(Timer *timer) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>timer.owner
    count(session, TCP_MAX_DURATION, 1)
    session.down_reason = DURATION
    session.up_reason = DURATION
    session.local_close = True
    session.log_at_end = True
    finish(session, FLAG_DT, False)


cdef void drain(Connection *connection) noexcept nogil:
    # Bytes do not say when they are done: a session lives until its peers or its limits end it, as in Envoy.
    pass


cdef void abort(Connection *connection) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>connection
    session.local_close = True
    finish(session, 0, False)


cdef void on_log_due(Timer *timer) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>timer.owner
    write_line(session, LOG_TCP_PERIODIC, NOTHING)
    wheel_arm(&session.engine.loop.wheel, timer, now_ms(session) + conf_of(session).log_every_ms)


cdef void tcp_refuse(Connection *connection, size_t n, Span details) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>connection
    if session.closed:
        return
    session.received += n
    count(session, TCP_RX_BYTES, <int64_t>n)
    session.local_close = True
    session.down_reason = REFUSED
    session.log_at_end = False
    write_line(session, LOG_TCP_CONNECTION_END, details)
    finish(session, 0, False)


# --- log ------------------------------------------------------------------------------------------------------------


cdef void write_line(TcpSession *session, uint8_t kind, Span termination) noexcept nogil:
    cdef TcpConf *conf = conf_of(session)
    cdef Record record
    if conf.logs_len == 0:
        return
    memset(&record, 0, sizeof(Record))
    record.start_ns = session.conn.started_ns
    record.start_wall_us = session.wall_us
    record.end_ns = clock_ns(&session.engine.loop.clock)
    record.response_end_ns = record.end_ns
    record.bytes_received = record.downstream_wire_rx = record.upstream_wire_tx = session.received
    record.bytes_sent = record.downstream_wire_tx = record.upstream_wire_rx = session.sent
    record.flags = session.flags
    record.upstream_failure = session.failure
    record.termination = termination
    if session.down_failure != NULL:
        record.downstream_failure = span(session.down_failure, strlen(session.down_failure))
    record.downstream_close_reason = session.down_reason
    record.upstream_close_reason = session.up_reason
    record.filter_chain = session.conn.chain.conf.name
    record.chain_metadata = &session.conn.chain.conf.metadata
    record.listener_metadata = &session.conn.chain.listener.conf.metadata
    record.downstream_remote = &session.conn.remote
    record.downstream_direct_remote = connection_direct_remote(&session.conn)
    record.downstream_local = connection_local(&session.conn)
    record.downstream_direct_local = connection_direct_local(&session.conn)
    record.server_name = connection_server_name(&session.conn)
    record.connection_id = session.conn.id
    if session.conn.state != NULL:
        record.filter_state = session.conn.state.objects
    record.attempts = session.attempts
    record.protocol = record.upstream_protocol = NO_PROTOCOL
    record.log_type = kind
    record.downstream_close = session.down_close
    # The line is written while both transports are there still.
    record.downstream_tls = transport_facts(session.conn.transport)
    if session.upstream != NULL:
        record.upstream_tls = transport_facts(session.upstream)
    if session.routed != NULL:
        record.cluster = session.routed.conf.name
        record.cluster_stat_name = session.routed.conf.stat_name
        record.cluster_metadata = &session.routed.conf.metadata
    if session.host != NULL:
        host_note(session.host, &record)
    if session.connected:
        record.upstream_local = &session.upstream_local
        record.upstream_connection_id = session.upstream_id
    write_logs(session.engine, conf.logs, conf.logs_len, &record)


cdef ConnectionOps connection_ops
connection_ops.drain = drain
connection_ops.abort = abort

cdef TransportOps down_ops
down_ops.on_connected = NULL
down_ops.on_read = on_down_read
down_ops.on_end = on_down_end
down_ops.on_high = on_down_high
down_ops.on_low = on_down_low
down_ops.on_flushed = on_flushed
down_ops.on_closed = on_gone

cdef TransportOps up_ops
up_ops.on_connected = on_connected
up_ops.on_read = on_up_read
up_ops.on_end = on_up_end
up_ops.on_high = on_up_high
up_ops.on_low = on_up_low
up_ops.on_flushed = on_flushed
up_ops.on_closed = on_gone
