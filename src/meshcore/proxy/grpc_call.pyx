"""gRPC calls of the engine's own. See grpc_call.pxd for the law.

The head is that of Envoy's own calls: deadline, `te: trailers`, and who calls. A message is one frame: a flag that says whether it is
compressed, which none is here, and its length in four bytes (gRPC over HTTP/2).
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from meshcore.base.arena cimport arena_take
from meshcore.base.buffer cimport buffer_copy, buffer_drain, buffer_fini, buffer_init, buffer_read
from meshcore.base.span cimport parse_u64, span
from meshcore.codec.grpc_frame cimport GRPC_FRAME_HEAD, grpc_frame_len, grpc_frame_write
from meshcore.codec.head cimport *
from meshcore.codec.http1 cimport BODY_CHUNKED
from meshcore.conf.tables cimport HcmConf
from meshcore.filter.grpc_call cimport *
from meshcore.proxy.attempt cimport start_try
from meshcore.proxy.objects cimport *
from meshcore.proxy.own_stream cimport own_stream_end, own_stream_new
from meshcore.proxy.route_timeouts cimport route_timeouts_deadline, route_timeouts_expect
from meshcore.proxy.router cimport router_request_complete, router_request_data
from meshcore.route.mutation cimport headers_add

# What the router asks of a connection manager, with nothing configured.
cdef HcmConf no_hcm
memset(&no_hcm, 0, sizeof(HcmConf))


cdef void answer(GrpcCall *call, int status, Span message) noexcept nogil:
    call.stream = NULL
    call.done(call, status, message)


# --- the request ----------------------------------------------------------------------------------------------------


cdef bint write_head(Stream *stream, const GrpcCall *call, Record *about) noexcept nogil:
    cdef Head *head = &stream.request
    cdef const GrpcService *service = call.service
    head_init(head, &stream.arena, False)
    head.version = HTTP_2
    stream.record.protocol = HTTP_2
    head.method = span(b"POST", 4)
    head.path = call.path
    head.authority = service.authority
    head.scheme = span(b"http", 4)
    if not head_set(head, H_TE, span(b"trailers", 8)) or not head_set(head, H_CONTENT_TYPE, span(b"application/grpc", 16)):
        return False
    if call.timeout_ms:
        route_timeouts_deadline(head, call.timeout_ms)
    if not headers_add(service.metadata, service.metadata_len, head, about):
        return False
    if service.forwarded_for.len == 0:
        stream.bits &= ~<uint32_t>STREAM_INTERNAL
        return True
    return head_set(head, H_ENVOY_INTERNAL, span(b"true", 4)) and head_append_value(head, H_X_FORWARDED_FOR, service.forwarded_for)


cdef Span framed(Stream *stream, Span message) noexcept nogil:
    cdef char *frame = <char *>arena_take(&stream.arena, GRPC_FRAME_HEAD + message.len)
    if frame == NULL:
        return span(NULL, 0)
    grpc_frame_write(frame, 0, message.len)
    if message.len > 0:
        memcpy(frame + GRPC_FRAME_HEAD, message.at, message.len)
    return span(frame, GRPC_FRAME_HEAD + message.len)


cdef void grpc_call_begin(Engine *engine, ListenerLocal *listener, GrpcCall *call, Span message, Record *about) noexcept nogil:
    cdef ClusterLocal *cluster = engine.clusters[call.service.cluster] if call.service.cluster < engine.clusters_cap else NULL
    cdef Stream *stream
    cdef Span frame
    call.stream = NULL
    buffer_init(&call.answer)
    if cluster == NULL:
        answer(call, GRPC_UNAVAILABLE, span(NULL, 0))
        return
    stream = own_stream_new(engine, listener, &no_hcm, NULL, cluster)
    if stream == NULL:
        answer(call, GRPC_RESOURCE_EXHAUSTED, span(NULL, 0))
        return
    stream.grpc = call
    call.stream = stream
    frame = framed(stream, message)
    if not write_head(stream, call, about) or frame.len == 0:
        own_stream_end(stream)
        return
    stream.bits |= STREAM_REQUEST_END
    stream.record.request_end_ns = stream.record.start_ns
    stream.message.framing = BODY_CHUNKED
    stream.timeout_ms = call.timeout_ms
    route_timeouts_expect(stream)
    start_try(stream, False, False)
    if stream.bits & STREAM_ENDED == 0:
        router_request_data(stream, frame, True)
    if stream.bits & STREAM_ENDED == 0:
        router_request_complete(stream)


cdef void grpc_call_cancel(GrpcCall *call) noexcept nogil:
    cdef Stream *stream = <Stream *>call.stream
    if stream == NULL:
        return
    buffer_fini(&stream.engine.loop.buffers, &call.answer)
    call.stream = NULL
    stream.grpc = NULL
    own_stream_end(stream)


# --- the answer -----------------------------------------------------------------------------------------------------


cdef GrpcCall *let_go(Stream *stream) noexcept nogil:
    cdef GrpcCall *call = stream.grpc
    stream.grpc = NULL
    return call


cdef void grpc_call_failed(Stream *stream) noexcept nogil:
    cdef GrpcCall *call = let_go(stream)
    buffer_fini(&stream.engine.loop.buffers, &call.answer)
    answer(call, GRPC_UNAVAILABLE, span(NULL, 0))


cdef void grpc_call_data(Stream *stream, Span data) noexcept nogil:
    cdef GrpcCall *call = stream.grpc
    if call.service.most and call.answer.len + data.len > GRPC_FRAME_HEAD + <uint64_t>call.service.most or \
            not buffer_copy(&stream.engine.loop.buffers, &call.answer, data.at, data.len):
        own_stream_end(stream)


cdef int status_of(Head *head) noexcept nogil:
    cdef uint64_t number
    if head == NULL or not parse_u64(head_value(head, H_GRPC_STATUS), &number) or number > 16:
        return GRPC_UNKNOWN
    return <int>number


cdef bint take_message(Stream *stream, GrpcCall *call, Span *message) noexcept nogil:
    # The one message; False: there is none, or it is compressed, or there is more.
    cdef uint64_t n = call.answer.len
    cdef uint8_t head[GRPC_FRAME_HEAD]
    cdef char *text
    if n < GRPC_FRAME_HEAD:
        return False
    buffer_read(&call.answer, <char *>head, GRPC_FRAME_HEAD)
    n -= GRPC_FRAME_HEAD
    if head[0] != 0 or n != grpc_frame_len(head):
        return False
    text = <char *>arena_take(&stream.arena, n + 1)
    if text == NULL:
        return False
    buffer_drain(&stream.engine.loop.buffers, &call.answer, GRPC_FRAME_HEAD)
    buffer_read(&call.answer, text, n)
    message[0] = span(text, n)
    return True


cdef void grpc_call_end(Stream *stream, Head *head) noexcept nogil:
    cdef GrpcCall *call = let_go(stream)
    cdef int status = status_of(head)
    cdef Span message = span(NULL, 0)
    if status == GRPC_OK and not take_message(stream, call, &message):
        status = GRPC_INTERNAL
    buffer_fini(&stream.engine.loop.buffers, &call.answer)
    answer(call, status, message)
