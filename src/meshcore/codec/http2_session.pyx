# distutils: libraries = nghttp2
"""HTTP/2 sessions over nghttp2. See http2.pxd for the law.

nghttp2's hooks are turned into the events of Http2Ops; a stream's body stays in our own chain of slices and is moved into the output by
reference when nghttp2 has written the frame's head. Floods are counted here as Envoy counts them; resets that come too fast and
acknowledgements that pile up are limited by nghttp2.
"""
from libc.string cimport memset

from meshcore.base.arena cimport arena_fini, arena_init, arena_take
from meshcore.base.buffer cimport *
from meshcore.base.slab cimport slab_free, slab_new
from meshcore.base.span cimport Span, span
from meshcore.codec.head cimport Head, HTTP_2
from meshcore.codec.head_copy cimport head_copy
from meshcore.codec.http2 cimport *
from meshcore.codec.http2_head cimport *
from meshcore.codec.http2_native cimport *

cdef enum:
    NAMED_SETTINGS = 5
    FRAME_HEAD = 9
    COPY_MAX = 2048                # a payload up to this size is copied behind its frame head: one slice less to send
    DEFAULT_WINDOW = 65535         # RFC 9113, 6.9.2
    MAX_ACKS = 10000               # ours count first
    MAX_HEAD_BLOCK = 1 << 24       # heads that go out are as long as the other side's limit allowed

cdef nghttp2_session_callbacks *callbacks = NULL


# --- streams --------------------------------------------------------------------------------------------------------


cdef Http2Stream *stream_new(Http2Session *session, int32_t id) noexcept nogil:
    cdef Http2Stream *stream = <Http2Stream *>slab_new(session.slab)
    if stream == NULL:
        return NULL
    memset(stream, 0, sizeof(Http2Stream))
    stream.id = id
    stream.session = session
    stream.bits = HTTP2_OPEN
    arena_init(&stream.kept, session.blocks)
    stream.next = session.streams
    stream.link = &session.streams
    if stream.next != NULL:
        stream.next.link = &stream.next
    session.streams = stream
    session.streams_len += 1
    http2_count(session, HTTP2_STREAMS_ACTIVE, 1)
    return stream


cdef void stop_borrowing(Http2Session *session, Http2Stream *stream) noexcept nogil:
    cdef Http2Stream **link = &session.borrowing
    if stream.bits & HTTP2_BORROWS == 0:
        return
    while link[0] != stream:
        link = &link[0].next_borrowing
    link[0] = stream.next_borrowing
    stream.bits &= ~<uint32_t>HTTP2_BORROWS


cdef void stream_free(Http2Stream *stream) noexcept nogil:
    cdef Http2Session *session = stream.session
    stop_borrowing(session, stream)
    buffer_fini(session.pool, &stream.out)
    arena_fini(&stream.kept)
    stream.link[0] = stream.next
    if stream.next != NULL:
        stream.next.link = stream.link
    session.streams_len -= 1
    http2_count(session, HTTP2_STREAMS_ACTIVE, -1)
    if session.current == stream:
        session.current = NULL
    slab_free(session.slab, stream)


cdef inline Http2Stream *stream_of(Http2Session *session, int32_t id) noexcept nogil:
    return <Http2Stream *>nghttp2_session_get_stream_user_data(session.native, id)


cdef void fail(Http2Session *session, uint8_t error) noexcept nogil:
    if session.error != HTTP2_OK:
        return
    session.error = error
    if error >= HTTP2_EMPTY_FLOOD and error <= HTTP2_OUTBOUND_CONTROL_FLOOD:
        http2_count(session, HTTP2_EMPTY_FLOODS + error - HTTP2_EMPTY_FLOOD, 1)


# --- in -------------------------------------------------------------------------------------------------------------


