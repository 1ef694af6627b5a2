"""The HTTP filter chain of a stream.

Each direction stands at one filter (Chain.at). A filter that stops holds the head; body that arrives meanwhile is copied into Chain.waiting,
with back-pressure to the side it comes from, and goes on when the filter resumes. Bodies pass filters as Buffers only when some filter of this
connection manager looks at bodies; otherwise they go as spans straight to the router or the client.
"""
from libc.stdint cimport uint8_t
from libc.string cimport memset

from meshcore.base.arena cimport arena_take
from meshcore.base.buffer cimport *
from meshcore.base.span cimport span
from meshcore.conf.tables cimport FilterConf
from meshcore.filter.http cimport *
from meshcore.proxy.downstream cimport downstream_pause, downstream_resume
from meshcore.proxy.objects cimport *
from meshcore.proxy.router cimport router_request_data, router_request_head, router_request_trailers
from meshcore.proxy.stream_response cimport *

cdef enum:
    OVER = STREAM_ENDED | STREAM_RESPONSE_HEAD | STREAM_LOCAL_REPLY


cdef inline BufferPool *pool_of(Stream *stream) noexcept nogil:
    return &stream.engine.loop.buffers


cdef inline const HttpFilterOps *active(Stream *stream, uint8_t n) noexcept nogil:
    # The n-th filter's operations; NULL when it is switched off for this route.
    cdef FilterConf *conf = &stream.hcm.filters[n]
    if stream.http.route != NULL:
        if (stream.http.route.filters_off >> n) & 1:
            return NULL
    if conf.disabled:
        return NULL
    return conf.ops


cdef bint chain_init(Stream *stream) noexcept nogil:
    cdef size_t room = stream.hcm.filters_len * sizeof(void *)
    stream.filters_len = stream.hcm.filters_len
    stream.http.settings = stream.hcm.filter_settings
    if stream.filters_len > 0:
        stream.http.state = <void **>arena_take(&stream.arena, room)
        if stream.http.state == NULL:
            stream.filters_len = 0
            return False
        memset(stream.http.state, 0, room)
    stream.response_chain.at = stream.filters_len
    return True


# --- requests -------------------------------------------------------------------------------------------------------


cdef inline bint head_only(Stream *stream) noexcept nogil:
    return stream.message.framing == 0


cdef void chain_request_head(Stream *stream) noexcept nogil:
    cdef Chain *chain = &stream.request_chain
    cdef const HttpFilterOps *ops
    cdef uint8_t n
    while chain.at < stream.filters_len:
        n = chain.at
        chain.at += 1
        ops = active(stream, n)
        if ops == NULL or ops.on_request_head == NULL:
            continue
        if ops.on_request_head(&stream.http, n, head_only(stream)) != FILTER_CONTINUE:
            if stream.bits & OVER == 0:
                chain.stopped = True
            return
        if stream.bits & OVER:
            return
    stream.bits |= STREAM_ROUTED
    chain.at = 0                   # data runs through all filters
    router_request_head(stream, head_only(stream))


cdef void hold(Stream *stream, Chain *chain, Span data, bint end) noexcept nogil:
    if data.len > 0:
        buffer_copy(pool_of(stream), &chain.waiting, data.at, data.len)
    chain.end = chain.end or end


cdef void chain_request_data(Stream *stream, Span data, bint end) noexcept nogil:
    cdef Chain *chain = &stream.request_chain
    cdef Buffer buffer
    if stream.bits & (STREAM_ENDED | STREAM_LOCAL_REPLY):
        return
    if chain.stopped:
        hold(stream, chain, data, end)
        if chain.buffering and end:
            chain_resume_request(stream)
        elif chain.waiting.len > stream.listener.conf.buffer_limit and stream.down != NULL:
            downstream_pause(stream.down, PAUSE_WAITING_FULL)
        return
    if not stream.hcm.data_filters:
        router_request_data(stream, data, end)
        return
    buffer_init(&buffer)
    if data.len > 0 and not buffer_borrow(pool_of(stream), &buffer, data.at, data.len):
        return
    run_request_data(stream, 0, &buffer, end)


