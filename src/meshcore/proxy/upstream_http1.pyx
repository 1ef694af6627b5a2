"""HTTP/1 upstream connections: requests to bytes, response bytes to attempt events.

One request at a time, no pipelining. A connection goes back to its pool when the response is complete, the request was sent whole and both
sides want to keep it. Bytes that arrive on an idle connection, or after a response, close it: nobody asked for them. Worker thread; a
connection ends in upstream_close.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp

from meshcore.base.arena cimport arena_take
from meshcore.base.buffer cimport CHUNK, Buffer
from meshcore.base.clock cimport clock_ns
from meshcore.base.held cimport held_append, held_drop, held_fini
from meshcore.base.slab cimport slab_free, slab_new
from meshcore.base.span cimport Span, list_has, span
from meshcore.codec.head cimport *
from meshcore.codec.http1 cimport *
from meshcore.codec.http1_body cimport http1_body_begin, http1_body_next
from meshcore.codec.http1_parse cimport http1_parse_response
from meshcore.codec.http1_write cimport *
from meshcore.conf.stat_ids cimport *
from meshcore.conf.tables cimport ClusterConf
from meshcore.io.transport cimport *
from meshcore.proxy.attempt cimport *
from meshcore.proxy.attempt_response cimport *
from meshcore.proxy.failure cimport attempt_failed
from meshcore.proxy.objects cimport *
from meshcore.proxy.pool cimport pool_stream_over
from meshcore.proxy.stream cimport stream_trailers
from meshcore.proxy.upstream cimport upstream_close, upstream_closed, upstream_count, upstream_lost, upstream_rest

cdef enum:
    COPY_MAX = 2048                # a body piece up to this size is copied behind the head: one buffer, one cheaper system call


cdef inline ClusterConf *conf_of(Http1Upstream *upstream) noexcept nogil:
    return upstream.base.pool.cluster.conf


cdef inline void count(Http1Upstream *upstream, int stat, int64_t n) noexcept nogil:
    upstream_count(&upstream.base, stat, n)


# --- life -----------------------------------------------------------------------------------------------------------


cdef Upstream *http1_upstream_new(Engine *engine) noexcept nogil:
    cdef Http1Upstream *upstream = <Http1Upstream *>slab_new(&engine.upstreams)
    if upstream == NULL:
        return NULL
    upstream.base.ops = &up_ops
    upstream.base.engine = engine
    upstream.base.version = HTTP_11
    upstream.base.room = 1
    upstream.attempt = NULL
    upstream.held.at = NULL
    upstream.held.len = 0
    upstream.held.cap = 0
    upstream.end_seen = False
    upstream.skip = 0
    return &upstream.base


cdef bint opened(Upstream *base) noexcept nogil:
    base.transport.ops = &ops
    return True


cdef void free_one(Upstream *base) noexcept nogil:
    held_fini(&(<Http1Upstream *>base).held)
    slab_free(&base.engine.upstreams, base)


cdef void close_one(Http1Upstream *upstream) noexcept nogil:
    upstream_close(&upstream.base)


# --- requests out ---------------------------------------------------------------------------------------------------


cdef void begin(Upstream *base, Attempt *attempt) noexcept nogil:
    cdef Http1Upstream *upstream = <Http1Upstream *>base
    upstream.attempt = attempt
    attempt.upstream = base
    attempt.reused = upstream.base.requests > 0
    upstream.base.requests += 1
    upstream.base.state = UP_HEAD
    upstream.skip = 0
    if conf_of(upstream).max_requests and upstream.base.requests >= conf_of(upstream).max_requests:
        upstream.base.close_after = True
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


cdef void upstream_send_raw(Upstream *base, Attempt *attempt) noexcept nogil:
    # The request ends here: the connection carries the tunnel's bytes and no HTTP.
    cdef Http1Upstream *upstream = <Http1Upstream *>base
    attempt.head_sent = True
    attempt.end_sent = False
    attempt.raw = True
    upstream.message.framing = BODY_RAW
    upstream.base.close_after = True
    http1_body_begin(&upstream.body, &upstream.message)
    upstream.base.state = UP_BODY


cdef void send_head(Upstream *base, Attempt *attempt, bint end) noexcept nogil:
    cdef Http1Upstream *upstream = <Http1Upstream *>base
    cdef Head *head = &attempt.stream.request
    cdef ClusterConf *conf = conf_of(upstream)
    cdef size_t bound
    cdef size_t n
    cdef char *room
    frame_request(attempt, end)
    bound = http1_head_bound(head)
    if bound <= CHUNK:
        room = transport_reserve(upstream.base.transport, bound)
        if room == NULL:
            upstream.base.transport.failed = True
            return
        n = http1_write_request(head, &conf.http1, conf.send_full_url, room)
        transport_commit(upstream.base.transport, n)
    else:
        room = <char *>arena_take(&attempt.stream.arena, bound)
        if room == NULL:
            upstream.base.transport.failed = True
            return
        n = http1_write_request(head, &conf.http1, conf.send_full_url, room)
        transport_copy(upstream.base.transport, room, n)
    count(upstream, CLUSTER_CX_TX_BYTES, <int64_t>n)
    attempt.stream.record.upstream_header_tx += http1_fields_len(room, n)
    attempt.stream.record.upstream_wire_tx += n
    attempt.head_sent = True
    attempt.end_sent = end
    transport_flush(upstream.base.transport)


cdef inline void append(Transport *transport, const char *at, size_t n) noexcept nogil:
    if n <= COPY_MAX:
        transport_copy(transport, at, n)
    else:
        transport_append(transport, at, n)


cdef void send_span(Upstream *base, Attempt *attempt, Span data, bint end) noexcept nogil:
    cdef Http1Upstream *upstream = <Http1Upstream *>base
    cdef Transport *transport = upstream.base.transport
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
    attempt.sent_bytes += data.len
    sent(upstream, attempt, transport.out.len - before, end)


cdef void send_buffer(Upstream *base, Attempt *attempt, Buffer *data, bint end) noexcept nogil:
    cdef Http1Upstream *upstream = <Http1Upstream *>base
    cdef Transport *transport = upstream.base.transport
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
    attempt.sent_bytes += len
    sent(upstream, attempt, transport.out.len - before, end)


cdef void sent(Http1Upstream *upstream, Attempt *attempt, uint64_t n, bint end) noexcept nogil:
    count(upstream, CLUSTER_CX_TX_BYTES, <int64_t>n)
    attempt.stream.record.upstream_wire_tx += n
    if end:
        attempt.end_sent = True
        if attempt.raw or (attempt.stream.bits & STREAM_TUNNEL and attempt.stream.bits & (STREAM_CONNECT | STREAM_TCP)):
            transport_finish(upstream.base.transport)
    transport_flush(upstream.base.transport)


cdef void send_trailers(Upstream *base, Attempt *attempt, Head *trailers) noexcept nogil:
    cdef Http1Upstream *upstream = <Http1Upstream *>base
    cdef char *room
    cdef size_t n
    if not attempt.chunked:
        attempt.end_sent = True
        return
    if not conf_of(upstream).http1.enable_trailers:
        transport_copy(upstream.base.transport, b"0\r\n\r\n", 5)
        sent(upstream, attempt, 5, True)
        return
    room = <char *>arena_take(&attempt.stream.arena, http1_head_bound(trailers))
    if room == NULL:
        upstream.base.transport.failed = True
        return
    n = http1_write_trailers(trailers, room)
    transport_copy(upstream.base.transport, room, n)
    sent(upstream, attempt, n, True)


# --- responses in ---------------------------------------------------------------------------------------------------


cdef void on_read(Transport *transport, const char *at, size_t n) noexcept nogil:
    cdef Http1Upstream *upstream = <Http1Upstream *>transport.owner
    cdef size_t used
    count(upstream, CLUSTER_CX_RX_BYTES, <int64_t>n)
    if upstream.base.state == UP_IDLE:
        if n < 12 or memcmp(at + 9, b"408", 3) != 0:
            count(upstream, CLUSTER_CX_PROTOCOL_ERROR, 1)      # nothing was asked; a 408 says that, and is none
        upstream.base.local_close = True
        close_one(upstream)
        return
    if upstream.attempt != NULL:
        upstream.attempt.stream.record.upstream_wire_rx += n
    if upstream.held.len == 0:
        used = consume(upstream, at, n)
        if used < n and upstream.base.state < UP_CLOSED and not held_append(&upstream.held, at + used, n - used):
            fail(upstream, RESET_LOCAL)
        return
    if not held_append(&upstream.held, at, n):
        fail(upstream, RESET_LOCAL)
        return
    used = consume(upstream, upstream.held.at, upstream.held.len)
    transport_flush_all(&upstream.base.engine.loop)
    if used > 0:
        held_drop(&upstream.held, used)


cdef size_t consume(Http1Upstream *upstream, const char *start, size_t n) noexcept nogil:
    cdef const char *at = start
    cdef const char *end = start + n
    cdef bint going = True
    while going and at < end:
        if upstream.base.state == UP_HEAD:
            going = take_head(upstream, &at, end)
        elif upstream.base.state == UP_BODY:
            going = take_body(upstream, &at, end)
        else:
            return n               # closed
    return at - start


cdef bint take_head(Http1Upstream *upstream, const char **at, const char *end) noexcept nogil:
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
        upstream.base.local_close = True
        fail(upstream, RESET_HEADERS_TOO_LARGE if upstream.message.error == HTTP1_HEAD_TOO_LARGE else RESET_PROTOCOL)
        return False
    at[0] += used
    if head.status < 200 and head.status >= 100 and head.status != 101:
        attempt_interim(attempt, head)
        return upstream.base.state == UP_HEAD
    if stream.record.upstream_first_rx_ns == 0:
        stream.record.upstream_first_rx_ns = clock_ns(&upstream.base.engine.loop.clock)
    stream.record.upstream_header_rx += head.bytes
    begin_response(upstream, attempt, head, at[0] < end)
    return upstream.base.state == UP_BODY


cdef bint connection_says(Head *head, const char *token, size_t n) noexcept nogil:
    cdef Header *header = head_find(head, H_CONNECTION)
    while header != NULL:
        if list_has(header_value(header), token, n):
            return True
        header = head_next(head, header)
    return False


cdef void begin_response(Http1Upstream *upstream, Attempt *attempt, Head *head, bint more) noexcept nogil:
    cdef Stream *stream = attempt.stream
    cdef bint end
    if upstream.message.framing == BODY_RAW:
        if head.status == 101 and stream.bits & STREAM_UPGRADE == 0:
            count(upstream, CLUSTER_CX_PROTOCOL_ERROR, 1)
            upstream.base.local_close = True
            fail(upstream, RESET_PROTOCOL)         # nobody asked to upgrade
            return
        stream.bits |= STREAM_TUNNEL
        attempt_tunnel_opened(attempt)
    if not upstream.message.keep_alive or upstream.message.framing == BODY_RAW:
        if not upstream.base.close_after and upstream.message.framing != BODY_RAW and (
                upstream.message.framing != BODY_UNTIL_CLOSE or connection_says(head, b"close", 5) or (
                    head.version == HTTP_10 and not connection_says(head, b"keep-alive", 10))):
            count(upstream, CLUSTER_CX_CLOSE_NOTIFY, 1)
        upstream.base.close_after = True
    http1_body_begin(&upstream.body, &upstream.message)
    end = upstream.message.framing == BODY_NONE
    upstream.base.state = UP_BODY
    if end:
        finish_response(upstream, attempt, more)
    attempt_response_head(attempt, end)


cdef void finish_response(Http1Upstream *upstream, Attempt *attempt, bint more) noexcept nogil:
    # The response is complete: from here the connection no longer belongs to the attempt. `more`: bytes follow that nobody asked for, so
    # the connection is out of step and must not serve another request.
    cdef bint reusable = attempt.end_sent and not upstream.base.close_after and not upstream.base.transport.failed and not more
    attempt.stream.record.upstream_last_rx_ns = clock_ns(&upstream.base.engine.loop.clock)
    attempt.upstream = NULL
    upstream.attempt = NULL
    if attempt.pausing:
        attempt.pausing = False
        read_on(upstream)
    if more:
        count(upstream, CLUSTER_CX_PROTOCOL_ERROR, 1)
    if reusable:
        upstream_rest(&upstream.base)
        pool_stream_over(&upstream.base)
        return
    upstream.base.local_close = not upstream.end_seen
    if not attempt.end_sent:
        upstream_lost(&upstream.base)
    close_one(upstream)


cdef bint take_body(Http1Upstream *upstream, const char **at, const char *end) noexcept nogil:
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
        upstream.base.local_close = True
        fail(upstream, RESET_PROTOCOL)
        return False
    if event == EVENT_BODY:
        over = upstream.body.state == BODY_DONE
        if over:
            finish_response(upstream, attempt, at[0] < end)
        attempt_response_data(attempt, data, over)
        return not over and upstream.base.state == UP_BODY
    finish_response(upstream, attempt, at[0] < end)
    if event == EVENT_TRAILERS:
        attempt_response_trailers(attempt)
    else:
        attempt_response_data(attempt, span(b"", 0), True)
    return False


cdef void fail(Http1Upstream *upstream, uint8_t reason) noexcept nogil:
    # The connection is of no more use; its attempt hears it after everything here is in order.
    cdef Attempt *attempt = upstream.attempt
    if attempt != NULL:
        upstream_lost(&upstream.base)
        upstream.attempt = NULL
        attempt.upstream = NULL
    close_one(upstream)
    if attempt != NULL:
        attempt_failed(attempt, reason, span(b"", 0))


cdef void on_end(Transport *transport, int error) noexcept nogil:
    cdef Http1Upstream *upstream = <Http1Upstream *>transport.owner
    cdef Attempt *attempt = upstream.attempt
    cdef bint bytes = attempt != NULL and attempt.stream.bits & STREAM_TCP != 0
    if upstream.base.state == UP_CLOSED:
        return
    if upstream.base.state == UP_BODY and upstream.body.state == BODY_OPEN and error == 0 and (
            upstream.message.framing != BODY_RAW or attempt.raw or bytes):
        upstream.end_seen = not bytes and (not attempt.raw or attempt.end_sent)
        finish_response(upstream, attempt, False)
        attempt_response_data(attempt, span(b"", 0), True)
        return
    if bytes and error == 0:
        upstream.base.local_close = True       # as Envoy counts a FIN where it lets directions end alone
    if (upstream.base.state == UP_HEAD and upstream.skip > 0) or (upstream.base.state == UP_BODY and upstream.message.framing != BODY_RAW):
        count(upstream, CLUSTER_CX_PROTOCOL_ERROR, 1)      # it left inside a message
        fail(upstream, RESET_PROTOCOL)
        return
    fail(upstream, RESET_TERMINATION)


cdef void abandon(Upstream *base, Attempt *attempt) noexcept nogil:
    # The rest of its answer would come: the connection cannot be used again.
    cdef Http1Upstream *upstream = <Http1Upstream *>base
    base.local_close = True
    upstream_lost(base)
    upstream.attempt = NULL
    attempt.upstream = NULL
    close_one(upstream)


# --- flow -----------------------------------------------------------------------------------------------------------


cdef void pause(Upstream *base, Attempt *attempt) noexcept nogil:
    cdef Http1Upstream *upstream = <Http1Upstream *>base
    if upstream.base.transport.reading:
        count(upstream, CLUSTER_FLOW_PAUSED, 1)
        transport_read_stop(upstream.base.transport)


cdef void read_on(Http1Upstream *upstream) noexcept nogil:
    if not upstream.base.transport.reading and upstream.base.state < UP_CLOSED:
        count(upstream, CLUSTER_FLOW_RESUMED, 1)
        transport_read_start(upstream.base.transport)


cdef void resume(Upstream *base, Attempt *attempt) noexcept nogil:
    read_on(<Http1Upstream *>base)


cdef void on_high(Transport *transport) noexcept nogil:
    cdef Http1Upstream *upstream = <Http1Upstream *>transport.owner
    if upstream.attempt != NULL:
        count(upstream, CLUSTER_FLOW_BACKED_UP, 1)
        attempt_upload_full(upstream.attempt)


cdef void on_low(Transport *transport) noexcept nogil:
    cdef Http1Upstream *upstream = <Http1Upstream *>transport.owner
    if upstream.attempt != NULL:
        count(upstream, CLUSTER_FLOW_DRAINED, 1)
        attempt_upload_low(upstream.attempt)


cdef void on_flushed(Transport *transport) noexcept nogil:
    # As Envoy has it, a CONNECT that was sent on ends both ways when its client has sent everything.
    cdef Http1Upstream *upstream = <Http1Upstream *>transport.owner
    if upstream.attempt != NULL and not upstream.attempt.raw:
        upstream.base.local_close = True
        fail(upstream, RESET_TERMINATION)


cdef TransportOps ops
ops.on_connected = NULL
ops.on_read = on_read
ops.on_end = on_end
ops.on_high = on_high
ops.on_low = on_low
ops.on_flushed = on_flushed
ops.on_closed = upstream_closed

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