cdef int on_begin_frame(nghttp2_session *native, const nghttp2_frame_hd *frame, void *user) noexcept nogil:
    # Envoy's counts of frames that cost us more than the peer.
    cdef Http2Session *session = <Http2Session *>user
    cdef const Http2Options *options = session.options
    if frame.type == NGHTTP2_DATA or frame.type == NGHTTP2_HEADERS or frame.type == NGHTTP2_CONTINUATION:
        if frame.length == 0 and frame.flags & NGHTTP2_FLAG_END_STREAM == 0:
            session.empty_frames += 1
            if session.empty_frames > options.max_empty:
                fail(session, HTTP2_EMPTY_FLOOD)
        else:
            session.empty_frames = 0
    elif frame.type == NGHTTP2_PRIORITY:
        session.priority_frames += 1
        if session.priority_frames > <uint64_t>options.max_priority * (1 + session.opened):
            fail(session, HTTP2_PRIORITY_FLOOD)
    elif frame.type == NGHTTP2_WINDOW_UPDATE:
        session.window_frames += 1
        if session.window_frames > 5 + 2 * (session.opened + options.max_window_updates * session.data_frames):
            fail(session, HTTP2_WINDOW_FLOOD)
    return NGHTTP2_ERR_CALLBACK_FAILURE if session.error else 0


cdef int on_begin_headers(nghttp2_session *native, const nghttp2_frame *frame, void *user) noexcept nogil:
    cdef Http2Session *session = <Http2Session *>user
    cdef Http2Stream *stream
    session.current = NULL
    if session.dead or frame.hd.type != NGHTTP2_HEADERS:
        return 0
    if frame.headers.cat == NGHTTP2_HCAT_REQUEST:
        stream = stream_new(session, frame.hd.stream_id)
        if stream == NULL:
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE
        session.opened += 1
        nghttp2_session_set_stream_user_data(native, stream.id, stream)
        if not session.ops.on_open(stream):
            http2_reset(stream, NGHTTP2_REFUSED_STREAM)
            return 0
    else:
        stream = stream_of(session, frame.hd.stream_id)
        if stream == NULL or stream.owner == NULL:
            return 0
        if stream.bits & HTTP2_HEAD_IN:
            stream.trailers = session.ops.on_trailers_head(stream)
            if stream.trailers == NULL:
                return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE
    stream.fields = 0
    stream.field_bytes = 0
    stream.cookie_at = 0
    session.current = stream
    return 0


cdef inline Span bytes_of(nghttp2_rcbuf *buf) noexcept nogil:
    cdef nghttp2_vec vec = nghttp2_rcbuf_get_buf(buf)
    return span(<const char *>vec.base, vec.len)


cdef int on_invalid_header(nghttp2_session *native, const nghttp2_frame *frame, nghttp2_rcbuf *name, nghttp2_rcbuf *value, uint8_t flags,
                           void *user) noexcept nogil:
    cdef Http2Session *session = <Http2Session *>user
    if session.current != NULL:
        session.current.wrong = HTTP2_STREAM_HEADER
    if not session.options.stream_errors:
        fail(session, HTTP2_PROTOCOL)
        return NGHTTP2_ERR_CALLBACK_FAILURE
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE


cdef int on_header(nghttp2_session *native, const nghttp2_frame *frame, nghttp2_rcbuf *name, nghttp2_rcbuf *value, uint8_t flags,
                   void *user) noexcept nogil:
    cdef Http2Session *session = <Http2Session *>user
    cdef Http2Stream *stream = session.current
    cdef Head *head
    if stream == NULL or stream.owner == NULL or session.dead:
        return 0
    head = stream.trailers if stream.bits & HTTP2_HEAD_IN else stream.head
    stream.wrong = http2_take_field(stream, head, session.options, bytes_of(name), nghttp2_rcbuf_is_static(name) != 0, bytes_of(value),
                                    nghttp2_rcbuf_is_static(value) != 0)
    if stream.wrong == HTTP2_STREAM_HEADER:
        return on_invalid_header(native, frame, name, value, flags, user)
    if stream.wrong:
        http2_count(session, HTTP2_REJECTED_UNDERSCORES if stream.wrong == HTTP2_STREAM_UNDERSCORE else HTTP2_HEADER_OVERFLOW, 1)
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE if stream.wrong else 0


