"""Test face of HTTP/2 sessions: bytes in, events out, as tuples. Fuzzers and tests only; any one thread, with the GIL."""
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from meshcore.base.arena cimport Arena, BlockPool, arena_fini, arena_init, arena_take, pool_fini, pool_init
from meshcore.base.buffer cimport *
from meshcore.base.slab cimport Slab, slab_fini, slab_init
from meshcore.base.span cimport Span, span
from meshcore.codec.head cimport *
from meshcore.codec.http2 cimport *
from meshcore.codec.http2_memory cimport Http2Memory, http2_memory_fini, http2_memory_init
from meshcore.codec.http2_session cimport *

from meshcore.bind.http2_spec import Http2Options as Http2Spec

cdef enum:
    CHUNKS = 64
    BLOCKS = 64
    RESETS = 100

ERRORS = ("", "protocol", "empty flood", "priority flood", "window flood", "outbound flood", "outbound control flood", "memory")


cdef tuple fields_of(Head *head):
    return tuple(
        (text(header_name(&head.headers[i])), text(header_value(&head.headers[i]))) for i in range(head.len) if not head.headers[i].dropped
    )


cdef bytes text(Span found):
    return PyBytes_FromStringAndSize(found.at, found.len) if found.len else b""


cdef class Session:
    """One side of a connection. Every message that a server has read whole is answered with 200 and its own body's length."""

    cdef Http2Session session
    cdef Http2Options options
    cdef Http2Memory memory
    cdef BufferPool pool
    cdef BlockPool blocks
    cdef Slab streams
    cdef Buffer out
    cdef Arena arena
    cdef list events

    def __cinit__(self, bint server, uint32_t max_streams=100):
        cdef Http2Options *options = &self.options
        default = Http2Spec()
        buffers_init(&self.pool, CHUNKS)
        pool_init(&self.blocks, BLOCKS)
        slab_init(&self.streams, sizeof(Http2Stream))
        http2_memory_init(&self.memory)
        buffer_init(&self.out)
        arena_init(&self.arena, &self.blocks)
        memset(options, 0, sizeof(Http2Options))
        options.hpack_table = default.hpack_table_size
        options.max_streams = max_streams
        options.stream_window = default.initial_stream_window
        options.connection_window = default.initial_connection_window
        options.max_outbound = default.max_outbound_frames
        options.max_outbound_control = default.max_outbound_control_frames
        options.max_empty = default.max_empty_frames
        options.max_priority = default.max_priority_frames
        options.max_window_updates = default.max_window_updates
        options.reset_burst = options.reset_rate = RESETS
        options.max_head_bytes = 1 << 14
        options.max_headers = 50
        options.stream_errors = True
        options.allow_connect = True
        self.events = []
        self.session.ops = &ops
        self.session.options = options
        self.session.owner = <void *>self
        self.session.pool = &self.pool
        self.session.blocks = &self.blocks
        self.session.slab = &self.streams
        self.session.memory = &self.memory
        self.session.out = &self.out
        if not http2_session_init(&self.session, server):
            raise MemoryError

    def __dealloc__(self):
        if self.session.native != NULL:
            http2_session_fini(&self.session)
        buffer_fini(&self.pool, &self.out)
        arena_fini(&self.arena)
        assert self.streams.live == 0 and self.pool.live == 0
        slab_fini(&self.streams)
        http2_memory_fini(&self.memory)
        buffers_fini(&self.pool)
        pool_fini(&self.blocks)

    cdef Head *new_head(self, bint is_response) except NULL:
        cdef Head *head = <Head *>arena_take(&self.arena, sizeof(Head))
        if head == NULL:
            raise MemoryError
        head_init(head, &self.arena, is_response)
        return head

    def feed(self, bytes data) -> list:
        """The events of these bytes; the last one is ("error", why) when nothing more can come."""
        cdef char *block = <char *>malloc(len(data) or 1)      # of that size and no more, for sanitizers
        if block == NULL:
            raise MemoryError
        self.events = []
        if self.session.error == HTTP2_OK:
            memcpy(block, <const char *>data, len(data))
            if not http2_receive(&self.session, block, len(data)):
                self.events.append(("error", ERRORS[self.session.error]))
        free(block)
        return self.events

    def request(self, str method, str path, bint end=True) -> int:
        """Opens a stream; its number."""
        cdef Head *head = self.new_head(False)
        cdef Http2Stream *stream
        cdef bytes kept = method.encode() + path.encode()
        cdef char *room = <char *>arena_take(&self.arena, len(kept) + 1)
        memcpy(room, <const char *>kept, len(kept))
        head.method = span(room, len(method))
        head.path = span(room + len(method), len(path))
        head.scheme = span(b"http", 4)
        head.authority = span(b"a", 1)
        stream = http2_request(&self.session, head, end, <void *>self)
        if stream == NULL:
            raise MemoryError
        stream.head = self.new_head(True)
        return stream.id

    def output(self) -> bytes:
        """What is to be sent."""
        cdef bytes found
        http2_pull(&self.session)
        found = bytes(self.out.len)
        if self.out.len:
            buffer_read(&self.out, <char *>found, self.out.len)
            buffer_fini(&self.pool, &self.out)
        return found

    cdef int answer(self, Http2Stream *stream) except -1:
        cdef Head *head = self.new_head(True)
        head.status = 200
        http2_send_head(stream, head, False)
        http2_send_span(stream, span(b"answer", 6), True)
        return 0


cdef inline Session of(Http2Stream *stream):
    return <Session>stream.session.owner


cdef bint on_open(Http2Stream *stream) noexcept nogil:
    with gil:
        stream.owner = stream.session.owner
        stream.head = of(stream).new_head(False)
        of(stream).events.append(("open", stream.id))
        return True


cdef void on_head(Http2Stream *stream, bint end) noexcept nogil:
    cdef Head *head = stream.head
    with gil:
        start = (text(head.method), text(head.path), text(head.authority), text(head.scheme), text(head.protocol), head.status)
        of(stream).events.append(("head", stream.id, start, fields_of(head), end))
        if not stream.session.server and head.status < 200:
            stream.head = of(stream).new_head(True)
        if end and stream.session.server:
            of(stream).answer(stream)


cdef void on_data(Http2Stream *stream, Span data) noexcept nogil:
    with gil:
        of(stream).events.append(("data", stream.id, text(data)))


cdef Head *on_trailers_head(Http2Stream *stream) noexcept nogil:
    with gil:
        return of(stream).new_head(not stream.session.server)


cdef void on_trailers(Http2Stream *stream) noexcept nogil:
    with gil:
        of(stream).events.append(("trailers", stream.id, fields_of(stream.trailers)))
        if stream.session.server:
            of(stream).answer(stream)


cdef void on_end(Http2Stream *stream) noexcept nogil:
    with gil:
        of(stream).events.append(("end", stream.id))
        if stream.session.server:
            of(stream).answer(stream)


cdef void on_closed(Http2Stream *stream, uint32_t code) noexcept nogil:
    with gil:
        of(stream).events.append(("closed", stream.id, code))


cdef void on_level(Http2Stream *stream) noexcept nogil:
    pass


cdef void on_settings(Http2Session *session) noexcept nogil:
    with gil:
        (<Session>session.owner).events.append(("settings",))


cdef void on_goaway(Http2Session *session, uint32_t code) noexcept nogil:
    with gil:
        (<Session>session.owner).events.append(("goaway", code))


cdef void on_pong(Http2Session *session) noexcept nogil:
    with gil:
        (<Session>session.owner).events.append(("pong",))


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
