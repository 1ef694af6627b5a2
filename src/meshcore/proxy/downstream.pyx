"""HTTP/1 downstream connections. See downstream.pxd for the law.

Reading: down_on_read offers held bytes and new ones to `consume`, which turns them into stream events until it needs more bytes or the
request is complete; what it did not use is held. Writing (downstream_write.pyx) appends to the transport; the transport sends when the event
is over. The states are DownState in objects.pxd; `down_state_name` prints them.
"""
from libc.stdint cimport uint32_t, uint64_t

from meshcore.base.clock cimport clock_ms, clock_ns
from meshcore.base.held cimport held_append, held_drop, held_fini
from meshcore.base.slab cimport slab_free, slab_new
from meshcore.base.span cimport Span, span, span_is
from meshcore.base.wheel cimport Timer, timer_cancel, timer_init, wheel_arm
from meshcore.codec.head cimport H_TRANSFER_ENCODING, head_has
from meshcore.codec.http1 cimport *
from meshcore.codec.http1_body cimport http1_body_begin, http1_body_next
from meshcore.codec.http1_parse cimport http1_error_details, http1_error_status, http1_parse_request
from meshcore.codec.http1_write cimport http1_reason
from meshcore.conf.stat_ids cimport *
from meshcore.conf.tables cimport CODEC_AUTO, HcmConf
from meshcore.io.transport cimport *
from meshcore.observe.counters cimport gauge_add, histogram_record, stat_add
from meshcore.observe.record cimport FLAG_DPE
from meshcore.proxy.connection cimport connection_begin, connection_end
from meshcore.proxy.downstream_write cimport *
from meshcore.proxy.http2.downstream cimport http2_downstream_take_over, http2_preface_begins
from meshcore.proxy.network_filter cimport network_filters_pass
from meshcore.proxy.objects cimport *
from meshcore.proxy.stream cimport *
from meshcore.proxy.stream_end cimport stream_free
from meshcore.route.matcher cimport string_matches

cdef enum:
    HELD_MAX = 64 * 1024           # pipelined bytes kept before the client is not read any more
    DRAIN_QUIET_MS = 250           # a draining connection without a request is closed when it has been quiet for so long
    NS_PER_MS = 1000000


cdef inline HcmConf *hcm_of(Http1Downstream *down) noexcept nogil:
    return down.base.conn.chain.conf.hcm


cdef inline void count(Http1Downstream *down, int stat, int64_t n) noexcept nogil:
    stat_add(down.base.engine.stats, down.base.conn.chain.conf.hcm.stats[stat], n)


cdef inline void gauge(Http1Downstream *down, int stat, int64_t n) noexcept nogil:
    gauge_add(down.base.engine.stats, down.base.conn.chain.conf.hcm.stats[stat], n)


cdef Span DRAINED = span(b"deferred_close_on_drained_connection", 36)
cdef Span DELAYED = span(b"triggered_delayed_close_timeout", 31)


# --- life -----------------------------------------------------------------------------------------------------------


cdef void downstream_start(ChainLocal *chain, Transport *transport) noexcept nogil:
    cdef Engine *engine = chain.listener.engine
    cdef Http1Downstream *down = <Http1Downstream *>slab_new(&engine.downstreams)
    if down == NULL:
        transport_close(transport)
        return
    connection_begin(&down.base.conn, &connection_ops, chain, transport)
    down.base.ops = &down_ops
    down.base.engine = engine
    down.stream = NULL
    down.held.at = NULL
    down.held.len = 0
    down.held.cap = 0
    down.state = DOWN_HEAD
    down.pause = 0
    down.consuming = False
    down.close_after = False
    down.saw_close = False
    down.end_seen = False
    down.local_close = False
    down.base.requests = 0
    down.skip = 0
    down.head_ns = 0
    down.idle_ns = down.base.conn.started_ns
    timer_init(&down.timer, on_timer, down)
    transport.ops = &ops
    transport.owner = down
    count(down, HCM_CX_TOTAL, 1)
    gauge(down, HCM_CX_ACTIVE, 1)
    down.spoke = False
    if chain.conf.filters_len and not network_filters_pass(&down.base.conn):
        return
    arm_idle(down)
    transport_read_start(transport)


