"""Python face of the HTTP/2 codec: bytes in, events out; heads and bodies in, bytes out. `mesh.codec.http2` is its public name.

Owns one session with its memory, and per stream an arena for the head at hand. Must not decide anything about HTTP/2: that is codec/. Runs on
the caller's thread under the GIL; a session ends with its object.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int32_t, uint16_t, uint32_t
from libc.string cimport memset

from meshcore.base.arena cimport Arena, BlockPool, arena_fini, arena_init, pool_fini, pool_init
from meshcore.base.buffer cimport *
from meshcore.base.slab cimport Slab, slab_fini, slab_init
from meshcore.base.span cimport Span, span
from meshcore.bind.codec cimport check_target, check_text, check_token, take_bytes, take_headers
from meshcore.codec.head cimport *
from meshcore.codec.http1 cimport UNDERSCORES_ALLOW, UNDERSCORES_DROP, UNDERSCORES_REJECT
from meshcore.codec.http2 cimport *
from meshcore.codec.http2_memory cimport Http2Memory, http2_memory_fini, http2_memory_init
from meshcore.codec.http2_native cimport NGHTTP2_PROTOCOL_ERROR
from meshcore.codec.http2_session cimport *

from meshcore.bind.http2_events import (
    Data, End, Goaway, Pong, ProtocolError, RequestHead, Reset, ResponseHead, Settings, Trailers,
)
from meshcore.bind.http2_spec import Http2Options as Defaults

cdef enum:
    CHUNKS_KEPT = 16
    BLOCKS_KEPT = 16
    RESET_BURST = 1000             # nghttp2's own defaults
    RESET_RATE = 33

REASONS = ("", "protocol", "empty flood", "priority flood", "window flood", "outbound flood", "outbound control flood", "memory")
WRONG = ("", "message", "field", "too many fields", "underscore")
UNDERSCORES = {"allow": UNDERSCORES_ALLOW, "reject": UNDERSCORES_REJECT, "drop": UNDERSCORES_DROP}


cdef class _Stream:
    # What a stream receives into.
    cdef Arena arena
    cdef Head head
    cdef Head trailers
    cdef Http2Stream *native       # NULL: it is gone

    def __cinit__(self):
        arena_init(&self.arena, NULL)      # it may outlive its connection's memory by a moment

    def __dealloc__(self):
        arena_fini(&self.arena)

    cdef void begin(self, bint is_response) noexcept:
        arena_fini(&self.arena)
        head_init(&self.head, &self.arena, is_response)


cdef class _Outgoing:
    # A head built from Python, alive while it is sent.
    cdef Arena arena
    cdef Head head
    cdef list kept

    def __cinit__(self):
        arena_init(&self.arena, NULL)
        head_init(&self.head, &self.arena, False)
        self.kept = []

    def __dealloc__(self):
        arena_fini(&self.arena)

    cdef Span keep(self, bytes value):
        self.kept.append(value)
        return span(<const char *>value, len(value))

    cdef add(self, headers):
        for name, value in headers:
            check_token("header name", name)
            check_text("header value", value)
            if value != value.strip(b" \t"):
                raise ValueError(f"header value: {value!r} starts or ends with a blank")
            if not head_add_copy(&self.head, self.keep(bytes(name)), self.keep(bytes(value))):
                raise ValueError(f"header name: {len(name)} bytes, or too many headers")


cdef class Connection:
    """One side of an HTTP/2 connection; see `mesh.codec.http2` for what it takes and gives."""

    cdef Http2Session session
    cdef Http2Options options
    cdef Http2Memory memory
    cdef BufferPool pool
    cdef BlockPool blocks
    cdef Slab slab
    cdef Buffer out
    cdef list events
    cdef dict open
    cdef bint left                 # goaway with an error was called
    cdef bint refused              # the peer takes no more streams

    def __cinit__(self, side, *, uint32_t max_streams=1024, uint32_t stream_window=16777216, uint32_t connection_window=25165824,
                  uint32_t hpack_table=4096, uint32_t max_head_bytes=61440, uint16_t max_headers=100, underscores="allow",
                  bint allow_connect=False, bint stream_errors=False):
        if side not in ("client", "server"):
            raise ValueError(f"side: {side!r}, must be client or server")
        if underscores not in UNDERSCORES:
            raise ValueError(f"underscores: {underscores!r}, must be one of {', '.join(UNDERSCORES)}")
        if not (65535 <= stream_window < 1 << 31 and 65535 <= connection_window < 1 << 31):
            raise ValueError("stream_window, connection_window: must be 65535 to 2147483647 bytes")
        buffers_init(&self.pool, CHUNKS_KEPT)
        pool_init(&self.blocks, BLOCKS_KEPT)
        slab_init(&self.slab, sizeof(Http2Stream))
        http2_memory_init(&self.memory)
        buffer_init(&self.out)
        self.fill_limits(Defaults())
        self.options.max_streams = max_streams
        self.options.stream_window = stream_window
        self.options.connection_window = connection_window
        self.options.hpack_table = hpack_table
        self.options.max_head_bytes = max_head_bytes
        self.options.max_headers = max_headers
        self.options.underscores = UNDERSCORES[underscores]
        self.options.allow_connect = allow_connect
        self.options.stream_errors = stream_errors
        self.events = []
        self.open = {}
        self.session.ops = &ops
        self.session.options = &self.options
        self.session.owner = <void *>self
        self.session.pool = &self.pool
        self.session.blocks = &self.blocks
        self.session.slab = &self.slab
        self.session.memory = &self.memory
        self.session.out = &self.out
        self.session.late = True
        if not http2_session_init(&self.session, side == "server"):
            raise MemoryError

    cdef fill_limits(self, default):
        memset(&self.options, 0, sizeof(Http2Options))
        self.options.max_outbound = default.max_outbound_frames
        self.options.max_outbound_control = default.max_outbound_control_frames
        self.options.max_empty = default.max_empty_frames
        self.options.max_priority = default.max_priority_frames
        self.options.max_window_updates = default.max_window_updates
        self.options.reset_burst = RESET_BURST
        self.options.reset_rate = RESET_RATE

    def __dealloc__(self):
        if self.session.native != NULL:
            http2_session_fini(&self.session)
        buffer_fini(&self.pool, &self.out)
        slab_fini(&self.slab)
        http2_memory_fini(&self.memory)
        buffers_fini(&self.pool)
        pool_fini(&self.blocks)

    # --- in ---

    def feed(self, data):
        """Takes `data` (any bytes-like object) and returns the list of events that are complete with it.

        Raises ProtocolError, whose `events` hold what came before the error in the same call. Every later call raises it again, without
        events. What is to be sent in answer (acknowledgements, windows, GOAWAY) waits in `output`.
        """
        cdef Py_buffer view
        cdef list events = []
        if self.left:
            return events
        self.check()
        self.events = events
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            if http2_receive(&self.session, <const char *>view.buf, view.len):
                http2_pull(&self.session)
        finally:
            PyBuffer_Release(&view)
            self.events = []
        if self.session.error != HTTP2_OK:
            raise ProtocolError(REASONS[self.session.error], events)
        return events

    cdef check(self):
        if self.session.error != HTTP2_OK:
            raise ProtocolError(REASONS[self.session.error], [])

    # --- out ---

    def output(self):
        """What is to be sent now, as bytes: b"" when there is nothing. Bodies come as far as the peer's windows allow."""
        cdef bytes found
        http2_pull(&self.session)
        found = PyBytes_FromStringAndSize(NULL, self.out.len)
        if self.out.len > 0:
            buffer_read(&self.out, PyBytes_AS_STRING(found), self.out.len)
        buffer_fini(&self.pool, &self.out)
        return found

    def request(self, bytes method, bytes path, bytes authority, headers=(), *, bytes scheme=b"http", bytes protocol=b"", bint end=False):
        """Opens a stream and returns its number. An empty `path` is left out, with the scheme (CONNECT); `protocol` makes an extended
        CONNECT (RFC 8441). With `end` there is no body. Raises ValueError for what may not stand in a head.
        """
        cdef _Outgoing out = _Outgoing()
        cdef _Stream stream = _Stream()
        cdef Head *head = &out.head
        self.check()
        if self.session.server or self.refused:
            raise ValueError("a server opens no streams" if self.session.server else "the peer takes no more streams: it said GOAWAY")
        check_token("method", method)
        check_target("path", path)
        check_target("authority", authority)
        check_target("scheme", scheme)
        out.add(headers)
        head.method = out.keep(method)
        head.path = out.keep(path)
        head.authority = out.keep(authority)
        head.scheme = out.keep(scheme)
        if protocol:
            check_token("protocol", protocol)
            head.protocol = out.keep(protocol)
            head_set(head, H_UPGRADE, head.protocol)       # how the codec knows an extended CONNECT
        stream.begin(True)
        stream.native = http2_request(&self.session, head, end, <void *>stream)
        if stream.native == NULL:
            raise ValueError("no stream is left: the connection has used all numbers")
        stream.native.head = &stream.head
        self.open[stream.native.id] = stream
        return stream.native.id

    def respond(self, int32_t stream, uint16_t status, headers=(), *, bint end=False):
        """The head of an answer; below 200 an interim one, of which there may be several."""
        cdef _Outgoing out = _Outgoing()
        cdef Http2Stream *native = self.of(stream)
        if not 100 <= status <= 599:
            raise ValueError(f"status: {status}, must be 100 to 599")
        if not self.session.server or native.bits & HTTP2_HEAD_OUT:
            raise ValueError(f"stream {stream} takes no head")
        out.add(headers)
        out.head.status = status
        out.head.is_response = True
        if status < 200:
            http2_send_interim(native, &out.head)
        else:
            http2_send_head(native, &out.head, end)

    def send(self, int32_t stream, data=b"", *, bint end=False):
        """Bytes of a body. They wait as long as the peer's windows are closed: `waiting` says how many."""
        cdef Http2Stream *native = self.writable(stream)
        cdef Py_buffer view
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            http2_send_span(native, span(<const char *>view.buf, view.len), end)
        finally:
            PyBuffer_Release(&view)

    def trailers(self, int32_t stream, headers):
        """Ends a message with these fields."""
        cdef Http2Stream *native = self.writable(stream)
        cdef _Outgoing out = _Outgoing()
        out.add(headers)
        http2_send_trailers(native, &out.head)

    def reset(self, int32_t stream, uint32_t code=8):
        """Takes the stream back (8: CANCEL). Nothing more is told of it."""
        cdef Http2Stream *native = self.of(stream)
        native.owner = NULL
        native.head = native.trailers = NULL
        http2_reset(native, code)
        self.forget(stream)

    def pause(self, int32_t stream):
        """What comes on this stream from now on keeps the peer's window closed, until `resume`."""
        http2_pause(self.of(stream))

    def resume(self, int32_t stream):
        http2_resume(self.of(stream))

    def ping(self):
        """Pong is the event that answers."""
        self.check()
        http2_ping(&self.session)

    def goaway(self, uint32_t code=0, *, bint notice=False):
        """No more streams than are here. With `notice` (of a server) those on their way are served still (RFC 9113, 6.8). A code other than
        0 ends the connection: what comes after it is not looked at."""
        self.check()
        if notice:
            if code or not self.session.server:
                raise ValueError("notice: of a server, and without a code")
            http2_shutdown_notice(&self.session)
            return
        self.left = code != 0
        http2_goaway(&self.session, code)

    # --- facts ---

    def waiting(self, int32_t stream):
        """Bytes of its body that were given and are not in `output` yet; 0 for a stream that is gone."""
        cdef _Stream found = self.open.get(stream)
        return found.native.out.len if found is not None else 0

    @property
    def streams(self):
        """Numbers of the open streams, in the order of their opening."""
        return list(self.open)

    @property
    def peer_max_streams(self):
        """How many streams the peer allows at a time."""
        return http2_peer_max_streams(&self.session)

    cdef Http2Stream *of(self, int32_t stream) except NULL:
        cdef _Stream found = self.open.get(stream)
        self.check()
        if found is None:
            raise ValueError(f"stream {stream} is not open")
        return found.native

    cdef Http2Stream *writable(self, int32_t stream) except NULL:
        cdef Http2Stream *native = self.of(stream)
        if native.bits & HTTP2_HEAD_OUT == 0 or native.bits & HTTP2_END_OUT:
            raise ValueError(f"stream {stream} takes no body: its head was not sent, or its end was")
        return native

    cdef int forget(self, int32_t stream) except -1:
        cdef _Stream found = self.open.pop(stream)
        found.native = NULL
        return 0