cdef int on_invalid_frame(nghttp2_session *native, const nghttp2_frame *frame, int error, void *user) noexcept nogil:
    cdef Http2Session *session = <Http2Session *>user
    cdef Http2Stream *stream = NULL
    if frame.hd.stream_id != 0:
        stream = stream_of(session, frame.hd.stream_id)
    if stream != NULL and stream.wrong == HTTP2_STREAM_OK:
        stream.wrong = HTTP2_STREAM_HEADER if error == NGHTTP2_ERR_HTTP_HEADER else HTTP2_STREAM_MESSAGE
    if error == NGHTTP2_ERR_REFUSED_STREAM:
        http2_count(session, HTTP2_REFUSED_STREAMS, 1)
        return 0
    if error == NGHTTP2_ERR_HTTP_HEADER or error == NGHTTP2_ERR_HTTP_MESSAGING:
        http2_count(session, HTTP2_RX_MESSAGING_ERROR, 1)
    if (error == NGHTTP2_ERR_HTTP_HEADER or error == NGHTTP2_ERR_HTTP_MESSAGING) and session.options.stream_errors:
        return 0
    fail(session, HTTP2_PROTOCOL)
    return NGHTTP2_ERR_CALLBACK_FAILURE


cdef void headers_done(Http2Session *session, const nghttp2_frame *frame) noexcept nogil:
    cdef Http2Stream *stream = session.current
    cdef bint end = frame.hd.flags & NGHTTP2_FLAG_END_STREAM != 0
    session.current = NULL
    if stream == NULL or stream.owner == NULL:
        # Trailers that nobody waits for any more end the stream too.
        stream = stream_of(session, frame.hd.stream_id)
        if stream != NULL and end:
            stream.bits |= HTTP2_END_IN
        return
    if stream.bits & HTTP2_HEAD_IN:
        stream.bits |= HTTP2_END_IN
        http2_count(session, HTTP2_TRAILERS, 1)
        stream.trailers.bytes += <uint32_t>(frame.hd.length + FRAME_HEAD)
        session.ops.on_trailers(stream)
        return
    stream.head.version = HTTP_2
    stream.head.bytes += <uint32_t>(frame.hd.length + FRAME_HEAD)
    if session.server or stream.head.status >= 200:
        stream.bits |= HTTP2_HEAD_IN
        if end:
            stream.bits |= HTTP2_END_IN
    session.ops.on_head(stream, end)


cdef int on_frame(nghttp2_session *native, const nghttp2_frame *frame, void *user) noexcept nogil:
    cdef Http2Session *session = <Http2Session *>user
    cdef Http2Stream *stream
    if session.dead:
        return 0
    if frame.hd.type == NGHTTP2_HEADERS:
        headers_done(session, frame)
    elif frame.hd.type == NGHTTP2_DATA:
        if frame.hd.flags & NGHTTP2_FLAG_END_STREAM:
            stream = stream_of(session, frame.hd.stream_id)
            if stream != NULL:
                stream.bits |= HTTP2_END_IN
                if stream.owner != NULL:
                    session.ops.on_end(stream)
    elif frame.hd.type == NGHTTP2_RST_STREAM:
        http2_count(session, HTTP2_RX_RESET, 1)
        stream = stream_of(session, frame.hd.stream_id)
        if stream != NULL:
            stream.bits |= HTTP2_PEER_RESET
    elif frame.hd.type == NGHTTP2_SETTINGS:
        if frame.hd.flags & NGHTTP2_FLAG_ACK == 0:
            session.ops.on_settings(session)
    elif frame.hd.type == NGHTTP2_GOAWAY:
        session.ops.on_goaway(session, frame.goaway.error_code)
    elif frame.hd.type == NGHTTP2_PING and frame.hd.flags & NGHTTP2_FLAG_ACK:
        session.ops.on_pong(session)
    return 0


