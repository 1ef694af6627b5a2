"""HTTP/2 upstream connections: attempts to streams, frames to attempt events. See upstream.pxd.

The pool gives a connection as many attempts as it has room for: our max_concurrent_streams, and the peer's. After GOAWAY it gets no more and
ends with the last one. An attempt that gives up resets its stream alone. A connection ends in upstream_close.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset

from meshcore.base.arena cimport arena_take
from meshcore.base.buffer cimport Buffer
from meshcore.base.clock cimport clock_ms, clock_ns
from meshcore.base.random cimport random_u64
from meshcore.base.slab cimport slab_free, slab_new
from meshcore.base.span cimport Span, span
from meshcore.base.wheel cimport Timer, timer_cancel, timer_init, wheel_arm
from meshcore.codec.head cimport *
from meshcore.codec.http2 cimport *
from meshcore.codec.http2_native cimport NGHTTP2_INTERNAL_ERROR, NGHTTP2_PROTOCOL_ERROR, NGHTTP2_REFUSED_STREAM
from meshcore.codec.http2_session cimport *
from meshcore.conf.stat_ids cimport *
from meshcore.conf.tables cimport ClusterConf
from meshcore.io.transport cimport *
from meshcore.proxy.attempt cimport *
from meshcore.proxy.attempt_response cimport *
from meshcore.proxy.failure cimport attempt_failed
from meshcore.proxy.http2.objects cimport *
from meshcore.proxy.http2.tunnel cimport http2_tunnel_opened
from meshcore.proxy.objects cimport *
from meshcore.proxy.pool cimport pool_give_back, pool_no_more, pool_stream_over
from meshcore.proxy.stream cimport stream_trailers
from meshcore.proxy.upstream cimport upstream_close, upstream_closed, upstream_count, upstream_lost, upstream_rest

cdef enum:
    NS_PER_MS = 1000000
    LAST_STREAM = (1 << 30) - 1    # odd numbers below 2^31 (RFC 9113, 5.1.1)


cdef inline void count(Http2Upstream *upstream, int stat, int64_t n) noexcept nogil:
    upstream_count(&upstream.base, stat, n)


# --- life -----------------------------------------------------------------------------------------------------------


cdef Upstream *http2_upstream_new(Engine *engine, ClusterConf *conf) noexcept nogil:
    cdef Http2Upstream *upstream = <Http2Upstream *>slab_new(&engine.http2_upstreams)
    if upstream == NULL:
        return NULL
    memset(upstream, 0, sizeof(Http2Upstream))
    upstream.base.ops = &up_ops
    upstream.base.engine = engine
    upstream.base.version = HTTP_2
    upstream.base.room = conf.http2.max_streams
    timer_init(&upstream.keepalive, on_keepalive, upstream)
    return &upstream.base


cdef bint opened(Upstream *base) noexcept nogil:
    cdef Http2Upstream *upstream = <Http2Upstream *>base
    cdef Http2Session *session = &upstream.session
    session.ops = &session_ops
    session.options = &base.pool.cluster.conf.http2
    session.owner = upstream
    session.pool = &base.engine.loop.buffers
    session.blocks = &base.engine.loop.blocks
    session.slab = &base.engine.http2_streams
    session.memory = &base.engine.http2_memory
    session.out = &base.transport.out
    session.stats = base.engine.stats
    session.slots = base.pool.cluster.conf.http2_stats
    session.mark = session.stream_mark = base.transport.high
    base.transport.ops = &ops
    upstream.heard_ns = clock_ns(&base.engine.loop.clock)
    arm_keepalive(upstream)
    http2_flush(&(<Http2Upstream *>base).session, base.transport)
    return http2_session_init(session, False)


cdef void free_one(Upstream *base) noexcept nogil:
    cdef Http2Upstream *upstream = <Http2Upstream *>base
    timer_cancel(&base.engine.loop.wheel, &upstream.keepalive)
    if upstream.session.native != NULL:
        http2_session_fini(&upstream.session)
    slab_free(&base.engine.http2_upstreams, upstream)


cdef void fail(Http2Upstream *upstream, int reason) noexcept nogil:
    # The connection is of no more use; its attempts hear it after everything here is in order.
    cdef Http2Stream *server
    cdef Attempt *attempt
    if upstream.base.state == UP_CLOSED:
        return
    upstream.session.dead = True
    if upstream.base.streams > 0:
        upstream_lost(&upstream.base)
    upstream_close(&upstream.base)
    # What fails may start another try, never on this connection; and it may end others of these attempts.
    server = upstream.session.streams
    while server != NULL:
        if server.owner == NULL:
            server = server.next
            continue
        attempt = <Attempt *>server.owner
        let_go(upstream, attempt)
        if reason == RESET_TERMINATION:
            count(upstream, CLUSTER_RQ_PENDING_FAILURE_EJECT, 1)       # as Envoy counts streams whose connection ended
        attempt_failed(attempt, reason, span(b"", 0))
        server = upstream.session.streams


cdef void let_go(Http2Upstream *upstream, Attempt *attempt) noexcept nogil:
    attempt.server.owner = NULL
    attempt.server = NULL
    attempt.upstream = NULL


# --- keep-alive -----------------------------------------------------------------------------------------------------


cdef void arm_keepalive(Http2Upstream *upstream) noexcept nogil:
    cdef const Http2Options *options = upstream.session.options
    cdef Engine *engine = upstream.base.engine
    cdef uint64_t wait = options.keepalive_ms
    if wait == 0:
        return
    if options.keepalive_jitter:
        wait += random_u64(&engine.loop.random) % (wait * options.keepalive_jitter // 100 + 1)
    wheel_arm(&engine.loop.wheel, &upstream.keepalive, clock_ms(&engine.loop.clock) + wait)


cdef void ping(Http2Upstream *upstream) noexcept nogil:
    upstream.ping_out = True
    http2_ping(&upstream.session)
    wheel_arm(&upstream.base.engine.loop.wheel, &upstream.keepalive,
              clock_ms(&upstream.base.engine.loop.clock) + upstream.session.options.keepalive_timeout_ms)
    http2_flush(&upstream.session, upstream.base.transport)


cdef void on_keepalive(Timer *timer) noexcept nogil:
    cdef Http2Upstream *upstream = <Http2Upstream *>timer.owner
    if upstream.base.state == UP_CLOSED:
        return
    if upstream.ping_out:
        http2_count(&upstream.session, HTTP2_KEEPALIVE_TIMEOUT, 1)
        upstream.base.local_close = True
        fail(upstream, RESET_TERMINATION)
        return
    ping(upstream)


cdef void on_pong(Http2Session *session) noexcept nogil:
    cdef Http2Upstream *upstream = <Http2Upstream *>session.owner
    upstream.ping_out = False
    timer_cancel(&upstream.base.engine.loop.wheel, &upstream.keepalive)
    arm_keepalive(upstream)


# --- requests out ---------------------------------------------------------------------------------------------------


cdef void begin(Upstream *base, Attempt *attempt) noexcept nogil:
    cdef Http2Upstream *upstream = <Http2Upstream *>base
    cdef uint64_t quiet = upstream.session.options.keepalive_idle_ms
    attempt.upstream = base
    attempt.server = NULL
    base.requests += 1
    base.state = UP_HEAD
    if quiet and not upstream.ping_out and clock_ns(&base.engine.loop.clock) - upstream.heard_ns >= quiet * NS_PER_MS:
        ping(upstream)             # is it still there?
    if base.requests >= LAST_STREAM:
        base.close_after = True
    elif base.pool.cluster.conf.max_requests and base.requests >= base.pool.cluster.conf.max_requests:
        base.close_after = True
        count(upstream, CLUSTER_CX_MAX_REQUESTS, 1)


cdef void send_head(Upstream *base, Attempt *attempt, bint end) noexcept nogil:
    cdef Http2Upstream *upstream = <Http2Upstream *>base
    cdef Stream *stream = attempt.stream
    attempt.server = http2_request(&upstream.session, &stream.request, end, attempt)
    attempt.head_sent = True
    attempt.end_sent = end
    http2_flush(&(<Http2Upstream *>base).session, base.transport)
    if attempt.server != NULL:
        attempt.server.head = <Head *>arena_take(&stream.arena, sizeof(Head))
    if attempt.server == NULL or attempt.server.head == NULL:
        upstream.session.error = HTTP2_MEMORY      # the connection ends when this event is over
        return
    head_init(attempt.server.head, &stream.arena, True)


cdef inline void sent(Upstream *base, Attempt *attempt, uint64_t n, bint end) noexcept nogil:
    attempt.stream.record.upstream_wire_tx += n
    attempt.sent_bytes += n
    attempt.end_sent = attempt.end_sent or end
    if end and attempt.answered:
        finish(<Http2Upstream *>base, attempt)
    http2_flush(&(<Http2Upstream *>base).session, base.transport)


cdef void send_span(Upstream *base, Attempt *attempt, Span data, bint end) noexcept nogil:
    if attempt.server != NULL:
        http2_send_span(attempt.server, data, end)
    sent(base, attempt, data.len, end)


cdef void send_buffer(Upstream *base, Attempt *attempt, Buffer *data, bint end) noexcept nogil:
    cdef uint64_t n = data.len
    if attempt.server != NULL:
        http2_send_buffer(attempt.server, data, end)
    sent(base, attempt, n, end)


cdef void send_trailers(Upstream *base, Attempt *attempt, Head *trailers) noexcept nogil:
    if attempt.server != NULL:
        http2_send_trailers(attempt.server, trailers)
    sent(base, attempt, 0, True)


cdef void abandon(Upstream *base, Attempt *attempt) noexcept nogil:
    cdef Http2Stream *server = attempt.server
    upstream_count(base, CLUSTER_RQ_TX_RESET, 1)
    if server != NULL:
        let_go(<Http2Upstream *>base, attempt)
        http2_reset(server, NGHTTP2_INTERNAL_ERROR)
        http2_flush(&(<Http2Upstream *>base).session, base.transport)
    attempt.upstream = NULL
    over(<Http2Upstream *>base)


# --- responses in ---------------------------------------------------------------------------------------------------


cdef void over(Http2Upstream *upstream) noexcept nogil:
    # One attempt less.
    if upstream.base.state == UP_CLOSED:
        return
    if upstream.base.streams == 1:
        upstream_rest(&upstream.base)
    pool_stream_over(&upstream.base)


cdef void finish(Http2Upstream *upstream, Attempt *attempt) noexcept nogil:
    # The response is complete: from here the stream no longer belongs to the attempt.
    cdef Http2Stream *server = attempt.server
    attempt.stream.record.upstream_last_rx_ns = clock_ns(&upstream.base.engine.loop.clock)
    let_go(upstream, attempt)
    attempt.pausing = False
    if not attempt.end_sent:
        count(upstream, CLUSTER_RQ_TX_RESET, 1)
        http2_reset(server, NGHTTP2_INTERNAL_ERROR)        # nobody wants the rest of the request
        http2_flush(&upstream.session, upstream.base.transport)
    http2_detach(server)
    over(upstream)


cdef bint on_open(Http2Stream *server) noexcept nogil:
    return False                   # nothing is pushed: our settings say so


cdef void on_head(Http2Stream *server, bint end) noexcept nogil:
    cdef Attempt *attempt = <Attempt *>server.owner
    cdef Stream *stream = attempt.stream
    cdef Http2Upstream *upstream = <Http2Upstream *>server.session.owner
    cdef Head *head = server.head
    if stream.bits & STREAM_RESPONSE_HEAD or stream.bits & STREAM_LOCAL_REPLY:
        reset(upstream, attempt, RESET_LOCAL)
        return
    stream.record.upstream_wire_rx += head.bytes
    stream.response = head[0]
    if head.status < 200:
        head_init(head, &stream.arena, True)
        attempt_interim(attempt, &stream.response)
        return
    if stream.record.upstream_first_rx_ns == 0:
        stream.record.upstream_first_rx_ns = clock_ns(&upstream.base.engine.loop.clock)
    stream.record.upstream_header_rx += head.bytes
    if stream.bits & STREAM_UPGRADE and http2_tunnel_opened(stream):
        attempt_tunnel_opened(attempt)
    if end:
        finish(upstream, attempt)
    attempt_response_head(attempt, end)


cdef void on_data(Http2Stream *server, Span data) noexcept nogil:
    cdef Attempt *attempt = <Attempt *>server.owner
    attempt.stream.record.upstream_wire_rx += data.len
    attempt_response_data(attempt, data, False)


cdef void end_answer(Http2Stream *server, Attempt *attempt) noexcept nogil:
    if attempt.stream.bits & STREAM_TCP and not attempt.end_sent:
        attempt.answered = True    # the other direction of a tunnel goes on
    else:
        finish(<Http2Upstream *>server.session.owner, attempt)


cdef void on_end(Http2Stream *server) noexcept nogil:
    cdef Attempt *attempt = <Attempt *>server.owner
    end_answer(server, attempt)
    attempt_response_data(attempt, span(b"", 0), True)


cdef Head *on_trailers_head(Http2Stream *server) noexcept nogil:
    cdef Attempt *attempt = <Attempt *>server.owner
    return stream_trailers(attempt.stream, &attempt.stream.trailers, True)


cdef void on_trailers(Http2Stream *server) noexcept nogil:
    cdef Attempt *attempt = <Attempt *>server.owner
    end_answer(server, attempt)
    attempt_response_trailers(attempt)


cdef void reset(Http2Upstream *upstream, Attempt *attempt, int reason) noexcept nogil:
    cdef Http2Stream *server = attempt.server
    let_go(upstream, attempt)
    http2_reset(server, NGHTTP2_INTERNAL_ERROR)
    over(upstream)
    attempt_failed(attempt, reason, span(b"", 0))


cdef void on_stream_closed(Http2Stream *server, uint32_t code) noexcept nogil:
    # Gone before its response was complete.
    cdef Attempt *attempt = <Attempt *>server.owner
    cdef Http2Upstream *upstream = <Http2Upstream *>server.session.owner
    cdef int reason = RESET_REMOTE
    if server.wrong or (code == NGHTTP2_PROTOCOL_ERROR and server.bits & HTTP2_PEER_RESET == 0):
        reason = RESET_PROTOCOL
        count(upstream, CLUSTER_RQ_TX_RESET, 1)
    elif code == NGHTTP2_REFUSED_STREAM:
        reason = RESET_REFUSED
    else:
        count(upstream, CLUSTER_RQ_RX_RESET, 1)
    let_go(upstream, attempt)
    over(upstream)
    attempt_failed(attempt, reason, span(b"", 0))


cdef void on_settings(Http2Session *session) noexcept nogil:
    cdef Http2Upstream *upstream = <Http2Upstream *>session.owner
    cdef uint32_t most = http2_peer_max_streams(session)
    upstream.base.room = most if most < session.options.max_streams else session.options.max_streams
    if upstream.base.state != UP_CLOSED and not upstream.base.close_after:
        pool_give_back(&upstream.base)


cdef void on_goaway(Http2Session *session, uint32_t code) noexcept nogil:
    cdef Http2Upstream *upstream = <Http2Upstream *>session.owner
    count(upstream, CLUSTER_CX_CLOSE_NOTIFY, 1)
    if upstream.base.state != UP_CLOSED:
        pool_no_more(&upstream.base)


cdef void on_stream_high(Http2Stream *server) noexcept nogil:
    attempt_upload_full(<Attempt *>server.owner)


cdef void on_stream_low(Http2Stream *server) noexcept nogil:
    attempt_upload_low(<Attempt *>server.owner)


cdef Http2Ops session_ops
session_ops.on_open = on_open
session_ops.on_trailers_head = on_trailers_head
session_ops.on_head = on_head
session_ops.on_data = on_data
session_ops.on_trailers = on_trailers
session_ops.on_end = on_end
session_ops.on_closed = on_stream_closed
session_ops.on_high = on_stream_high
session_ops.on_low = on_stream_low
session_ops.on_settings = on_settings
session_ops.on_goaway = on_goaway
session_ops.on_pong = on_pong


# --- the transport --------------------------------------------------------------------------------------------------


cdef void broken(Http2Upstream *upstream) noexcept nogil:
    # As Envoy has it, the stream that was wrong is reset before the connection ends.
    cdef Http2Stream *server = upstream.session.streams
    cdef Attempt *wrong
    if upstream.base.state == UP_CLOSED:
        return
    transport_say_last(upstream.base.transport)        # the GOAWAY that says what the host did
    count(upstream, CLUSTER_CX_PROTOCOL_ERROR, 1)
    upstream.base.local_close = True
    while server != NULL and (server.wrong == HTTP2_STREAM_OK or server.owner == NULL):
        server = server.next
    if server != NULL:
        count(upstream, CLUSTER_RQ_TX_RESET, 1)
        wrong = <Attempt *>server.owner
        let_go(upstream, wrong)
        upstream.base.streams -= 1
        pool_no_more(&upstream.base)
        attempt_failed(wrong, RESET_PROTOCOL, span(b"", 0))
    fail(upstream, RESET_PROTOCOL)


cdef void on_read(Transport *transport, const char *at, size_t n) noexcept nogil:
    cdef Http2Upstream *upstream = <Http2Upstream *>transport.owner
    if upstream.base.state == UP_CLOSED:
        return
    count(upstream, CLUSTER_CX_RX_BYTES, <int64_t>n)
    upstream.heard_ns = clock_ns(&upstream.base.engine.loop.clock)
    if not http2_receive(&upstream.session, at, n):
        broken(upstream)
    http2_flush(&upstream.session, transport)


cdef void on_flush(Transport *transport) noexcept nogil:
    cdef Http2Upstream *upstream = <Http2Upstream *>transport.owner
    cdef uint64_t before = transport.out.len
    if upstream.base.state == UP_CLOSED:
        return
    upstream.session.late = False
    http2_pull(&upstream.session)
    http2_keep(&upstream.session)
    count(upstream, CLUSTER_CX_TX_BYTES, <int64_t>(transport.out.len - before))
    if upstream.session.error:
        broken(upstream)


cdef void on_low(Transport *transport) noexcept nogil:
    transport_flush(transport)     # what waited in the session


cdef void on_transport_end(Transport *transport, int error) noexcept nogil:
    fail(<Http2Upstream *>transport.owner, RESET_TERMINATION)


cdef TransportOps ops
ops.on_connected = NULL
ops.on_read = on_read
ops.on_end = on_transport_end
ops.on_high = NULL
ops.on_low = on_low
ops.on_flush = on_flush
ops.on_flushed = NULL
ops.on_closed = upstream_closed


# --- flow -----------------------------------------------------------------------------------------------------------


cdef void pause(Upstream *base, Attempt *attempt) noexcept nogil:
    if attempt.server != NULL and not attempt.server.paused:
        upstream_count(base, CLUSTER_FLOW_PAUSED, 1)
        http2_pause(attempt.server)


cdef void resume(Upstream *base, Attempt *attempt) noexcept nogil:
    if attempt.server != NULL and attempt.server.paused:
        upstream_count(base, CLUSTER_FLOW_RESUMED, 1)
        http2_resume(attempt.server)
        http2_flush(&(<Http2Upstream *>base).session, base.transport)


cdef UpstreamOps up_ops
up_ops.opened = opened
up_ops.begin = begin
up_ops.send_head = send_head
up_ops.send_span = send_span
up_ops.send_buffer = send_buffer
up_ops.send_trailers = send_trailers
up_ops.abandon = abandon
up_ops.pause = pause
up_ops.resume = resume
up_ops.free = free_one
