"""A session's way to its host. See tcp_dial.pxd for the law."""
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memset, strlen

from meshcore.base.atomics cimport atomic_add, atomic_ref
from meshcore.base.clock cimport clock_ms, clock_ns
from meshcore.base.random cimport random_u64
from meshcore.base.span cimport Span, span
from meshcore.base.wheel cimport Timer, timer_cancel, wheel_arm
from meshcore.cluster.balancer cimport Pick, balancer_hashes, balancer_pick
from meshcore.cluster.breaker cimport RESOURCE_CONNECTIONS, breaker_allows, breaker_give, breaker_take
from meshcore.cluster.host cimport HOST_CX_ACTIVE, HOST_CX_CONNECT_FAIL, HOST_CX_TOTAL, HOST_RQ_ACTIVE, HOST_RQ_TOTAL, Host, host_unref
from meshcore.cluster.outlier cimport outlier_connected, outlier_failed
from meshcore.conf.dial cimport Dial
from meshcore.conf.stat_ids cimport *
from meshcore.conf.proxy_out cimport ProxyOut
from meshcore.conf.tables cimport ClusterConf, TcpConf, cluster_says, cluster_tls
from meshcore.conf.tls cimport TlsNames
from meshcore.io.loop cimport loop_error_text
from meshcore.io.transport cimport *
from meshcore.observe.counters cimport histogram_record
from meshcore.observe.metadata cimport FilterState
from meshcore.observe.record cimport *
from meshcore.proxy.aggregate cimport aggregate_choose
from meshcore.proxy.connection cimport connection_direct_remote, connection_local
from meshcore.proxy.engine cimport cluster_unuse
from meshcore.proxy.objects cimport *
from meshcore.proxy.origin cimport Origin, origin_dial, origin_names, origin_say
from meshcore.proxy.original_dst cimport original_dst_of
from meshcore.proxy.own_pools cimport own_origin
from meshcore.proxy.tcp_proxy cimport tcp_give_up, tcp_opened, tcp_up_ops
from meshcore.proxy.tcp_session cimport tcp_conf, tcp_count_cluster, tcp_gauge_cluster, tcp_now_ms
from meshcore.proxy.tcp_tunnel cimport tunnel_dial
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

cdef Span NO_HOST = span(b"tcp_initializion_failure:1", 26)
cdef Span OVERFLOWN = span(b"tcp_initializion_failure:2", 26)
cdef Span NOT_CONNECTED = span(b"tcp_initializion_failure:0", 26)


cdef void tcp_use_cluster(TcpSession *session, ClusterLocal *cluster) noexcept nogil:
    cluster.users += 1
    if session.cluster != NULL:
        cluster_unuse(session.cluster)
    session.cluster = cluster


cdef void tcp_connect(TcpSession *session) noexcept nogil:
    # Tries hosts until one is being dialled, the next try has to wait, or the session is given up.
    cdef int error = 0
    if tcp_conf(session).tunnel != NULL:
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
    cdef TcpConf *conf = tcp_conf(session)
    cdef uint64_t window
    if conf.backoff_ms == 0 or session.attempts >= conf.connect_attempts:
        return False
    window = conf.backoff_ms * ((<uint64_t>1 << min(session.attempts, <uint32_t>BACKOFF_DOUBLINGS)) - 1)
    window = max(min(window, conf.backoff_max_ms), <uint64_t>1)
    wheel_arm(&session.base.engine.loop.wheel, &session.backoff, tcp_now_ms(session) + random_u64(&session.base.engine.loop.random) % window)
    return True


cdef void tcp_try_again(TcpSession *session) noexcept nogil:
    if not waits(session):
        tcp_connect(session)


cdef void tcp_back_off_over(Timer *timer) noexcept nogil:
    tcp_connect(<TcpSession *>timer.owner)


cdef void tcp_hash(TcpSession *session, HashAnswer *answer) noexcept nogil:
    cdef FilterState nothing
    cdef HashSource source
    nothing.items = NULL
    memset(&source, 0, sizeof(HashSource))
    source.remote = &session.base.conn.remote
    source.peer = connection_direct_remote(&session.base.conn)
    source.local = connection_local(&session.base.conn)
    source.state = &session.base.conn.state.objects if session.base.conn.state != NULL else &nothing
    hash_policy_run(tcp_conf(session).hash, &source, answer)