cdef void run_request_data(Stream *stream, uint8_t start, Buffer *data, bint end) noexcept nogil:
    cdef Chain *chain = &stream.request_chain
    cdef const HttpFilterOps *ops
    cdef uint8_t n
    cdef int answer
    for n in range(start, stream.filters_len):
        ops = active(stream, n)
        if ops == NULL or ops.on_request_data == NULL:
            continue
        answer = ops.on_request_data(&stream.http, n, data, end)
        if stream.bits & (STREAM_ENDED | STREAM_LOCAL_REPLY):
            buffer_fini(pool_of(stream), data)
            return
        if answer == FILTER_CONTINUE or (answer == FILTER_BUFFER and end):
            continue
        chain.stopped = True
        chain.buffering = answer == FILTER_BUFFER
        chain.at = n if chain.buffering else n + 1
        chain.end = end
        buffer_own(pool_of(stream), data)
        buffer_move(&chain.waiting, data)
        return
    send_request(stream, data, end)


cdef void send_request(Stream *stream, Buffer *data, bint end) noexcept nogil:
    # Slices go to the router as spans; each is consumed (sent or copied) before it is dropped.
    cdef Slice *item = data.first
    if data.len == 0:
        if end:
            router_request_data(stream, span(b"", 0), True)
        buffer_fini(pool_of(stream), data)
        return
    buffer_own(pool_of(stream), data)
    item = data.first
    while item != NULL:
        router_request_data(stream, span(item.at, item.len), end and item.next == NULL)
        if stream.bits & STREAM_ENDED:
            break
        item = item.next
    stream_keep(stream, data)


cdef void stream_keep(Stream *stream, Buffer *data) noexcept nogil:
    # Spans handed on may still be referred to by a write queue until this event is over; the stream outlives it.
    buffer_move(&stream.spent, data)


cdef void chain_request_trailers(Stream *stream) noexcept nogil:
    if stream.bits & (STREAM_ENDED | STREAM_LOCAL_REPLY):
        return
    if stream.request_chain.stopped:
        stream.request_chain.end = True
        return
    router_request_trailers(stream)


cdef void chain_resume_request(Stream *stream) noexcept nogil:
    cdef Chain *chain = &stream.request_chain
    cdef Buffer data
    cdef bint end
    if not chain.stopped or stream.bits & (STREAM_ENDED | STREAM_LOCAL_REPLY):
        return
    chain.stopped = False
    if stream.bits & STREAM_ROUTED == 0:
        chain_request_head(stream)
        if chain.stopped or stream.bits & (STREAM_ENDED | STREAM_LOCAL_REPLY):
            return
        chain.at = 0
    end = chain.end
    chain.end = False
    chain.buffering = False
    buffer_init(&data)
    buffer_move(&data, &chain.waiting)
    if stream.down != NULL:
        downstream_resume(stream.down, PAUSE_WAITING_FULL)
    if data.len > 0 or (end and stream.bits & STREAM_TRAILERS == 0 and not head_only(stream)):
        run_request_data(stream, chain.at, &data, end and stream.bits & STREAM_TRAILERS == 0)
    chain.at = 0
    if end and stream.bits & STREAM_TRAILERS and stream.bits & STREAM_ENDED == 0:
        router_request_trailers(stream)


# --- responses ------------------------------------------------------------------------------------------------------


cdef void chain_response_head(Stream *stream, bint end) noexcept nogil:
    cdef Chain *chain = &stream.response_chain
    cdef const HttpFilterOps *ops
    cdef uint8_t n
    stream.response_end_at_head = end
    while chain.at > 0:
        n = chain.at - 1
        chain.at = n
        ops = active(stream, n)
        if ops == NULL or ops.on_response_head == NULL:
            continue
        if ops.on_response_head(&stream.http, n, end) != FILTER_CONTINUE:
            if stream.bits & STREAM_ENDED == 0:
                chain.stopped = True
            return
        if stream.bits & STREAM_ENDED:
            return
    stream.bits |= STREAM_RESPONSE_PASSED
    deliver_head(stream, end)


