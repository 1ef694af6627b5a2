"""Thrift messages between two connections. See message.pxd for the law."""
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport malloc
from libc.string cimport memset

from meshcore.base.arena cimport arena_copy, arena_take
from meshcore.base.buffer cimport (
    Buffer, Slice, buffer_borrow, buffer_copy, buffer_fini, buffer_init, buffer_own, buffer_read,
)
from meshcore.base.slab cimport slab_free, slab_new
from meshcore.base.span cimport Span, lower, span
from meshcore.codec.head cimport Head, head_add, head_add_copy, head_identify, head_init
from meshcore.codec.thrift cimport *
from meshcore.codec.thrift_frame cimport ThriftFrameHead, ThriftInfo, thrift_info_next
from meshcore.codec.thrift_read cimport READ_DONE, thrift_read_begin
from meshcore.codec.thrift_reply cimport thrift_head_write
from meshcore.codec.thrift_twitter cimport thrift_twitter_read, thrift_twitter_write
from meshcore.codec.thrift_write cimport thrift_convert, thrift_write_begin
from meshcore.codec.thrift_zlib cimport thrift_inflate
from meshcore.io.transport cimport transport_copy, transport_move

cdef enum:
    COPY_MAX = 2048                # a small payload behind its head leaves in one piece


cdef ThriftLimits limits
thrift_limits_default(&limits)


cdef const ThriftLimits *message_limits() noexcept nogil:
    return &limits


cdef ThriftWalk *walk_new(Engine *engine) noexcept nogil:
    return <ThriftWalk *>slab_new(&engine.thrift_walks)


cdef void walk_free(Engine *engine, ThriftWalk *walk) noexcept nogil:
    if walk != NULL:
        slab_free(&engine.thrift_walks, walk)


cdef void message_init(ThriftMessage *message, Arena *arena) noexcept nogil:
    memset(message, 0, sizeof(ThriftMessage))
    head_init(&message.headers, arena, False)
    buffer_init(&message.body)


cdef bint keep(Arena *arena, Span *text) noexcept nogil:
    cdef char *copy
    if text.len == 0:
        return True
    copy = arena_copy(arena, text.at, text.len)
    if copy != NULL:
        text.at = copy
    return copy != NULL


cdef int read_headers(ThriftMessage *message, ThriftInfo info, Arena *arena, bint keep_case) noexcept nogil:
    cdef Head *headers = &message.headers
    cdef const char *block = info.rest.at
    cdef char *names = NULL        # a second copy of the block, where they are in lower case
    cdef Span key
    cdef Span value
    cdef size_t at
    cdef uint32_t i
    if keep_case and info.rest.len > 0:
        headers.raw = arena_copy(arena, block, info.rest.len)
        names = arena_copy(arena, block, info.rest.len)
        if headers.raw == NULL or names == NULL:
            return THRIFT_NO_MEMORY
        headers.block = names
        headers.block_len = info.rest.len
    while thrift_info_next(&info, &key, &value) == THRIFT_OK:
        if names == NULL:
            if not head_add_copy(headers, key, value):
                return THRIFT_NO_MEMORY
            continue
        at = <size_t>(key.at - block)
        for i in range(key.len):
            names[at + i] = lower(key.at[i])
        key = span(names + at, key.len)
        value = span(headers.raw + (value.at - block), value.len)
        if head_add(headers, key, value, head_identify(key.at, key.len)) == NULL:
            return THRIFT_NO_MEMORY
    return THRIFT_NO_ERROR


cdef int message_read(ThriftMessage *message, ThriftStream *stream, Arena *arena, bint keep_case) noexcept nogil:
    cdef int error
    message.envelope = stream.envelope
    message.transport = stream.transport
    message.protocol = stream.protocol
    message.flags = stream.frame.flags
    if not keep(arena, &message.envelope.name):
        return THRIFT_NO_MEMORY
    if stream.frame.transport == THRIFT_HEADER:
        error = read_headers(message, stream.frame.info, arena, keep_case)
        if error != THRIFT_NO_ERROR:
            return error
    if stream.twitter.len == 0:
        return THRIFT_NO_ERROR
    if not keep(arena, &stream.twitter):
        return THRIFT_NO_MEMORY
    return thrift_twitter_read(stream.twitter, stream.limits, &message.trace, &message.headers, &message.spans)


cdef int feed(ThriftMessage *message, const char *at, size_t n) noexcept nogil:
    # The next bytes of a payload that is converted.
    cdef const char *end = at + n
    cdef int result = thrift_convert(&message.walk.reader, &at, end, &message.walk.writer)
    if result == THRIFT_ERROR:
        return message.walk.reader.error if message.walk.reader.error != THRIFT_NO_ERROR else message.walk.writer.error
    return THRIFT_TRAILING if result == THRIFT_DONE and at < end else THRIFT_NO_ERROR