cdef Host *choose_host(TcpSession *session, Pick *pick) noexcept nogil:
    cdef HashAnswer answer
    if session.cluster.original != NULL:
        return original_dst_of(session.cluster, &session.base.conn)
    pick.criteria = session.criteria
    if tcp_conf(session).hash != NULL and balancer_hashes(&session.cluster.balancer):
        tcp_hash(session, &answer)
        pick.hash = answer.hash
        pick.has_hash = answer.found
    return balancer_pick(&session.cluster.balancer, pick)


cdef void tcp_unserved(TcpSession *session, uint64_t flags) noexcept nogil:
    tcp_give_up(session, flags, NO_HOST)


cdef bint may_dial(TcpSession *session) noexcept nogil:
    # False: it was given up.
    if not breaker_allows(&session.cluster.conf.breakers[0], RESOURCE_CONNECTIONS):
        tcp_count_cluster(session, CLUSTER_CX_OVERFLOW, 1)
        tcp_give_up(session, FLAG_UO, OVERFLOWN)
        return False
    if session.attempts >= tcp_conf(session).connect_attempts:
        tcp_count_cluster(session, CLUSTER_CX_CONNECT_ATTEMPTS_EXCEEDED, 1)
        tcp_give_up(session, FLAG_URX, NOT_CONNECTED)
        return False
    return True


cdef bint origin_of(TcpSession *session, Origin *out) noexcept nogil:
    # A PROXY header of the client brought TLVs of its own, or none on purpose: then ours do not go on.
    cdef Arrival *arrival = session.base.conn.arrival
    if not own_origin(session.cluster, session.host, &session.base.conn, NULL, out):
        return False
    if tcp_conf(session).tlvs.len > 0 and (arrival == NULL or not arrival.direct_remote.family):
        out.tlvs = tcp_conf(session).tlvs
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
        tcp_use_cluster(session, session.routed if chosen == NULL else chosen)
    conf = session.cluster.conf
    how = &conf.dial
    if not may_dial(session):
        return True
    host = choose_host(session, &pick)
    if host == NULL:
        tcp_count_cluster(session, CLUSTER_CX_NONE_HEALTHY, 1)
        tcp_unserved(session, FLAG_UH)
        return True
    atomic_ref(&host.refs)
    if session.host != NULL:
        host_unref(session.host)
    session.host = host
    session.attempts += 1
    session.dialled_ns = clock_ns(&engine.loop.clock)
    tcp_count_cluster(session, CLUSTER_RQ_PENDING_TOTAL, 1)
    tcp_count_cluster(session, CLUSTER_CX_TOTAL, 1)
    atomic_add(&host.stats[HOST_CX_TOTAL], 1)
    if origin_of(session, &origin):
        how = origin_dial(&origin, how, &room)
    names = origin_names(NULL, host)
    session.upstream = transport_dial(&engine.loop, host.dials, host.dials_len, how, cluster_tls(conf, host), &names, tcp_up_ops(), session, error)
    if session.upstream == NULL:
        return False
    session.open += 1
    session.upstream.high = conf.buffer_limit
    session.upstream.race_stat = conf.stats[CLUSTER_CX_TOTAL]
    breaker_take(&conf.breakers[0], RESOURCE_CONNECTIONS)
    tcp_gauge_cluster(session, CLUSTER_CX_ACTIVE, 1)
    tcp_gauge_cluster(session, CLUSTER_RQ_PENDING_ACTIVE, 1)
    atomic_add(&host.stats[HOST_CX_ACTIVE], 1)
    engine.next_id += 1
    session.upstream_id = engine.next_id
    wheel_arm(&engine.loop.wheel, &session.connecting, clock_ms(&engine.loop.clock) + conf.connect_ms)
    return True