cdef int on_data(nghttp2_session *native, uint8_t flags, int32_t id, const uint8_t *at, size_t n, void *user) noexcept nogil:
    cdef Http2Session *session = <Http2Session *>user
    cdef Http2Stream *stream = stream_of(session, id)
    if stream == NULL or stream.owner == NULL or session.dead:
        nghttp2_session_consume(native, id, n)
        return 0
    session.ops.on_data(stream, span(<const char *>at, n))
    # The hook may have ended the stream's owner, never the stream.
    if stream.paused:
        stream.unconsumed += n
    else:
        nghttp2_session_consume(native, id, n)
    return 0


cdef int on_stream_close(nghttp2_session *native, int32_t id, uint32_t code, void *user) noexcept nogil:
    cdef Http2Session *session = <Http2Session *>user
    cdef Http2Stream *stream = stream_of(session, id)
    if stream == NULL:
        return 0
    stream.bits &= ~<uint32_t>HTTP2_OPEN
    if stream.unconsumed > 0:
        nghttp2_session_consume_connection(native, stream.unconsumed)
    nghttp2_session_set_stream_user_data(native, id, NULL)
    if stream.owner != NULL and not session.dead:
        session.ops.on_closed(stream, code)
    stream_free(stream)
    return 0


cdef bint http2_receive(Http2Session *session, const char *at, size_t n) noexcept nogil:
    cdef ssize_t used
    session.busy = True
    used = nghttp2_session_mem_recv(session.native, <const uint8_t *>at, n)
    session.busy = False
    if used < 0 and session.error == HTTP2_OK:
        session.error = HTTP2_MEMORY if used == NGHTTP2_ERR_NOMEM else \
            HTTP2_OUTBOUND_CONTROL_FLOOD if used == NGHTTP2_ERR_FLOODED else HTTP2_PROTOCOL
    return session.error == HTTP2_OK


# --- out ------------------------------------------------------------------------------------------------------------


cdef bint take_front(BufferPool *pool, Buffer *source, Buffer *to, size_t n) noexcept nogil:
    # The first n bytes: short ones by copy, others by reference.
    cdef Slice *item
    cdef size_t part
    if n > COPY_MAX:
        return buffer_split(pool, source, to, n)
    while n > 0:
        item = source.first
        part = item.len if item.len < n else n
        if not buffer_copy(pool, to, item.at, part):
            return False
        buffer_drain(pool, source, part)
        n -= part
    return True


cdef int send_data(nghttp2_session *native, nghttp2_frame *frame, const uint8_t *head, size_t n, nghttp2_data_source *source,
                   void *user) noexcept nogil:
    cdef Http2Session *session = <Http2Session *>user
    cdef Http2Stream *stream = <Http2Stream *>source.ptr
    if not buffer_copy(session.pool, session.out, <const char *>head, FRAME_HEAD) or \
            not take_front(session.pool, &stream.out, session.out, n):
        return NGHTTP2_ERR_CALLBACK_FAILURE
    return 0


cdef void submit_trailers(Http2Stream *stream) noexcept nogil:
    cdef Head *head = stream.trailers_out
    cdef nghttp2_nv *fields = <nghttp2_nv *>arena_take(&stream.kept, http2_fields_bound(head) * sizeof(nghttp2_nv))
    if fields != NULL:
        nghttp2_submit_trailer(stream.session.native, stream.id, fields, http2_fill_trailers(head, fields))


cdef ssize_t read_data(nghttp2_session *native, int32_t id, uint8_t *room, size_t n, uint32_t *flags, nghttp2_data_source *source,
                       void *user) noexcept nogil:
    cdef Http2Session *session = <Http2Session *>user
    cdef Http2Stream *stream = <Http2Stream *>source.ptr
    cdef size_t part = stream.out.len if stream.out.len < n else n
    if part == 0 and stream.bits & HTTP2_END_OUT == 0:
        stream.bits |= HTTP2_DEFERRED
        return NGHTTP2_ERR_DEFERRED
    if session.mark and session.out.len > session.mark and part > 0:
        session.blocked = True
        stream.bits |= HTTP2_DEFERRED
        return NGHTTP2_ERR_DEFERRED
    flags[0] |= NGHTTP2_DATA_FLAG_NO_COPY
    if part == stream.out.len and stream.bits & HTTP2_END_OUT:
        flags[0] |= NGHTTP2_DATA_FLAG_EOF
        if stream.trailers_out != NULL:
            flags[0] |= NGHTTP2_DATA_FLAG_NO_END_STREAM
            submit_trailers(stream)
    return <ssize_t>part