cdef int message_convert(ThriftMessage *message, Engine *engine, uint8_t protocol, uint64_t size, const ThriftLimits *limits) noexcept nogil:
    cdef Buffer came = message.body
    cdef Slice *slice = came.first
    cdef int error = THRIFT_NO_ERROR
    message.walk = walk_new(engine)
    if message.walk == NULL:
        return THRIFT_NO_MEMORY
    buffer_init(&message.body)
    thrift_read_begin(&message.walk.reader, message.envelope.protocol, THRIFT_STRUCT, size, limits)
    thrift_write_begin(&message.walk.writer, protocol, &engine.loop.buffers, &message.body)
    while slice != NULL and error == THRIFT_NO_ERROR:
        error = feed(message, slice.at, slice.len)
        slice = slice.next
    buffer_fini(&engine.loop.buffers, &came)
    return error


cdef int message_take(ThriftMessage *message, Engine *engine, Span piece, bint copy) noexcept nogil:
    cdef const char *at = piece.at
    message.size += piece.len
    if message.size > limits.max_frame_bytes:
        return THRIFT_BAD_FRAME_SIZE           # without a frame, or with headers, there is no other bound on what is kept
    if message.walk == NULL and copy:
        return THRIFT_NO_ERROR if buffer_copy(&engine.loop.buffers, &message.body, at, piece.len) else THRIFT_NO_MEMORY
    if message.walk == NULL:
        return THRIFT_NO_ERROR if buffer_borrow(&engine.loop.buffers, &message.body, at, piece.len) else THRIFT_NO_MEMORY
    return feed(message, at, piece.len)


cdef int message_hold(ThriftMessage *message, Engine *engine) noexcept nogil:
    return THRIFT_NO_ERROR if buffer_own(&engine.loop.buffers, &message.body) else THRIFT_NO_MEMORY


cdef int message_end(ThriftMessage *message) noexcept nogil:
    if message.walk != NULL and message.walk.reader.state != READ_DONE:
        return THRIFT_TRUNCATED
    return THRIFT_NO_ERROR


cdef int message_lead(ThriftMessage *message, Engine *engine, Arena *arena, bint reply, Span *lead) noexcept nogil:
    cdef Buffer parts
    cdef char *room = NULL
    cdef int error
    buffer_init(&parts)
    error = thrift_twitter_write(&engine.loop.buffers, &parts, reply, &message.trace, &message.headers, message.spans)
    if error == THRIFT_NO_ERROR:
        room = <char *>arena_take(arena, parts.len)
        if room == NULL:
            error = THRIFT_NO_MEMORY
        else:
            buffer_read(&parts, room, parts.len)
            lead[0] = span(room, parts.len)
    buffer_fini(&engine.loop.buffers, &parts)
    return error


cdef inline bint is_reply(const ThriftEnvelope *envelope) noexcept nogil:
    return envelope.type == THRIFT_REPLY or envelope.type == THRIFT_EXCEPTION


cdef int message_write(ThriftMessage *message, Engine *engine, Arena *arena, Transport *to, uint8_t transport, uint8_t protocol, bint twitter,
                       Span name, int32_t seqid, uint64_t *wire) noexcept nogil:
    cdef ThriftEnvelope envelope
    cdef ThriftFrameHead frame
    cdef Span lead = span(NULL, 0)
    cdef uint64_t before = to.out.len
    cdef int error
    memset(&frame, 0, sizeof(ThriftFrameHead))
    frame.transport = transport
    frame.flags = message.flags
    frame.seqid = seqid
    envelope.type = message.envelope.type
    envelope.protocol = protocol
    envelope.seqid = seqid
    envelope.name = name
    if twitter:
        error = message_lead(message, engine, arena, is_reply(&message.envelope), &lead)
        if error != THRIFT_NO_ERROR:
            return error
    error = thrift_head_write(&engine.loop.buffers, &to.out, &frame, &message.headers, lead, &envelope, message.body.len)
    if error != THRIFT_NO_ERROR:
        return error
    if message.body.len <= COPY_MAX and message.body.first != NULL and message.body.first.next == NULL:
        transport_copy(to, message.body.first.at, message.body.first.len)
        buffer_fini(&engine.loop.buffers, &message.body)
    else:
        transport_move(to, &message.body)
    wire[0] += to.out.len - before
    return THRIFT_NO_ERROR


cdef char *message_inflate(Engine *engine, Buffer *packed, uint64_t *n, int *error) noexcept nogil:
    cdef Buffer plain
    cdef char *block = NULL
    buffer_init(&plain)
    error[0] = thrift_inflate(&engine.loop.buffers, packed, &plain, limits.max_inflated_bytes)
    buffer_fini(&engine.loop.buffers, packed)
    n[0] = plain.len
    if error[0] == THRIFT_NO_ERROR:
        block = <char *>malloc(plain.len + 1)
        if block != NULL:
            buffer_read(&plain, block, plain.len)
        else:
            error[0] = THRIFT_NO_MEMORY
    buffer_fini(&engine.loop.buffers, &plain)
    return block


cdef void message_fini(ThriftMessage *message, Engine *engine) noexcept nogil:
    buffer_fini(&engine.loop.buffers, &message.body)
    walk_free(engine, message.walk)
    message.walk = NULL