cdef void chain_response_data(Stream *stream, Span data, bint end) noexcept nogil:
    cdef Chain *chain = &stream.response_chain
    cdef Buffer buffer
    if stream.bits & STREAM_ENDED:
        return
    if chain.stopped:
        hold(stream, chain, data, end)
        if chain.buffering and end:
            chain_resume_response(stream)
        elif chain.waiting.len > stream.listener.conf.buffer_limit:
            deliver_full(stream)
        return
    if not stream.hcm.data_filters:
        deliver_span(stream, data, end)
        return
    buffer_init(&buffer)
    if data.len > 0 and not buffer_borrow(pool_of(stream), &buffer, data.at, data.len):
        return
    run_response_data(stream, stream.filters_len, &buffer, end)


cdef void run_response_data(Stream *stream, uint8_t start, Buffer *data, bint end) noexcept nogil:
    cdef Chain *chain = &stream.response_chain
    cdef const HttpFilterOps *ops
    cdef uint8_t n = start
    cdef int answer
    while n > 0:
        n -= 1
        ops = active(stream, n)
        if ops == NULL or ops.on_response_data == NULL:
            continue
        answer = ops.on_response_data(&stream.http, n, data, end)
        if stream.bits & STREAM_ENDED:
            buffer_fini(pool_of(stream), data)
            return
        if answer == FILTER_CONTINUE or (answer == FILTER_BUFFER and end):
            continue
        chain.stopped = True
        chain.buffering = answer == FILTER_BUFFER
        chain.at = n + 1 if chain.buffering else n
        chain.end = end
        buffer_own(pool_of(stream), data)
        buffer_move(&chain.waiting, data)
        return
    deliver_buffer(stream, data, end)


cdef void chain_response_trailers(Stream *stream) noexcept nogil:
    if stream.bits & STREAM_ENDED:
        return
    if stream.response_chain.stopped:
        stream.response_chain.end = True
        return
    deliver_trailers(stream)


cdef void chain_resume_response(Stream *stream) noexcept nogil:
    cdef Chain *chain = &stream.response_chain
    cdef Buffer data
    cdef bint end
    if not chain.stopped or stream.bits & STREAM_ENDED:
        return
    chain.stopped = False
    if stream.bits & STREAM_RESPONSE_PASSED == 0:
        chain_response_head(stream, stream.response_end_at_head)
        if chain.stopped or stream.bits & STREAM_ENDED:
            return
        chain.at = stream.filters_len
    end = chain.end
    chain.end = False
    chain.buffering = False
    buffer_init(&data)
    buffer_move(&data, &chain.waiting)
    deliver_low(stream)
    if data.len > 0 or (end and stream.record.trailers == NULL):
        run_response_data(stream, chain.at, &data, end and stream.record.trailers == NULL)
    if end and stream.record.trailers != NULL and stream.bits & STREAM_ENDED == 0:
        deliver_trailers(stream)


cdef void chain_skip_response(Stream *stream) noexcept nogil:
    cdef Chain *chain = &stream.response_chain
    buffer_fini(pool_of(stream), &chain.waiting)
    chain.stopped = False
    chain.buffering = False
    chain.end = False
    chain.at = stream.filters_len
    buffer_fini(pool_of(stream), &stream.request_chain.waiting)
    stream.request_chain.stopped = False
    if stream.down != NULL:
        downstream_resume(stream.down, PAUSE_WAITING_FULL)


cdef void chain_end(Stream *stream) noexcept nogil:
    cdef uint8_t n
    for n in range(stream.filters_len):
        if stream.hcm.filters[n].ops != NULL and stream.hcm.filters[n].ops.on_log != NULL and active(stream, n) != NULL:
            stream.hcm.filters[n].ops.on_log(&stream.http, n)
    for n in range(stream.filters_len):
        if stream.hcm.filters[n].ops != NULL and stream.hcm.filters[n].ops.on_destroy != NULL:
            stream.hcm.filters[n].ops.on_destroy(&stream.http, n)
    buffer_fini(pool_of(stream), &stream.request_chain.waiting)
    buffer_fini(pool_of(stream), &stream.response_chain.waiting)
