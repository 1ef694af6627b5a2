"""Upstream connections, whatever version of HTTP they speak: dialling, timeouts, counts, the end. See upstream.pxd for the law."""
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport strlen

from meshcore.base.atomics cimport atomic_add
from meshcore.base.clock cimport clock_ms, clock_ns
from meshcore.base.span cimport Span, span, span_is
from meshcore.base.wheel cimport Timer, timer_cancel, timer_init, wheel_arm
from meshcore.cluster.breaker cimport *
from meshcore.cluster.host cimport HOST_CX_ACTIVE, HOST_CX_TOTAL
from meshcore.codec.head cimport HTTP_11
from meshcore.conf.stat_ids cimport *
from meshcore.conf.dial cimport Dial
from meshcore.conf.proxy_out cimport ProxyOut
from meshcore.conf.tables cimport UPSTREAM_AUTO, ClusterConf, cluster_says, cluster_tls
from meshcore.conf.tls cimport TlsNames
from meshcore.io.loop cimport loop_error_text
from meshcore.io.transport cimport *
from meshcore.observe.counters cimport gauge_add, histogram_record, stat_add
from meshcore.proxy.attempt cimport RESET_CONNECT_REFUSED, RESET_CONNECT_TIMEOUT
from meshcore.proxy.http2.upstream cimport http2_upstream_new
from meshcore.proxy.objects cimport *
from meshcore.proxy.origin cimport origin_dial, origin_names, origin_say
from meshcore.proxy.pool cimport *
from meshcore.proxy.terminate cimport stream_terminates
from meshcore.proxy.upstream_http1 cimport http1_upstream_new

cdef extern from "<errno.h>" nogil:
    int ECONNREFUSED

cdef enum:
    NS_PER_MS = 1000000


cdef inline ClusterConf *conf_of(Upstream *upstream) noexcept nogil:
    return upstream.pool.cluster.conf


cdef inline void count(Upstream *upstream, int stat, int64_t n) noexcept nogil:
    upstream_count(upstream, stat, n)


cdef inline void gauge(Upstream *upstream, int stat, int64_t n) noexcept nogil:
    gauge_add(upstream.engine.stats, upstream.pool.cluster.conf.stats[stat], n)


# --- life -----------------------------------------------------------------------------------------------------------


cdef Span offer_of(Pool *pool) noexcept nogil:
    # The version of HTTP that the connection is for, which Envoy offers by ALPN too where nobody says otherwise.
    if not pool.http2:
        return span(b"\x08http/1.1", 9)
    return span(b"\x02h2\x08http/1.1", 12) if pool.cluster.conf.protocol == UPSTREAM_AUTO else span(b"\x02h2", 3)


cdef Upstream *upstream_dial(Pool *pool, Span *failure) noexcept nogil:
    cdef Engine *engine = pool.cluster.engine
    cdef ClusterConf *conf = pool.cluster.conf
    cdef Upstream *upstream = http2_upstream_new(engine, conf) if pool.http2 else http1_upstream_new(engine)
    cdef TlsNames names
    cdef Dial room
    cdef int error = 0
    failure[0] = span(b"", 0)
    if upstream == NULL:
        return NULL
    names = origin_names(pool.origin, pool.host)
    names.alpn = offer_of(pool)
    upstream.transport = transport_dial(&engine.loop, pool.host.dials, pool.host.dials_len, origin_dial(pool.origin, &conf.dial, &room),
                                        cluster_tls(conf, pool.host), &names, &dial_ops, upstream, &error)
    if upstream.transport == NULL:
        upstream.ops.free(upstream)
        failure[0] = error_text(error)
        stat_add(engine.stats, conf.stats[CLUSTER_CX_TOTAL], 1)
        stat_add(engine.stats, conf.stats[CLUSTER_CX_CONNECT_FAIL], 1)
        return NULL
    upstream.engine = engine
    upstream.pool = pool
    upstream.link = NULL
    upstream.streams = 0
    upstream.counted_active = 0
    upstream.counted_spare = 0
    upstream.state = UP_CONNECTING
    upstream.close_after = False
    upstream.local_close = False
    upstream.requests = 0
    engine.next_id += 1
    upstream.id = engine.next_id
    upstream.started_ns = clock_ns(&engine.loop.clock)
    upstream.transport.high = conf.buffer_limit
    upstream.transport.race_stat = conf.stats[CLUSTER_CX_TOTAL]
    timer_init(&upstream.timer, on_timer, upstream)
    timer_init(&upstream.age, on_age, upstream)
    wheel_arm(&engine.loop.wheel, &upstream.timer, clock_ms(&engine.loop.clock) + conf.connect_ms)
    breaker_take(&conf.breakers[pool.priority], RESOURCE_CONNECTIONS)
    pool.live += 1
    count(upstream, CLUSTER_CX_TOTAL, 1)
    if not is_open(upstream) and (pool.pending == NULL or not stream_terminates(pool.pending.stream)):
        count(upstream, CLUSTER_CX_HTTP2_TOTAL if pool.http2 else CLUSTER_CX_HTTP1_TOTAL, 1)
    gauge(upstream, CLUSTER_CX_ACTIVE, 1)
    atomic_add(&pool.host.stats[HOST_CX_TOTAL], 1)
    atomic_add(&pool.host.stats[HOST_CX_ACTIVE], 1)
    return upstream