# --- events ---------------------------------------------------------------------------------------------------------


cdef inline Connection of(Http2Session *session):
    return <Connection>session.owner


cdef inline _Stream owner_of(Http2Stream *stream):
    return <_Stream>stream.owner


cdef bint on_open(Http2Stream *stream) noexcept nogil:
    with gil:
        connection = of(stream.session)
        mine = _Stream()
        mine.begin(not stream.session.server)
        mine.native = stream
        connection.open[stream.id] = mine
        stream.owner = <void *>mine
        stream.head = &mine.head
        return True


cdef Head *on_trailers_head(Http2Stream *stream) noexcept nogil:
    with gil:
        mine = owner_of(stream)
        head_init(&mine.trailers, &mine.arena, not stream.session.server)
        return &mine.trailers


cdef void on_head(Http2Stream *stream, bint end) noexcept nogil:
    with gil:
        tell_head(of(stream.session).events, owner_of(stream), stream, end)


cdef int tell_head(list events, _Stream mine, Http2Stream *stream, bint end) except -1:
    cdef Head *head = &mine.head
    if stream.session.server:
        events.append(RequestHead(stream.id, take_bytes(head.method), take_bytes(head.path), take_bytes(head.authority),
                                  take_bytes(head.scheme), take_bytes(head.protocol), take_headers(head)))
    else:
        events.append(ResponseHead(stream.id, head.status, take_headers(head)))
    mine.begin(not stream.session.server)
    if end:
        events.append(End(stream.id))
    return 0


