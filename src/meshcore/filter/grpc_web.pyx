"""gRPC-Web; see grpc_web.pxd for the law.

Text is decoded by quanta of four letters and encoded frame by frame, each with its own padding, as Envoy does: what does not make a whole one
waits in the state. The trailers' frame is injected from the hook that sees the trailers: nothing of this direction comes after it.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from meshcore.base.arena cimport arena_take
from meshcore.base.buffer cimport *
from meshcore.base.span cimport Span, span, span_is, write_u64
from meshcore.codec.base64 cimport base64_decode, base64_encode, base64_len
from meshcore.codec.grpc_frame cimport GRPC_FRAME_HEAD, grpc_frame_len, grpc_frame_write
from meshcore.codec.head cimport *
from meshcore.codec.status cimport grpc_status_of
from meshcore.filter.grpc_calls cimport grpc_call_stat, grpc_charge_status, grpc_path_split
from meshcore.filter.http cimport *
from meshcore.observe.late_stats cimport LateStat
from meshcore.route.table cimport request_is_grpc

cdef enum:
    TRAILERS_FRAME = 0x80
    PIECE = 12000                  # a multiple of 3 and of 4 that, encoded, fits a chunk
    MESSAGE_MAX = 16384            # of a body that becomes grpc-message

cdef struct WebState:
    bint text_in
    bint text_out
    bint bad                       # no Base64; the client hears it when what it sends next is seen, most often the end
    bint foreign                   # the answer is no gRPC: its body becomes a message
    const LateStat *stat           # of the call; NULL: it is not counted
    Buffer undecoded               # fewer than four letters
    Buffer unframed                # fewer bytes than the frame that they begin


cdef bint is_web(Span type) noexcept nogil:
    return span_is(type, b"application/grpc-web", 20) or span_is(type, b"application/grpc-web+proto", 26) or is_text(type)


cdef bint is_text(Span type) noexcept nogil:
    return span_is(type, b"application/grpc-web-text", 25) or span_is(type, b"application/grpc-web-text+proto", 31)


# --- requests -------------------------------------------------------------------------------------------------------


cdef int on_request_head(HttpStream *stream, uint8_t n, bint end) noexcept nogil:
    cdef Head *head = stream.request
    cdef Span type = head_value(head, H_CONTENT_TYPE)
    cdef WebState *state
    cdef Span service
    cdef Span method
    if not is_web(type):
        stream.request_bodies &= ~(<uint32_t>1 << n)
        stream.response_bodies &= ~(<uint32_t>1 << n)
        return FILTER_CONTINUE
    state = <WebState *>arena_take(stream.arena, sizeof(WebState))
    if state == NULL:
        return FILTER_CONTINUE
    memset(state, 0, sizeof(WebState))
    stream.state[n] = state
    if grpc_path_split(head.path, &service, &method):
        state.stat = grpc_call_stat(stream, span(b"grpc-web", 8), service, method)
    state.text_in = is_text(type)
    state.text_out = is_text(head_value(head, H_ACCEPT))
    if not state.text_in:
        stream.request_bodies &= ~(<uint32_t>1 << n)
    head_drop(head, H_CONTENT_LENGTH)
    head_set(head, H_CONTENT_TYPE, span(b"application/grpc", 16))
    head_set(head, H_TE, span(b"trailers", 8))
    if head_find_name(head, span(b"grpc-accept-encoding", 20)) == NULL:
        head_add(head, span(b"grpc-accept-encoding", 20), span(b"identity", 8), H_OTHER)
    return FILTER_CONTINUE


cdef int refuse(HttpStream *stream, Span details) noexcept nogil:
    cdef LocalReply reply
    memset(&reply, 0, sizeof(LocalReply))
    reply.status = 400
    reply.body = span(b"Bad gRPC-web request, invalid base64 data.", 42)
    reply.details = details
    stream.ops.reply(stream, &reply)
    return FILTER_STOP


cdef int on_request_data(HttpStream *stream, uint8_t n, Buffer *data, bint end) noexcept nogil:
    cdef WebState *state = <WebState *>stream.state[n]
    cdef char letters[PIECE]
    cdef Buffer decoded
    cdef uint64_t ready
    cdef uint32_t part
    cdef long found
    if state == NULL or not state.text_in:
        return FILTER_CONTINUE
    if state.bad or not buffer_own(stream.buffers, data):
        return refuse(stream, span(b"grpc_base_64_decode_failed", 26))
    buffer_move(&state.undecoded, data)
    ready = state.undecoded.len // 4 * 4
    if end and ready < state.undecoded.len:
        return refuse(stream, span(b"grpc_base_64_decode_failed_bad_size", 35))
    buffer_init(&decoded)
    while ready > 0:
        part = PIECE if ready > PIECE else <uint32_t>ready
        buffer_read(&state.undecoded, letters, part)
        found = base64_decode(letters, part, letters)
        if found < 0 or not buffer_copy(stream.buffers, &decoded, letters, found):
            state.bad = True
            break
        buffer_drain(stream.buffers, &state.undecoded, part)
        ready -= part
    if state.bad:
        buffer_fini(stream.buffers, &decoded)
        return refuse(stream, span(b"grpc_base_64_decode_failed", 26)) if end else FILTER_CONTINUE
    buffer_move(data, &decoded)
    return FILTER_CONTINUE


# --- responses ------------------------------------------------------------------------------------------------------


cdef int on_response_head(HttpStream *stream, uint8_t n, bint end) noexcept nogil:
    cdef WebState *state = <WebState *>stream.state[n]
    cdef Head *head = stream.response
    cdef Span type
    if state == NULL:
        return FILTER_CONTINUE
    grpc_charge_status(stream, state.stat, head)
    type = head_value(head, H_CONTENT_TYPE)
    state.foreign = not end and not (head.status == 200 and (request_is_grpc(head) or span_is(type, b"application/grpc-web", 20)
                                                             or span_is(type, b"application/grpc-web+proto", 26)))
    if state.text_out:
        head_set(head, H_CONTENT_TYPE, span(b"application/grpc-web-text+proto", 31))
    else:
        head_set(head, H_CONTENT_TYPE, span(b"application/grpc-web+proto", 26))
    return FILTER_BUFFER if state.foreign else FILTER_CONTINUE


cdef Span percent_encoded(HttpStream *stream, const char *at, uint32_t n) noexcept nogil:
    # As gRPC has its messages: printable ASCII but "%" stands for itself.
    cdef const char *digits = b"0123456789ABCDEF"
    cdef char *text = <char *>arena_take(stream.arena, 3 * n + 1)
    cdef uint32_t len = 0
    cdef uint32_t i
    cdef uint8_t c
    if text == NULL:
        return span(b"", 0)
    for i in range(n):
        c = <uint8_t>at[i]
        if c >= 32 and c < 126 and c != 37:
            text[len] = <char>c
            len += 1
            continue
        text[len] = 37
        text[len + 1] = digits[c >> 4]
        text[len + 2] = digits[c & 15]
        len += 3
    return span(text, len)


cdef void become_message(HttpStream *stream, Buffer *data) noexcept nogil:
    cdef Head *head = stream.response
    cdef uint32_t n = MESSAGE_MAX if data.len > MESSAGE_MAX else <uint32_t>data.len
    cdef char *text = <char *>arena_take(stream.arena, n + 1)
    cdef char number[20]
    if text != NULL:
        buffer_read(data, text, n)
        head_set(head, H_GRPC_MESSAGE, percent_encoded(stream, text, n))
    if not head_has(head, H_GRPC_STATUS):
        head_set_copy(head, H_GRPC_STATUS, span(number, write_u64(number, grpc_status_of(head.status))))
    head_set(head, H_CONTENT_LENGTH, span(b"0", 1))
    buffer_fini(stream.buffers, data)


cdef bint encode(HttpStream *stream, Buffer *source, uint64_t n, Buffer *out) noexcept nogil:
    # The first n bytes of `source`, as one padded text.
    cdef char bytes[PIECE]
    cdef uint32_t part
    cdef char *room
    while n > 0:
        part = PIECE if n > PIECE else <uint32_t>n
        buffer_read(source, bytes, part)
        room = buffer_reserve(stream.buffers, out, base64_len(part))
        if room == NULL:
            return False
        base64_encode(bytes, part, room)
        buffer_commit(out, base64_len(part))
        buffer_drain(stream.buffers, source, part)
        n -= part
    return True


cdef int on_response_data(HttpStream *stream, uint8_t n, Buffer *data, bint end) noexcept nogil:
    cdef WebState *state = <WebState *>stream.state[n]
    cdef uint8_t head[GRPC_FRAME_HEAD]
    cdef Buffer encoded
    cdef uint64_t whole
    if state == NULL:
        return FILTER_CONTINUE
    if state.foreign:
        become_message(stream, data)
        return FILTER_CONTINUE
    if not state.text_out:
        return FILTER_CONTINUE
    buffer_init(&encoded)
    if buffer_own(stream.buffers, data):
        buffer_move(&state.unframed, data)
    while state.unframed.len >= GRPC_FRAME_HEAD:
        buffer_read(&state.unframed, <char *>head, GRPC_FRAME_HEAD)
        whole = GRPC_FRAME_HEAD + grpc_frame_len(head)
        if state.unframed.len < whole or not encode(stream, &state.unframed, whole, &encoded):
            break
    buffer_fini(stream.buffers, data)
    buffer_move(data, &encoded)
    return FILTER_CONTINUE


cdef uint32_t fields_len(Head *trailers) noexcept nogil:
    cdef uint32_t n = 0
    cdef uint16_t i
    for i in range(trailers.len):
        if not trailers.headers[i].dropped:
            n += trailers.headers[i].name_len + trailers.headers[i].value_len + 3
    return n


cdef char *put(char *out, const char *at, uint32_t n) noexcept nogil:
    if n:
        memcpy(out, at, n)
    return out + n


cdef int on_response_trailers(HttpStream *stream, uint8_t n, Head *trailers) noexcept nogil:
    cdef WebState *state = <WebState *>stream.state[n]
    cdef uint32_t len
    cdef Header *header
    cdef Buffer plain
    cdef Buffer text
    cdef char *out
    cdef char *at
    cdef uint16_t i
    if state == NULL:
        return FILTER_CONTINUE
    grpc_charge_status(stream, state.stat, trailers)
    if state.foreign:
        return FILTER_CONTINUE
    len = fields_len(trailers)
    at = out = <char *>arena_take(stream.arena, GRPC_FRAME_HEAD + len)
    if out == NULL:
        return FILTER_CONTINUE
    grpc_frame_write(out, TRAILERS_FRAME, len)
    out += GRPC_FRAME_HEAD
    for i in range(trailers.len):
        header = &trailers.headers[i]
        if header.dropped:
            continue
        out = put(out, header.name, header.name_len)
        out = put(out, b":", 1)
        out = put(out, header.value, header.value_len)
        out = put(out, b"\r\n", 2)
    buffer_init(&plain)
    buffer_init(&text)
    if not buffer_copy(stream.buffers, &plain, at, GRPC_FRAME_HEAD + len):
        return FILTER_CONTINUE
    if state.text_out:
        encode(stream, &plain, plain.len, &text)
        buffer_fini(stream.buffers, &plain)
        buffer_move(&plain, &text)
    stream.ops.inject_response(stream, n, &plain, True)
    return FILTER_STOP


cdef void on_destroy(HttpStream *stream, uint8_t n) noexcept nogil:
    cdef WebState *state = <WebState *>stream.state[n]
    if state != NULL:
        buffer_fini(stream.buffers, &state.undecoded)
        buffer_fini(stream.buffers, &state.unframed)


cdef HttpFilterOps ops
ops.kind = b"envoy.filters.http.grpc_web"
ops.on_request_head = on_request_head
ops.on_request_data = on_request_data
ops.on_request_trailers = NULL
ops.on_response_head = on_response_head
ops.on_response_data = on_response_data
ops.on_response_trailers = on_response_trailers
ops.on_log = NULL
ops.on_destroy = on_destroy


cdef const HttpFilterOps *grpc_web_filter() noexcept nogil:
    return &ops