cdef inline bint is_open(Upstream *upstream) noexcept nogil:
    # Which version it will speak is not known before its TLS handshake is over.
    return upstream.pool.http2 and conf_of(upstream).protocol == UPSTREAM_AUTO


cdef Upstream *settle_version(Upstream *upstream) noexcept nogil:
    # It was made for HTTP/2; if ALPN says otherwise, one for HTTP/1 takes its place. NULL: no memory.
    cdef Upstream *other
    cdef const UpstreamOps *ops
    if span_is(transport_alpn(upstream.transport), b"h2", 2):
        count(upstream, CLUSTER_CX_HTTP2_TOTAL, 1)
        return upstream
    other = http1_upstream_new(upstream.engine)
    if other == NULL:
        return NULL
    count(upstream, CLUSTER_CX_HTTP1_TOTAL, 1)
    ops = other.ops
    pool_unlink(upstream)
    other[0] = upstream[0]
    other.ops = ops
    other.version = HTTP_11
    other.room = 1
    timer_init(&other.timer, on_timer, other)
    timer_init(&other.age, on_age, other)
    other.transport.owner = other
    pool_link(&other.pool.connecting, other)
    upstream.ops.free(upstream)
    return other


cdef Span error_text(int error) noexcept nogil:
    # Envoy's transport failure reason for a refused or reset dial.
    cdef const char *text
    if error == -ECONNREFUSED:
        return span(b"delayed connect error: Connection refused", 41)
    text = loop_error_text(error)
    return span(text, strlen(text))


cdef Span failure_text(Transport *transport, int error) noexcept nogil:
    cdef Span text = transport_failure(transport)
    if text.len > 0 or transport_is_tls(transport) and not transport.connecting and error != -ECONNREFUSED:
        return text
    return error_text(error)


cdef inline void say_origin(Upstream *upstream) noexcept nogil:
    cdef const ProxyOut *says = cluster_says(conf_of(upstream), upstream.pool.host)
    if says != NULL:
        origin_say(upstream.pool.origin, says, upstream.transport)


cdef void on_dialled(Transport *transport) noexcept nogil:
    say_origin(<Upstream *>transport.owner)