cdef void close_now(Http1Downstream *down, bint reset) noexcept nogil:
    # The last act of a live connection: counts, and the transport goes.
    cdef Stream *stream = down.stream
    cdef bint local = down.local_close
    if down.state == DOWN_CLOSED:
        return
    down.state = DOWN_CLOSED
    timer_cancel(&down.base.engine.loop.wheel, &down.timer)
    count(down, HCM_CX_DESTROY, 1)
    count(down, HCM_CX_DESTROY_LOCAL if local else HCM_CX_DESTROY_REMOTE, 1)
    if stream != NULL:
        count(down, HCM_CX_DESTROY_ACTIVE_RQ, 1)
        count(down, HCM_CX_DESTROY_LOCAL_ACTIVE_RQ if local else HCM_CX_DESTROY_REMOTE_ACTIVE_RQ, 1)
        down.stream = NULL
        stream_client_gone(stream, local)
    if reset:
        transport_reset(down.base.conn.transport)
    else:
        transport_close(down.base.conn.transport)


cdef void on_closed(Transport *transport) noexcept nogil:
    cdef Http1Downstream *down = <Http1Downstream *>transport.owner
    cdef Engine *engine = down.base.engine
    gauge(down, HCM_CX_ACTIVE, -1)
    if down.spoke:
        gauge(down, HCM_CX_HTTP1_ACTIVE, -1)
    histogram_record(engine.stats, hcm_of(down).cx_length, (clock_ns(&engine.loop.clock) - down.base.conn.started_ns) // NS_PER_MS)
    held_fini(&down.held)
    connection_end(&down.base.conn)
    slab_free(&engine.downstreams, down)


cdef void abort_now(Http1Downstream *down) noexcept nogil:
    down.local_close = True
    close_now(down, False)


cdef void close_gracefully(Http1Downstream *down, bint at_once) noexcept nogil:
    # After the last response. At once, when the client asked for it and has sent everything: FIN behind the last byte. Otherwise the client
    # has delayed_close_timeout to read the response and close itself, so that no RST eats it; the time starts anew while bytes leave.
    cdef uint32_t wait = hcm_of(down).delayed_close_ms
    down.local_close = True
    down.state = DOWN_CLOSING
    down.pause = 0
    down.unsent = transport_queued(down.base.conn.transport)
    timer_cancel(&down.base.engine.loop.wheel, &down.timer)
    if wait:
        wheel_arm(&down.base.engine.loop.wheel, &down.timer, clock_ms(&down.base.engine.loop.clock) + wait)
    if at_once or down.end_seen or wait == 0:
        down.base.conn.close_reason = DRAINED
        transport_finish(down.base.conn.transport)
        return
    transport_read_start(down.base.conn.transport)


cdef void drain_now(Http1Downstream *down) noexcept nogil:
    if down.close_after or down.state == DOWN_CLOSED or down.state == DOWN_CLOSING:
        return
    down.close_after = True
    count(down, HCM_CX_DRAIN_CLOSE, 1)
    close_quiet(down)


cdef void close_quiet(Http1Downstream *down) noexcept nogil:
    # No request, and none to come. A connection that was busy a moment ago may have its next request on the way: that one is answered, with
    # Connection: close, and so is one whose head has begun to arrive.
    cdef uint64_t due = down.idle_ns // NS_PER_MS + DRAIN_QUIET_MS
    if down.stream != NULL or down.held.len > 0:
        return
    if clock_ms(&down.base.engine.loop.clock) >= due:
        close_gracefully(down, down.base.engine.draining or down.base.conn.chain.listener.retired)
    else:
        wheel_arm(&down.base.engine.loop.wheel, &down.timer, due)


# --- timers ---------------------------------------------------------------------------------------------------------


cdef void arm_idle(Http1Downstream *down) noexcept nogil:
    # One timer for what limits a connection without a request: idle timeout, request-headers timeout, maximum age.
    cdef HcmConf *hcm = hcm_of(down)
    cdef uint64_t due = <uint64_t>-1
    if hcm.idle_ms:
        due = down.idle_ns // NS_PER_MS + hcm.idle_ms
    if hcm.max_connection_ms and down.base.conn.started_ns // NS_PER_MS + hcm.max_connection_ms < due and not down.close_after:
        due = down.base.conn.started_ns // NS_PER_MS + hcm.max_connection_ms
    if down.head_ns and hcm.request_headers_ms and down.head_ns // NS_PER_MS + hcm.request_headers_ms < due:
        due = down.head_ns // NS_PER_MS + hcm.request_headers_ms
    if due != <uint64_t>-1:
        wheel_arm(&down.base.engine.loop.wheel, &down.timer, due)


cdef void begin_drain(Http1Downstream *down) noexcept nogil:
    # Envoy's drain sequence: a request that comes within drain_timeout is still answered, with Connection: close.
    down.close_after = True
    wheel_arm(&down.base.engine.loop.wheel, &down.timer, clock_ms(&down.base.engine.loop.clock) + hcm_of(down).drain_ms)


cdef void on_timer(Timer *timer) noexcept nogil:
    cdef Http1Downstream *down = <Http1Downstream *>timer.owner
    cdef HcmConf *hcm = hcm_of(down)
    cdef uint64_t now = clock_ms(&down.base.engine.loop.clock)
    cdef uint64_t unsent
    if down.state == DOWN_CLOSING:
        unsent = transport_queued(down.base.conn.transport)
        if unsent > 0 and unsent != down.unsent:
            down.unsent = unsent
            wheel_arm(&down.base.engine.loop.wheel, timer, now + hcm.delayed_close_ms)
            return
        count(down, HCM_CX_DELAYED_CLOSE_TIMEOUT, 1)
        down.base.conn.close_reason = DELAYED
        close_now(down, False)
        return
    if down.state == DOWN_CLOSED:
        return
    if hcm.max_connection_ms and not down.close_after and now >= down.base.conn.started_ns // NS_PER_MS + hcm.max_connection_ms:
        count(down, HCM_CX_MAX_DURATION_REACHED, 1)
        begin_drain(down)
        return
    if down.close_after and down.stream == NULL and down.held.len == 0:
        close_quiet(down)
        return
    if down.state != DOWN_HEAD:
        down.idle_ns = clock_ns(&down.base.engine.loop.clock)
    elif down.head_ns and hcm.request_headers_ms and now >= down.head_ns // NS_PER_MS + hcm.request_headers_ms:
        head_timeout(down)
        return
    elif hcm.idle_ms and now >= down.idle_ns // NS_PER_MS + hcm.idle_ms:
        count(down, HCM_CX_IDLE_TIMEOUT, 1)
        if down.spoke and not down.close_after:
            begin_drain(down)
        else:
            close_gracefully(down, True)
        return
    arm_idle(down)


cdef void head_timeout(Http1Downstream *down) noexcept nogil:
    cdef Stream *stream = stream_new(&down.base)
    count(down, HCM_RQ_HEADER_TIMEOUT, 1)
    down.close_after = True
    if stream == NULL:
        abort_now(down)
        return
    down.stream = stream
    down.state = DOWN_WAIT
    stream_begin(stream)
    stream_reply_simple(stream, 408, 0, span(b"request_header_timeout", 22), span(b"request header timeout", 22))


# --- reading --------------------------------------------------------------------------------------------------------


cdef void on_read(Transport *transport, const char *at, size_t n) noexcept nogil:
    cdef Http1Downstream *down = <Http1Downstream *>transport.owner
    cdef size_t used
    if down.state >= DOWN_CLOSING:
        return                     # what a client sends after our last response is of no interest
    if not down.spoke and hcm_of(down).codec == CODEC_AUTO and (
            http2_preface_begins(at, n) or span_is(transport_alpn(transport), b"h2", 2)):
        become_http2(down, at, n)
        return
    count(down, HCM_CX_RX_BYTES, <int64_t>n)
    down.base.conn.received += n
    if not down.spoke:
        down.spoke = True          # Envoy makes its codec, and counts it, with the first bytes
        count(down, HCM_CX_HTTP1_TOTAL, 1)
        gauge(down, HCM_CX_HTTP1_ACTIVE, 1)
    if down.held.len == 0:
        used = consume(down, at, n)
        if used < n and down.state < DOWN_CLOSING and not held_append(&down.held, at + used, n - used):
            abort_now(down)
    elif held_append(&down.held, at, n):
        consume_held(down)
    else:
        abort_now(down)
    if down.held.len > HELD_MAX and (down.state == DOWN_WAIT or (down.state == DOWN_HEAD and transport.above_high)):
        pause_reading(down, PAUSE_PIPELINE)


cdef void become_http2(Http1Downstream *down, const char *at, size_t n) noexcept nogil:
    cdef Engine *engine = down.base.engine
    timer_cancel(&engine.loop.wheel, &down.timer)
    if not http2_downstream_take_over(&down.base.conn, at, n):
        abort_now(down)
        return
    slab_free(&engine.downstreams, down)


cdef void consume_held(Http1Downstream *down) noexcept nogil:
    cdef size_t used
    if down.consuming or down.held.len == 0:
        return
    used = consume(down, down.held.at, down.held.len)
    # Body spans that wait in a write queue point into the held bytes: they leave before the bytes move.
    transport_flush_all(&down.base.engine.loop)
    if used > 0:
        held_drop(&down.held, used)


cdef size_t consume(Http1Downstream *down, const char *start, size_t n) noexcept nogil:
    # Turns bytes into events until they are used up, the message needs more, or the response must come first. Bytes used.
    cdef const char *at = start
    cdef const char *end = start + n
    cdef bint going = True
    down.consuming = True
    while going and at < end:
        if down.state == DOWN_HEAD:
            going = take_head(down, &at, end)
        elif down.state == DOWN_BODY:
            going = take_body(down, &at, end)
        else:
            going = False
    down.consuming = False
    return at - start


cdef bint take_head(Http1Downstream *down, const char **at, const char *end) noexcept nogil:
    cdef HcmConf *hcm = hcm_of(down)
    cdef Stream *stream
    cdef size_t used = 0
    cdef int result
    if not room_for_answer(down):
        return False
    while at[0] < end and (at[0][0] == 13 or at[0][0] == 10):
        at[0] += 1                 # RFC 9112, 2.2: empty lines before a request line
    if at[0] == end:
        return False
    stream = stream_new(&down.base)
    if stream == NULL:
        abort_now(down)
        return False
    result = http1_parse_request(at[0], end - at[0], down.skip, &hcm.http1, &stream.request, &stream.message, &used)
    if result == HTTP1_MORE:
        stream_forget(stream)
        down.skip = <uint32_t>(end - at[0])
        if down.head_ns == 0:
            down.head_ns = clock_ns(&down.base.engine.loop.clock)
            if hcm.request_headers_ms:
                arm_idle(down)
        return False
    down.skip = 0
    down.stream = stream
    down.base.requests += 1
    stream_begin(stream)
    if down.head_ns:
        stream.record.start_ns = down.head_ns
        down.head_ns = 0
    stream.record.downstream_wire_rx = used if result == HTTP1_OK else end - at[0]
    if result == HTTP1_ERROR:
        at[0] = end
        stream.record.request = NULL       # what was read is no request
        protocol_error(down, stream.message.error)
        return False
    at[0] += used
    begin_request(down, stream)
    return True


cdef bint room_for_answer(Http1Downstream *down) noexcept nogil:
    # A client that sends requests and does not read: no further one is begun above the mark, on_low goes on with them.
    cdef Transport *transport = down.base.conn.transport
    if transport.high and not transport.above_high and transport_queued(transport) > transport.high:
        transport_flush_all(&down.base.engine.loop)
    return not transport.above_high


cdef void stream_forget(Stream *stream) noexcept nogil:
    # A stream made for a head that is not complete yet: as if it had never been.
    stream.down = NULL
    stream_free(stream)


cdef void ignore_upgrade(HcmConf *hcm, Stream *stream) noexcept nogil:
    # ignore_http_11_upgrade: the request goes on as if it had not asked.
    cdef Http1Message *message = &stream.message
    cdef uint16_t i
    for i in range(hcm.ignored_upgrades_len):
        if string_matches(&hcm.ignored_upgrades[i], stream.request.protocol):
            message.upgrade = False
            stream.request.protocol.len = 0
            message.framing = BODY_NONE
            if head_has(&stream.request, H_TRANSFER_ENCODING):
                message.framing = BODY_CHUNKED
            elif message.length > 0:
                message.framing = BODY_LENGTH
            return


cdef void begin_request(Http1Downstream *down, Stream *stream) noexcept nogil:
    cdef HcmConf *hcm = hcm_of(down)
    cdef bint end
    if stream.message.upgrade and hcm.ignored_upgrades_len > 0:
        ignore_upgrade(hcm, stream)
    end = stream.message.framing == BODY_NONE
    if not stream.message.keep_alive:
        down.close_after = True
        down.saw_close = True
    if hcm.max_requests and down.base.requests >= hcm.max_requests:
        down.close_after = True
        down.saw_close = True
        count(down, HCM_CX_MAX_REQUESTS_REACHED, 1)
    http1_body_begin(&down.body, &stream.message)
    down.state = DOWN_WAIT if end else DOWN_BODY
    stream_request_head(stream, end)


cdef bint take_body(Http1Downstream *down, const char **at, const char *end) noexcept nogil:
    cdef Stream *stream = down.stream
    cdef HcmConf *hcm = hcm_of(down)
    cdef const char *start = at[0]
    cdef Span data
    cdef Head *trailers = NULL
    cdef int event
    if hcm.http1.enable_trailers and stream.bits & STREAM_TRAILERS == 0:
        trailers = stream_trailers(stream, &stream.request_trailers, False)
    event = http1_body_next(&down.body, at, end, &hcm.http1, trailers, &data)
    stream.record.downstream_wire_rx += at[0] - start
    if event == EVENT_MORE:
        return False
    if event == EVENT_ERROR:
        at[0] = end
        protocol_error(down, down.body.error)
        return False
    if event == EVENT_TRAILERS:
        down.state = DOWN_WAIT
        stream.bits |= STREAM_TRAILERS
        stream.record.downstream_header_rx += trailers.bytes
        stream_request_trailers(stream)
        return True
    if event == EVENT_BODY:
        stream_request_data(stream, data)
        if down.state != DOWN_BODY or down.stream != stream or down.body.state != BODY_DONE:
            return True
    down.state = DOWN_WAIT
    stream_request_end(stream)
    return True


cdef void protocol_error(Http1Downstream *down, uint8_t error) noexcept nogil:
    cdef Stream *stream = down.stream
    cdef uint16_t status = http1_error_status(error)
    count(down, HCM_CX_PROTOCOL_ERROR, 1)
    down.close_after = True
    down.state = DOWN_WAIT
    stream.record.flags |= FLAG_DPE
    down.base.conn.flags |= FLAG_DPE
    if stream.bits & STREAM_RESPONSE_HEAD:
        down.local_close = True
        close_now(down, False)
        return
    stream_reply_simple(stream, status, FLAG_DPE, http1_error_details(error), http1_reason(status))


cdef void on_end(Transport *transport, int error) noexcept nogil:
    # FIN or a broken connection. Envoy treats a client's FIN as the end of everything, half-closed requests included.
    cdef Http1Downstream *down = <Http1Downstream *>transport.owner
    cdef Stream *stream
    down.end_seen = True
    if down.state == DOWN_CLOSING and error == 0 and not transport.finishing:
        down.local_close = False   # it was given the time to close first
    if down.state == DOWN_HEAD and down.head_ns:
        stream = stream_new(&down.base)  # the client left inside a head: that is a request too, and it is logged
        if stream != NULL:
            down.stream = stream
            stream_begin(stream)
            stream.record.request = NULL
            stream.record.start_ns = down.head_ns
    close_now(down, False)


# --- flow -----------------------------------------------------------------------------------------------------------


cdef void pause_reading(Http1Downstream *down, uint8_t reason) noexcept nogil:
    if down.pause == 0 and reason != PAUSE_PIPELINE:
        count(down, HCM_FLOW_PAUSED, 1)
    down.pause |= reason
    transport_read_stop(down.base.conn.transport)


cdef void resume_reading(Http1Downstream *down, uint8_t reason) noexcept nogil:
    if down.pause & reason == 0:
        return
    down.pause &= ~reason
    if down.pause == 0 and down.state < DOWN_CLOSED:
        if reason != PAUSE_PIPELINE:
            count(down, HCM_FLOW_RESUMED, 1)
        transport_read_start(down.base.conn.transport)


cdef void on_high(Transport *transport) noexcept nogil:
    cdef Http1Downstream *down = <Http1Downstream *>transport.owner
    if down.stream != NULL:
        stream_upload_full(down.stream)


cdef void on_low(Transport *transport) noexcept nogil:
    cdef Http1Downstream *down = <Http1Downstream *>transport.owner
    if down.stream != NULL:
        stream_upload_low(down.stream)
    elif down.state == DOWN_HEAD and not down.consuming:
        resume_reading(down, PAUSE_PIPELINE)
        consume_held(down)


cdef void on_flushed(Transport *transport) noexcept nogil:
    # Our FIN is out: nothing more is waited for.
    cdef Http1Downstream *down = <Http1Downstream *>transport.owner
    if down.state == DOWN_CLOSING:
        close_now(down, False)


cdef void drain(Connection *connection) noexcept nogil:
    drain_now(<Http1Downstream *>connection)


cdef void abort(Connection *connection) noexcept nogil:
    abort_now(<Http1Downstream *>connection)


cdef ConnectionOps connection_ops
connection_ops.drain = drain
connection_ops.abort = abort

cdef TransportOps ops
ops.on_connected = NULL
ops.on_read = on_read
ops.on_end = on_end
ops.on_high = on_high
ops.on_low = on_low
ops.on_flushed = on_flushed
ops.on_closed = on_closed


# --- the end of a stream --------------------------------------------------------------------------------------------


cdef void done(Downstream *base, Stream *stream) noexcept nogil:
    cdef Http1Downstream *down = <Http1Downstream *>base
    cdef bint request_read = stream.bits & STREAM_REQUEST_END != 0
    down.stream = NULL
    down.idle_ns = clock_ns(&down.base.engine.loop.clock)
    if down.state >= DOWN_CLOSING:
        return
    if down.close_after or not request_read or stream.bits & STREAM_TUNNEL or down.base.conn.transport.failed or down.base.engine.draining:
        # What is answered while the request is being read is, to Envoy, answered before its end.
        close_gracefully(down, down.saw_close and not (stream.bits & STREAM_LOCAL_REPLY and down.consuming) and (
            request_read or stream.bits & STREAM_HTTP10 != 0))
        return
    down.state = DOWN_HEAD
    if down.pause:
        resume_reading(down, down.pause)
    if down.held.len > 0 and not down.consuming:
        consume_held(down)


cdef void cut(Downstream *base, Stream *stream) noexcept nogil:
    # The response cannot be completed: what was sent of it goes out, then the connection closes without the rest.
    cdef Http1Downstream *down = <Http1Downstream *>base
    down.stream = NULL
    close_gracefully(down, False)


cdef void succeed(Downstream *base, Stream *stream, Stream *next) noexcept nogil:
    (<Http1Downstream *>base).stream = next


cdef void no_more(Downstream *base) noexcept nogil:
    (<Http1Downstream *>base).close_after = True


cdef void pause(Downstream *base, Stream *stream, uint8_t reason) noexcept nogil:
    pause_reading(<Http1Downstream *>base, reason)


cdef void resume(Downstream *base, Stream *stream, uint8_t reason) noexcept nogil:
    resume_reading(<Http1Downstream *>base, reason)


cdef DownstreamOps down_ops
down_ops.send_interim = downstream_send_interim
down_ops.send_head = downstream_send_head
down_ops.send_span = downstream_send_span
down_ops.send_buffer = downstream_send_buffer
down_ops.send_trailers = downstream_send_trailers
down_ops.pause = pause
down_ops.resume = resume
down_ops.no_more = no_more
down_ops.succeed = succeed
down_ops.done = done
down_ops.cut = cut


cdef const char *down_state_name(uint8_t state) noexcept nogil:
    if state == DOWN_HEAD:
        return b"head"
    if state == DOWN_BODY:
        return b"body"
    if state == DOWN_WAIT:
        return b"wait"
    if state == DOWN_CLOSING:
        return b"closing"
    return b"closed"
