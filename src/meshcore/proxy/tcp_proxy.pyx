"""TCP proxy. See tcp_proxy.pxd for the law.

Owns the session's two transports and what it counts: tcp.<stat_prefix>.*, the cluster's connections and (as Envoy counts a TCP connection)
one request of it. Must not read the bytes. A session is freed when both transports have said that they are gone.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memset, strlen

from meshcore.base.atomics cimport atomic_add, atomic_ref
from meshcore.base.clock cimport clock_ms, clock_ns, clock_wall_us
from meshcore.base.held cimport held_append, held_fini
from meshcore.base.random cimport random_u64
from meshcore.base.slab cimport slab_free, slab_new
from meshcore.base.span cimport Span, span
from meshcore.base.wheel cimport Timer, timer_cancel, timer_init, wheel_arm
from meshcore.cluster.balancer cimport Pick, balancer_hashes, balancer_pick
from meshcore.cluster.breaker cimport RESOURCE_CONNECTIONS, breaker_allows, breaker_give, breaker_take
from meshcore.cluster.host cimport (
    HOST_CX_ACTIVE, HOST_CX_CONNECT_FAIL, HOST_CX_TOTAL, HOST_RQ_ACTIVE, HOST_RQ_TOTAL, Host, host_unref,
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
from meshcore.proxy.aggregate cimport aggregate_choose
from meshcore.proxy.connection cimport connection_begin, connection_direct_remote, connection_end, connection_local, connection_server_name
from meshcore.proxy.engine cimport cluster_unuse, engine_find_cluster
from meshcore.proxy.network_filter cimport network_filters_pass
from meshcore.proxy.objects cimport *
from meshcore.proxy.origin cimport Origin, origin_dial, origin_names, origin_say
from meshcore.proxy.original_dst cimport original_dst_of
from meshcore.proxy.own_pools cimport own_origin
from meshcore.proxy.tcp_log cimport tcp_log_write
from meshcore.proxy.tcp_tunnel cimport tunnel_dial, tunnel_end, tunnel_pause, tunnel_resume, tunnel_send
from meshcore.route.hash_policy cimport HashAnswer, HashSource, hash_policy_run

cdef extern from "<errno.h>" nogil:
    int ECONNREFUSED

cdef extern from "<string.h>" nogil:
    char *strndup(const char *text, size_t n) noexcept

cdef enum:
    NS_PER_MS = 1000000
    STATUS_REFUSED = 503           # what outlier detection counts
    STATUS_SLOW = 504
    BACKOFF_DOUBLINGS = 20


cdef inline TcpConf *conf_of(TcpSession *session) noexcept nogil:
    return session.base.conn.chain.conf.tcp


cdef inline void count(TcpSession *session, int stat, int64_t n) noexcept nogil:
    stat_add(session.base.engine.stats, conf_of(session).stats[stat], n)


cdef inline void count_cluster(TcpSession *session, int stat, int64_t n) noexcept nogil:
    stat_add(session.base.engine.stats, session.cluster.conf.stats[stat], n)


cdef inline void gauge_cluster(TcpSession *session, int stat, int64_t n) noexcept nogil:
    gauge_add(session.base.engine.stats, session.cluster.conf.stats[stat], n)


cdef inline uint64_t now_ms(TcpSession *session) noexcept nogil:
    return clock_ms(&session.base.engine.loop.clock)


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
    timer_init(&session.connecting, on_connect_timeout, session)
    timer_init(&session.backoff, on_backoff, session)
    timer_init(&session.duration, on_duration, session)
    timer_init(&session.logging, on_log_due, session)
    transport.ops = &down_ops if conf_of(session).tunnel == NULL else &tunnel_ops
    transport.owner = session
    session.open = 1
    count(session, TCP_CX_TOTAL, 1)
    if chain.conf.filters_len and not network_filters_pass(&session.base.conn):
        session.local_close = True
        session.log_at_end = True
        tcp_finish(session, FLAG_URX, False)       # what Envoy logs for a connection that it never looked at
        return
    if conf_of(session).duration_ms:
        wheel_arm(&engine.loop.wheel, &session.duration, now_ms(session) + longest_ms(session))
    if conf_of(session).log_every_ms:
        wheel_arm(&engine.loop.wheel, &session.logging, now_ms(session) + conf_of(session).log_every_ms)
    session.routed = cluster_of(session)
    if session.routed == NULL:
        count(session, TCP_NO_ROUTE, 1)
        give_up(session, FLAG_NC, NO_CLUSTER)
        return
    session.routed.users += 1
    use_cluster(session, session.routed)
    if conf_of(session).early_bytes:
        transport.ops = &early_ops
        transport_read_start(transport)
    if conf_of(session).waits_for_bytes:
        session.log_at_end = True
        touch(session)
    else:
        connect(session)


cdef uint64_t longest_ms(TcpSession *session) noexcept nogil:
    cdef TcpConf *conf = conf_of(session)
    cdef uint64_t more = <uint64_t>(<double>conf.duration_ms * conf.duration_jitter)
    return conf.duration_ms + (random_u64(&session.base.engine.loop.random) % more if more else 0)


cdef void use_cluster(TcpSession *session, ClusterLocal *cluster) noexcept nogil:
    cluster.users += 1
    if session.cluster != NULL:
        cluster_unuse(session.cluster)
    session.cluster = cluster


cdef ClusterLocal *cluster_of(TcpSession *session) noexcept nogil:
    cdef Engine *engine = session.base.engine
    cdef TcpConf *conf = conf_of(session)
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
        tcp_log_write(session, LOG_TCP_CONNECTION_END, NOTHING)
    if session.tunnel != NULL:
        tunnel_end(session)
    if upstream != NULL:
        leave_host(session)
        if reset:
            transport_reset(upstream)
        else:
            transport_close(upstream)
    if reset:
        transport_reset(session.base.conn.transport)
    else:
        transport_close(session.base.conn.transport)


cdef void give_up(TcpSession *session, uint64_t flags, Span reason) noexcept nogil:
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
    # Tries hosts until one is being dialled, the next try has to wait, or the session is given up.
    cdef int error = 0
    if conf_of(session).tunnel != NULL:
        connect_tunnel(session)
        return
    while not dial(session, &error):
        count_connect_failure(session, error)
        if waits(session):
            return


cdef void connect_tunnel(TcpSession *session) noexcept nogil:
    while may_dial(session):
        session.attempts += 1
        if tunnel_dial(session) or waits(session):
            return


cdef bint waits(TcpSession *session) noexcept nogil:
    # backoff_options: fully jittered, up to base * (2^n - 1) before the try after the n-th (Envoy's JitteredExponentialBackOffStrategy).
    cdef TcpConf *conf = conf_of(session)
    cdef uint64_t window
    if conf.backoff_ms == 0 or session.attempts >= conf.connect_attempts:
        return False
    window = conf.backoff_ms * ((<uint64_t>1 << min(session.attempts, <uint32_t>BACKOFF_DOUBLINGS)) - 1)
    window = max(min(window, conf.backoff_max_ms), <uint64_t>1)
    wheel_arm(&session.base.engine.loop.wheel, &session.backoff, now_ms(session) + random_u64(&session.base.engine.loop.random) % window)
    return True


cdef void tcp_try_again(TcpSession *session) noexcept nogil:
    if not waits(session):
        connect(session)


cdef void on_backoff(Timer *timer) noexcept nogil:
    connect(<TcpSession *>timer.owner)


cdef void tcp_hash(TcpSession *session, HashAnswer *answer) noexcept nogil:
    cdef FilterState nothing
    cdef HashSource source
    nothing.items = NULL
    memset(&source, 0, sizeof(HashSource))
    source.remote = &session.base.conn.remote
    source.peer = connection_direct_remote(&session.base.conn)
    source.local = connection_local(&session.base.conn)
    source.state = &session.base.conn.state.objects if session.base.conn.state != NULL else &nothing
    hash_policy_run(conf_of(session).hash, &source, answer)


cdef Host *choose_host(TcpSession *session, Pick *pick) noexcept nogil:
    cdef HashAnswer answer
    if session.cluster.original != NULL:
        return original_dst_of(session.cluster, &session.base.conn)
    pick.criteria = session.criteria
    if conf_of(session).hash != NULL and balancer_hashes(&session.cluster.balancer):
        tcp_hash(session, &answer)
        pick.hash = answer.hash
        pick.has_hash = answer.found
    return balancer_pick(&session.cluster.balancer, pick)


cdef void tcp_unserved(TcpSession *session, uint64_t flags) noexcept nogil:
    give_up(session, flags, NO_HOST)


cdef bint may_dial(TcpSession *session) noexcept nogil:
    # False: it was given up.
    if not breaker_allows(&session.cluster.conf.breakers[0], RESOURCE_CONNECTIONS):
        count_cluster(session, CLUSTER_CX_OVERFLOW, 1)
        give_up(session, FLAG_UO, OVERFLOWN)
        return False
    if session.attempts >= conf_of(session).connect_attempts:
        count_cluster(session, CLUSTER_CX_CONNECT_ATTEMPTS_EXCEEDED, 1)
        give_up(session, FLAG_URX, NOT_CONNECTED)
        return False
    return True


cdef bint dial(TcpSession *session, int *error) noexcept nogil:
    # False: this host cannot even be dialled.
    cdef Engine *engine = session.base.engine
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
    if not may_dial(session):
        return True
    host = choose_host(session, &pick)
    if host == NULL:
        count_cluster(session, CLUSTER_CX_NONE_HEALTHY, 1)
        tcp_unserved(session, FLAG_UH)
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
    if own_origin(session.cluster, &session.base.conn, NULL, &origin):
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
    histogram_record(session.base.engine.stats, conf.cx_length_ms, (clock_ns(&session.base.engine.loop.clock) - session.dialled_ns) // NS_PER_MS)
    count_cluster(session, CLUSTER_CX_DESTROY_WITH_RQ, 1)
    count_cluster(session, CLUSTER_CX_DESTROY_LOCAL_WITH_RQ if local else CLUSTER_CX_DESTROY_REMOTE_WITH_RQ, 1)
    gauge_cluster(session, CLUSTER_RQ_ACTIVE, -1)
    atomic_add(&session.host.stats[HOST_RQ_ACTIVE], -1)


cdef void on_connected(Transport *transport, int error) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>transport.owner
    cdef ClusterConf *conf
    cdef Origin origin
    timer_cancel(&session.base.engine.loop.wheel, &session.connecting)
    if error < 0:
        keep_failure(session, &session.up_failure, transport)
        drop_upstream(session)
        count_connect_failure(session, error)
        if session.up_failure != NULL:
            session.failure = span(session.up_failure, strlen(session.up_failure))
        tcp_try_again(session)
        return
    conf = session.cluster.conf
    session.failure = span(b"", 0)
    transport_local(transport, &session.upstream_local)
    if session.host.outlier != NULL:
        outlier_connected(session.host.outlier)
    if conf.says != NULL:
        own_origin(session.cluster, &session.base.conn, NULL, &origin)
        origin_say(&origin, conf.says, transport)
    if conf.keepalive:
        transport_keepalive(transport, conf.keepalive_probes, conf.keepalive_time_s, conf.keepalive_interval_s)
    histogram_record(session.base.engine.stats, conf.cx_connect_ms, (clock_ns(&session.base.engine.loop.clock) - session.dialled_ns) // NS_PER_MS)
    gauge_cluster(session, CLUSTER_RQ_PENDING_ACTIVE, -1)
    count_cluster(session, CLUSTER_RQ_TOTAL, 1)
    gauge_cluster(session, CLUSTER_RQ_ACTIVE, 1)
    atomic_add(&session.host.stats[HOST_RQ_TOTAL], 1)
    atomic_add(&session.host.stats[HOST_RQ_ACTIVE], 1)
    transport_read_start(transport)
    tcp_opened(session)


cdef void tcp_opened(TcpSession *session) noexcept nogil:
    session.connected = True
    session.log_at_end = True
    touch(session)
    if conf_of(session).log_connected:
        tcp_log_write(session, LOG_TCP_UPSTREAM_CONNECTED, NOTHING)
    if session.base.conn.transport.ops == &early_ops:
        end_early(session)
    if not session.closed:
        transport_read_start(session.base.conn.transport)


# --- what the client says before its host is there ----------------------------------------------------------------------


cdef void end_early(TcpSession *session) noexcept nogil:
    cdef Transport *transport = session.base.conn.transport
    transport.ops = &down_ops if conf_of(session).tunnel == NULL else &tunnel_ops
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
    count(session, TCP_RX_BYTES, <int64_t>n)
    if session.early.len >= conf_of(session).early_bytes:
        transport_read_stop(transport)
    if first and conf_of(session).waits_for_bytes:
        connect(session)


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


cdef void on_connect_timeout(Timer *timer) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>timer.owner
    count_cluster(session, CLUSTER_CX_CONNECT_TIMEOUT, 1)
    session.local_close = True
    drop_upstream(session)
    session.local_close = False
    count_connect_failure(session, 0)
    tcp_try_again(session)


# --- bytes ----------------------------------------------------------------------------------------------------------


cdef void touch(TcpSession *session) noexcept nogil:
    # The idle timer looks at active_ns only when it fires.
    session.active_ns = clock_ns(&session.base.engine.loop.clock)
    if session.idle.link == NULL and conf_of(session).idle_ms:
        wheel_arm(&session.base.engine.loop.wheel, &session.idle, session.active_ns // NS_PER_MS + conf_of(session).idle_ms)


cdef void on_down_read(Transport *transport, const char *at, size_t n) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>transport.owner
    session.received += n
    count(session, TCP_RX_BYTES, <int64_t>n)
    session.active_ns = clock_ns(&session.base.engine.loop.clock)
    forward(session, at, n)


cdef inline void forward(TcpSession *session, const char *at, size_t n) noexcept nogil:
    # The cluster's bytes are counted where a tunnel makes HTTP of them.
    if session.tunnel != NULL:
        tunnel_send(session, span(at, n), False)
        return
    count_cluster(session, CLUSTER_CX_TX_BYTES, <int64_t>n)
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
    count(session, TCP_TX_BYTES, <int64_t>data.len)
    session.active_ns = clock_ns(&session.base.engine.loop.clock)
    transport_append(session.base.conn.transport, data.at, data.len)
    transport_flush(session.base.conn.transport)


cdef void on_up_read(Transport *transport, const char *at, size_t n) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>transport.owner
    count_cluster(session, CLUSTER_CX_RX_BYTES, <int64_t>n)
    tcp_read(session, span(at, n))


cdef void on_down_end(Transport *transport, int error) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>transport.owner
    if error == -EPROTO:           # no TLS: an alert has said so
        keep_failure(session, &session.down_failure, transport)
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
    if conf_of(session).tunnel == NULL:
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
    transport_read_stop(session.base.conn.transport)


cdef void on_up_low(Transport *transport) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>transport.owner
    if not session.down_ended:
        count(session, TCP_RESUMED, 1)
        transport_read_start(session.base.conn.transport)


# --- limits ---------------------------------------------------------------------------------------------------------


cdef void on_idle(Timer *timer) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>timer.owner
    cdef uint64_t due = session.active_ns // NS_PER_MS + conf_of(session).idle_ms
    if now_ms(session) < due:
        wheel_arm(&session.base.engine.loop.wheel, timer, due)
        return
    count(session, TCP_IDLE_TIMEOUT, 1)
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
    count(session, TCP_MAX_DURATION, 1)
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
    wheel_arm(&session.base.engine.loop.wheel, timer, now_ms(session) + conf_of(session).log_every_ms)


cdef void tcp_refuse(Connection *connection, size_t n, Span details) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>connection
    if session.closed:
        return
    session.received += n
    count(session, TCP_RX_BYTES, <int64_t>n)
    session.local_close = True
    session.down_reason = REFUSED
    session.log_at_end = False
    tcp_log_write(session, LOG_TCP_CONNECTION_END, details)
    tcp_finish(session, 0, False)


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

cdef TransportOps up_ops
up_ops.on_connected = on_connected
up_ops.on_read = on_up_read
up_ops.on_end = on_up_end
up_ops.on_high = on_up_high
up_ops.on_low = on_up_low
up_ops.on_flushed = on_flushed
up_ops.on_closed = on_gone
