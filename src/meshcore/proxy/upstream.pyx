"""HTTP/1 upstream connections. See upstream.pxd for the law.

One request at a time, no pipelining. A connection goes back to its pool when the response is complete, the request was sent whole and both
sides want to keep it. Bytes that arrive on an idle connection, or after a response, close it: nobody asked for them.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from meshcore.base.arena cimport arena_take
from meshcore.base.atomics cimport atomic_add
from meshcore.base.buffer cimport CHUNK
from meshcore.base.clock cimport clock_ms, clock_ns
from meshcore.base.held cimport held_append, held_drop, held_fini
from meshcore.base.slab cimport slab_free, slab_new
from meshcore.base.span cimport span
from meshcore.base.wheel cimport Timer, timer_cancel, timer_init, wheel_arm
from meshcore.cluster.breaker cimport *
from meshcore.cluster.host cimport HOST_CX_ACTIVE, HOST_CX_TOTAL
from meshcore.codec.head cimport *
from meshcore.codec.http1 cimport *
from meshcore.codec.http1_body cimport http1_body_begin, http1_body_next
from meshcore.codec.http1_parse cimport http1_parse_response
from meshcore.codec.http1_write cimport *
from meshcore.conf.stat_ids cimport *
from meshcore.conf.tables cimport ClusterConf
from meshcore.io.loop cimport loop_error_text
from meshcore.io.transport cimport *
from meshcore.observe.counters cimport gauge_add, histogram_record, stat_add
from meshcore.proxy.objects cimport *
from meshcore.proxy.pool cimport *
from meshcore.proxy.attempt cimport *
from meshcore.proxy.attempt_response cimport *
from meshcore.proxy.failure cimport attempt_failed
from meshcore.proxy.stream cimport stream_trailers

from libc.string cimport strlen

cdef extern from "<errno.h>" nogil:
    int ECONNREFUSED

cdef enum:
    NS_PER_MS = 1000000
    COPY_MAX = 2048


cdef inline ClusterConf *conf_of(Upstream *upstream) noexcept nogil:
    return upstream.pool.cluster.conf


cdef inline void count(Upstream *upstream, int stat, int64_t n) noexcept nogil:
    stat_add(upstream.engine.stats, upstream.pool.cluster.conf.stats[stat], n)


cdef inline void gauge(Upstream *upstream, int stat, int64_t n) noexcept nogil:
    gauge_add(upstream.engine.stats, upstream.pool.cluster.conf.stats[stat], n)


# --- life -----------------------------------------------------------------------------------------------------------


cdef Upstream *upstream_dial(Pool *pool, Span *failure) noexcept nogil:
    cdef Engine *engine = pool.cluster.engine
    cdef ClusterConf *conf = pool.cluster.conf
    cdef Upstream *upstream = <Upstream *>slab_new(&engine.upstreams)
    cdef int error = 0
    failure[0] = span(b"", 0)
    if upstream == NULL:
        return NULL
    upstream.transport = transport_dial(&engine.loop, &pool.host.address, &conf.bind_address, &ops, upstream, &error)
    if upstream.transport == NULL:
        slab_free(&engine.upstreams, upstream)
        failure[0] = error_text(error)
        stat_add(engine.stats, conf.stats[CLUSTER_CX_TOTAL], 1)
        stat_add(engine.stats, conf.stats[CLUSTER_CX_CONNECT_FAIL], 1)
        return NULL
    upstream.engine = engine
    upstream.pool = pool
    upstream.link = NULL
    upstream.attempt = NULL
    upstream.held.at = NULL
    upstream.held.len = 0
    upstream.held.cap = 0
    upstream.state = UP_CONNECTING
    upstream.close_after = False
    upstream.local_close = False
    upstream.end_seen = False
    upstream.requests = 0
    upstream.skip = 0
    engine.next_id += 1
    upstream.id = engine.next_id
    upstream.started_ns = clock_ns(&engine.loop.clock)
    upstream.transport.high = conf.buffer_limit
    timer_init(&upstream.timer, on_timer, upstream)
    timer_init(&upstream.age, on_age, upstream)
    wheel_arm(&engine.loop.wheel, &upstream.timer, clock_ms(&engine.loop.clock) + conf.connect_ms)
    breaker_take(&conf.breakers[pool.priority], RESOURCE_CONNECTIONS)
    pool.live += 1
    count(upstream, CLUSTER_CX_TOTAL, 1)
    if pool.pending == NULL or not pool.pending.stream.http.route.connect_terminate:
        count(upstream, CLUSTER_CX_HTTP1_TOTAL, 1)
    gauge(upstream, CLUSTER_CX_ACTIVE, 1)
    atomic_add(&pool.host.stats[HOST_CX_TOTAL], 1)
    atomic_add(&pool.host.stats[HOST_CX_ACTIVE], 1)
    return upstream


cdef Span error_text(int error) noexcept nogil:
    # Envoy's transport failure reason for a refused or reset dial.
    cdef const char *text
    if error == -ECONNREFUSED:
        return span(b"delayed connect error: Connection refused", 41)
    text = loop_error_text(error)
    return span(text, strlen(text))


cdef void on_connected(Transport *transport, int error) noexcept nogil:
    cdef Upstream *upstream = <Upstream *>transport.owner
    cdef ClusterConf *conf = conf_of(upstream)
    if error < 0:
        close_failed(upstream, RESET_CONNECT_REFUSED, error_text(error))
        return
    timer_cancel(&upstream.engine.loop.wheel, &upstream.timer)
    histogram_record(upstream.engine.stats, conf.cx_connect_ms,
                     (clock_ns(&upstream.engine.loop.clock) - upstream.started_ns) // NS_PER_MS)
    if conf.keepalive:
        transport_keepalive(transport, conf.keepalive_probes, conf.keepalive_time_s, conf.keepalive_interval_s)
    if conf.max_connection_ms:
        wheel_arm(&upstream.engine.loop.wheel, &upstream.age, clock_ms(&upstream.engine.loop.clock) + conf.max_connection_ms)
    transport_local(transport, &upstream.local)
    transport_read_start(transport)
    rest(upstream)
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


cdef void on_closed(Transport *transport) noexcept nogil:
    cdef Upstream *upstream = <Upstream *>transport.owner
    cdef Pool *pool = upstream.pool
    held_fini(&upstream.held)
    slab_free(&upstream.engine.upstreams, upstream)
    pool.live -= 1
    pool_let_go(pool)


cdef void rest(Upstream *upstream) noexcept nogil:
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
        upstream.local_close = True
        upstream_close(upstream)
    elif upstream.state == UP_IDLE:
        wheel_arm(&upstream.engine.loop.wheel, timer, due)
    # busy: rest() arms it again


cdef void on_age(Timer *timer) noexcept nogil:
    cdef Upstream *upstream = <Upstream *>timer.owner
    count(upstream, CLUSTER_CX_MAX_DURATION_REACHED, 1)
    upstream.close_after = True
    if upstream.state == UP_IDLE:
        upstream.local_close = True
        upstream_close(upstream)


# --- requests out ---------------------------------------------------------------------------------------------------


cdef void upstream_begin(Upstream *upstream, Attempt *attempt) noexcept nogil:
    upstream.attempt = attempt
    attempt.upstream = upstream
    attempt.reused = upstream.requests > 0
    upstream.requests += 1
    upstream.state = UP_HEAD
    upstream.skip = 0
    if conf_of(upstream).max_requests and upstream.requests >= conf_of(upstream).max_requests:
        upstream.close_after = True
        count(upstream, CLUSTER_CX_MAX_REQUESTS, 1)


cdef bint body_expected(Head *head) noexcept nogil:
    # Methods whose empty body is said by Content-Length: 0 (RFC 9110, 8.6).
    return not (span_eq(head.method, b"GET", 3) or span_eq(head.method, b"HEAD", 4) or span_eq(head.method, b"DELETE", 6)
                or span_eq(head.method, b"TRACE", 5) or span_eq(head.method, b"CONNECT", 7))


cdef inline bint span_eq(Span a, const char *text, size_t n) noexcept nogil:
    cdef size_t i
    if a.len != n:
        return False
    for i in range(n):
        if a.at[i] != text[i]:
            return False
    return True


cdef void frame_request(Attempt *attempt, bint end) noexcept nogil:
    cdef Stream *stream = attempt.stream
    cdef Head *head = &stream.request
    head_drop(head, H_TRANSFER_ENCODING)
    if head_has(head, H_CONTENT_LENGTH) or stream.bits & STREAM_CONNECT:
        return
    if stream.bits & STREAM_UPGRADE:
        return
    if not end:
        head_set(head, H_TRANSFER_ENCODING, span(b"chunked", 7))
        attempt.chunked = True
    elif body_expected(head):
        head_set(head, H_CONTENT_LENGTH, span(b"0", 1))


cdef void upstream_send_raw(Upstream *upstream, Attempt *attempt) noexcept nogil:
    # CONNECT is terminated here: the connection carries the tunnel's bytes and no HTTP.
    attempt.head_sent = True
    attempt.end_sent = False
    attempt.raw = True
    upstream.message.framing = BODY_RAW
    upstream.close_after = True
    http1_body_begin(&upstream.body, &upstream.message)
    upstream.state = UP_BODY


cdef void upstream_send_head(Upstream *upstream, Attempt *attempt, bint end) noexcept nogil:
    cdef Head *head = &attempt.stream.request
    cdef ClusterConf *conf = conf_of(upstream)
    cdef size_t bound
    cdef size_t n
    cdef char *room
    frame_request(attempt, end)
    bound = http1_head_bound(head)
    if bound <= CHUNK:
        room = transport_reserve(upstream.transport, bound)
        if room == NULL:
            upstream.transport.failed = True
            return
        n = http1_write_request(head, &conf.http1, conf.send_full_url, room)
        transport_commit(upstream.transport, n)
    else:
        room = <char *>arena_take(&attempt.stream.arena, bound)
        if room == NULL:
            upstream.transport.failed = True
            return
        n = http1_write_request(head, &conf.http1, conf.send_full_url, room)
        transport_copy(upstream.transport, room, n)
    count(upstream, CLUSTER_CX_TX_BYTES, <int64_t>n)
    attempt.stream.record.upstream_header_tx += http1_fields_len(room, n)
    attempt.stream.record.upstream_wire_tx += n
    attempt.head_sent = True
    attempt.end_sent = end
    transport_flush(upstream.transport)


cdef inline void append(Transport *transport, const char *at, size_t n) noexcept nogil:
    if n <= COPY_MAX:
        transport_copy(transport, at, n)
    else:
        transport_append(transport, at, n)


cdef void upstream_send_span(Upstream *upstream, Attempt *attempt, Span data, bint end) noexcept nogil:
    cdef Transport *transport = upstream.transport
    cdef uint64_t before = transport.out.len
    cdef char size[24]
    if attempt.chunked:
        if data.len > 0:
            transport_copy(transport, size, http1_write_chunk_size(data.len, size))
            append(transport, data.at, data.len)
            transport_copy(transport, b"\r\n0\r\n\r\n", 7 if end else 2)
        elif end:
            transport_copy(transport, b"0\r\n\r\n", 5)
    else:
        append(transport, data.at, data.len)
    sent(upstream, attempt, transport.out.len - before, end)


cdef void upstream_send_buffer(Upstream *upstream, Attempt *attempt, Buffer *data, bint end) noexcept nogil:
    cdef Transport *transport = upstream.transport
    cdef uint64_t before = transport.out.len
    cdef uint64_t len = data.len
    cdef char size[24]
    if attempt.chunked:
        if len > 0:
            transport_copy(transport, size, http1_write_chunk_size(len, size))
            transport_move(transport, data)
            transport_copy(transport, b"\r\n0\r\n\r\n", 7 if end else 2)
        elif end:
            transport_copy(transport, b"0\r\n\r\n", 5)
    else:
        transport_move(transport, data)
    sent(upstream, attempt, transport.out.len - before, end)


cdef void sent(Upstream *upstream, Attempt *attempt, uint64_t n, bint end) noexcept nogil:
    count(upstream, CLUSTER_CX_TX_BYTES, <int64_t>n)
    attempt.stream.record.upstream_wire_tx += n
    attempt.sent_bytes += n
    if end:
        attempt.end_sent = True
        if attempt.stream.bits & STREAM_TUNNEL:
            transport_finish(upstream.transport)
    transport_flush(upstream.transport)


cdef void upstream_send_trailers(Upstream *upstream, Attempt *attempt, Head *trailers) noexcept nogil:
    cdef char *room
    cdef size_t n
    if not attempt.chunked:
        attempt.end_sent = True
        return
    if not conf_of(upstream).http1.enable_trailers:
        transport_copy(upstream.transport, b"0\r\n\r\n", 5)
        sent(upstream, attempt, 5, True)
        return
    room = <char *>arena_take(&attempt.stream.arena, http1_head_bound(trailers))
    if room == NULL:
        upstream.transport.failed = True
        return
    n = http1_write_trailers(trailers, room)
    transport_copy(upstream.transport, room, n)
    sent(upstream, attempt, n, True)


# --- responses in ---------------------------------------------------------------------------------------------------


cdef void on_read(Transport *transport, const char *at, size_t n) noexcept nogil:
    cdef Upstream *upstream = <Upstream *>transport.owner
    cdef size_t used
    count(upstream, CLUSTER_CX_RX_BYTES, <int64_t>n)
    if upstream.state == UP_IDLE:
        upstream.local_close = True
        upstream_close(upstream)   # nothing was asked
        return
    if upstream.attempt != NULL:
        upstream.attempt.stream.record.upstream_wire_rx += n
    if upstream.held.len == 0:
        used = consume(upstream, at, n)
        if used < n and upstream.state < UP_CLOSED and not held_append(&upstream.held, at + used, n - used):
            fail(upstream, RESET_LOCAL)
        return
    if not held_append(&upstream.held, at, n):
        fail(upstream, RESET_LOCAL)
        return
    used = consume(upstream, upstream.held.at, upstream.held.len)
    transport_flush_all(&upstream.engine.loop)
    if used > 0:
        held_drop(&upstream.held, used)


cdef size_t consume(Upstream *upstream, const char *start, size_t n) noexcept nogil:
    cdef const char *at = start
    cdef const char *end = start + n
    cdef bint going = True
    while going and at < end:
        if upstream.state == UP_HEAD:
            going = take_head(upstream, &at, end)
        elif upstream.state == UP_BODY:
            going = take_body(upstream, &at, end)
        else:
            return n               # closed
    return at - start


cdef bint take_head(Upstream *upstream, const char **at, const char *end) noexcept nogil:
    cdef Attempt *attempt = upstream.attempt
    cdef Stream *stream = attempt.stream
    cdef Head *head = &stream.response
    cdef size_t used = 0
    cdef int result
    if stream.bits & STREAM_RESPONSE_HEAD or stream.bits & STREAM_LOCAL_REPLY:
        fail(upstream, RESET_LOCAL)
        at[0] = end
        return False
    head_init(head, &stream.arena, True)
    result = http1_parse_response(at[0], end - at[0], upstream.skip, &conf_of(upstream).http1, stream.bits & STREAM_HEAD_REQUEST != 0,
                                  stream.bits & STREAM_CONNECT != 0, head, &upstream.message, &used)
    if result == HTTP1_MORE:
        upstream.skip = <uint32_t>(end - at[0])
        return False
    upstream.skip = 0
    if result == HTTP1_ERROR:
        at[0] = end
        count(upstream, CLUSTER_CX_PROTOCOL_ERROR, 1)
        upstream.local_close = True
        fail(upstream, RESET_HEADERS_TOO_LARGE if upstream.message.error == HTTP1_HEAD_TOO_LARGE else RESET_PROTOCOL)
        return False
    at[0] += used
    if head.status < 200 and head.status >= 100 and head.status != 101:
        attempt_interim(attempt, head)
        return upstream.state == UP_HEAD
    if stream.record.upstream_first_rx_ns == 0:
        stream.record.upstream_first_rx_ns = clock_ns(&upstream.engine.loop.clock)
    stream.record.upstream_header_rx += head.bytes
    begin_response(upstream, attempt, head, at[0] < end)
    return upstream.state == UP_BODY


cdef void begin_response(Upstream *upstream, Attempt *attempt, Head *head, bint more) noexcept nogil:
    cdef Stream *stream = attempt.stream
    cdef bint end
    if upstream.message.framing == BODY_RAW:
        if head.status == 101 and stream.bits & STREAM_UPGRADE == 0:
            count(upstream, CLUSTER_CX_PROTOCOL_ERROR, 1)
            upstream.local_close = True
            fail(upstream, RESET_PROTOCOL)         # nobody asked to upgrade
            return
        stream.bits |= STREAM_TUNNEL
        attempt_tunnel_opened(attempt)
    if not upstream.message.keep_alive or upstream.message.framing == BODY_RAW:
        if not upstream.close_after and upstream.message.framing != BODY_RAW and (
                upstream.message.framing != BODY_UNTIL_CLOSE or head.version == HTTP_10):
            count(upstream, CLUSTER_CX_CLOSE_NOTIFY, 1)
        upstream.close_after = True
    http1_body_begin(&upstream.body, &upstream.message)
    end = upstream.message.framing == BODY_NONE
    upstream.state = UP_BODY
    if end:
        finish_response(upstream, attempt, more)
    attempt_response_head(attempt, end)


cdef void finish_response(Upstream *upstream, Attempt *attempt, bint more) noexcept nogil:
    # The response is complete: from here the connection no longer belongs to the attempt. `more`: bytes follow that nobody asked for, so
    # the connection is out of step and must not serve another request.
    cdef bint reusable = attempt.end_sent and not upstream.close_after and not upstream.transport.failed and not more
    attempt.stream.record.upstream_last_rx_ns = clock_ns(&upstream.engine.loop.clock)
    attempt.upstream = NULL
    upstream.attempt = NULL
    if attempt.pausing:
        attempt.pausing = False
        upstream_resume(upstream)
    if more:
        count(upstream, CLUSTER_CX_PROTOCOL_ERROR, 1)
    if reusable:
        rest(upstream)
        pool_give_back(upstream)
        return
    upstream.local_close = not upstream.end_seen
    if not attempt.end_sent:
        count(upstream, CLUSTER_CX_DESTROY_WITH_RQ, 1)
        count(upstream, CLUSTER_CX_DESTROY_LOCAL_WITH_RQ if upstream.local_close else CLUSTER_CX_DESTROY_REMOTE_WITH_RQ, 1)
    upstream_close(upstream)


cdef bint take_body(Upstream *upstream, const char **at, const char *end) noexcept nogil:
    cdef Attempt *attempt = upstream.attempt
    cdef Stream *stream = attempt.stream
    cdef Head *trailers = NULL
    cdef Span data
    cdef bint over
    cdef int event
    if conf_of(upstream).http1.enable_trailers:
        trailers = stream_trailers(stream, &stream.trailers, True)
    event = http1_body_next(&upstream.body, at, end, &conf_of(upstream).http1, trailers, &data)
    if event == EVENT_MORE:
        return False
    if event == EVENT_ERROR:
        at[0] = end
        count(upstream, CLUSTER_CX_PROTOCOL_ERROR, 1)
        upstream.local_close = True
        fail(upstream, RESET_PROTOCOL)
        return False
    if event == EVENT_BODY:
        over = upstream.body.state == BODY_DONE
        if over:
            finish_response(upstream, attempt, at[0] < end)
        attempt_response_data(attempt, data, over)
        return not over and upstream.state == UP_BODY
    finish_response(upstream, attempt, at[0] < end)
    if event == EVENT_TRAILERS:
        attempt_response_trailers(attempt)
    else:
        attempt_response_data(attempt, span(b"", 0), True)
    return False


cdef void fail(Upstream *upstream, uint8_t reason) noexcept nogil:
    # The connection is of no more use; its attempt hears it after everything here is in order.
    cdef Attempt *attempt = upstream.attempt
    cdef bint local = upstream.local_close
    if attempt != NULL:
        count(upstream, CLUSTER_CX_DESTROY_WITH_RQ, 1)
        count(upstream, CLUSTER_CX_DESTROY_LOCAL_WITH_RQ if local else CLUSTER_CX_DESTROY_REMOTE_WITH_RQ, 1)
        upstream.attempt = NULL
        attempt.upstream = NULL
    upstream_close(upstream)
    if attempt != NULL:
        attempt_failed(attempt, reason, span(b"", 0))


cdef void on_end(Transport *transport, int error) noexcept nogil:
    cdef Upstream *upstream = <Upstream *>transport.owner
    cdef Attempt *attempt = upstream.attempt
    if upstream.state == UP_CLOSED:
        return
    if upstream.state == UP_BODY and upstream.body.state == BODY_OPEN and error == 0 and (
            upstream.message.framing != BODY_RAW or attempt.raw):
        upstream.end_seen = not attempt.raw
        finish_response(upstream, attempt, False)
        attempt_response_data(attempt, span(b"", 0), True)
        return
    if (upstream.state == UP_HEAD and upstream.skip > 0) or (upstream.state == UP_BODY and upstream.message.framing != BODY_RAW):
        count(upstream, CLUSTER_CX_PROTOCOL_ERROR, 1)      # it left inside a message
        fail(upstream, RESET_PROTOCOL)
        return
    fail(upstream, RESET_TERMINATION)


cdef void upstream_abandon(Upstream *upstream) noexcept nogil:
    cdef Attempt *attempt = upstream.attempt
    upstream.local_close = True
    if attempt != NULL:
        count(upstream, CLUSTER_CX_DESTROY_WITH_RQ, 1)
        count(upstream, CLUSTER_CX_DESTROY_LOCAL_WITH_RQ, 1)
        upstream.attempt = NULL
        attempt.upstream = NULL
    upstream_close(upstream)


# --- flow -----------------------------------------------------------------------------------------------------------


cdef void upstream_pause(Upstream *upstream) noexcept nogil:
    if upstream.transport.reading:
        count(upstream, CLUSTER_FLOW_PAUSED, 1)
        transport_read_stop(upstream.transport)


cdef void upstream_resume(Upstream *upstream) noexcept nogil:
    if not upstream.transport.reading and upstream.state < UP_CLOSED:
        count(upstream, CLUSTER_FLOW_RESUMED, 1)
        transport_read_start(upstream.transport)


cdef void on_high(Transport *transport) noexcept nogil:
    cdef Upstream *upstream = <Upstream *>transport.owner
    if upstream.attempt != NULL:
        count(upstream, CLUSTER_FLOW_BACKED_UP, 1)
        attempt_upload_full(upstream.attempt)


cdef void on_low(Transport *transport) noexcept nogil:
    cdef Upstream *upstream = <Upstream *>transport.owner
    if upstream.attempt != NULL:
        count(upstream, CLUSTER_FLOW_DRAINED, 1)
        attempt_upload_low(upstream.attempt)


cdef TransportOps ops
ops.on_connected = on_connected
ops.on_read = on_read
ops.on_end = on_end
ops.on_high = on_high
ops.on_low = on_low
ops.on_flushed = NULL
ops.on_closed = on_closed


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