cdef int on_frame_sent(nghttp2_session *native, const nghttp2_frame *frame, void *user) noexcept nogil:
    cdef Http2Session *session = <Http2Session *>user
    cdef Http2Stream *stream
    if frame.hd.type == NGHTTP2_DATA:
        session.data_frames += 1
    elif frame.hd.type != NGHTTP2_HEADERS:
        session.outbound_control[0] += 1
        if frame.hd.type == NGHTTP2_RST_STREAM:
            http2_count(session, HTTP2_TX_RESET, 1)
        elif frame.hd.type == NGHTTP2_GOAWAY:
            http2_count(session, HTTP2_GOAWAY_SENT, 1)
            if frame.goaway.error_code != NGHTTP2_NO_ERROR:
                fail(session, HTTP2_PROTOCOL)      # nghttp2 has ended the session
        return 0
    stream = stream_of(session, frame.hd.stream_id)
    if stream == NULL:
        return 0
    if frame.hd.flags & NGHTTP2_FLAG_END_STREAM:
        stream.bits |= HTTP2_END_SENT
        if stream.bits & HTTP2_RESET_AFTER and stream.bits & HTTP2_END_IN == 0:
            http2_reset(stream, NGHTTP2_NO_ERROR)
    if stream.bits & HTTP2_FULL and stream.out.len <= session.stream_mark // 2:
        stream.bits &= ~<uint32_t>HTTP2_FULL
        if stream.owner != NULL and not session.dead:
            session.ops.on_low(stream)
    return 0


cdef void resume_blocked(Http2Session *session) noexcept nogil:
    # DATA that waited for the output to shrink.
    cdef Http2Stream *stream = session.streams
    session.blocked = False
    while stream != NULL:
        if stream.bits & HTTP2_DEFERRED and (stream.out.len > 0 or stream.bits & HTTP2_END_OUT):
            wake(stream)
        stream = stream.next


cdef void begin_epoch(Http2Session *session) noexcept nogil:
    # Frames leave in the order in which they were pulled: those of the last epoch but one are gone for certain.
    session.outbound[1] = session.outbound[0]
    session.outbound_control[1] = session.outbound_control[0]
    session.outbound[0] = session.outbound_control[0] = 0
    session.epoch = session.pulled


cdef void pull_frames(Http2Session *session) noexcept nogil:
    cdef const uint8_t *at = NULL
    cdef uint64_t before = session.out.len
    cdef ssize_t n = nghttp2_session_mem_send(session.native, &at)
    while n > 0:
        session.outbound[0] += 1
        if not buffer_copy(session.pool, session.out, <const char *>at, n):
            fail(session, HTTP2_MEMORY)
            return
        n = nghttp2_session_mem_send(session.native, &at)
    session.pulled += session.out.len - before
    if n < 0:
        fail(session, HTTP2_MEMORY if n == NGHTTP2_ERR_NOMEM else HTTP2_PROTOCOL)
    elif session.outbound_control[0] + session.outbound_control[1] > session.options.max_outbound_control:
        fail(session, HTTP2_OUTBOUND_CONTROL_FLOOD)
    elif session.outbound[0] + session.outbound[1] > session.options.max_outbound:
        fail(session, HTTP2_OUTBOUND_FLOOD)


