"""The Twitter protocol's header structs: finding, reading and writing. See thrift_twitter.pxd for the law.

Field numbers are those of Finagle's tracing.thrift. Reading goes through the event reader, so hostile headers cost what hostile
payloads cost; a string is one piece, because the header lies in the input as a whole.
"""
from libc.stdint cimport int16_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from meshcore.base.arena cimport arena_take
from meshcore.base.buffer cimport buffer_copy
from meshcore.base.span cimport lower, span, span_is
from meshcore.codec.head cimport Header, head_add, head_identify, header_name, header_value
from meshcore.codec.thrift_read cimport *
from meshcore.codec.thrift_skip cimport thrift_skip, thrift_skip_out
from meshcore.codec.thrift_write cimport ThriftWriter, thrift_write_begin, thrift_write_event

cdef enum RequestField:
    REQUEST_TRACE_ID = 1
    REQUEST_SPAN_ID = 2
    REQUEST_PARENT_SPAN_ID = 3
    REQUEST_SAMPLED = 5
    REQUEST_CLIENT_ID = 6          # struct {1: string}
    REQUEST_FLAGS = 7
    REQUEST_CONTEXTS = 8           # list of {1: key, 2: value}
    REQUEST_DEST = 9
    REQUEST_DELEGATIONS = 10       # list of {1: source, 2: destination}
    REQUEST_TRACE_ID_HIGH = 11
    REPLY_SPANS = 1                # list of structs, where a request has an i64
    REPLY_CONTEXTS = 2

cdef enum HeaderKind:
    # Which header lines are which field, by their names.
    LINE_CONTEXT
    LINE_CLIENT_ID
    LINE_DEST
    LINE_DELEGATION
    LINE_OTHER                     # another name with a colon in front: not told

cdef struct Walk:
    ThriftReader reader
    const char *at
    const char *end
    Head *headers
    int error


cdef Span thrift_upgrade_name() noexcept nogil:
    return span(b"__can__finagle__trace__v3__", 27)


cdef bint thrift_is_upgrade(const ThriftEnvelope *envelope) noexcept nogil:
    return span_is(envelope.name, b"__can__finagle__trace__v3__", 27)


cdef int thrift_twitter_find(const char *at, size_t n, uint64_t room, const ThriftLimits *limits, size_t *used,
                             uint8_t *error) noexcept nogil:
    cdef ThriftReader reader
    cdef const char *start = at
    cdef int result
    if room > limits.max_header_bytes:
        room = limits.max_header_bytes
    thrift_read_begin(&reader, THRIFT_BINARY, THRIFT_STRUCT, room, limits)
    result = thrift_skip(&reader, &at, start + n)
    used[0] = <size_t>(at - start)
    if result == THRIFT_ERROR:
        error[0] = THRIFT_BAD_HEADER if reader.error == THRIFT_TRUNCATED else reader.error
    return result


# --- reading --------------------------------------------------------------------------------------------------------


cdef bint next_event(Walk *walk, ThriftEvent *event) noexcept nogil:
    return thrift_read_next(&walk.reader, &walk.at, walk.end, event) == THRIFT_OK


cdef bint pass_value(Walk *walk) noexcept nogil:
    return thrift_skip(&walk.reader, &walk.at, walk.end) == THRIFT_OK


cdef bint is_dropped(char c) noexcept nogil:
    # Envoy takes these out of the keys of contexts and delegations.
    return c == 0 or c == 10 or c == 13


cdef inline void join(char *out, Span text) noexcept nogil:
    if text.len > 0:               # an empty span may point nowhere, which memcpy does not allow
        memcpy(out, text.at, text.len)


