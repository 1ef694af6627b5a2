"""gRPC for clients of HTTP/1; see grpc_http1_bridge.pxd for the law."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from meshcore.base.arena cimport arena_take
from meshcore.base.buffer cimport Buffer, buffer_drain
from meshcore.base.span cimport parse_u64, span, span_find, span_is, write_u64
from meshcore.codec.grpc_frame cimport GRPC_FRAME_HEAD, grpc_frame_begin
from meshcore.codec.head cimport *
from meshcore.filter.http cimport *
from meshcore.route.table cimport request_is_grpc

cdef struct BridgeState:
    bint framed                    # the request was in Protobuf


cdef void upgrade(HttpStream *stream) noexcept nogil:
    head_set(stream.request, H_CONTENT_TYPE, span(b"application/grpc", 16))
    head_drop(stream.request, H_CONTENT_LENGTH)
    stream.ops.clear_route(stream)


cdef int on_request_head(HttpStream *stream, uint8_t n, bint end) noexcept nogil:
    cdef const GrpcBridgeConf *conf = <const GrpcBridgeConf *>stream.settings[n]
    cdef Head *head = stream.request
    cdef bint framed = conf.upgrades and span_is(head_value(head, H_CONTENT_TYPE), b"application/x-protobuf", 22)
    cdef BridgeState *state = NULL
    cdef int64_t query
    if framed:
        upgrade(stream)
    if head.version < HTTP_2 and request_is_grpc(head):
        state = <BridgeState *>arena_take(stream.arena, sizeof(BridgeState))
    if state == NULL:
        stream.request_bodies &= ~(<uint32_t>1 << n)
        stream.response_bodies &= ~(<uint32_t>1 << n)
        return FILTER_CONTINUE
    state.framed = framed
    stream.state[n] = state
    query = span_find(head.path, b'?') if conf.drops_query else -1
    if query >= 0:
        head.path.len = <uint32_t>query
    return FILTER_CONTINUE


cdef int on_request_data(HttpStream *stream, uint8_t n, Buffer *data, bint end) noexcept nogil:
    cdef BridgeState *state = <BridgeState *>stream.state[n]
    if state == NULL or not state.framed:
        return FILTER_CONTINUE
    if not end:
        return FILTER_BUFFER
    grpc_frame_begin(stream.buffers, data, <uint32_t>data.len)
    return FILTER_CONTINUE


cdef int on_response_head(HttpStream *stream, uint8_t n, bint end) noexcept nogil:
    return FILTER_BUFFER if stream.state[n] != NULL else FILTER_CONTINUE


cdef void finish_head(Head *head, Head *trailers, uint64_t len) noexcept nogil:
    cdef char text[20]
    cdef uint64_t status = 0
    if head_has(trailers, H_GRPC_STATUS):
        if not parse_u64(head_value(trailers, H_GRPC_STATUS), &status) or status != 0:
            head.status = 503
        head_set(head, H_GRPC_STATUS, head_value(trailers, H_GRPC_STATUS))
    if head_has(trailers, H_GRPC_MESSAGE):
        head_set(head, H_GRPC_MESSAGE, head_value(trailers, H_GRPC_MESSAGE))
    head_set_copy(head, H_CONTENT_LENGTH, span(text, write_u64(text, len)))


cdef int on_response_data(HttpStream *stream, uint8_t n, Buffer *data, bint end) noexcept nogil:
    # The whole body; a local reply and what is no gRPC have no trailers.
    cdef BridgeState *state = <BridgeState *>stream.state[n]
    cdef Head *trailers = stream.record.trailers
    if state == NULL or trailers == NULL:
        return FILTER_CONTINUE
    if state.framed:
        buffer_drain(stream.buffers, data, min(<uint64_t>GRPC_FRAME_HEAD, data.len))
    finish_head(stream.response, trailers, data.len)
    return FILTER_CONTINUE


cdef HttpFilterOps ops
ops.kind = b"envoy.filters.http.grpc_http1_bridge"
ops.on_request_head = on_request_head
ops.on_request_data = on_request_data
ops.on_request_trailers = NULL
ops.on_response_head = on_response_head
ops.on_response_data = on_response_data
ops.on_response_trailers = NULL
ops.on_log = NULL
ops.on_destroy = NULL


cdef const HttpFilterOps *grpc_http1_bridge_filter() noexcept nogil:
    return &ops
