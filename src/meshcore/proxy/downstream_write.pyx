"""HTTP/1 responses as bytes on a downstream connection.

Decides the framing of the outgoing response (RFC 9112, 6.3, and the choices of Envoy's codec), writes heads and chunk frames, and appends
body bytes by reference. Nothing is sent here: the transport sends when the event is over.
"""
from libc.stdint cimport uint16_t, uint64_t

from meshcore.base.arena cimport arena_take
from meshcore.base.buffer cimport CHUNK, Buffer
from meshcore.base.span cimport Span, span
from meshcore.codec.head cimport *
from meshcore.codec.http1_write cimport *
from meshcore.conf.stat_ids cimport HCM_CX_DRAIN_CLOSE, HCM_CX_TX_BYTES, HCM_RQ_RESPONSE_BEFORE_RQ_COMPLETE
from meshcore.io.transport cimport *
from meshcore.observe.counters cimport stat_add, stat_inc
from meshcore.proxy.drain cimport drain_closes
from meshcore.proxy.objects cimport *

cdef enum:
    COPY_MAX = 2048                # a body piece up to this size is copied behind the head: one buffer, one cheaper system call


cdef inline void sent(Downstream *down, Stream *stream, uint64_t n) noexcept nogil:
    stream.record.downstream_wire_tx += n
    stat_add(down.engine.stats, stream.hcm.stats[HCM_CX_TX_BYTES], n)


cdef void frame_response(Stream *stream, bint end) noexcept nogil:
    cdef Head *head = &stream.response
    cdef uint16_t status = head.status
    if stream.bits & STREAM_TUNNEL:
        head_drop(head, H_CONTENT_LENGTH)
        return
    if head_has(head, H_CONTENT_LENGTH) or status < 200 or status == 204 or status == 304:
        return
    if end and stream.bits & STREAM_HEAD_REQUEST == 0:
        head_set(head, H_CONTENT_LENGTH, span(b"0", 1))
    elif stream.bits & STREAM_HTTP10:
        pass                       # framed by the end of the connection
    else:
        head_set(head, H_TRANSFER_ENCODING, span(b"chunked", 7))
        if stream.bits & STREAM_HEAD_REQUEST == 0:
            stream.bits |= STREAM_CHUNKED


cdef void set_persistence(Stream *stream, bint end) noexcept nogil:
    # Whether this connection takes another request, and what the client is told about it.
    cdef Http1Downstream *down = <Http1Downstream *>stream.down
    cdef Head *head = &stream.response
    if stream.bits & STREAM_HTTP10:
        if not head_has(head, H_CONTENT_LENGTH) and not end:
            down.close_after = True
            down.saw_close = True
        if not down.close_after:
            head_set(head, H_CONNECTION, span(b"keep-alive", 10))
    if (stream.engine.draining or stream.engine.unhealthy or stream.listener.drain_since_ms) and drain_closes(stream):
        if not down.close_after:
            stat_inc(stream.engine.stats, stream.hcm.stats[HCM_CX_DRAIN_CLOSE])
        down.close_after = True
    if stream.bits & STREAM_REQUEST_END == 0:
        if stream.bits & STREAM_TUNNEL == 0:
            down.close_after = True
        stat_inc(stream.engine.stats, stream.hcm.stats[HCM_RQ_RESPONSE_BEFORE_RQ_COMPLETE])
    if down.close_after and stream.bits & STREAM_TUNNEL == 0:
        head_set(head, H_CONNECTION, span(b"close", 5))


cdef void downstream_send_head(Downstream *down, Stream *stream, bint end) noexcept nogil:
    cdef Transport *transport = down.conn.transport
    cdef size_t bound
    cdef size_t n
    cdef char *room
    set_persistence(stream, end)
    frame_response(stream, end)
    bound = http1_head_bound(&stream.response)
    if bound <= CHUNK:
        room = transport_reserve(transport, bound)
        if room == NULL:
            transport.failed = True
            return
        n = http1_write_response(&stream.response, stream.bits & STREAM_HTTP10 != 0, &stream.hcm.http1, room)
        transport_commit(transport, n)
    else:
        room = <char *>arena_take(&stream.arena, bound)
        if room == NULL:
            transport.failed = True
            return
        n = http1_write_response(&stream.response, stream.bits & STREAM_HTTP10 != 0, &stream.hcm.http1, room)
        transport_copy(transport, room, n)
    stream.record.downstream_header_tx += http1_fields_len(room, n)
    sent(down, stream, n)
    transport_flush(transport)


cdef void downstream_send_interim(Downstream *down, Stream *stream, Head *head) noexcept nogil:
    cdef size_t bound
    cdef char *room
    if head == NULL:
        transport_copy(down.conn.transport, b"HTTP/1.0 " if stream.request.version == HTTP_10 else b"HTTP/1.1 ", 9)
        transport_copy(down.conn.transport, b"100 Continue\r\n\r\n", 16)
    else:
        bound = http1_head_bound(head)
        room = <char *>arena_take(head.arena, bound)
        if room == NULL:
            return
        transport_copy(down.conn.transport, room, http1_write_response(head, False, &down.conn.chain.conf.hcm.http1, room))
    transport_flush(down.conn.transport)


cdef inline void append(Transport *transport, const char *at, size_t n) noexcept nogil:
    if n <= COPY_MAX:
        transport_copy(transport, at, n)
    else:
        transport_append(transport, at, n)


cdef void downstream_send_span(Downstream *down, Stream *stream, Span data, bint end) noexcept nogil:
    cdef Transport *transport = down.conn.transport
    cdef uint64_t before = transport.out.len
    cdef char size[24]
    if stream.bits & STREAM_CHUNKED:
        if data.len > 0:
            transport_copy(transport, size, http1_write_chunk_size(data.len, size))
            append(transport, data.at, data.len)
            transport_copy(transport, b"\r\n0\r\n\r\n", 7 if end else 2)
        elif end:
            transport_copy(transport, b"0\r\n\r\n", 5)
    else:
        append(transport, data.at, data.len)
    sent(down, stream, transport.out.len - before)
    transport_flush(transport)


cdef void downstream_send_buffer(Downstream *down, Stream *stream, Buffer *data, bint end) noexcept nogil:
    cdef Transport *transport = down.conn.transport
    cdef uint64_t before = transport.out.len
    cdef uint64_t len = data.len
    cdef char size[24]
    if stream.bits & STREAM_CHUNKED:
        if len > 0:
            transport_copy(transport, size, http1_write_chunk_size(len, size))
            transport_move(transport, data)
            transport_copy(transport, b"\r\n0\r\n\r\n", 7 if end else 2)
        elif end:
            transport_copy(transport, b"0\r\n\r\n", 5)
    else:
        transport_move(transport, data)
    sent(down, stream, transport.out.len - before)
    transport_flush(transport)


cdef void downstream_send_trailers(Downstream *down, Stream *stream, Head *trailers) noexcept nogil:
    cdef Transport *transport = down.conn.transport
    cdef char *room
    cdef size_t n
    if stream.bits & STREAM_CHUNKED == 0:
        return
    if trailers == NULL or not stream.hcm.http1.enable_trailers:
        transport_copy(transport, b"0\r\n\r\n", 5)
    else:
        room = <char *>arena_take(&stream.arena, http1_head_bound(trailers))
        if room == NULL:
            transport.failed = True
            return
        n = http1_write_trailers(trailers, room)
        transport_copy(transport, room, n)
        sent(down, stream, n)
    transport_flush(transport)