cdef bint add(Walk *walk, Span prefix, Span name, Span value) noexcept nogil:
    cdef char *text = <char *>arena_take(walk.headers.arena, prefix.len + name.len + value.len)
    cdef size_t n = prefix.len
    cdef uint32_t i
    if text == NULL or prefix.len + name.len > 65535:
        walk.error = THRIFT_NO_MEMORY if text == NULL else THRIFT_BAD_HEADER
        return False
    join(text, prefix)
    for i in range(name.len):
        if not is_dropped(name.at[i]):
            text[n] = lower(name.at[i])
            n += 1
    join(text + n, value)
    if head_add(walk.headers, span(text, n), span(text + n, value.len), head_identify(text, n)) == NULL:
        walk.error = THRIFT_BAD_HEADER
        return False
    return True


cdef bint read_pair(Walk *walk, Span *first, Span *second) noexcept nogil:
    # The strings 1 and 2 of the struct that comes next; what is not there is empty.
    cdef ThriftEvent event
    cdef int16_t id
    first[0] = span(NULL, 0)
    second[0] = span(NULL, 0)
    if not next_event(walk, &event):
        return False
    while next_event(walk, &event):
        if event.kind == THRIFT_EVENT_STRUCT_END:
            return True
        id = event.id
        if event.type != THRIFT_STRING or (id != 1 and id != 2):
            if not pass_value(walk):
                return False
        elif next_event(walk, &event):
            if id == 1:
                first[0] = event.bytes
            else:
                second[0] = event.bytes
    return False


cdef bint read_pairs(Walk *walk, Span prefix) noexcept nogil:
    # A list of pairs as headers; the elements must be structs.
    cdef ThriftEvent event
    cdef Span name
    cdef Span value
    cdef uint32_t left
    if not next_event(walk, &event):
        return False
    left = event.size
    if left > 0 and event.type != THRIFT_STRUCT:
        return thrift_skip_out(&walk.reader, &walk.at, walk.end) == THRIFT_OK
    while left > 0:
        if not read_pair(walk, &name, &value) or not add(walk, prefix, name, value):
            return False
        left -= 1
    return next_event(walk, &event)


cdef bint read_string(Walk *walk, Span name) noexcept nogil:
    cdef ThriftEvent event
    return next_event(walk, &event) and add(walk, name, span(NULL, 0), event.bytes)


cdef bint read_client(Walk *walk) noexcept nogil:
    cdef Span name
    cdef Span unused
    return read_pair(walk, &name, &unused) and add(walk, span(b":client-id", 10), span(NULL, 0), name)


cdef bint read_number(Walk *walk, int64_t *out, ThriftTrace *trace, uint8_t bit) noexcept nogil:
    cdef ThriftEvent event
    if not next_event(walk, &event):
        return False
    out[0] = event.number
    trace.has |= bit
    return True


cdef bint read_field(Walk *walk, int16_t id, uint8_t type, ThriftTrace *trace, Span *spans) noexcept nogil:
    cdef const char *start = walk.at
    cdef int64_t sampled = 0
    if type == THRIFT_I64:
        if id == REQUEST_TRACE_ID:
            return read_number(walk, &trace.trace_id, trace, 0)
        if id == REQUEST_SPAN_ID:
            return read_number(walk, &trace.span_id, trace, 0)
        if id == REQUEST_PARENT_SPAN_ID:
            return read_number(walk, &trace.parent_span_id, trace, TRACE_PARENT_SPAN_ID)
        if id == REQUEST_FLAGS:
            return read_number(walk, &trace.flags, trace, TRACE_FLAGS)
        if id == REQUEST_TRACE_ID_HIGH:
            return read_number(walk, &trace.trace_id_high, trace, TRACE_ID_HIGH)
    elif type == THRIFT_LIST:
        if id == REQUEST_CONTEXTS or id == REPLY_CONTEXTS:
            return read_pairs(walk, span(NULL, 0))
        if id == REQUEST_DELEGATIONS:
            return read_pairs(walk, span(b":d:", 3))
        if id == REPLY_SPANS:
            if not pass_value(walk):
                return False
            spans[0] = span(start, walk.at - start)
            return True
    elif type == THRIFT_BOOL and id == REQUEST_SAMPLED:
        if not read_number(walk, &sampled, trace, TRACE_SAMPLED):
            return False
        trace.sampled = sampled != 0
        return True
    elif type == THRIFT_STRUCT and id == REQUEST_CLIENT_ID:
        return read_client(walk)
    elif type == THRIFT_STRING and id == REQUEST_DEST:
        return read_string(walk, span(b":dest", 5))
    return pass_value(walk)