cdef void count_connect_failure(TcpSession *session, int error) noexcept nogil:
    # `error`: a negative errno, or 0 when the host took too long.
    cdef const char *text
    tcp_count_cluster(session, CLUSTER_CX_CONNECT_FAIL, 1)
    tcp_count_cluster(session, CLUSTER_RQ_PENDING_FAILURE_EJECT, 1)
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


cdef void tcp_keep_failure(TcpSession *session, char **kept, Transport *transport) noexcept nogil:
    # Of TLS: the line is written when the transport has gone.
    cdef Span text = transport_failure(transport)
    free(kept[0])
    kept[0] = strndup(text.at, text.len) if text.len > 0 else NULL


cdef void drop_upstream(TcpSession *session) noexcept nogil:
    # A try that failed: its transport goes alone.
    cdef Transport *upstream = session.upstream
    tcp_leave_host(session)
    transport_close(upstream)


cdef void tcp_leave_host(TcpSession *session) noexcept nogil:
    # What the connection counted ends; the host stays known for the log line.
    cdef ClusterConf *conf = session.cluster.conf
    cdef bint local = session.local_close
    session.upstream = NULL
    tcp_gauge_cluster(session, CLUSTER_CX_ACTIVE, -1)
    tcp_count_cluster(session, CLUSTER_CX_DESTROY, 1)
    tcp_count_cluster(session, CLUSTER_CX_DESTROY_LOCAL if local else CLUSTER_CX_DESTROY_REMOTE, 1)
    breaker_give(&conf.breakers[0], RESOURCE_CONNECTIONS)
    atomic_add(&session.host.stats[HOST_CX_ACTIVE], -1)
    if not session.connected:
        tcp_gauge_cluster(session, CLUSTER_RQ_PENDING_ACTIVE, -1)
        return
    histogram_record(session.base.engine.stats, conf.cx_length_ms, (clock_ns(&session.base.engine.loop.clock) - session.dialled_ns) // NS_PER_MS)
    tcp_count_cluster(session, CLUSTER_CX_DESTROY_WITH_RQ, 1)
    tcp_count_cluster(session, CLUSTER_CX_DESTROY_LOCAL_WITH_RQ if local else CLUSTER_CX_DESTROY_REMOTE_WITH_RQ, 1)
    tcp_gauge_cluster(session, CLUSTER_RQ_ACTIVE, -1)
    atomic_add(&session.host.stats[HOST_RQ_ACTIVE], -1)


cdef void tcp_dialled(Transport *transport) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>transport.owner
    cdef const ProxyOut *says = cluster_says(session.cluster.conf, session.host)
    cdef Origin origin
    if says != NULL:
        origin_of(session, &origin)
        origin_say(&origin, says, transport)


cdef void tcp_connected(Transport *transport, int error) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>transport.owner
    cdef ClusterConf *conf
    timer_cancel(&session.base.engine.loop.wheel, &session.connecting)
    if error < 0:
        tcp_keep_failure(session, &session.up_failure, transport)
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
    if not transport_is_tls(transport):
        tcp_dialled(transport)
    if conf.keepalive:
        transport_keepalive(transport, conf.keepalive_probes, conf.keepalive_time_s, conf.keepalive_interval_s)
    histogram_record(session.base.engine.stats, conf.cx_connect_ms, (clock_ns(&session.base.engine.loop.clock) - session.dialled_ns) // NS_PER_MS)
    tcp_gauge_cluster(session, CLUSTER_RQ_PENDING_ACTIVE, -1)
    tcp_count_cluster(session, CLUSTER_RQ_TOTAL, 1)
    tcp_gauge_cluster(session, CLUSTER_RQ_ACTIVE, 1)
    atomic_add(&session.host.stats[HOST_RQ_TOTAL], 1)
    atomic_add(&session.host.stats[HOST_RQ_ACTIVE], 1)
    transport_read_start(transport)
    tcp_opened(session)


cdef void tcp_connect_timeout(Timer *timer) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>timer.owner
    tcp_count_cluster(session, CLUSTER_CX_CONNECT_TIMEOUT, 1)
    session.local_close = True
    drop_upstream(session)
    session.local_close = False
    count_connect_failure(session, 0)
    tcp_try_again(session)
