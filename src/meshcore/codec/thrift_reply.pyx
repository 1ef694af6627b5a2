"""Thrift replies: telling success from error, and writing exceptions and heads. See thrift_reply.pxd for the law."""
from libc.stdint cimport int16_t, int32_t, uint8_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from meshcore.base.buffer cimport *
from meshcore.base.span cimport span
from meshcore.codec.thrift_frame cimport thrift_frame_bound, thrift_frame_write
from meshcore.codec.thrift_message cimport thrift_message_len, thrift_message_write
from meshcore.codec.thrift_read cimport ThriftReader, thrift_read_begin, thrift_read_next
from meshcore.codec.thrift_write cimport ThriftWriter, thrift_write_begin, thrift_write_event


cdef int thrift_reply_kind(const char *at, size_t n, uint8_t protocol) noexcept nogil:
    # The reader's own word for it: the event behind the start of the struct.
    cdef ThriftLimits limits
    cdef ThriftReader reader
    cdef ThriftEvent event
    cdef const char *end = at + n
    cdef int result
    thrift_limits_default(&limits)
    thrift_read_begin(&reader, protocol, THRIFT_STRUCT, THRIFT_UNBOUNDED, &limits)
    thrift_read_next(&reader, &at, end, &event)
    result = thrift_read_next(&reader, &at, end, &event)
    if result == THRIFT_MORE:
        return REPLY_MORE
    if result != THRIFT_OK:
        return REPLY_BAD
    return REPLY_ERROR if event.kind == THRIFT_EVENT_FIELD and event.id != 0 else REPLY_SUCCESS


cdef size_t write_head(const ThriftFrameHead *frame, Head *headers, Span lead, const ThriftEnvelope *envelope, char *out) noexcept nogil:
    # 0: the headers do not fit.
    cdef size_t n = thrift_frame_write(frame, headers, out)
    if n == 0 and frame.transport != THRIFT_UNFRAMED:
        return 0
    if lead.len > 0:
        memcpy(out + n, lead.at, lead.len)
    return n + lead.len + thrift_message_write(envelope, out + n + lead.len)


cdef int thrift_head_write(BufferPool *pool, Buffer *out, const ThriftFrameHead *frame, Head *headers, Span lead,
                           const ThriftEnvelope *envelope, uint64_t size) noexcept nogil:
    cdef ThriftFrameHead whole = frame[0]
    cdef size_t n = thrift_frame_bound(frame, headers) + lead.len + thrift_message_len(envelope)
    cdef char *room
    cdef int error
    whole.size = size + lead.len + thrift_message_len(envelope)
    whole.protocol = envelope.protocol
    if n <= CHUNK:
        room = buffer_reserve(pool, out, n)
        if room == NULL:
            return THRIFT_NO_MEMORY
        n = write_head(&whole, headers, lead, envelope, room)
        buffer_commit(out, n)
        return THRIFT_NO_ERROR if n > 0 else THRIFT_BAD_HEADER
    # Headers or a name of many kilobytes.
    room = <char *>malloc(n)
    if room == NULL:
        return THRIFT_NO_MEMORY
    n = write_head(&whole, headers, lead, envelope, room)
    error = THRIFT_NO_MEMORY
    if n == 0:
        error = THRIFT_BAD_HEADER
    elif buffer_copy(pool, out, room, n):
        error = THRIFT_NO_ERROR
    free(room)
    return error


cdef int put(ThriftWriter *writer, uint8_t kind, uint8_t type, int16_t id, int32_t number, Span text) noexcept nogil:
    cdef ThriftEvent event
    event.kind = kind
    event.type = type
    event.id = id
    event.number = number
    event.bytes = text
    event.size = text.len
    return thrift_write_event(writer, &event)


cdef bint write_exception(ThriftWriter *writer, int32_t type, Span message) noexcept nogil:
    # TApplicationException: 1: string message, 2: i32 type.
    cdef Span none = span(NULL, 0)
    return (put(writer, THRIFT_EVENT_STRUCT_BEGIN, THRIFT_STRUCT, 0, 0, none) == THRIFT_OK and
            put(writer, THRIFT_EVENT_FIELD, THRIFT_STRING, 1, 0, none) == THRIFT_OK and
            put(writer, THRIFT_EVENT_STRING, THRIFT_STRING, 0, 0, message) == THRIFT_OK and
            put(writer, THRIFT_EVENT_FIELD, THRIFT_I32, 2, 0, none) == THRIFT_OK and
            put(writer, THRIFT_EVENT_NUMBER, THRIFT_I32, 0, type, none) == THRIFT_OK and
            put(writer, THRIFT_EVENT_STRUCT_END, THRIFT_STRUCT, 0, 0, none) == THRIFT_OK)


cdef int thrift_exception_write(BufferPool *pool, Buffer *out, const ThriftFrameHead *frame, Head *headers, Span lead,
                                const ThriftEnvelope *request, int32_t type, Span message) noexcept nogil:
    cdef ThriftEnvelope envelope = request[0]
    cdef ThriftWriter writer
    cdef Buffer body
    cdef int error
    buffer_init(&body)
    envelope.type = THRIFT_EXCEPTION
    thrift_write_begin(&writer, envelope.protocol, pool, &body)
    if not write_exception(&writer, type, message):
        buffer_fini(pool, &body)
        return writer.error
    error = thrift_head_write(pool, out, frame, headers, lead, &envelope, body.len)
    if error != THRIFT_NO_ERROR:
        buffer_fini(pool, &body)
        return error
    buffer_move(out, &body)
    return THRIFT_NO_ERROR