cdef int thrift_twitter_read(Span header, const ThriftLimits *limits, ThriftTrace *trace, Head *headers, Span *spans) noexcept nogil:
    cdef Walk walk
    cdef ThriftEvent event
    memset(trace, 0, sizeof(ThriftTrace))
    spans[0] = span(NULL, 0)
    walk.at = header.at
    walk.end = header.at + header.len
    walk.headers = headers
    walk.error = THRIFT_BAD_HEADER
    thrift_read_begin(&walk.reader, THRIFT_BINARY, THRIFT_STRUCT, header.len, limits)
    if not next_event(&walk, &event):
        return walk.error
    while next_event(&walk, &event):
        if event.kind == THRIFT_EVENT_STRUCT_END:
            return THRIFT_NO_ERROR
        if not read_field(&walk, event.id, event.type, trace, spans):
            return walk.error
    return walk.error


# --- writing --------------------------------------------------------------------------------------------------------


cdef bint mark(ThriftWriter *writer, uint8_t kind) noexcept nogil:
    cdef ThriftEvent event
    event.kind = kind
    return thrift_write_event(writer, &event) == THRIFT_OK


cdef bint field(ThriftWriter *writer, uint8_t type, int16_t id) noexcept nogil:
    cdef ThriftEvent event
    event.kind = THRIFT_EVENT_FIELD
    event.type = type
    event.id = id
    return thrift_write_event(writer, &event) == THRIFT_OK


cdef bint number(ThriftWriter *writer, uint8_t type, int16_t id, int64_t v) noexcept nogil:
    cdef ThriftEvent event
    event.kind = THRIFT_EVENT_NUMBER
    event.type = type
    event.number = v
    return field(writer, type, id) and thrift_write_event(writer, &event) == THRIFT_OK


cdef bint string(ThriftWriter *writer, int16_t id, Span text) noexcept nogil:
    cdef ThriftEvent event
    event.kind = THRIFT_EVENT_STRING
    event.type = THRIFT_STRING
    event.size = text.len
    event.bytes = text
    return field(writer, THRIFT_STRING, id) and thrift_write_event(writer, &event) == THRIFT_OK


cdef int line_kind(Header *header) noexcept nogil:
    cdef Span name = header_name(header)
    if name.len == 0 or name.at[0] != 58:
        return LINE_CONTEXT if name.len > 0 else LINE_OTHER
    if span_is(name, b":client-id", 10):
        return LINE_CLIENT_ID
    if span_is(name, b":dest", 5):
        return LINE_DEST
    if name.len > 3 and name.at[1] == 100 and name.at[2] == 58:
        return LINE_DELEGATION
    return LINE_OTHER


cdef bint pairs(ThriftWriter *writer, int16_t id, Head *headers, int kind, uint32_t cut) noexcept nogil:
    # The lines of a kind as a list of pairs, without the first `cut` bytes of their names; nothing when there is none.
    cdef ThriftEvent event
    cdef Span name
    cdef uint16_t i
    event.kind = THRIFT_EVENT_LIST_BEGIN
    event.type = THRIFT_STRUCT
    event.size = 0
    for i in range(headers.len):
        event.size += not headers.headers[i].dropped and line_kind(&headers.headers[i]) == kind
    if event.size == 0:
        return True
    if not field(writer, THRIFT_LIST, id) or thrift_write_event(writer, &event) != THRIFT_OK:
        return False
    for i in range(headers.len):
        if headers.headers[i].dropped or line_kind(&headers.headers[i]) != kind:
            continue
        name = header_name(&headers.headers[i])
        if not (mark(writer, THRIFT_EVENT_STRUCT_BEGIN) and string(writer, 1, span(name.at + cut, name.len - cut)) and
                string(writer, 2, header_value(&headers.headers[i])) and mark(writer, THRIFT_EVENT_STRUCT_END)):
            return False
    return mark(writer, THRIFT_EVENT_LIST_END)


