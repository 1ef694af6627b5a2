"""Calls of gRPC clients for hosts that know no gRPC; see grpc_http1_reverse_bridge.pxd for the law."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from meshcore.base.arena cimport arena_take
from meshcore.base.buffer cimport Buffer, buffer_drain, buffer_init
from meshcore.base.span cimport Span, parse_u64, span, span_equal, span_find, write_u64
from meshcore.codec.grpc_frame cimport GRPC_FRAME_HEAD, grpc_frame_begin
from meshcore.codec.head cimport *
from meshcore.codec.status cimport grpc_status_of
from meshcore.filter.http cimport *
from meshcore.route.table cimport request_is_grpc

cdef enum:
    GRPC_OK = 0
    GRPC_UNKNOWN = 2
    GRPC_INTERNAL = 13

cdef struct ReverseState:
    Span type                      # what the client called its content
    uint64_t announced             # by the size header
    uint64_t seen                  # bytes of the answer
    uint8_t status                 # of the call, as gRPC counts
    bint unframed                  # the request's frame is off
    bint framed                    # the answer's is on


cdef inline const ReverseBridgeConf *conf_of(HttpStream *stream, uint8_t n) noexcept nogil:
    return <const ReverseBridgeConf *>stream.settings[n]


cdef inline bint disabled(HttpStream *stream, uint8_t n) noexcept nogil:
    return (<const ReverseBridgeConf *>filter_settings(stream, n)).disabled


cdef void set_number(Head *head, uint8_t id, uint64_t value) noexcept nogil:
    cdef char text[20]
    head_set_copy(head, id, span(text, write_u64(text, value)))


cdef void change_length(Head *head, int64_t by) noexcept nogil:
    cdef uint64_t length = 0
    if parse_u64(head_value(head, H_CONTENT_LENGTH), &length) and length != 0:
        set_number(head, H_CONTENT_LENGTH, length + <uint64_t>by)


cdef int fail(HttpStream *stream, uint8_t status, Span text, Span details) noexcept nogil:
    cdef LocalReply reply
    memset(&reply, 0, sizeof(LocalReply))
    reply.status = 200
    reply.grpc = 1 + status
    reply.body = text
    reply.details = details
    stream.ops.reply(stream, &reply)
    return FILTER_STOP


# --- requests -------------------------------------------------------------------------------------------------------


cdef int on_request_head(HttpStream *stream, uint8_t n, bint end) noexcept nogil:
    cdef const ReverseBridgeConf *conf = conf_of(stream, n)
    cdef Head *head = stream.request
    cdef ReverseState *state = NULL
    if not end and not disabled(stream, n) and request_is_grpc(head):
        state = <ReverseState *>arena_take(stream.arena, sizeof(ReverseState))
    if state == NULL:
        stream.request_bodies &= ~(<uint32_t>1 << n)
        stream.response_bodies &= ~(<uint32_t>1 << n)
        return FILTER_CONTINUE
    memset(state, 0, sizeof(ReverseState))
    stream.state[n] = state
    state.type = head_value(head, H_CONTENT_TYPE)
    head_set(head, H_CONTENT_TYPE, conf.type)
    head_set(head, H_ACCEPT, conf.type)
    if conf.withholds:
        change_length(head, -GRPC_FRAME_HEAD)
    else:
        stream.request_bodies &= ~(<uint32_t>1 << n)
    stream.ops.clear_route(stream)
    return FILTER_CONTINUE


cdef int on_request_data(HttpStream *stream, uint8_t n, Buffer *data, bint end) noexcept nogil:
    cdef ReverseState *state = <ReverseState *>stream.state[n]
    if state == NULL or state.unframed:
        return FILTER_CONTINUE
    if data.len < GRPC_FRAME_HEAD:
        return fail(stream, GRPC_UNKNOWN, span(b"invalid request body", 20), span(b"grpc_bridge_data_too_small", 26))
    buffer_drain(stream.buffers, data, GRPC_FRAME_HEAD)
    state.unframed = True
    return FILTER_CONTINUE


# --- responses ------------------------------------------------------------------------------------------------------


cdef char *put(char *out, Span text) noexcept nogil:
    if text.len:
        memcpy(out, text.at, text.len)
    return out + text.len


cdef int refuse_type(HttpStream *stream, Head *head) noexcept nogil:
    cdef Span type = head_value(head, H_CONTENT_TYPE)
    cdef char *text = <char *>arena_take(stream.arena, type.len + 128)
    cdef char *out = text
    if text == NULL:
        return fail(stream, GRPC_UNKNOWN, span(b"", 0), span(b"grpc_bridge_content_type_wrong", 30))
    out = put(out, span(b"envoy reverse bridge: upstream responded with ", 46))
    if head_has(head, H_CONTENT_TYPE):
        out = put(out, span(b"unsupported content-type ", 25))
        out = put(out, type)
    else:
        out = put(out, span(b"no content-type header", 22))
    out = put(out, span(b", status code ", 14))
    out += write_u64(out, head.status)
    return fail(stream, GRPC_UNKNOWN, span(text, <size_t>(out - text)), span(b"grpc_bridge_content_type_wrong", 30))


cdef bint read_size(HttpStream *stream, const ReverseBridgeConf *conf, ReverseState *state) noexcept nogil:
    # The first of several values that were joined.
    cdef Header *header = head_find_name(stream.response, conf.size_header)
    cdef Span value
    cdef int64_t comma
    if header == NULL:
        return False
    value = header_value(header)
    comma = span_find(value, b',')
    if comma >= 0:
        value.len = <uint32_t>comma
    return parse_u64(value, &state.announced)


cdef void end_with_status(HttpStream *stream, uint8_t n, const ReverseState *state, Buffer *data) noexcept nogil:
    cdef Head *trailers = stream.ops.add_trailers(stream, n, data)
    if trailers != NULL:
        set_number(trailers, H_GRPC_STATUS, state.status)


cdef int on_response_head(HttpStream *stream, uint8_t n, bint end) noexcept nogil:
    cdef const ReverseBridgeConf *conf = conf_of(stream, n)
    cdef ReverseState *state = <ReverseState *>stream.state[n]
    cdef Head *head = stream.response
    cdef Buffer frame
    if state == NULL:
        return FILTER_CONTINUE
    if not span_equal(head_value(head, H_CONTENT_TYPE), conf.type):
        return refuse_type(stream, head)
    head_set(head, H_CONTENT_TYPE, state.type)
    if conf.withholds and conf.size_header.len > 0:
        if not read_size(stream, conf, state):
            return fail(stream, GRPC_INTERNAL, span(b"envoy reverse bridge: upstream did not set content length", 57),
                        span(b"grpc_bridge_content_length_missing", 34))
        set_number(head, H_CONTENT_LENGTH, state.announced + GRPC_FRAME_HEAD)
    elif conf.withholds:
        change_length(head, GRPC_FRAME_HEAD)
    state.status = GRPC_OK if head.status == 200 else grpc_status_of(head.status)
    head.status = 200
    if end and conf.withholds:
        buffer_init(&frame)
        grpc_frame_begin(stream.buffers, &frame, 0)
        set_number(head, H_CONTENT_LENGTH, GRPC_FRAME_HEAD)
        end_with_status(stream, n, state, &frame)
    return FILTER_CONTINUE


cdef int on_response_data(HttpStream *stream, uint8_t n, Buffer *data, bint end) noexcept nogil:
    cdef const ReverseBridgeConf *conf = conf_of(stream, n)
    cdef ReverseState *state = <ReverseState *>stream.state[n]
    if state == NULL:
        return FILTER_CONTINUE
    if conf.withholds and conf.size_header.len == 0 and not end:
        return FILTER_BUFFER
    state.seen += data.len
    if conf.withholds and not state.framed:
        state.framed = True
        grpc_frame_begin(stream.buffers, data, <uint32_t>(state.announced if conf.size_header.len > 0 else data.len))
    if not end or stream.record.trailers != NULL:
        return FILTER_CONTINUE
    if conf.size_header.len > 0 and conf.withholds and state.seen != state.announced:
        return fail(stream, GRPC_INTERNAL, span(b"envoy reverse bridge: upstream set incorrect content length", 59),
                    span(b"grpc_bridge_content_length_wrong", 32))
    end_with_status(stream, n, state, NULL)
    return FILTER_CONTINUE


cdef int on_response_trailers(HttpStream *stream, uint8_t n, Head *trailers) noexcept nogil:
    cdef ReverseState *state = <ReverseState *>stream.state[n]
    if state != NULL:
        set_number(trailers, H_GRPC_STATUS, state.status)
    return FILTER_CONTINUE


cdef HttpFilterOps ops
ops.kind = b"envoy.filters.http.grpc_http1_reverse_bridge"
ops.on_request_head = on_request_head
ops.on_request_data = on_request_data
ops.on_request_trailers = NULL
ops.on_response_head = on_response_head
ops.on_response_data = on_response_data
ops.on_response_trailers = on_response_trailers
ops.on_log = NULL
ops.on_destroy = NULL


cdef const HttpFilterOps *grpc_http1_reverse_bridge_filter() noexcept nogil:
    return &ops
