"""Local replies: head and body of a response that no upstream gave, in the three shapes Envoy knows: plain text, a configured format, and
for gRPC requests a 200 with the error in grpc-status and grpc-message.
"""
from libc.stdint cimport uint8_t, uint16_t, uint64_t

from meshcore.base.arena cimport arena_take
from meshcore.base.span cimport Span, span, span_equal, span_is, write_u64
from meshcore.codec.head cimport *
from meshcore.codec.status cimport grpc_status_of
from meshcore.conf.tables cimport ReplyMapper
from meshcore.observe.format cimport Format, format_bound, format_write
from meshcore.observe.record cimport *
from meshcore.proxy.access_log cimport log_filter_wants
from meshcore.proxy.objects cimport *
from meshcore.proxy.route_reply cimport route_reply_wants_tls
from meshcore.route.finalize cimport route_mutate_response
from meshcore.route.mutation cimport mutate_response
from meshcore.route.table cimport ROUTE_FORWARD

cdef enum:
    TRIED = FLAG_UT | FLAG_LR | FLAG_UR | FLAG_UF | FLAG_UC | FLAG_UO | FLAG_UPE | FLAG_UMSDR      # the router answers for a try
    GRPC_DEADLINE_EXCEEDED = 4


cdef const ReplyMapper *find_mapper(Stream *stream) noexcept nogil:
    cdef const ReplyMapper *mapper
    cdef uint16_t i
    for i in range(stream.hcm.mappers_len):
        mapper = &stream.hcm.mappers[i]
        if mapper.filter == NULL or log_filter_wants(mapper.filter, stream.engine, &stream.record):
            return mapper
    return NULL


cdef Span formatted(Stream *stream, const Format *format, Span body) noexcept nogil:
    cdef size_t bound
    cdef char *room
    stream.record.local_body = body
    bound = format_bound(format, &stream.record)
    room = <char *>arena_take(&stream.arena, bound)
    if room == NULL:
        return body
    return span(room, format_write(format, &stream.record, room, room + bound) - room)


cdef void set_number(Head *head, uint8_t id, uint64_t value) noexcept nogil:
    cdef char text[20]
    cdef size_t n = write_u64(text, value)
    head_set_copy(head, id, span(text, n))


cdef inline bint forwards(Stream *stream) noexcept nogil:
    # Whether the route has a say in the answer's headers: also when a filter answers before the router does.
    return stream.http.route != NULL and stream.http.route.kind == ROUTE_FORWARD and not route_reply_wants_tls(stream)


cdef Span local_reply_fill(Stream *stream, const LocalReply *reply) noexcept nogil:
    cdef Head *head = &stream.response
    cdef const ReplyMapper *mapper
    cdef const Format *format = stream.hcm.reply_format
    cdef Span type = stream.hcm.reply_content_type
    cdef Span body = reply.body
    cdef uint16_t status = reply.status
    cdef uint8_t told
    cdef Span typed
    cdef bint too_long = span_is(reply.details, b"max_duration_timeout", 20)
    cdef uint16_t i
    stream.record.flags |= reply.flag
    stream.record.details = reply.details
    stream.record.status = status
    head_init(head, &stream.arena, True)
    stream.record.response = head
    if reply.head != NULL:
        for i in range(reply.head.len):
            if not reply.head.headers[i].dropped:
                head_add(head, header_name(&reply.head.headers[i]), header_value(&reply.head.headers[i]), reply.head.headers[i].id)
    if reply.plain:
        head.status = status
        if body.len > 0:
            set_number(head, H_CONTENT_LENGTH, body.len)
        return body
    if forwards(stream):
        route_mutate_response(stream.http.route, stream.choice, head, &stream.record)
    if reply.flag & TRIED and stream.cluster != NULL and stream.host.attempt_count_response:
        set_number(head, H_ENVOY_ATTEMPT_COUNT, stream.tries)
    if type.len == 0 or format == NULL:
        type = span(b"text/plain", 10)
    if reply.content_type.len > 0 and not head_has(head, H_CONTENT_TYPE):
        head_set(head, H_CONTENT_TYPE, reply.content_type)
    typed = head_value(head, H_CONTENT_TYPE)
    mapper = find_mapper(stream)
    if mapper != NULL:
        if mapper.new_status:
            status = mapper.new_status
            stream.record.status = status
        if mapper.has_body:
            body = mapper.body
        if mapper.body_format != NULL:
            format = mapper.body_format
            type = mapper.content_type
        if mapper.mutation != NULL:
            mutate_response(mapper.mutation, head, &stream.record)
    head.status = status
    if format != NULL:
        body = formatted(stream, format, body)
    if stream.bits & STREAM_IS_GRPC:
        told = reply.grpc - 1 if reply.grpc else grpc_status_of(status)
        if too_long:
            told = GRPC_DEADLINE_EXCEEDED
        head.status = 200
        stream.record.status = 200
        head_set(head, H_CONTENT_TYPE, span(b"application/grpc", 16))
        set_number(head, H_GRPC_STATUS, told)
        if body.len > 0:
            head_set(head, H_GRPC_MESSAGE, body)
        return span(b"", 0)
    if body.len == 0:
        # Without a body there is no type, unless a filter gives it both as the type and as a header (the admin pages do).
        if reply.content_type.len == 0 or reply.head == NULL or not head_has(reply.head, H_CONTENT_TYPE):
            head_drop(head, H_CONTENT_TYPE)
        return body
    set_number(head, H_CONTENT_LENGTH, body.len)
    # A type that was given stays, unless the mappers or the format made another body and said nothing about its type.
    if not head_has(head, H_CONTENT_TYPE) or (not span_equal(body, reply.body) and span_equal(typed, head_value(head, H_CONTENT_TYPE))):
        head_set(head, H_CONTENT_TYPE, type)
    return body
