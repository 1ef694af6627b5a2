"""TCP proxy. See tcp_proxy.pxd for the law.

Owns the session's two transports and what it counts: tcp.<stat_prefix>.*, the cluster's connections and (as Envoy counts a TCP connection)
one request of it. Must not read the bytes. A session is freed when both transports have said that they are gone.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memset

from meshcore.base.clock cimport clock_ns, clock_wall_us
from meshcore.base.held cimport held_append, held_fini
from meshcore.base.random cimport random_u64
from meshcore.base.slab cimport slab_free, slab_new
from meshcore.base.span cimport Span, span
from meshcore.base.wheel cimport Timer, timer_cancel, timer_init, wheel_arm
from meshcore.cluster.host cimport host_unref
from meshcore.conf.stat_ids cimport *
from meshcore.conf.tables cimport TcpConf
from meshcore.io.transport cimport *
from meshcore.observe.record cimport *
from meshcore.proxy.connection cimport connection_begin, connection_end, connection_server_name
from meshcore.proxy.drain cimport listener_drains
from meshcore.proxy.engine cimport cluster_unuse, engine_find_cluster
from meshcore.proxy.network_filter cimport network_filters_pass
from meshcore.proxy.objects cimport *
from meshcore.proxy.tcp_dial cimport (
    tcp_back_off_over, tcp_connect, tcp_connect_timeout, tcp_connected, tcp_dialled, tcp_keep_failure, tcp_leave_host, tcp_use_cluster,
)
from meshcore.proxy.tcp_log cimport tcp_log_of_listener, tcp_log_write
from meshcore.proxy.tcp_session cimport tcp_conf, tcp_count, tcp_count_cluster, tcp_now_ms
from meshcore.proxy.tcp_tunnel cimport tunnel_end, tunnel_pause, tunnel_resume, tunnel_send

cdef enum:
    NS_PER_MS = 1000000

cdef Span NO_CLUSTER = span(b"tcp_initializion_failure:3", 26)
cdef Span NOTHING = span(b"", 0)
cdef Span REFUSED = span(b"rbac_deny_close", 15)
cdef Span IDLE = span(b"tcp_session_idle_timeout", 24)
cdef Span DRAINED = span(b"tcp_proxy_drain_close", 21)
cdef Span DURATION = span(b"max_connection_duration_reached", 31)


# --- life -----------------------------------------------------------------------------------------------------------


cdef void tcp_start(ChainLocal *chain, Transport *transport) noexcept nogil:
    cdef Engine *engine = chain.listener.engine
    cdef TcpSession *session = <TcpSession *>slab_new(&engine.tcp_sessions)
    if session == NULL:
        transport_close(transport)
        return
    memset(session, 0, sizeof(TcpSession))
    connection_begin(&session.base.conn, &connection_ops, chain, transport)
    session.base.engine = engine
    session.wall_us = clock_wall_us(&engine.loop.clock)
    timer_init(&session.idle, on_idle, session)
    timer_init(&session.connecting, tcp_connect_timeout, session)
    timer_init(&session.backoff, tcp_back_off_over, session)
    timer_init(&session.duration, on_duration, session)
    timer_init(&session.logging, on_log_due, session)
    transport.ops = &down_ops if tcp_conf(session).tunnel == NULL else &tunnel_ops
    transport.owner = session
    session.open = 1
    tcp_count(session, TCP_CX_TOTAL, 1)
    if chain.conf.filters_len and not network_filters_pass(&session.base.conn):
        return
    if tcp_conf(session).duration_ms:
        wheel_arm(&engine.loop.wheel, &session.duration, tcp_now_ms(session) + longest_ms(session))
    if tcp_conf(session).log_every_ms:
        wheel_arm(&engine.loop.wheel, &session.logging, tcp_now_ms(session) + tcp_conf(session).log_every_ms)
    session.routed = cluster_of(session)
    if session.routed == NULL:
        tcp_count(session, TCP_NO_ROUTE, 1)
        tcp_give_up(session, FLAG_NC, NO_CLUSTER)
        return
    session.routed.users += 1
    tcp_use_cluster(session, session.routed)
    if tcp_conf(session).log_started:
        tcp_log_write(session, LOG_TCP_CONNECTION_START, NOTHING)
    if tcp_conf(session).waits_for_tls and transport_is_tls(transport):
        transport.ops = &shaking_ops
        session.log_at_end = True
        touch(session)
        return
    set_out(session)


cdef void set_out(TcpSession *session) noexcept nogil:
    cdef Transport *transport = session.base.conn.transport
    if tcp_conf(session).early_bytes:
        use_ops(session, &early_ops)
        transport_read_start(transport)
    if tcp_conf(session).waits_for_bytes:
        session.log_at_end = True
        touch(session)
    else:
        tcp_connect(session)


cdef void use_ops(TcpSession *session, const TransportOps *ops) noexcept nogil:
    # A gate may stand before them.
    cdef Connection *connection = &session.base.conn
    if connection.state != NULL and connection.transport.ops == &connection.state.gate:
        connection.state.behind = ops
    else:
        connection.transport.ops = ops


cdef void on_shaken(Transport *transport, int error) noexcept nogil:
    # The client's handshake is over, and it was waited for.
    cdef TcpSession *session = <TcpSession *>transport.owner
    use_ops(session, &down_ops if tcp_conf(session).tunnel == NULL else &tunnel_ops)
    set_out(session)


cdef void on_shaking_end(Transport *transport, int error) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>transport.owner
    if error == -EPROTO:
        tcp_keep_failure(session, &session.down_failure, transport)
    session.local_close = True
    tcp_finish(session, 0, error < 0 and error != -EPROTO)


cdef uint64_t longest_ms(TcpSession *session) noexcept nogil:
    cdef TcpConf *conf = tcp_conf(session)
    cdef uint64_t more = <uint64_t>(<double>conf.duration_ms * conf.duration_jitter)
    return conf.duration_ms + (random_u64(&session.base.engine.loop.random) % more if more else 0)


cdef ClusterLocal *cluster_of(TcpSession *session) noexcept nogil:
    cdef Engine *engine = session.base.engine
    cdef TcpConf *conf = tcp_conf(session)
    cdef uint64_t at
    cdef uint32_t index
    cdef uint32_t i = 0
    cdef Span name = connection_server_name(&session.base.conn)
    if session.base.conn.chain.conf.by_server_name and name.len > 0:
        return engine_find_cluster(engine, name)
    if conf.choices_len > 1:
        at = random_u64(&engine.loop.random) % conf.total_weight
        while at >= conf.weights[i]:
            at -= conf.weights[i]
            i += 1
    index = conf.choices[i]
    session.criteria = conf.criteria[i]
    return engine.clusters[index] if index < engine.clusters_cap else NULL


cdef void tcp_finish(TcpSession *session, uint64_t flags, bint reset) noexcept nogil:
    # The last act: counts, the log line, and both transports go. A close lets out what waits; a reset does not.
    cdef Transport *upstream = session.upstream
    if session.closed:
        return
    session.flags |= flags
    session.closed = True
    timer_cancel(&session.base.engine.loop.wheel, &session.idle)
    timer_cancel(&session.base.engine.loop.wheel, &session.connecting)
    timer_cancel(&session.base.engine.loop.wheel, &session.backoff)
    timer_cancel(&session.base.engine.loop.wheel, &session.duration)
    timer_cancel(&session.base.engine.loop.wheel, &session.logging)
    if session.log_at_end:
        tcp_log_write(session, LOG_TCP_CONNECTION_END, session.termination)
    if session.base.conn.chain.listener.conf.logs_len:
        tcp_log_of_listener(session)
    if session.tunnel != NULL:
        tunnel_end(session)
    if upstream != NULL:
        tcp_leave_host(session)
        if reset:
            transport_reset(upstream)
        else:
            transport_close(upstream)
    if reset:
        transport_reset(session.base.conn.transport)
    else:
        transport_close(session.base.conn.transport)


cdef void tcp_give_up(TcpSession *session, uint64_t flags, Span reason) noexcept nogil:
    # No byte was exchanged and none will be.
    session.down_reason = reason
    session.local_close = True
    session.log_at_end = True
    tcp_finish(session, flags, False)


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
    held_fini(&session.early)
    connection_end(&session.base.conn)
    slab_free(&session.base.engine.tcp_sessions, session)


cdef void tcp_opened(TcpSession *session) noexcept nogil:
    session.connected = True
    session.log_at_end = True
    touch(session)
    if tcp_conf(session).log_connected:
        tcp_log_write(session, LOG_TCP_UPSTREAM_CONNECTED, NOTHING)
    if session.base.conn.transport.ops == &early_ops:
        end_early(session)
    if not session.closed:
        transport_read_start(session.base.conn.transport)


# --- what the client says before its host is there ----------------------------------------------------------------------


cdef void end_early(TcpSession *session) noexcept nogil:
    cdef Transport *transport = session.base.conn.transport
    transport.ops = &down_ops if tcp_conf(session).tunnel == NULL else &tunnel_ops
    if session.early.len > 0:
        forward(session, session.early.at, session.early.len)
        transport_flush_all(&session.base.engine.loop)
    held_fini(&session.early)
    if session.down_ended and not session.closed:
        session.down_ended = False
        on_down_end(transport, 0)


cdef void on_early_read(Transport *transport, const char *at, size_t n) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>transport.owner
    cdef bint first = session.early.len == 0
    if session.connected:          # a gate has held the first bytes back for so long
        end_early(session)
        transport.ops.on_read(transport, at, n)
        return
    if not held_append(&session.early, at, n):
        tcp_finish(session, 0, True)
        return
    session.received += n
    tcp_count(session, TCP_RX_BYTES, <int64_t>n)
    tcp_count(session, TCP_EARLY_DATA, 1)
    if session.early.len >= tcp_conf(session).early_bytes:
        transport_read_stop(transport)
    if first and tcp_conf(session).waits_for_bytes:
        tcp_connect(session)


cdef void on_early_end(Transport *transport, int error) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>transport.owner
    if session.connected:
        end_early(session)
        transport.ops.on_end(transport, error)
        return
    if error == 0 and session.early.len > 0:
        session.down_ended = True
        return
    session.local_close = True
    tcp_finish(session, 0, error < 0)


# --- bytes ----------------------------------------------------------------------------------------------------------


cdef void touch(TcpSession *session) noexcept nogil:
    # The idle timer looks at active_ns only when it fires.
    session.active_ns = clock_ns(&session.base.engine.loop.clock)
    if session.idle.link == NULL and tcp_conf(session).idle_ms:
        wheel_arm(&session.base.engine.loop.wheel, &session.idle, session.active_ns // NS_PER_MS + tcp_conf(session).idle_ms)


cdef void on_down_read(Transport *transport, const char *at, size_t n) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>transport.owner
    session.received += n
    tcp_count(session, TCP_RX_BYTES, <int64_t>n)
    session.active_ns = clock_ns(&session.base.engine.loop.clock)
    forward(session, at, n)
    if tcp_conf(session).drain_close:
        end_if_draining(session)


cdef void end_if_draining(TcpSession *session) noexcept nogil:
    if session.closed or not listener_drains(session.base.conn.chain.listener):
        return
    tcp_count(session, TCP_DRAIN_CLOSE, 1)
    session.down_reason = DRAINED
    session.local_close = True
    tcp_finish(session, 0, False)


cdef inline void forward(TcpSession *session, const char *at, size_t n) noexcept nogil:
    # The cluster's bytes are counted where a tunnel makes HTTP of them.
    if session.tunnel != NULL:
        tunnel_send(session, span(at, n), False)
        return
    tcp_count_cluster(session, CLUSTER_CX_TX_BYTES, <int64_t>n)
    transport_append(session.upstream, at, n)
    transport_flush(session.upstream)


cdef void on_tunnel_high(Transport *transport) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>transport.owner
    if session.tunnel != NULL:
        tunnel_pause(session)


cdef void on_tunnel_low(Transport *transport) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>transport.owner
    if session.tunnel != NULL:
        tunnel_resume(session)


cdef void tcp_read(TcpSession *session, Span data) noexcept nogil:
    session.sent += data.len
    tcp_count(session, TCP_TX_BYTES, <int64_t>data.len)
    session.active_ns = clock_ns(&session.base.engine.loop.clock)
    transport_append(session.base.conn.transport, data.at, data.len)
    transport_flush(session.base.conn.transport)
    if tcp_conf(session).drain_close:
        end_if_draining(session)


cdef void on_up_read(Transport *transport, const char *at, size_t n) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>transport.owner
    tcp_count_cluster(session, CLUSTER_CX_RX_BYTES, <int64_t>n)
    tcp_read(session, span(at, n))


cdef void on_down_end(Transport *transport, int error) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>transport.owner
    if error == -EPROTO:           # no TLS: an alert has said so
        tcp_keep_failure(session, &session.down_failure, transport)
        session.local_close = True
        tcp_finish(session, 0, False)
        return
    if error < 0:
        session.down_close = CLOSE_REMOTE_RESET
        session.local_close = True
        tcp_finish(session, 0, True)
        return
    session.down_ended = True
    session.local_close = session.up_ended         # as Envoy counts it: who sends the last FIN has closed
    if tcp_conf(session).tunnel == NULL:
        transport_finish(session.upstream)
        return
    session.up_flushed = True
    tunnel_send(session, NOTHING, True)
    end_if_over(session)


cdef void on_up_end(Transport *transport, int error) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>transport.owner
    if error < 0:
        session.down_close = CLOSE_LOCAL_RESET
        tcp_finish(session, FLAG_UR, True)
        return
    tcp_upstream_end(session)


cdef void tcp_upstream_end(TcpSession *session) noexcept nogil:
    session.up_ended = True
    if not session.closed:
        transport_finish(session.base.conn.transport)


cdef void on_flushed(Transport *transport) noexcept nogil:
    # A side has all bytes and the FIN. When that is true of both, nothing is left to do.
    cdef TcpSession *session = <TcpSession *>transport.owner
    if transport == session.upstream:
        session.up_flushed = True
    else:
        session.down_flushed = True
    end_if_over(session)


cdef void end_if_over(TcpSession *session) noexcept nogil:
    if session.up_flushed and session.down_flushed and session.up_ended and session.down_ended:
        tcp_finish(session, 0, False)


cdef void on_down_high(Transport *transport) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>transport.owner
    if session.upstream != NULL:
        tcp_count_cluster(session, CLUSTER_FLOW_PAUSED, 1)
        transport_read_stop(session.upstream)


cdef void on_down_low(Transport *transport) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>transport.owner
    if session.upstream != NULL and not session.up_ended:
        tcp_count_cluster(session, CLUSTER_FLOW_RESUMED, 1)
        transport_read_start(session.upstream)


cdef void on_up_high(Transport *transport) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>transport.owner
    tcp_count(session, TCP_PAUSED, 1)
    transport_read_stop(session.base.conn.transport)


cdef void on_up_low(Transport *transport) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>transport.owner
    if not session.down_ended:
        tcp_count(session, TCP_RESUMED, 1)
        transport_read_start(session.base.conn.transport)


# --- limits ---------------------------------------------------------------------------------------------------------


cdef void on_idle(Timer *timer) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>timer.owner
    cdef uint64_t due = session.active_ns // NS_PER_MS + tcp_conf(session).idle_ms
    if tcp_now_ms(session) < due:
        wheel_arm(&session.base.engine.loop.wheel, timer, due)
        return
    tcp_count(session, TCP_IDLE_TIMEOUT, 1)
    session.down_reason = IDLE
    session.up_reason = IDLE
    session.local_close = True
    tcp_finish(session, 0, False)


cdef void tcp_host_failed(ListenerLocal *listener, ClusterLocal *cluster, uint32_t slot) noexcept nogil:
    cdef Connection *connection = listener.connections
    cdef Connection *next
    cdef TcpSession *session
    while connection != NULL:
        next = connection.next
        session = <TcpSession *>connection
        if connection.ops == &connection_ops and session.cluster == cluster and session.upstream != NULL and session.host.slot == slot:
            session.local_close = True
            tcp_finish(session, 0, False)
        connection = next


cdef void on_duration(Timer *timer) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>timer.owner
    tcp_count(session, TCP_MAX_DURATION, 1)
    session.down_reason = DURATION
    session.up_reason = DURATION
    session.local_close = True
    session.log_at_end = True
    tcp_finish(session, FLAG_DT, False)


cdef void drain(Connection *connection) noexcept nogil:
    # Bytes do not say when they are done: a session lives until its peers or its limits end it, as in Envoy.
    pass


cdef void abort(Connection *connection) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>connection
    session.local_close = True
    tcp_finish(session, 0, False)


cdef void on_log_due(Timer *timer) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>timer.owner
    tcp_log_write(session, LOG_TCP_PERIODIC, NOTHING)
    wheel_arm(&session.base.engine.loop.wheel, timer, tcp_now_ms(session) + tcp_conf(session).log_every_ms)


cdef void tcp_refuse(Connection *connection, size_t n, Span details) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>connection
    if session.closed:
        return
    session.received += n
    tcp_count(session, TCP_RX_BYTES, <int64_t>n)
    session.local_close = True
    session.down_reason = REFUSED
    session.log_at_end = True
    session.termination = details
    tcp_finish(session, 0, False)


cdef void tcp_refuse_unseen(Connection *connection, uint64_t flags, Span reason) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>connection
    session.local_close = True
    session.log_at_end = True
    session.down_reason = reason
    tcp_finish(session, flags, False)


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

cdef TransportOps tunnel_ops = down_ops
tunnel_ops.on_high = on_tunnel_high
tunnel_ops.on_low = on_tunnel_low

cdef TransportOps early_ops = down_ops
early_ops.on_read = on_early_read
early_ops.on_end = on_early_end

cdef TransportOps shaking_ops = down_ops
shaking_ops.on_connected = on_shaken
shaking_ops.on_end = on_shaking_end

cdef TransportOps up_ops
up_ops.on_connected = tcp_connected
up_ops.on_dialled = tcp_dialled
up_ops.on_read = on_up_read
up_ops.on_end = on_up_end
up_ops.on_high = on_up_high
up_ops.on_low = on_up_low
up_ops.on_flushed = on_flushed
up_ops.on_closed = on_gone


cdef const TransportOps *tcp_up_ops() noexcept nogil:
    return &up_ops
