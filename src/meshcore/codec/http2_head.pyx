"""HTTP/2 heads. See http2_head.pxd.

What comes has passed nghttp2's rules (names, values, pseudo-headers, connection-specific fields; RFC 9113, 8.2 and 8.3); here are Envoy's
limits and the places where a field goes: pseudo-headers into their own members, `host` into the authority, cookies joined (RFC 9113, 8.2.3).
What goes out names no field of HTTP/1's connections. Any thread; owns nothing.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memchr, memcpy

from meshcore.base.arena cimport arena_copy, arena_take
from meshcore.base.span cimport Span, parse_u64, span, span_is
from meshcore.codec.head cimport *
from meshcore.codec.http1 cimport UNDERSCORES_ALLOW, UNDERSCORES_REJECT
from meshcore.codec.http2 cimport *
from meshcore.codec.http2_native cimport *

cdef enum:
    NAME_MAX = 65535               # what Header.name_len holds
    AT_SIGN = 64
    COLON = 58
    UNDERSCORE = 95

cdef char statuses[600 * 3]


cdef _fill_statuses():
    cdef int i
    for i in range(600):
        statuses[3 * i] = <char>(48 + i // 100)
        statuses[3 * i + 1] = <char>(48 + i // 10 % 10)
        statuses[3 * i + 2] = <char>(48 + i % 10)


_fill_statuses()


# --- in -------------------------------------------------------------------------------------------------------------


cdef inline bint keep(Head *head, Span *text, bint fixed) noexcept nogil:
    if not fixed and text.len > 0:
        text.at = arena_copy(head.arena, text.at, text.len)
    return text.at != NULL or text.len == 0


cdef int take_pseudo(Head *head, Span name, Span value) noexcept nogil:
    cdef uint64_t status = 0
    if span_is(name, b":method", 7):
        head.method = value
    elif span_is(name, b":path", 5):
        head.path = value
    elif span_is(name, b":authority", 10):
        if value.len > 0 and memchr(value.at, AT_SIGN, value.len) != NULL:
            return HTTP2_STREAM_HEADER             # user information has no place there (RFC 9113, 8.3.1)
        head.authority = value
    elif span_is(name, b":scheme", 7):
        head.scheme = value
    elif span_is(name, b":protocol", 9):
        head.protocol = value
    elif span_is(name, b":status", 7):
        parse_u64(value, &status)
        head.status = <uint16_t>status
    return HTTP2_STREAM_OK


cdef int join_cookie(Http2Stream *stream, Head *head, Span value) noexcept nogil:
    cdef Header *first = &head.headers[stream.cookie_at - 1]
    cdef char *text = <char *>arena_take(head.arena, first.value_len + 2 + value.len)
    if text == NULL:
        return HTTP2_STREAM_TOO_MANY
    memcpy(text, first.value, first.value_len)
    text[first.value_len] = 59
    text[first.value_len + 1] = 32
    memcpy(text + first.value_len + 2, value.at, value.len)
    first.value = text
    first.value_len += 2 + value.len
    return HTTP2_STREAM_OK


cdef int http2_take_field(Http2Stream *stream, Head *head, const Http2Options *options, Span name, bint name_fixed, Span value,
                          bint value_fixed) noexcept nogil:
    cdef uint8_t id
    stream.fields += 1
    stream.field_bytes += name.len + value.len
    if name.len > NAME_MAX or stream.field_bytes > options.max_head_bytes or stream.fields > options.max_headers:
        return HTTP2_STREAM_TOO_MANY
    if name.len > 0 and name.at[0] == COLON:
        return take_pseudo(head, name, value) if keep(head, &value, value_fixed) else HTTP2_STREAM_TOO_MANY
    id = head_identify(name.at, name.len)
    if id == H_COOKIE and stream.cookie_at:
        return join_cookie(stream, head, value)
    if options.underscores != UNDERSCORES_ALLOW and not head.is_response and memchr(name.at, UNDERSCORE, name.len) != NULL:
        if options.underscores == UNDERSCORES_REJECT:
            return HTTP2_STREAM_UNDERSCORE
        http2_count(stream.session, HTTP2_DROPPED_UNDERSCORES, 1)
        return HTTP2_STREAM_OK
    if not keep(head, &value, value_fixed):
        return HTTP2_STREAM_TOO_MANY
    if id == H_HOST and not head.is_response and head != stream.trailers:
        if head.authority.at == NULL:
            head.authority = value
        return HTTP2_STREAM_OK
    if id != H_OTHER:
        name = head_name(id)
    elif not keep(head, &name, name_fixed):
        return HTTP2_STREAM_TOO_MANY
    if head_add(head, name, value, id) == NULL:
        return HTTP2_STREAM_TOO_MANY
    if id == H_COOKIE:
        stream.cookie_at = head.len
    return HTTP2_STREAM_OK


# --- out ------------------------------------------------------------------------------------------------------------


cdef inline void put(nghttp2_nv *field, Span name, Span value) noexcept nogil:
    field.name = <uint8_t *>name.at
    field.namelen = name.len
    field.value = <uint8_t *>value.at
    field.valuelen = value.len
    field.flags = NGHTTP2_NV_FLAG_NONE      # copied: a head may wait in the session longer than its stream lives


cdef inline void put_known(nghttp2_nv *field, Span name, Span value) noexcept nogil:
    # The name's bytes never end.
    put(field, name, value)
    field.flags = NGHTTP2_NV_FLAG_NO_COPY_NAME


cdef inline bint of_connection(Header *header) noexcept nogil:
    # RFC 9113, 8.2.2: what speaks of an HTTP/1 connection.
    if header.id > H_HTTP2_SETTINGS or header.id == H_OTHER:
        return False
    if header.id == H_TE:
        return not span_is(header_value(header), b"trailers", 8)
    return header.id == H_CONNECTION or header.id == H_TRANSFER_ENCODING or header.id == H_UPGRADE or header.id == H_KEEP_ALIVE or \
        header.id == H_PROXY_CONNECTION or header.id == H_HTTP2_SETTINGS or header.id == H_HOST


cdef size_t http2_fields_bound(Head *head) noexcept nogil:
    return head.live + 5


cdef size_t http2_fill_trailers(Head *head, nghttp2_nv *out) noexcept nogil:
    cdef size_t n = 0
    cdef Header *header
    cdef uint16_t i
    for i in range(head.len):
        header = &head.headers[i]
        if not header.dropped and not of_connection(header):
            if header.id == H_OTHER:
                put(&out[n], header_name(header), header_value(header))
            else:
                put_known(&out[n], head_name(header.id), header_value(header))
            if header.id == H_X_REQUEST_ID:
                out[n].flags |= NGHTTP2_NV_FLAG_NO_INDEX       # never the same again: it would only push others out of the table
            n += 1
    return n


cdef size_t http2_fill_request(Head *head, nghttp2_nv *out) noexcept nogil:
    # An upgrade of HTTP/1 is an extended CONNECT (RFC 8441, 4), which has no body of its own to be measured.
    cdef bint upgrades = head.protocol.len > 0 and head_has(head, H_UPGRADE)
    cdef size_t n = 1
    put_known(&out[0], span(b":method", 7), span(b"CONNECT", 7) if upgrades else head.method)
    if upgrades and span_is(head_value(head, H_CONTENT_LENGTH), b"0", 1):
        head_drop(head, H_CONTENT_LENGTH)
    if head.authority.at != NULL:
        put_known(&out[n], span(b":authority", 10), head.authority)
        n += 1
    # RFC 9113, 8.5: CONNECT has neither scheme nor path, unless it says what protocol follows (RFC 8441, 4).
    if head.path.len > 0:
        put_known(&out[n], span(b":path", 5), head.path)
        put_known(&out[n + 1], span(b":scheme", 7), head.scheme)
        n += 2
    if upgrades:
        put_known(&out[n], span(b":protocol", 9), head.protocol)
        n += 1
    return n + http2_fill_trailers(head, out + n)


cdef size_t http2_fill_response(Head *head, nghttp2_nv *out) noexcept nogil:
    cdef uint32_t status = head.status if head.status < 600 else 0
    put_known(&out[0], span(b":status", 7), span(&statuses[3 * status], 3))
    out[0].flags |= NGHTTP2_NV_FLAG_NO_COPY_VALUE
    return 1 + http2_fill_trailers(head, out + 1)
