"""HTTP/1 field lines: one pass that lowers names, identifies the known ones and reads the framing headers.

Doubtful lines are judged as Envoy 1.40 judges them, unless that would let two parsers disagree about where a message ends; see
docs/decisions/http1-strictness.md. Folded lines (RFC 9112, 5.2) are joined as the RFC allows: the line ends go, the blanks stay.
Any thread; owns nothing.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from meshcore.base.span cimport list_has, parse_u64, span, span_is_nocase, span_trim
from meshcore.codec.head cimport *
from meshcore.codec.http1 cimport *

cdef enum:
    NAME_MAX = 65535               # what Header.name_len holds
    UNDERSCORE = 95

cdef uint64_t ONES = <uint64_t>0x0101010101010101
cdef uint64_t HIGHS = <uint64_t>0x8080808080808080


cdef inline bint lower_name(char *name, size_t n) noexcept nogil:
    # Eight bytes at a time; the parser has let only ASCII through, so no sum below carries. True when there is an underscore.
    cdef uint64_t word
    cdef uint64_t upper
    cdef uint64_t odd
    cdef uint64_t found = 0
    cdef size_t part
    while n > 0:
        memcpy(&word, name, 8)
        part = 8
        if n < 8:
            # The bytes after the name belong to the value: they are neither looked at nor changed.
            part = n
            odd = word & (<uint64_t>-1 << (8 * n))
            word &= ~(<uint64_t>-1 << (8 * n))
        else:
            odd = 0
        upper = (word + (128 - 65) * ONES) & ~(word + (128 - 91) * ONES) & HIGHS
        found |= ((word ^ (UNDERSCORE * ONES)) - ONES) & ~(word ^ (UNDERSCORE * ONES)) & HIGHS
        word = (word | (upper >> 2)) | odd
        memcpy(name, &word, 8)
        name += part
        n -= part
    return found != 0


cdef Span unfold(char *value, const char *end) noexcept nogil:
    # Takes the line ends out of a folded value, in place (RFC 9112, 5.2: each fold becomes blanks; they are there already).
    cdef char *to = value
    cdef const char *at = value
    while at < end:
        if at[0] != 13 and at[0] != 10:
            to[0] = at[0]
            to += 1
        at += 1
    return span_trim(span(value, to - value))


cdef inline void read_length(Http1Message *message, Http1Fields *fields, Span value) noexcept nogil:
    # RFC 9110, 8.6 would allow equal repetitions; Envoy refuses any second one, and so do we.
    if fields.has_length or not parse_u64(value, &message.length):
        fields.bad_length = True
        message.length = 0
    fields.has_length = True


cdef int read_framing(Head *head, Http1Message *message, Http1Fields *fields, Span value, uint8_t id) noexcept nogil:
    if id == H_CONTENT_LENGTH:
        read_length(message, fields, value)
    elif id == H_TRANSFER_ENCODING:
        fields.bad_coding = fields.has_coding or not span_is_nocase(value, b"chunked", 7)
        fields.has_coding = True
    elif id == H_EXPECT:
        message.expect_continue = span_is_nocase(value, b"100-continue", 12)
    elif id == H_TE:
        message.wants_trailers = message.wants_trailers or list_has(value, b"trailers", 8)
    return HTTP1_NO_ERROR


cdef int http1_take_fields(phr_header *headers, size_t n, const char *block, char *copy, const Http1Options *options, int kind,
                           Head *head, Http1Message *message, Http1Fields *fields) noexcept nogil:
    cdef size_t i = 0
    cdef char *name
    cdef size_t name_len
    cdef Span value
    cdef uint8_t id
    # Names in responses are the upstream's own business, as in Envoy.
    cdef uint8_t underscores = UNDERSCORES_ALLOW if head.is_response else options.underscores
    while i < n:
        name = copy + (headers[i].name - block)
        name_len = headers[i].name_len
        value = span(copy + (headers[i].value - block), headers[i].value_len)
        i += 1
        if i < n and headers[i].name == NULL:
            while i < n and headers[i].name == NULL:
                i += 1
            value = unfold(<char *>value.at, copy + (headers[i - 1].value - block) + headers[i - 1].value_len)
        if name_len > NAME_MAX:
            return HTTP1_HEAD_TOO_LARGE
        if lower_name(name, name_len) and underscores != UNDERSCORES_ALLOW:
            if underscores == UNDERSCORES_REJECT:
                return HTTP1_UNDERSCORE
            message.dropped_headers += 1
            continue
        fields.lines += 1
        id = head_identify(name, name_len)
        if id != H_OTHER and kind != TRAILER_FIELDS:
            if id == H_HOST and kind == REQUEST_FIELDS:
                # RFC 9112, 3.2: a second Host line is an error, whatever it says.
                if fields.has_host:
                    return HTTP1_BAD_HOST
                fields.has_host = True
                head.authority = value
                continue
            if id <= H_TE:
                read_framing(head, message, fields, value, id)
        if head_add(head, span(name, name_len), value, id) == NULL:
            return HTTP1_HEAD_TOO_LARGE
    return HTTP1_NO_ERROR


cdef int http1_fields_error(Http1Fields *fields, const Http1Options *options, Head *head) noexcept nogil:
    cdef bint chunked = fields.has_coding and not fields.bad_coding
    if fields.bad_length and not chunked:
        return HTTP1_BAD_LENGTH
    if fields.lines > options.max_headers:
        return HTTP1_TOO_MANY_HEADERS
    if fields.has_coding:
        if fields.has_length and not options.allow_chunked_length:
            return HTTP1_LENGTH_AND_CHUNKED
        if fields.bad_coding:
            return HTTP1_BAD_TRANSFER_ENCODING
        if fields.bad_length:
            return HTTP1_BAD_LENGTH
        if fields.has_length:
            head_drop(head, H_CONTENT_LENGTH)
    return HTTP1_NO_ERROR