cdef void on_connected(Transport *transport, int error) noexcept nogil:
    cdef Upstream *upstream = <Upstream *>transport.owner
    cdef Upstream *settled
    cdef ClusterConf *conf = conf_of(upstream)
    if error < 0:
        close_failed(upstream, RESET_CONNECT_REFUSED, failure_text(transport, error))
        return
    timer_cancel(&upstream.engine.loop.wheel, &upstream.timer)
    if is_open(upstream):
        settled = settle_version(upstream)
        if settled == NULL:
            close_failed(upstream, RESET_CONNECT_REFUSED, span(b"", 0))
            return
        upstream = settled
    histogram_record(upstream.engine.stats, conf.cx_connect_ms,
                     (clock_ns(&upstream.engine.loop.clock) - upstream.started_ns) // NS_PER_MS)
    if conf.keepalive:
        transport_keepalive(transport, conf.keepalive_probes, conf.keepalive_time_s, conf.keepalive_interval_s)
    if conf.max_connection_ms:
        wheel_arm(&upstream.engine.loop.wheel, &upstream.age, clock_ms(&upstream.engine.loop.clock) + conf.max_connection_ms)
    transport_local(transport, &upstream.local)
    if not transport_is_tls(transport):
        say_origin(upstream)
    if not upstream.ops.opened(upstream):
        close_failed(upstream, RESET_CONNECT_REFUSED, span(b"", 0))
        return
    transport_read_start(transport)
    upstream_rest(upstream)
    upstream.state = UP_IDLE
    pool_connected(upstream)


cdef void close_failed(Upstream *upstream, uint8_t reason, Span failure) noexcept nogil:
    # The connect failed: this connection leaves first, so that its pool may dial again for a retry.
    cdef Pool *pool = upstream.pool
    pool.live += 1                 # the pool must outlive this
    pool_connect_failed(upstream, reason, failure)
    upstream_close(upstream)
    pool.live -= 1
    pool_let_go(pool)


cdef void upstream_close(Upstream *upstream) noexcept nogil:
    # Takes it out of every count at once; the memory goes when the transport has closed.
    cdef Pool *pool = upstream.pool
    cdef Engine *engine = upstream.engine
    if upstream.state == UP_CLOSED:
        return
    timer_cancel(&engine.loop.wheel, &upstream.timer)
    timer_cancel(&engine.loop.wheel, &upstream.age)
    gauge(upstream, CLUSTER_CX_ACTIVE, -1)
    count(upstream, CLUSTER_CX_DESTROY, 1)
    count(upstream, CLUSTER_CX_DESTROY_LOCAL if upstream.local_close else CLUSTER_CX_DESTROY_REMOTE, 1)
    histogram_record(engine.stats, conf_of(upstream).cx_length_ms, (clock_ns(&engine.loop.clock) - upstream.started_ns) // NS_PER_MS)
    breaker_give(&conf_of(upstream).breakers[pool.priority], RESOURCE_CONNECTIONS)
    atomic_add(&pool.host.stats[HOST_CX_ACTIVE], -1)
    pool.live += 1                 # kept until on_closed
    pool_forget(upstream)
    upstream.state = UP_CLOSED
    transport_close(upstream.transport)


cdef void upstream_closed(Transport *transport) noexcept nogil:
    cdef Upstream *upstream = <Upstream *>transport.owner
    cdef Pool *pool = upstream.pool
    upstream.ops.free(upstream)
    pool.live -= 1
    pool_let_go(pool)


cdef void upstream_rest(Upstream *upstream) noexcept nogil:
    # The idle timeout; the timer looks at idle_ms only when it fires, so a busy connection arms nothing.
    cdef uint64_t idle_ms = conf_of(upstream).idle_ms
    upstream.idle_ns = clock_ns(&upstream.engine.loop.clock)
    if idle_ms and upstream.timer.link == NULL:
        wheel_arm(&upstream.engine.loop.wheel, &upstream.timer, upstream.idle_ns // NS_PER_MS + idle_ms)


cdef void on_timer(Timer *timer) noexcept nogil:
    cdef Upstream *upstream = <Upstream *>timer.owner
    cdef uint64_t due
    if upstream.state == UP_CONNECTING:
        upstream.local_close = True
        close_failed(upstream, RESET_CONNECT_TIMEOUT, span(b"", 0))
        return
    due = upstream.idle_ns // NS_PER_MS + conf_of(upstream).idle_ms
    if upstream.state == UP_IDLE and clock_ms(&upstream.engine.loop.clock) >= due:
        count(upstream, CLUSTER_CX_IDLE_TIMEOUT, 1)
        upstream_leave(upstream)
    elif upstream.state == UP_IDLE:
        wheel_arm(&upstream.engine.loop.wheel, timer, due)
    # busy: it is armed again when it rests


cdef void on_age(Timer *timer) noexcept nogil:
    cdef Upstream *upstream = <Upstream *>timer.owner
    count(upstream, CLUSTER_CX_MAX_DURATION_REACHED, 1)
    pool_no_more(upstream)


cdef void upstream_leave(Upstream *upstream) noexcept nogil:
    upstream.local_close = True
    upstream_close(upstream)


cdef void upstream_lost(Upstream *upstream) noexcept nogil:
    count(upstream, CLUSTER_CX_DESTROY_WITH_RQ, 1)
    count(upstream, CLUSTER_CX_DESTROY_LOCAL_WITH_RQ if upstream.local_close else CLUSTER_CX_DESTROY_REMOTE_WITH_RQ, 1)


cdef TransportOps dial_ops
dial_ops.on_connected = on_connected
dial_ops.on_dialled = on_dialled
dial_ops.on_closed = upstream_closed


cdef const char *up_state_name(uint8_t state) noexcept nogil:
    if state == UP_CONNECTING:
        return b"connecting"
    if state == UP_IDLE:
        return b"idle"
    if state == UP_HEAD:
        return b"head"
    if state == UP_BODY:
        return b"body"
    return b"closed"
