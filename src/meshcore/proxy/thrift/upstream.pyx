"""Thrift upstream connections. See upstream.pxd for the law."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memset, strlen

from meshcore.base.arena cimport Arena, arena_fini, arena_init
from meshcore.base.atomics cimport atomic_add
from meshcore.base.buffer cimport buffer_copy, buffer_fini
from meshcore.base.clock cimport clock_ms, clock_ns
from meshcore.base.held cimport held_append, held_drop, held_fini
from meshcore.base.slab cimport slab_free, slab_new
from meshcore.base.span cimport Span, span
from meshcore.base.wheel cimport Timer, timer_cancel, timer_init, wheel_arm
from meshcore.cluster.breaker cimport RESOURCE_CONNECTIONS, RESOURCE_REQUESTS, breaker_give, breaker_take
from meshcore.cluster.host cimport HOST_CX_ACTIVE, HOST_CX_TOTAL, HOST_RQ_ACTIVE, HOST_RQ_TOTAL
from meshcore.cluster.outlier cimport outlier_connected
from meshcore.codec.thrift cimport *
from meshcore.codec.thrift_reply cimport REPLY_MORE, thrift_reply_kind
from meshcore.codec.thrift_stream cimport *
from meshcore.codec.thrift_twitter cimport thrift_upgrade_name
from meshcore.conf.stat_ids cimport *
from meshcore.conf.proxy_out cimport ProxyOut
from meshcore.conf.tables cimport ClusterConf, cluster_says, cluster_tls
from meshcore.conf.tls cimport TlsNames
from meshcore.io.transport cimport *
from meshcore.observe.counters cimport gauge_add, histogram_record, stat_add
from meshcore.proxy.objects cimport *
from meshcore.proxy.origin cimport origin_names, origin_say
from meshcore.proxy.thrift.call_life cimport *
from meshcore.proxy.thrift.charge cimport charge_failed
from meshcore.proxy.thrift.local_reply cimport REASON_REMOTE_FAILURE_AT_START, REASON_TIMEOUT_AT_START
from meshcore.proxy.thrift.message cimport *
from meshcore.proxy.thrift.objects cimport *
from meshcore.proxy.thrift.pool cimport *

cdef enum:
    NS_PER_MS = 1000000
    SEQID_MAX = 0x7fffffff


cdef inline ClusterConf *cluster_of(ThriftUpstream *upstream) noexcept nogil:
    return upstream.pool.cluster.conf


cdef inline void count(ThriftUpstream *upstream, int stat, int64_t n) noexcept nogil:
    stat_add(upstream.engine.stats, cluster_of(upstream).stats[stat], n)


cdef inline void gauge(ThriftUpstream *upstream, int stat, int64_t n) noexcept nogil:
    gauge_add(upstream.engine.stats, cluster_of(upstream).stats[stat], n)


# --- life -----------------------------------------------------------------------------------------------------------


cdef ThriftUpstream *upstream_dial(ThriftPool *pool) noexcept nogil:
    cdef Engine *engine = pool.cluster.engine
    cdef ClusterConf *conf = pool.cluster.conf
    cdef ThriftUpstream *upstream = <ThriftUpstream *>slab_new(&engine.thrift_upstreams)
    cdef TlsNames names
    cdef int error = 0
    if upstream == NULL:
        return NULL
    memset(upstream, 0, sizeof(ThriftUpstream))
    names = origin_names(NULL, pool.host)
    upstream.transport = transport_dial(&engine.loop, pool.host.dials, pool.host.dials_len, &conf.dial, cluster_tls(conf, pool.host),
                                        &names, &ops, upstream, &error)
    if upstream.transport == NULL:
        slab_free(&engine.thrift_upstreams, upstream)
        stat_add(engine.stats, conf.stats[CLUSTER_CX_TOTAL], 1)
        stat_add(engine.stats, conf.stats[CLUSTER_CX_CONNECT_FAIL], 1)
        return NULL
    upstream.transport.race_stat = conf.stats[CLUSTER_CX_TOTAL]
    upstream.engine = engine
    upstream.pool = pool
    upstream.state = THRIFT_UP_CONNECTING
    engine.next_id += 1
    upstream.id = engine.next_id
    upstream.started_ns = clock_ns(&engine.loop.clock)
    timer_init(&upstream.timer, on_timer, upstream)
    timer_init(&upstream.age, on_age, upstream)
    wheel_arm(&engine.loop.wheel, &upstream.timer, clock_ms(&engine.loop.clock) + conf.connect_ms)
    breaker_take(&conf.breakers[0], RESOURCE_CONNECTIONS)
    pool.live += 1
    count(upstream, CLUSTER_CX_TOTAL, 1)
    gauge(upstream, CLUSTER_CX_ACTIVE, 1)
    atomic_add(&pool.host.stats[HOST_CX_TOTAL], 1)
    atomic_add(&pool.host.stats[HOST_CX_ACTIVE], 1)
    return upstream


cdef inline void say_origin(ThriftUpstream *upstream) noexcept nogil:
    cdef const ProxyOut *says = cluster_says(cluster_of(upstream), upstream.pool.host)
    if says != NULL:
        origin_say(NULL, says, upstream.transport)     # as in Envoy: a call does not name its client


cdef void on_dialled(Transport *transport) noexcept nogil:
    say_origin(<ThriftUpstream *>transport.owner)


cdef void on_connected(Transport *transport, int error) noexcept nogil:
    cdef ThriftUpstream *upstream = <ThriftUpstream *>transport.owner
    cdef Engine *engine = upstream.engine
    cdef ClusterConf *conf = cluster_of(upstream)
    if error < 0:
        close_failed(upstream, REASON_REMOTE_FAILURE_AT_START)
        return
    timer_cancel(&engine.loop.wheel, &upstream.timer)
    histogram_record(engine.stats, conf.cx_connect_ms, (clock_ns(&engine.loop.clock) - upstream.started_ns) // NS_PER_MS)
    if conf.keepalive:
        transport_keepalive(transport, conf.keepalive_probes, conf.keepalive_time_s, conf.keepalive_interval_s)
    if not transport_is_tls(transport):
        say_origin(upstream)
    if conf.max_connection_ms:
        wheel_arm(&engine.loop.wheel, &upstream.age, clock_ms(&engine.loop.clock) + conf.max_connection_ms)
    transport_local(transport, &upstream.local)
    transport_read_start(transport)
    rest(upstream)
    upstream.state = THRIFT_UP_IDLE
    pool_connected(upstream)


cdef void close_failed(ThriftUpstream *upstream, uint8_t reason) noexcept nogil:
    cdef ThriftPool *pool = upstream.pool
    pool.live += 1                 # it must outlive this
    pool_connect_failed(upstream, reason)
    upstream_close(upstream)
    pool.live -= 1
    pool_let_go(pool)


cdef void upstream_close(ThriftUpstream *upstream) noexcept nogil:
    # Takes it out of every count at once; the memory goes when the transport has closed.
    cdef ThriftPool *pool = upstream.pool
    cdef Engine *engine = upstream.engine
    if upstream.state == THRIFT_UP_CLOSED:
        return
    timer_cancel(&engine.loop.wheel, &upstream.timer)
    timer_cancel(&engine.loop.wheel, &upstream.age)
    gauge(upstream, CLUSTER_CX_ACTIVE, -1)
    count(upstream, CLUSTER_CX_DESTROY, 1)
    count(upstream, CLUSTER_CX_DESTROY_LOCAL if upstream.local_close else CLUSTER_CX_DESTROY_REMOTE, 1)
    histogram_record(engine.stats, cluster_of(upstream).cx_length_ms, (clock_ns(&engine.loop.clock) - upstream.started_ns) // NS_PER_MS)
    breaker_give(&cluster_of(upstream).breakers[0], RESOURCE_CONNECTIONS)
    atomic_add(&pool.host.stats[HOST_CX_ACTIVE], -1)
    pool.live += 1                 # kept until on_closed
    pool_forget(upstream)
    upstream.state = THRIFT_UP_CLOSED
    transport_close(upstream.transport)


cdef void on_closed(Transport *transport) noexcept nogil:
    cdef ThriftUpstream *upstream = <ThriftUpstream *>transport.owner
    cdef ThriftPool *pool = upstream.pool
    held_fini(&upstream.held)
    buffer_fini(&upstream.engine.loop.buffers, &upstream.packed)
    walk_free(upstream.engine, upstream.walk)
    slab_free(&upstream.engine.thrift_upstreams, upstream)
    pool.live -= 1
    pool_let_go(pool)


cdef void rest(ThriftUpstream *upstream) noexcept nogil:
    # The timer looks at idle_ns only when it fires, so a busy connection arms nothing.
    cdef uint64_t idle_ms = cluster_of(upstream).tcp_idle_ms
    upstream.idle_ns = clock_ns(&upstream.engine.loop.clock)
    if idle_ms and upstream.timer.link == NULL:
        wheel_arm(&upstream.engine.loop.wheel, &upstream.timer, upstream.idle_ns // NS_PER_MS + idle_ms)


cdef void on_timer(Timer *timer) noexcept nogil:
    cdef ThriftUpstream *upstream = <ThriftUpstream *>timer.owner
    cdef uint64_t due
    if upstream.state == THRIFT_UP_CONNECTING:
        upstream.local_close = True
        close_failed(upstream, REASON_TIMEOUT_AT_START)
        return
    due = upstream.idle_ns // NS_PER_MS + cluster_of(upstream).tcp_idle_ms
    if upstream.state == THRIFT_UP_IDLE and clock_ms(&upstream.engine.loop.clock) >= due:
        count(upstream, CLUSTER_CX_IDLE_TIMEOUT, 1)
        upstream.local_close = True
        upstream_close(upstream)
    elif upstream.state == THRIFT_UP_IDLE:
        wheel_arm(&upstream.engine.loop.wheel, timer, due)
    # busy: rest() arms it again


cdef void on_age(Timer *timer) noexcept nogil:
    cdef ThriftUpstream *upstream = <ThriftUpstream *>timer.owner
    count(upstream, CLUSTER_CX_MAX_DURATION_REACHED, 1)
    upstream.close_after = True
    if upstream.state == THRIFT_UP_IDLE:
        upstream.local_close = True
        upstream_close(upstream)


# --- calls out ------------------------------------------------------------------------------------------------------


cdef void upstream_begin(ThriftUpstream *upstream, ThriftCall *call) noexcept nogil:
    cdef ClusterConf *conf = cluster_of(upstream)
    upstream.call = call
    call.upstream = upstream
    upstream.state = THRIFT_UP_BUSY
    upstream.requests += 1
    if conf.max_requests and upstream.requests >= conf.max_requests:
        upstream.close_after = True
        count(upstream, CLUSTER_CX_MAX_REQUESTS, 1)
    count(upstream, CLUSTER_RQ_TOTAL, 1)
    gauge(upstream, CLUSTER_RQ_ACTIVE, 1)
    breaker_take(&conf.breakers[0], RESOURCE_REQUESTS)
    atomic_add(&call.host.stats[HOST_RQ_TOTAL], 1)
    atomic_add(&call.host.stats[HOST_RQ_ACTIVE], 1)
    if call.host.outlier != NULL:
        outlier_connected(call.host.outlier)
    if call.up_transport == THRIFT_UNFRAMED and upstream.walk == NULL:
        upstream.walk = walk_new(upstream.engine)
        if upstream.walk == NULL:
            lose(upstream, True)
            return
    expect(upstream)
    if call.up_protocol == THRIFT_TWITTER and not upstream.asked:
        ask(upstream)
    else:
        call_ready(call)


cdef void expect(ThriftUpstream *upstream) noexcept nogil:
    cdef ThriftCall *call = upstream.call
    thrift_stream_init(&upstream.stream, call.up_transport, call.up_protocol, message_limits(),
                       &upstream.walk.reader if upstream.walk != NULL else NULL)
    upstream.stream.upgraded = upstream.upgraded and call.up_protocol == THRIFT_TWITTER


cdef inline int32_t take_seqid(ThriftUpstream *upstream) noexcept nogil:
    cdef int32_t seqid = upstream.next_seqid
    upstream.next_seqid = 0 if seqid == SEQID_MAX else seqid + 1
    return seqid


cdef void ask(ThriftUpstream *upstream) noexcept nogil:
    cdef ThriftMessage message
    cdef Arena arena
    cdef uint64_t wire = 0
    upstream.asked = True
    upstream.state = THRIFT_UP_UPGRADING
    arena_init(&arena, &upstream.engine.loop.blocks)
    message_init(&message, &arena)
    message.envelope.type = THRIFT_CALL
    message_take(&message, upstream.engine, span(b"\0", 1), True)
    message_write(&message, upstream.engine, &arena, upstream.transport, upstream.call.up_transport, THRIFT_TWITTER, False,
                  thrift_upgrade_name(), 0, &wire)
    message_fini(&message, upstream.engine)
    arena_fini(&arena)
    count(upstream, CLUSTER_CX_TX_BYTES, <int64_t>wire)
    upstream.call.request_size = wire
    transport_flush(upstream.transport)


cdef void upstream_send(ThriftCall *call) noexcept nogil:
    cdef ThriftUpstream *upstream = call.upstream
    cdef uint64_t wire = 0
    # What cannot be written (headers that are too long for the format) is not sent: the host answers nothing, and the connection is of no use.
    if message_write(&call.request, call.engine, &call.arena, upstream.transport, call.up_transport, call.up_protocol,
                     upstream.stream.upgraded, call.request.envelope.name, take_seqid(upstream), &wire) != THRIFT_NO_ERROR:
        upstream.transport.failed = True
    count(upstream, CLUSTER_CX_TX_BYTES, <int64_t>wire)
    call.request_size += wire
    histogram_record(call.engine.stats, call.cluster.conf.thrift_rq_size, wire)
    transport_flush(upstream.transport)


cdef void detach(ThriftUpstream *upstream) noexcept nogil:
    cdef ThriftCall *call = upstream.call
    upstream.call = NULL
    call.upstream = NULL
    gauge(upstream, CLUSTER_RQ_ACTIVE, -1)
    breaker_give(&cluster_of(upstream).breakers[0], RESOURCE_REQUESTS)
    atomic_add(&call.host.stats[HOST_RQ_ACTIVE], -1)


cdef void upstream_give_back(ThriftCall *call) noexcept nogil:
    cdef ThriftUpstream *upstream = call.upstream
    detach(upstream)
    held_fini(&upstream.held)
    if upstream.close_after or upstream.transport.failed:
        upstream.local_close = True
        upstream_close(upstream)
        return
    rest(upstream)
    pool_give_back(upstream)


cdef void upstream_drop(ThriftCall *call) noexcept nogil:
    leave(call.upstream, True)


cdef void leave(ThriftUpstream *upstream, bint local) noexcept nogil:
    # Closes it with a call on it.
    upstream.local_close = local
    count(upstream, CLUSTER_CX_DESTROY_WITH_RQ, 1)
    count(upstream, CLUSTER_CX_DESTROY_LOCAL_WITH_RQ if local else CLUSTER_CX_DESTROY_REMOTE_WITH_RQ, 1)
    detach(upstream)
    upstream_close(upstream)


cdef void lose(ThriftUpstream *upstream, bint local) noexcept nogil:
    # It ended under its call.
    cdef ThriftCall *call = upstream.call
    leave(upstream, local)
    charge_failed(call)
    call_upstream_closed(call, local)


# --- replies in -----------------------------------------------------------------------------------------------------


cdef void on_read(Transport *transport, const char *at, size_t n) noexcept nogil:
    cdef ThriftUpstream *upstream = <ThriftUpstream *>transport.owner
    cdef ThriftCall *call = upstream.call
    cdef bint held = upstream.held.len > 0
    cdef size_t used = 0
    count(upstream, CLUSTER_CX_RX_BYTES, <int64_t>n)
    if call == NULL:
        upstream.local_close = True
        upstream_close(upstream)
        return
    call.reply_size += n
    if held:
        if not held_append(&upstream.held, at, n):
            lose(upstream, True)
            return
        at = upstream.held.at
        n = upstream.held.len
    if not feed(upstream, at, n, held, &used):
        return
    if held:
        held_drop(&upstream.held, used)
    elif used < n and not held_append(&upstream.held, at + used, n - used):
        lose(upstream, True)
        return
    if message_hold(&call.reply, upstream.engine) != THRIFT_NO_ERROR:
        lose(upstream, True)


cdef bint feed(ThriftUpstream *upstream, const char *at, size_t n, bint copy, size_t *used) noexcept nogil:
    # False: the call is over, one way or another.
    cdef ThriftCall *call = upstream.call
    cdef ThriftStream *stream = &upstream.stream
    cdef const char *start = at
    cdef const char *end = at + n
    cdef Span piece
    cdef int event
    cdef int error = THRIFT_NO_ERROR
    while True:
        event = thrift_stream_next(stream, &at, end, &piece)
        if event == STREAM_MORE:
            used[0] = <size_t>(at - start)
            return True
        if event == STREAM_MESSAGE:
            error = begin_reply(upstream) if not stream.compressed else THRIFT_NO_ERROR
        elif event == STREAM_BYTES:
            error = take(upstream, piece, copy)
        elif event == STREAM_END:
            if stream.compressed:
                error = unpack(upstream)
            if error == THRIFT_NO_ERROR:
                error = message_end(&call.reply)
            if error == THRIFT_NO_ERROR:
                upstream.close_after = upstream.close_after or at < end        # bytes behind the reply: nobody asked for them
                complete(upstream)
                return False
        else:
            error = stream.error
        if error != THRIFT_NO_ERROR:
            break_off(call, error)
            return False


cdef void break_off(ThriftCall *call, uint8_t error) noexcept nogil:
    cdef const char *name = thrift_error_name(error)
    call_reply_broken(call, span(name, strlen(name)))


cdef int begin_reply(ThriftUpstream *upstream) noexcept nogil:
    cdef ThriftCall *call = upstream.call
    cdef ThriftStream *stream = &upstream.stream
    cdef int error = message_read(&call.reply, stream, &call.arena, call.down != NULL and conf_of(call.down).keeps_case)
    if error != THRIFT_NO_ERROR or upstream.state == THRIFT_UP_UPGRADING:
        return error
    call_reply_begin(call)
    if call.down != NULL and converts(call.up_protocol, call.down.stream.protocol):
        return message_convert(&call.reply, upstream.engine, call.down.stream.protocol,
                               stream.left if stream.state == STREAM_PAYLOAD else THRIFT_UNBOUNDED, stream.limits)
    return THRIFT_NO_ERROR


cdef int take(ThriftUpstream *upstream, Span piece, bint copy) noexcept nogil:
    cdef ThriftCall *call = upstream.call
    if upstream.stream.compressed:
        if upstream.packed.len + piece.len > message_limits().max_frame_bytes:
            return THRIFT_BAD_FRAME_SIZE
        if not buffer_copy(&upstream.engine.loop.buffers, &upstream.packed, piece.at, piece.len):
            return THRIFT_NO_MEMORY
        return THRIFT_NO_ERROR
    if call.kind == REPLY_MORE and call.reply.envelope.type == THRIFT_REPLY:
        look(call, piece, call.reply.envelope.protocol)
    if call.down == NULL and upstream.state != THRIFT_UP_UPGRADING:
        return THRIFT_NO_ERROR     # nobody reads what a shadow is told
    return message_take(&call.reply, upstream.engine, piece, copy)


cdef void look(ThriftCall *call, Span piece, uint8_t protocol) noexcept nogil:
    # Success or a declared exception: the first bytes of the payload say it, and they may come one by one.
    cdef uint8_t i = 0
    if call.first_len == 0:
        call.kind = <uint8_t>thrift_reply_kind(piece.at, piece.len, protocol)
    if call.kind != REPLY_MORE:
        return
    while i < piece.len and call.first_len < THRIFT_ATOM_MAX:
        call.first[call.first_len] = piece.at[i]
        call.first_len += 1
        i += 1
    call.kind = <uint8_t>thrift_reply_kind(call.first, call.first_len, protocol)


cdef int unpack(ThriftUpstream *upstream) noexcept nogil:
    # A compressed reply is complete.
    cdef uint64_t n = 0
    cdef int error = THRIFT_NO_ERROR
    cdef char *block = message_inflate(upstream.engine, &upstream.packed, &n, &error)
    if block == NULL:
        return error
    error = begin_unpacked(upstream, block, n)
    free(block)
    return error


cdef int begin_unpacked(ThriftUpstream *upstream, const char *at, uint64_t n) noexcept nogil:
    cdef ThriftStream *stream = &upstream.stream
    cdef size_t used = 0
    cdef int error
    if thrift_stream_inflated(stream, at, n, &used) != THRIFT_OK:
        return stream.error
    stream.compressed = False
    stream.state = STREAM_PAYLOAD
    stream.left = n - used
    error = begin_reply(upstream)
    stream.state = STREAM_HEAD
    if error != THRIFT_NO_ERROR:
        return error
    return take(upstream, span(at + used, n - used), True)


cdef void complete(ThriftUpstream *upstream) noexcept nogil:
    cdef ThriftCall *call = upstream.call
    if upstream.state != THRIFT_UP_UPGRADING:
        call_reply_complete(call)
        return
    upstream.upgraded = call.reply.envelope.type == THRIFT_REPLY
    upstream.state = THRIFT_UP_BUSY
    held_fini(&upstream.held)
    message_fini(&call.reply, upstream.engine)
    message_init(&call.reply, &call.arena)
    call.kind = REPLY_MORE
    call.first_len = 0
    call.reply_size = 0
    expect(upstream)
    call_ready(call)


cdef void on_end(Transport *transport, int error) noexcept nogil:
    cdef ThriftUpstream *upstream = <ThriftUpstream *>transport.owner
    if upstream.call != NULL:
        lose(upstream, False)
    else:
        upstream_close(upstream)


cdef void on_high(Transport *transport) noexcept nogil:
    count(<ThriftUpstream *>transport.owner, CLUSTER_FLOW_BACKED_UP, 1)


cdef void on_low(Transport *transport) noexcept nogil:
    count(<ThriftUpstream *>transport.owner, CLUSTER_FLOW_DRAINED, 1)


cdef const char *thrift_up_state_name(uint8_t state) noexcept nogil:
    if state == THRIFT_UP_CONNECTING:
        return b"connecting"
    if state == THRIFT_UP_IDLE:
        return b"idle"
    if state == THRIFT_UP_UPGRADING:
        return b"upgrading"
    return b"busy" if state == THRIFT_UP_BUSY else b"closed"


cdef TransportOps ops
ops.on_connected = on_connected
ops.on_dialled = on_dialled
ops.on_read = on_read
ops.on_end = on_end
ops.on_high = on_high
ops.on_low = on_low
ops.on_flushed = NULL
ops.on_closed = on_closed