cdef bint http2_pull(Http2Session *session) noexcept nogil:
    if session.busy:
        return True                # whoever is on the stack goes on
    if session.error:
        return False
    if session.pulled - session.out.len >= session.epoch:
        begin_epoch(session)
        if session.out.len == 0:
            begin_epoch(session)
    if session.blocked and session.out.len <= session.mark:
        resume_blocked(session)
    session.busy = True
    pull_frames(session)
    session.busy = False
    return session.error == HTTP2_OK


cdef void http2_keep(Http2Session *session) noexcept nogil:
    cdef Http2Stream *stream = session.borrowing
    while stream != NULL:
        stream.bits &= ~<uint32_t>HTTP2_BORROWS
        if not buffer_own(session.pool, &stream.out):
            fail(session, HTTP2_MEMORY)
        stream = stream.next_borrowing
    session.borrowing = NULL


# --- messages -------------------------------------------------------------------------------------------------------


cdef inline void wake(Http2Stream *stream) noexcept nogil:
    if stream.bits & HTTP2_DEFERRED:
        stream.bits &= ~<uint32_t>HTTP2_DEFERRED
        nghttp2_session_resume_data(stream.session.native, stream.id)


cdef inline void provide(Http2Stream *stream, nghttp2_data_provider *provider) noexcept nogil:
    provider.source.ptr = stream
    provider.read_callback = read_data


cdef Http2Stream *http2_request(Http2Session *session, Head *head, bint end, void *owner) noexcept nogil:
    cdef Http2Stream *stream = stream_new(session, 0)
    cdef nghttp2_data_provider provider
    cdef nghttp2_nv *fields
    if stream == NULL:
        return NULL
    stream.owner = owner
    provide(stream, &provider)
    fields = <nghttp2_nv *>arena_take(head.arena, http2_fields_bound(head) * sizeof(nghttp2_nv))
    if fields != NULL:
        stream.id = nghttp2_submit_request(session.native, NULL, fields, http2_fill_request(head, fields), NULL if end else &provider, stream)
    if stream.id <= 0:
        stream_free(stream)
        return NULL
    session.opened += 1
    stream.bits |= HTTP2_HEAD_OUT
    if end:
        stream.bits |= HTTP2_END_OUT
    return stream


cdef void http2_send_head(Http2Stream *stream, Head *head, bint end) noexcept nogil:
    cdef nghttp2_data_provider provider
    cdef nghttp2_nv *fields
    if stream.bits & HTTP2_OPEN == 0:
        return
    fields = <nghttp2_nv *>arena_take(head.arena, http2_fields_bound(head) * sizeof(nghttp2_nv))
    provide(stream, &provider)
    if fields == NULL or nghttp2_submit_response(stream.session.native, stream.id, fields, http2_fill_response(head, fields),
                                                 NULL if end else &provider) < 0:
        fail(stream.session, HTTP2_MEMORY)
        return
    stream.bits |= HTTP2_HEAD_OUT
    if end:
        stream.bits |= HTTP2_END_OUT


cdef void http2_send_interim(Http2Stream *stream, Head *head) noexcept nogil:
    cdef nghttp2_nv *fields
    if stream.bits & HTTP2_OPEN == 0:
        return
    fields = <nghttp2_nv *>arena_take(head.arena, http2_fields_bound(head) * sizeof(nghttp2_nv))
    if fields != NULL:
        nghttp2_submit_headers(stream.session.native, NGHTTP2_FLAG_NONE, stream.id, NULL, fields, http2_fill_response(head, fields), NULL)


cdef void given(Http2Stream *stream, bint end) noexcept nogil:
    cdef Http2Session *session = stream.session
    if end:
        stream.bits |= HTTP2_END_OUT
    wake(stream)
    if session.stream_mark and stream.out.len > session.stream_mark and stream.bits & HTTP2_FULL == 0:
        stream.bits |= HTTP2_FULL
        if stream.owner != NULL:
            session.ops.on_high(stream)