cdef void on_data(Http2Stream *stream, Span data) noexcept nogil:
    with gil:
        of(stream.session).events.append(Data(stream.id, take_bytes(data)))


cdef void on_trailers(Http2Stream *stream) noexcept nogil:
    with gil:
        events = of(stream.session).events
        events.append(Trailers(stream.id, take_headers(stream.trailers)))
        events.append(End(stream.id))


cdef void on_end(Http2Stream *stream) noexcept nogil:
    with gil:
        of(stream.session).events.append(End(stream.id))


cdef void on_closed(Http2Stream *stream, uint32_t code) noexcept nogil:
    with gil:
        connection = of(stream.session)
        if code or stream.wrong or stream.bits & HTTP2_PEER_RESET or stream.bits & HTTP2_END_IN == 0:
            wrong = stream.wrong
            if code == NGHTTP2_PROTOCOL_ERROR and wrong == HTTP2_STREAM_OK and stream.bits & HTTP2_PEER_RESET == 0:
                wrong = HTTP2_STREAM_MESSAGE       # found at its end: a length that was another
            connection.events.append(Reset(stream.id, code, WRONG[wrong]))
        connection.forget(stream.id)


cdef void on_level(Http2Stream *stream) noexcept nogil:
    pass                           # no mark is set


cdef void on_settings(Http2Session *session) noexcept nogil:
    with gil:
        of(session).events.append(Settings(http2_peer_max_streams(session)))


cdef void on_goaway(Http2Session *session, uint32_t code) noexcept nogil:
    with gil:
        of(session).refused = True
        of(session).events.append(Goaway(code))


cdef void on_pong(Http2Session *session) noexcept nogil:
    with gil:
        of(session).events.append(Pong())


cdef Http2Ops ops
ops.on_open = on_open
ops.on_trailers_head = on_trailers_head
ops.on_head = on_head
ops.on_data = on_data
ops.on_trailers = on_trailers
ops.on_end = on_end
ops.on_closed = on_closed
ops.on_high = on_level
ops.on_low = on_level
ops.on_settings = on_settings
ops.on_goaway = on_goaway
ops.on_pong = on_pong