cdef Header *last_of(Head *headers, int kind) noexcept nogil:
    # Envoy keeps the last line where there may be one.
    cdef Header *found = NULL
    cdef uint16_t i
    for i in range(headers.len):
        if not headers.headers[i].dropped and line_kind(&headers.headers[i]) == kind:
            found = &headers.headers[i]
    return found


cdef bint write_client(ThriftWriter *writer, Head *headers) noexcept nogil:
    cdef Header *line = last_of(headers, LINE_CLIENT_ID)
    if line == NULL:
        return True
    return (field(writer, THRIFT_STRUCT, REQUEST_CLIENT_ID) and mark(writer, THRIFT_EVENT_STRUCT_BEGIN) and
            string(writer, 1, header_value(line)) and mark(writer, THRIFT_EVENT_STRUCT_END))


cdef bint write_request(ThriftWriter *writer, const ThriftTrace *trace, Head *headers) noexcept nogil:
    cdef Header *dest = last_of(headers, LINE_DEST)
    if not number(writer, THRIFT_I64, REQUEST_TRACE_ID, trace.trace_id) or not number(writer, THRIFT_I64, REQUEST_SPAN_ID, trace.span_id):
        return False
    if trace.has & TRACE_PARENT_SPAN_ID and not number(writer, THRIFT_I64, REQUEST_PARENT_SPAN_ID, trace.parent_span_id):
        return False
    if trace.has & TRACE_SAMPLED and not number(writer, THRIFT_BOOL, REQUEST_SAMPLED, trace.sampled):
        return False
    if not write_client(writer, headers):
        return False
    if trace.has & TRACE_FLAGS and not number(writer, THRIFT_I64, REQUEST_FLAGS, trace.flags):
        return False
    if not pairs(writer, REQUEST_CONTEXTS, headers, LINE_CONTEXT, 0):
        return False
    if dest != NULL and not string(writer, REQUEST_DEST, header_value(dest)):
        return False
    if not pairs(writer, REQUEST_DELEGATIONS, headers, LINE_DELEGATION, 3):
        return False
    return not trace.has & TRACE_ID_HIGH or number(writer, THRIFT_I64, REQUEST_TRACE_ID_HIGH, trace.trace_id_high)


cdef bint write_reply(ThriftWriter *writer, Head *headers, Span spans) noexcept nogil:
    if spans.len > 0:
        if not field(writer, THRIFT_LIST, REPLY_SPANS):
            return False
        if not buffer_copy(writer.pool, writer.out, spans.at, spans.len):
            writer.error = THRIFT_NO_MEMORY
            return False
    return pairs(writer, REPLY_CONTEXTS, headers, LINE_CONTEXT, 0)


cdef int thrift_twitter_write(BufferPool *pool, Buffer *out, bint reply, const ThriftTrace *trace, Head *headers,
                              Span spans) noexcept nogil:
    cdef ThriftWriter writer
    thrift_write_begin(&writer, THRIFT_BINARY, pool, out)
    if not mark(&writer, THRIFT_EVENT_STRUCT_BEGIN):
        return writer.error
    if not (write_reply(&writer, headers, spans) if reply else write_request(&writer, trace, headers)):
        return writer.error
    return THRIFT_NO_ERROR if mark(&writer, THRIFT_EVENT_STRUCT_END) else writer.error