cdef void http2_send_span(Http2Stream *stream, Span data, bint end) noexcept nogil:
    cdef Http2Session *session = stream.session
    cdef bint stored = True
    if stream.bits & HTTP2_OPEN == 0 or stream.bits & HTTP2_END_OUT:
        return
    if data.len <= COPY_MAX or session.late:
        stored = buffer_copy(session.pool, &stream.out, data.at, data.len)
    else:
        stored = buffer_borrow(session.pool, &stream.out, data.at, data.len)
        if stream.bits & HTTP2_BORROWS == 0:
            stream.bits |= HTTP2_BORROWS
            stream.next_borrowing = session.borrowing
            session.borrowing = stream
    if not stored:
        fail(session, HTTP2_MEMORY)
    given(stream, end)


cdef void http2_send_buffer(Http2Stream *stream, Buffer *data, bint end) noexcept nogil:
    if stream.bits & HTTP2_OPEN == 0 or stream.bits & HTTP2_END_OUT:
        buffer_fini(stream.session.pool, data)
        return
    if not buffer_own(stream.session.pool, data):
        fail(stream.session, HTTP2_MEMORY)
    buffer_move(&stream.out, data)
    given(stream, end)


cdef void http2_send_trailers(Http2Stream *stream, Head *trailers) noexcept nogil:
    cdef Head *copy
    if stream.bits & HTTP2_OPEN == 0 or stream.bits & HTTP2_END_OUT:
        return
    if trailers != NULL and trailers.live > 0:
        copy = <Head *>arena_take(&stream.kept, sizeof(Head))
        if copy != NULL and head_copy(copy, trailers, &stream.kept):
            stream.trailers_out = copy
    given(stream, True)


cdef void http2_reset(Http2Stream *stream, uint32_t code) noexcept nogil:
    if stream.bits & HTTP2_OPEN == 0 or stream.bits & HTTP2_RESET_SENT:
        return
    stream.bits |= HTTP2_RESET_SENT
    buffer_fini(stream.session.pool, &stream.out)
    nghttp2_submit_rst_stream(stream.session.native, NGHTTP2_FLAG_NONE, stream.id, code)


cdef void http2_detach(Http2Stream *stream) noexcept nogil:
    stream.owner = NULL
    stream.head = NULL
    stream.trailers = NULL
    if stream.session.current == stream:
        stream.session.current = NULL
    http2_resume(stream)
    if stream.bits & (HTTP2_END_IN | HTTP2_RESET_SENT):
        return
    if stream.bits & HTTP2_END_OUT == 0:
        http2_reset(stream, NGHTTP2_CANCEL)
    elif stream.bits & HTTP2_END_SENT:
        http2_reset(stream, NGHTTP2_NO_ERROR)
    else:
        stream.bits |= HTTP2_RESET_AFTER


cdef void http2_pause(Http2Stream *stream) noexcept nogil:
    stream.paused = True


cdef void http2_resume(Http2Stream *stream) noexcept nogil:
    stream.paused = False
    if stream.unconsumed > 0 and stream.bits & HTTP2_OPEN:
        nghttp2_session_consume(stream.session.native, stream.id, stream.unconsumed)
        stream.unconsumed = 0


# --- the connection -------------------------------------------------------------------------------------------------


cdef void http2_shutdown_notice(Http2Session *session) noexcept nogil:
    nghttp2_submit_shutdown_notice(session.native)


cdef void http2_goaway(Http2Session *session, uint32_t code) noexcept nogil:
    nghttp2_submit_goaway(session.native, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session.native), code, NULL, 0)


cdef void http2_ping(Http2Session *session) noexcept nogil:
    nghttp2_submit_ping(session.native, NGHTTP2_FLAG_NONE, NULL)


cdef uint32_t http2_peer_max_streams(Http2Session *session) noexcept nogil:
    return nghttp2_session_get_remote_settings(session.native, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS)


cdef bint http2_idle(Http2Session *session) noexcept nogil:
    return nghttp2_session_want_write(session.native) == 0


cdef inline void set_entry(nghttp2_settings_entry *entries, size_t *n, int32_t setting, uint32_t value) noexcept nogil:
    entries[n[0]].settings_id = setting
    entries[n[0]].value = value
    n[0] += 1


