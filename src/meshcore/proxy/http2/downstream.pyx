"""HTTP/2 downstream connections. See downstream.pxd.

Reading: the session turns bytes into events, each for one stream. Writing: streams hand heads and bodies to the session at once; frames are
pulled from it when the transport is about to send, so all that one event wrote leaves in one system call. A stream that may not go on
reading leaves its bytes unconsumed, which closes its window and nobody else's. The states are Http2DownState in objects.pxd.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memset

from meshcore.base.clock cimport clock_ms, clock_ns
from meshcore.base.buffer cimport Buffer
from meshcore.base.random cimport random_u64
from meshcore.base.runtime cimport runtime_integer
from meshcore.base.slab cimport slab_free, slab_new
from meshcore.base.span cimport Span, list_has, parse_u64, span, span_is, span_is_nocase
from meshcore.base.wheel cimport Timer, timer_cancel, timer_init, wheel_arm
from meshcore.codec.head cimport *
from meshcore.codec.http1 cimport BODY_CHUNKED, BODY_LENGTH, BODY_NONE, BODY_RAW
from meshcore.codec.http2 cimport *
from meshcore.codec.http2_native cimport (
    NGHTTP2_CONNECT_ERROR, NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR, NGHTTP2_PROTOCOL_ERROR, NGHTTP2_REFUSED_STREAM,
)
from meshcore.codec.http2_session cimport *
from meshcore.conf.stat_ids cimport *
from meshcore.conf.tables cimport HcmConf
from meshcore.io.transport cimport *
from meshcore.observe.counters cimport gauge_add, histogram_record, stat_add, stat_inc
from meshcore.observe.record cimport FLAG_DPE, FLAG_DR
from meshcore.proxy.connection cimport connection_begin, connection_end, connection_move
from meshcore.proxy.drain cimport drain_closes
from meshcore.proxy.http2.objects cimport *
from meshcore.proxy.http2.tunnel cimport *
from meshcore.proxy.network_filter cimport network_filters_pass
from meshcore.proxy.objects cimport *
from meshcore.proxy.stream cimport *

cdef enum:
    PREFACE = 12                   # as many bytes as tell it from any HTTP/1 request
    NS_PER_MS = 1000000
    NS_PER_S = 1000000000
    EARLY_S = 1                    # Envoy's defaults: a stream that lived for longer was not taken back early
    EARLY_STREAMS = 500


cdef inline HcmConf *hcm_of(Http2Downstream *down) noexcept nogil:
    return down.base.conn.chain.conf.hcm


cdef inline void count(Http2Downstream *down, int stat, int64_t n) noexcept nogil:
    stat_add(down.base.engine.stats, hcm_of(down).stats[stat], n)


cdef inline void gauge(Http2Downstream *down, int stat, int64_t n) noexcept nogil:
    gauge_add(down.base.engine.stats, hcm_of(down).stats[stat], n)


cdef inline uint64_t now_ms(Http2Downstream *down) noexcept nogil:
    return clock_ms(&down.base.engine.loop.clock)


cdef Span DELAYED = span(b"triggered_delayed_close_timeout", 31)


# --- life -----------------------------------------------------------------------------------------------------------


cdef bint http2_preface_begins(const char *at, size_t n) noexcept nogil:
    return n >= PREFACE and memcmp(at, b"PRI * HTTP/2", PREFACE) == 0


cdef Http2Downstream *down_new(Engine *engine, HcmConf *hcm, uint64_t mark) noexcept nogil:
    cdef Http2Downstream *down = <Http2Downstream *>slab_new(&engine.http2_downstreams)
    cdef Http2Session *session
    if down == NULL:
        return NULL
    memset(down, 0, sizeof(Http2Downstream))
    down.base.engine = engine
    down.base.ops = &down_ops
    timer_init(&down.timer, on_timer, down)
    timer_init(&down.keepalive, on_keepalive, down)
    session = &down.session
    session.ops = &session_ops
    session.options = &hcm.http2
    session.owner = down
    session.pool = &engine.loop.buffers
    session.blocks = &engine.loop.blocks
    session.slab = &engine.http2_streams
    session.memory = &engine.http2_memory
    session.mark = mark
    session.stream_mark = mark
    session.stats = engine.stats
    session.slots = hcm.http2_stats
    if not http2_session_init(session, True):
        slab_free(&engine.http2_downstreams, down)
        return NULL
    return down


cdef void begin(Http2Downstream *down, Transport *transport) noexcept nogil:
    down.session.out = &transport.out
    down.idle_ns = down.heard_ns = clock_ns(&down.base.engine.loop.clock)
    transport.ops = &ops
    transport.owner = down
    down.base.conn.new_http = True
    count(down, HCM_CX_HTTP2_TOTAL, 1)
    gauge(down, HCM_CX_HTTP2_ACTIVE, 1)
    arm(down)
    arm_keepalive(down)
    transport_read_start(transport)


cdef void http2_downstream_start(ChainLocal *chain, Transport *transport) noexcept nogil:
    cdef Engine *engine = chain.listener.engine
    cdef Http2Downstream *down = down_new(engine, chain.conf.hcm, chain.listener.conf.buffer_limit)
    if down == NULL:
        transport_close(transport)
        return
    connection_begin(&down.base.conn, &connection_ops, chain, transport)
    count(down, HCM_CX_TOTAL, 1)
    gauge(down, HCM_CX_ACTIVE, 1)
    begin(down, transport)
    if chain.conf.filters_len:
        network_filters_pass(&down.base.conn)


cdef bint http2_downstream_take_over(Connection *connection, const char *at, size_t n) noexcept nogil:
    cdef ChainLocal *chain = connection.chain
    cdef Http2Downstream *down = down_new(chain.listener.engine, chain.conf.hcm, chain.listener.conf.buffer_limit)
    if down == NULL:
        return False
    connection_move(connection, &down.base.conn)
    down.base.conn.ops = &connection_ops
    begin(down, down.base.conn.transport)
    on_read(down.base.conn.transport, at, n)
    return True


cdef void end_streams(Http2Downstream *down, bint local) noexcept nogil:
    cdef Http2Stream *client = down.session.streams
    cdef Http2Stream *next
    cdef Stream *stream
    while client != NULL:
        next = client.next
        stream = <Stream *>client.owner
        if stream != NULL:
            down.live -= 1
            gone(stream, client, local)
        client = next


cdef void gone(Stream *stream, Http2Stream *client, bint local) noexcept nogil:
    # A stream whose head never came whole is a request too, and it is logged.
    if stream.http.ops == NULL:
        timer_cancel(&stream.engine.loop.wheel, &stream.request_timer)
        stream_begin(stream)
        stream.record.request = NULL
    client.owner = NULL
    stream.client = NULL
    stream_client_gone(stream, local)


cdef void close_now(Http2Downstream *down, bint reset) noexcept nogil:
    cdef bint local = down.local_close
    if down.state == HTTP2_DOWN_CLOSED:
        return
    down.state = HTTP2_DOWN_CLOSED
    down.session.dead = True
    timer_cancel(&down.base.engine.loop.wheel, &down.timer)
    timer_cancel(&down.base.engine.loop.wheel, &down.keepalive)
    count(down, HCM_CX_DESTROY, 1)
    count(down, HCM_CX_DESTROY_LOCAL if local else HCM_CX_DESTROY_REMOTE, 1)
    if down.live > 0:
        count(down, HCM_CX_DESTROY_ACTIVE_RQ, 1)
        count(down, HCM_CX_DESTROY_LOCAL_ACTIVE_RQ if local else HCM_CX_DESTROY_REMOTE_ACTIVE_RQ, 1)
        end_streams(down, local)
    if reset:
        transport_reset(down.base.conn.transport)
    else:
        transport_close(down.base.conn.transport)


cdef void on_closed(Transport *transport) noexcept nogil:
    cdef Http2Downstream *down = <Http2Downstream *>transport.owner
    cdef Engine *engine = down.base.engine
    gauge(down, HCM_CX_ACTIVE, -1)
    gauge(down, HCM_CX_HTTP2_ACTIVE, -1)
    histogram_record(engine.stats, hcm_of(down).cx_length, (clock_ns(&engine.loop.clock) - down.base.conn.started_ns) // NS_PER_MS)
    http2_session_fini(&down.session)
    connection_end(&down.base.conn)
    slab_free(&engine.http2_downstreams, down)


cdef void close_gracefully(Http2Downstream *down) noexcept nogil:
    # Everything is said: the client has delayed_close_timeout to read it and close, so that no RST eats it.
    cdef uint32_t wait = hcm_of(down).delayed_close_ms
    if down.state >= HTTP2_DOWN_CLOSING:
        return
    down.local_close = True
    down.state = HTTP2_DOWN_CLOSING
    down.unsent = transport_queued(down.base.conn.transport)
    timer_cancel(&down.base.engine.loop.wheel, &down.timer)
    timer_cancel(&down.base.engine.loop.wheel, &down.keepalive)
    if down.end_seen or wait == 0:
        transport_finish(down.base.conn.transport)
        return
    wheel_arm(&down.base.engine.loop.wheel, &down.timer, now_ms(down) + wait)
    http2_flush(&down.session, down.base.conn.transport)


cdef void leave_if_done(Http2Downstream *down) noexcept nogil:
    if down.state == HTTP2_DOWN_LEAVING and down.session.streams == NULL and http2_idle(&down.session):
        close_gracefully(down)


cdef void notice(Http2Downstream *down) noexcept nogil:
    # Envoy's drain sequence: a client that sends within drain_timeout is served, then it learns which stream was the last.
    if down.state != HTTP2_DOWN_OPEN:
        return
    down.state = HTTP2_DOWN_NOTICED
    http2_shutdown_notice(&down.session)
    wheel_arm(&down.base.engine.loop.wheel, &down.timer, now_ms(down) + hcm_of(down).drain_ms)
    http2_flush(&down.session, down.base.conn.transport)


cdef void leave(Http2Downstream *down) noexcept nogil:
    if down.state > HTTP2_DOWN_NOTICED:
        return
    down.state = HTTP2_DOWN_LEAVING
    timer_cancel(&down.base.engine.loop.wheel, &down.timer)
    http2_goaway(&down.session, NGHTTP2_NO_ERROR)
    http2_flush(&down.session, down.base.conn.transport)


# --- timers ---------------------------------------------------------------------------------------------------------


cdef void arm(Http2Downstream *down) noexcept nogil:
    # One timer for the idle timeout and the greatest age.
    cdef HcmConf *hcm = hcm_of(down)
    cdef uint64_t due = <uint64_t>-1
    if hcm.idle_ms:
        due = down.idle_ns // NS_PER_MS + hcm.idle_ms
    if hcm.max_connection_ms and down.base.conn.started_ns // NS_PER_MS + hcm.max_connection_ms < due:
        due = down.base.conn.started_ns // NS_PER_MS + hcm.max_connection_ms
    if due != <uint64_t>-1:
        wheel_arm(&down.base.engine.loop.wheel, &down.timer, due)


cdef void on_timer(Timer *timer) noexcept nogil:
    cdef Http2Downstream *down = <Http2Downstream *>timer.owner
    cdef HcmConf *hcm = hcm_of(down)
    cdef uint64_t now = now_ms(down)
    cdef uint64_t unsent
    if down.state == HTTP2_DOWN_NOTICED:
        leave(down)
        return
    if down.state == HTTP2_DOWN_CLOSING:
        unsent = transport_queued(down.base.conn.transport)
        if unsent > 0 and unsent != down.unsent:
            down.unsent = unsent
            wheel_arm(&down.base.engine.loop.wheel, timer, now + hcm.delayed_close_ms)
            return
        count(down, HCM_CX_DELAYED_CLOSE_TIMEOUT, 1)
        down.base.conn.close_reason = DELAYED
        close_now(down, False)
        return
    if down.state != HTTP2_DOWN_OPEN:
        return
    if hcm.max_connection_ms and now >= down.base.conn.started_ns // NS_PER_MS + hcm.max_connection_ms:
        count(down, HCM_CX_MAX_DURATION_REACHED, 1)
        notice(down)
        return
    if down.live > 0:
        down.idle_ns = clock_ns(&down.base.engine.loop.clock)
    elif hcm.idle_ms and now >= down.idle_ns // NS_PER_MS + hcm.idle_ms:
        count(down, HCM_CX_IDLE_TIMEOUT, 1)
        notice(down)
        return
    arm(down)


cdef void arm_keepalive(Http2Downstream *down) noexcept nogil:
    cdef const Http2Options *options = down.session.options
    cdef uint64_t wait = options.keepalive_ms
    if wait == 0:
        return
    if options.keepalive_jitter:
        wait += random_u64(&down.base.engine.loop.random) % (wait * options.keepalive_jitter // 100 + 1)
    wheel_arm(&down.base.engine.loop.wheel, &down.keepalive, now_ms(down) + wait)


cdef void on_keepalive(Timer *timer) noexcept nogil:
    cdef Http2Downstream *down = <Http2Downstream *>timer.owner
    if down.ping_out:
        http2_count(&down.session, HTTP2_KEEPALIVE_TIMEOUT, 1)
        down.local_close = True
        close_now(down, False)
        return
    down.ping_out = True
    http2_ping(&down.session)
    wheel_arm(&down.base.engine.loop.wheel, timer, now_ms(down) + down.session.options.keepalive_timeout_ms)
    http2_flush(&down.session, down.base.conn.transport)


cdef void on_pong(Http2Session *session) noexcept nogil:
    cdef Http2Downstream *down = <Http2Downstream *>session.owner
    down.ping_out = False
    arm_keepalive(down)


# --- the transport --------------------------------------------------------------------------------------------------


cdef void broken(Http2Downstream *down) noexcept nogil:
    # The session cannot go on. What it has to say is sent, then the connection ends; its streams end now.
    if down.state >= HTTP2_DOWN_CLOSING:
        return
    count(down, HCM_CX_PROTOCOL_ERROR, 1)
    down.base.conn.flags |= FLAG_DPE
    down.local_close = True
    if down.live > 0:
        count(down, HCM_CX_DESTROY_ACTIVE_RQ, 1)
        count(down, HCM_CX_DESTROY_LOCAL_ACTIVE_RQ, 1)
    blame_streams(down)
    end_streams(down, True)
    close_gracefully(down)


cdef void blame_streams(Http2Downstream *down) noexcept nogil:
    cdef Http2Stream *client = down.session.streams
    cdef Stream *stream
    while client != NULL:
        stream = <Stream *>client.owner
        if stream != NULL:
            stream.record.flags |= FLAG_DPE
            stream.record.details = span(b"codec_error:The_user_callback_function_failed", 45)
            if client.wrong:
                stream.record.details = wrong_text(client.wrong)
        client = client.next


cdef void on_read(Transport *transport, const char *at, size_t n) noexcept nogil:
    cdef Http2Downstream *down = <Http2Downstream *>transport.owner
    if down.state >= HTTP2_DOWN_CLOSING:
        return                     # what a client sends after our last frame is of no interest
    count(down, HCM_CX_RX_BYTES, <int64_t>n)
    down.base.conn.received += n
    down.heard_ns = clock_ns(&down.base.engine.loop.clock)
    if not http2_receive(&down.session, at, n):
        broken(down)
    http2_flush(&down.session, transport)


cdef void on_flush(Transport *transport) noexcept nogil:
    cdef Http2Downstream *down = <Http2Downstream *>transport.owner
    cdef uint64_t before = transport.out.len
    if down.state == HTTP2_DOWN_CLOSED:
        return
    down.session.late = False
    http2_pull(&down.session)
    http2_keep(&down.session)
    count(down, HCM_CX_TX_BYTES, <int64_t>(transport.out.len - before))
    if down.session.error:
        broken(down)
    else:
        leave_if_done(down)


cdef void on_low(Transport *transport) noexcept nogil:
    transport_flush(transport)     # what waited in the session


cdef void on_end(Transport *transport, int error) noexcept nogil:
    cdef Http2Downstream *down = <Http2Downstream *>transport.owner
    down.end_seen = True
    down.local_close = False
    close_now(down, False)


cdef void on_flushed(Transport *transport) noexcept nogil:
    # Our FIN is out: nothing more is waited for.
    cdef Http2Downstream *down = <Http2Downstream *>transport.owner
    if down.state == HTTP2_DOWN_CLOSING:
        close_now(down, False)


cdef void drain(Connection *connection) noexcept nogil:
    cdef Http2Downstream *down = <Http2Downstream *>connection
    if down.state == HTTP2_DOWN_OPEN:
        count(down, HCM_CX_DRAIN_CLOSE, 1)
        leave(down)


cdef void abort(Connection *connection) noexcept nogil:
    cdef Http2Downstream *down = <Http2Downstream *>connection
    down.local_close = True
    close_now(down, False)


cdef ConnectionOps connection_ops
connection_ops.drain = drain
connection_ops.abort = abort

cdef TransportOps ops
ops.on_connected = NULL
ops.on_read = on_read
ops.on_end = on_end
ops.on_high = NULL
ops.on_low = on_low
ops.on_flush = on_flush
ops.on_flushed = on_flushed
ops.on_closed = on_closed


# --- requests -------------------------------------------------------------------------------------------------------


cdef bint on_open(Http2Stream *client) noexcept nogil:
    cdef Http2Downstream *down = <Http2Downstream *>client.session.owner
    cdef Stream *stream
    if down.state > HTTP2_DOWN_NOTICED:
        return False
    stream = stream_new(&down.base)
    if stream == NULL:
        return False
    stream.client = client
    client.owner = stream
    client.head = &stream.request
    stream.request.version = HTTP_2
    down.live += 1
    down.base.requests += 1
    if hcm_of(down).request_headers_ms:
        timer_init(&stream.request_timer, on_head_timeout, stream)
        wheel_arm(&down.base.engine.loop.wheel, &stream.request_timer, now_ms(down) + hcm_of(down).request_headers_ms)
    return True


cdef void on_head_timeout(Timer *timer) noexcept nogil:
    cdef Stream *stream = <Stream *>timer.owner
    stat_inc(stream.engine.stats, stream.hcm.stats[HCM_RQ_HEADER_TIMEOUT])
    stream_begin(stream)
    stream.record.request = NULL
    stream_reply_simple(stream, 408, 0, span(b"request_header_timeout", 22), span(b"request header timeout", 22))


cdef void read_framing(Stream *stream, bint end) noexcept nogil:
    # What HTTP/1 would say in its own way, for whoever sends the request on.
    cdef Head *head = &stream.request
    stream.message.keep_alive = True
    stream.message.framing = BODY_CHUNKED
    if span_is(head.method, b"CONNECT", 7):
        http2_tunnel_asked(stream)
    elif end:
        stream.message.framing = BODY_NONE
    elif head_has(head, H_CONTENT_LENGTH):
        stream.message.framing = BODY_LENGTH
        parse_u64(head_value(head, H_CONTENT_LENGTH), &stream.message.length)
    stream.message.expect_continue = head_has(head, H_EXPECT) and span_is_nocase(head_value(head, H_EXPECT), b"100-continue", 12)
    stream.message.wants_trailers = head_has(head, H_TE) and list_has(head_value(head, H_TE), b"trailers", 8)


cdef void on_head(Http2Stream *client, bint end) noexcept nogil:
    cdef Stream *stream = <Stream *>client.owner
    cdef Http2Downstream *down = <Http2Downstream *>stream.down
    cdef HcmConf *hcm = hcm_of(down)
    timer_cancel(&down.base.engine.loop.wheel, &stream.request_timer)
    read_framing(stream, end)
    stream_begin(stream)
    stream.record.downstream_wire_rx = stream.request.bytes
    if hcm.max_requests and down.base.requests >= hcm.max_requests and down.state == HTTP2_DOWN_OPEN:
        count(down, HCM_CX_MAX_REQUESTS_REACHED, 1)
        notice(down)
    stream_request_head(stream, end)


cdef void on_data(Http2Stream *client, Span data) noexcept nogil:
    cdef Stream *stream = <Stream *>client.owner
    stream.record.downstream_wire_rx += data.len
    if stream.bits & STREAM_REQUEST_END == 0:
        stream_request_data(stream, data)


cdef Head *on_trailers_head(Http2Stream *client) noexcept nogil:
    cdef Stream *stream = <Stream *>client.owner
    return stream_trailers(stream, &stream.request_trailers, False)


cdef void on_trailers(Http2Stream *client) noexcept nogil:
    cdef Stream *stream = <Stream *>client.owner
    stream.bits |= STREAM_TRAILERS
    stream.record.downstream_header_rx += stream.request_trailers.bytes
    stream_request_trailers(stream)


cdef void on_request_end(Http2Stream *client) noexcept nogil:
    stream_request_end(<Stream *>client.owner)


cdef void on_stream_closed(Http2Stream *client, uint32_t code) noexcept nogil:
    # Gone before its stream had ended: the client took it back, or what it sent was no message.
    cdef Stream *stream = <Stream *>client.owner
    cdef Http2Downstream *down = <Http2Downstream *>stream.down
    down.live -= 1
    stream.record.details = wrong_text(client.wrong)
    if code == NGHTTP2_REFUSED_STREAM and client.wrong == HTTP2_STREAM_OK:
        stream.record.details = span(b"http2.remote_refuse", 19)
    if client.wrong == HTTP2_STREAM_HEADER or client.wrong == HTTP2_STREAM_MESSAGE or code == NGHTTP2_PROTOCOL_ERROR:
        stream.record.flags |= FLAG_DPE
    else:
        stream.record.flags |= FLAG_DR
    if client.bits & HTTP2_PEER_RESET and lived_briefly(down, stream):
        down.early_resets += 1
    gone(stream, client, True)
    down.ended += 1
    if resets_too_early(down):
        count(down, HCM_RQ_TOO_MANY_PREMATURE_RESETS, 1)
        down.local_close = True
        close_now(down, True)
        return
    rest(down)


cdef inline bint lived_briefly(Http2Downstream *down, Stream *stream) noexcept nogil:
    cdef uint64_t seconds = (clock_ns(&down.base.engine.loop.clock) - stream.record.start_ns) // NS_PER_S
    return seconds <= <uint64_t>runtime_integer(hcm_of(down).early_s, EARLY_S)


cdef bint resets_too_early(Http2Downstream *down) noexcept nogil:
    # Envoy's measure of a client that opens streams only to take them back: half of all, or so many that half of the first ones are certain.
    cdef uint64_t least = <uint64_t>runtime_integer(hcm_of(down).early_streams, EARLY_STREAMS)
    return down.early_resets > 0 and 2 * <uint64_t>down.early_resets >= (down.ended if down.ended > least else least)


cdef Span wrong_text(uint8_t wrong) noexcept nogil:
    if wrong == HTTP2_STREAM_OK:
        return span(b"http2.remote_reset", 18)
    if wrong == HTTP2_STREAM_HEADER:
        return span(b"http2.invalid.header.field", 26)
    if wrong == HTTP2_STREAM_TOO_MANY:
        return span(b"http2.too_many_headers", 22)
    if wrong == HTTP2_STREAM_UNDERSCORE:
        return span(b"http2.unexpected_underscore", 27)
    return span(b"http2.violation.of.messaging.rule", 33)


cdef void on_stream_high(Http2Stream *client) noexcept nogil:
    stream_upload_full(<Stream *>client.owner)


cdef void on_stream_low(Http2Stream *client) noexcept nogil:
    stream_upload_low(<Stream *>client.owner)


cdef void on_settings(Http2Session *session) noexcept nogil:
    pass                           # what a client allows concerns nghttp2 alone


cdef void on_goaway(Http2Session *session, uint32_t code) noexcept nogil:
    pass                           # it opens no more streams; it closes when it wants to


cdef Http2Ops session_ops
session_ops.on_open = on_open
session_ops.on_trailers_head = on_trailers_head
session_ops.on_head = on_head
session_ops.on_data = on_data
session_ops.on_trailers = on_trailers
session_ops.on_end = on_request_end
session_ops.on_closed = on_stream_closed
session_ops.on_high = on_stream_high
session_ops.on_low = on_stream_low
session_ops.on_settings = on_settings
session_ops.on_goaway = on_goaway
session_ops.on_pong = on_pong


# --- responses ------------------------------------------------------------------------------------------------------


cdef inline void flush(Downstream *base) noexcept nogil:
    http2_flush(&(<Http2Downstream *>base).session, base.conn.transport)


cdef void send_interim(Downstream *base, Stream *stream, Head *head) noexcept nogil:
    cdef Head continued
    if head == NULL:
        head_init(&continued, &stream.arena, True)
        continued.status = 100
        head = &continued
    if stream.client != NULL:
        http2_send_interim(stream.client, head)
    flush(base)


cdef void send_head(Downstream *base, Stream *stream, bint end) noexcept nogil:
    cdef Http2Downstream *down = <Http2Downstream *>base
    if (stream.engine.draining or stream.engine.unhealthy or stream.listener.drain_since_ms) and drain_closes(stream) and \
            down.state == HTTP2_DOWN_OPEN:
        count(down, HCM_CX_DRAIN_CLOSE, 1)
        notice(down)
    if stream.bits & STREAM_REQUEST_END == 0:
        stat_inc(stream.engine.stats, stream.hcm.stats[HCM_RQ_RESPONSE_BEFORE_RQ_COMPLETE])
    if stream.client != NULL and stream.bits & STREAM_TUNNEL:
        http2_tunnel_agreed(stream, end)
    elif stream.client != NULL:
        http2_send_head(stream.client, &stream.response, end)
        if stream.message.framing == BODY_RAW and span_is(stream.record.details, b"upgrade_failed", 14):
            leave(down)            # as Envoy does; nothing else of HTTP/2 calls for it
    flush(base)


cdef void send_span(Downstream *base, Stream *stream, Span data, bint end) noexcept nogil:
    if stream.client != NULL:
        stream.record.downstream_wire_tx += data.len
        http2_send_span(stream.client, data, end)
    flush(base)


cdef void send_buffer(Downstream *base, Stream *stream, Buffer *data, bint end) noexcept nogil:
    if stream.client != NULL:
        stream.record.downstream_wire_tx += data.len
        http2_send_buffer(stream.client, data, end)
    flush(base)


cdef void send_trailers(Downstream *base, Stream *stream, Head *trailers) noexcept nogil:
    if stream.client != NULL:
        http2_send_trailers(stream.client, trailers)
    flush(base)


# --- flow, and the end of a stream ----------------------------------------------------------------------------------


cdef void pause(Downstream *base, Stream *stream, uint8_t reason) noexcept nogil:
    if stream.paused == 0:
        count(<Http2Downstream *>base, HCM_FLOW_PAUSED, 1)
    stream.paused |= reason
    if stream.client != NULL:
        http2_pause(stream.client)


cdef void resume(Downstream *base, Stream *stream, uint8_t reason) noexcept nogil:
    if stream.paused & reason == 0:
        return
    stream.paused &= ~reason
    if stream.paused == 0:
        count(<Http2Downstream *>base, HCM_FLOW_RESUMED, 1)
        if stream.client != NULL:
            http2_resume(stream.client)
            flush(base)


cdef void no_more(Downstream *base) noexcept nogil:
    pass                           # a stream cannot spoil what follows it


cdef void succeed(Downstream *base, Stream *stream, Stream *next) noexcept nogil:
    next.client = stream.client
    stream.client = NULL
    if next.client != NULL:
        next.client.owner = next
        next.client.head = NULL


cdef void rest(Http2Downstream *down) noexcept nogil:
    if down.live == 0 and down.state == HTTP2_DOWN_OPEN:
        down.idle_ns = clock_ns(&down.base.engine.loop.clock)
        if down.base.engine.draining or down.base.conn.chain.listener.retired:
            leave(down)


cdef void done(Downstream *base, Stream *stream) noexcept nogil:
    cdef Http2Downstream *down = <Http2Downstream *>base
    cdef Http2Stream *client = stream.client
    if client == NULL:
        return
    stream.client = NULL
    down.live -= 1
    down.ended += 1
    if stream.bits & STREAM_RESPONSE_END:
        http2_send_span(client, span(b"", 0), True)        # a reply to HEAD says its end with its head, others did
        if http2_tunnel_broke(stream) and not down.session.busy:
            http2_pull(&down.session)
            http2_reset(client, NGHTTP2_CONNECT_ERROR)
        http2_detach(client)
    else:
        client.owner = NULL
        http2_reset(client, NGHTTP2_NO_ERROR)
    flush(base)
    rest(down)


cdef void cut(Downstream *base, Stream *stream) noexcept nogil:
    cdef Http2Downstream *down = <Http2Downstream *>base
    cdef Http2Stream *client = stream.client
    if client == NULL:
        return
    stream.client = NULL
    down.live -= 1
    client.owner = NULL
    http2_pull(&down.session)      # what the client was sent so far stands; a reset would overtake it
    http2_reset(client, NGHTTP2_CONNECT_ERROR if http2_tunnel_broke(stream) else NGHTTP2_INTERNAL_ERROR)
    flush(base)
    rest(down)


cdef DownstreamOps down_ops
down_ops.send_interim = send_interim
down_ops.send_head = send_head
down_ops.send_span = send_span
down_ops.send_buffer = send_buffer
down_ops.send_trailers = send_trailers
down_ops.pause = pause
down_ops.resume = resume
down_ops.no_more = no_more
down_ops.succeed = succeed
down_ops.done = done
down_ops.cut = cut


cdef const char *http2_down_state_name(uint8_t state) noexcept nogil:
    if state == HTTP2_DOWN_OPEN:
        return b"open"
    if state == HTTP2_DOWN_NOTICED:
        return b"noticed"
    if state == HTTP2_DOWN_LEAVING:
        return b"leaving"
    if state == HTTP2_DOWN_CLOSING:
        return b"closing"
    return b"closed"
