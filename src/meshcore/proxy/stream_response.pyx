"""The last stretch of a response: hop-by-hop headers, server, date, via; then head, body and trailers to the connection.

The order is Envoy's mutateResponseHeaders and encodeHeaders.
"""
from libc.stdint cimport uint16_t, uint64_t

from meshcore.base.clock cimport clock_ns
from meshcore.base.span cimport span
from meshcore.codec.head cimport *
from meshcore.conf.stat_ids cimport *
from meshcore.conf.tables cimport *
from meshcore.observe.counters cimport stat_inc
from meshcore.proxy.engine cimport engine_date
from meshcore.proxy.objects cimport *
from meshcore.proxy.stream cimport stream_touch
from meshcore.proxy.stream_end cimport stream_complete
from meshcore.proxy.upstream cimport upstream_pause, upstream_resume
from meshcore.proxy.request_head cimport append_via


cdef void count_status(Stream *stream, uint16_t status) noexcept nogil:
    cdef int kind = status // 100 - 1
    cdef uint64_t *stats = stream.engine.stats
    if stream.record.health_check:
        return
    stat_inc(stats, stream.hcm.stats[HCM_RQ_COMPLETED])
    stat_inc(stats, stream.hcm.listener_stats[LISTENER_HTTP_COMPLETED])
    if kind >= 0 and kind < 5:
        stat_inc(stats, stream.hcm.stats[HCM_RQ_1XX + kind])
        stat_inc(stats, stream.hcm.listener_stats[LISTENER_HTTP_1XX + kind])


cdef void drop_hop_headers(Stream *stream) noexcept nogil:
    cdef Head *head = &stream.response
    if stream.bits & STREAM_TUNNEL == 0 or not head_has(head, H_UPGRADE):
        head_drop(head, H_CONNECTION)
        head_drop(head, H_UPGRADE)
    head_drop(head, H_TRANSFER_ENCODING)
    head_drop(head, H_KEEP_ALIVE)
    head_drop(head, H_PROXY_CONNECTION)


cdef void set_identity(Stream *stream) noexcept nogil:
    cdef HcmConf *hcm = stream.hcm
    cdef Head *head = &stream.response
    cdef char *date
    if not head_has(head, H_DATE):
        date = <char *>engine_date(stream.engine)
        head_set_copy(head, H_DATE, span(date, 29))
    if hcm.request_id_in_response and stream.record.stream_id.len > 0:
        head_set(head, H_X_REQUEST_ID, stream.record.stream_id)
    if hcm.via.len > 0:
        append_via(head, hcm.via)
    if hcm.server_header == SERVER_OVERWRITE or (hcm.server_header == SERVER_APPEND_IF_ABSENT and not head_has(head, H_SERVER)):
        head_set(head, H_SERVER, hcm.server_name)


cdef void deliver_head(Stream *stream, bint end) noexcept nogil:
    stream.bits |= STREAM_RESPONSE_HEAD
    stream.record.status = stream.response.status
    stream.record.response_first_tx_ns = clock_ns(&stream.engine.loop.clock)
    drop_hop_headers(stream)
    set_identity(stream)
    count_status(stream, stream.response.status)
    stream.down.ops.send_head(stream.down, stream, end)
    if end:
        stream_complete(stream)


cdef void deliver_span(Stream *stream, Span data, bint end) noexcept nogil:
    stream_touch(stream)
    if stream.bits & STREAM_HEAD_REQUEST == 0:
        stream.record.bytes_sent += data.len
        stream.down.ops.send_span(stream.down, stream, data, end)
    if end:
        stream_complete(stream)


cdef void deliver_buffer(Stream *stream, Buffer *data, bint end) noexcept nogil:
    stream_touch(stream)
    if stream.bits & STREAM_HEAD_REQUEST == 0:
        stream.record.bytes_sent += data.len
        stream.down.ops.send_buffer(stream.down, stream, data, end)
    if end:
        stream_complete(stream)


cdef void deliver_trailers(Stream *stream) noexcept nogil:
    stream.down.ops.send_trailers(stream.down, stream, stream.record.trailers)
    stream_complete(stream)


cdef void deliver_full(Stream *stream) noexcept nogil:
    if stream.attempt != NULL and stream.attempt.upstream != NULL:
        stream.attempt.pausing = True
        upstream_pause(stream.attempt.upstream, stream.attempt)


cdef void deliver_low(Stream *stream) noexcept nogil:
    if stream.attempt != NULL and stream.attempt.upstream != NULL and stream.attempt.pausing:
        stream.attempt.pausing = False
        upstream_resume(stream.attempt.upstream, stream.attempt)