cdef bint custom_settings(const Http2Options *options, bint server, nghttp2_settings_entry *entries, size_t *n) noexcept nogil:
    # True: priorities are among them. A client says already that it wants no push.
    cdef bint priorities = False
    cdef uint8_t i
    for i in range(options.settings_len):
        if server or options.settings[i] != NGHTTP2_SETTINGS_ENABLE_PUSH:
            set_entry(entries, n, options.settings[i], options.setting_values[i])
        priorities = priorities or options.settings[i] == NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES
    return priorities


cdef bint submit_settings(Http2Session *session) noexcept nogil:
    # In Envoy's order: what has a name follows and so has the last word. What is RFC 9113's initial value is said too, as Envoy does.
    cdef const Http2Options *options = session.options
    cdef nghttp2_settings_entry entries[NAMED_SETTINGS + HTTP2_SETTINGS_MAX]
    cdef size_t n = 0
    cdef bint priorities
    if not session.server:
        set_entry(entries, &n, NGHTTP2_SETTINGS_ENABLE_PUSH, 0)
    priorities = custom_settings(options, session.server, entries, &n)
    set_entry(entries, &n, NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, options.hpack_table)
    if session.server:
        set_entry(entries, &n, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, options.allow_connect)
        set_entry(entries, &n, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, options.max_streams)
    set_entry(entries, &n, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, options.stream_window)
    if not priorities:
        # Nobody's are used, and nghttp2 keeps no tree of them if that is said (RFC 9218, 2.1).
        set_entry(entries, &n, NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1)
    if nghttp2_submit_settings(session.native, NGHTTP2_FLAG_NONE, entries, n) < 0:
        return False
    return options.connection_window <= DEFAULT_WINDOW or nghttp2_session_set_local_window_size(
        session.native, NGHTTP2_FLAG_NONE, 0, <int32_t>options.connection_window) == 0


cdef bint http2_session_init(Http2Session *session, bint server) noexcept nogil:
    cdef nghttp2_option *option = NULL
    cdef int result
    session.server = server
    if nghttp2_option_new(&option) != 0:
        return False
    nghttp2_option_set_no_auto_window_update(option, 1)
    nghttp2_option_set_no_closed_streams(option, 1)
    nghttp2_option_set_max_outbound_ack(option, MAX_ACKS)
    nghttp2_option_set_max_send_header_block_length(option, MAX_HEAD_BLOCK)
    nghttp2_option_set_server_fallback_rfc7540_priorities(option, 0)
    nghttp2_option_set_max_deflate_dynamic_table_size(option, session.options.hpack_table)
    if session.options.reset_burst:
        nghttp2_option_set_stream_reset_rate_limit(option, session.options.reset_burst, session.options.reset_rate)
    if server:
        result = nghttp2_session_server_new3(&session.native, callbacks, session, option, &session.memory.hooks)
    else:
        nghttp2_option_set_peer_max_concurrent_streams(option, session.options.max_streams)
        result = nghttp2_session_client_new3(&session.native, callbacks, session, option, &session.memory.hooks)
    nghttp2_option_del(option)
    if result != 0:
        session.native = NULL
        return False
    if submit_settings(session):
        return True
    http2_session_fini(session)
    return False


cdef void http2_session_fini(Http2Session *session) noexcept nogil:
    session.dead = True
    while session.streams != NULL:
        stream_free(session.streams)
    nghttp2_session_del(session.native)
    session.native = NULL


cdef _make_callbacks():
    # One set of hooks for all sessions; it lives as long as the process.
    if nghttp2_session_callbacks_new(&callbacks) != 0:
        raise MemoryError
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame)
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers)
    nghttp2_session_callbacks_set_on_header_callback2(callbacks, on_header)
    nghttp2_session_callbacks_set_on_invalid_header_callback2(callbacks, on_invalid_header)
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame)
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame)
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data)
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent)
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close)
    nghttp2_session_callbacks_set_send_data_callback(callbacks, send_data)


_make_callbacks()
