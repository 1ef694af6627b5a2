"""Stateful session; see stateful_session.pxd for the law."""
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy

from meshcore.base.arena cimport arena_take
from meshcore.base.clock cimport clock_wall_us
from meshcore.base.span cimport Span, span, span_equal
from meshcore.codec.base64 cimport base64_decoded, base64_encode, base64_len
from meshcore.codec.head cimport *
from meshcore.filter.http cimport *
from meshcore.observe.counters cimport stat_inc
from meshcore.observe.record cimport ADDRESS_TEXT, address_write
from meshcore.route.cookie cimport cookie_of

cdef enum:
    VARINT_MAX = 10
    US_PER_S = 1000000
    TAG_ADDRESS = 10               # field 1, bytes
    TAG_EXPIRES = 16               # field 2, a number

cdef struct Session:
    const SessionConf *conf
    Span host                      # that the client named; empty: none


# --- what the client keeps ----------------------------------------------------------------------------------------------


cdef bint read_varint(Span *rest, uint64_t *out) noexcept nogil:
    cdef uint32_t i
    out[0] = 0
    for i in range(VARINT_MAX):
        if i >= rest.len:
            return False
        out[0] |= <uint64_t>(<uint8_t>rest.at[i] & 127) << 7 * i
        if <uint8_t>rest.at[i] < 128:
            rest[0] = span(rest.at + i + 1, rest.len - i - 1)
            return True
    return False


cdef Span cookie_host(HttpStream *stream, Span rest) noexcept nogil:
    # Empty: it is no such message, names no host, or its time is over.
    cdef Span host = span(NULL, 0)
    cdef uint64_t tag
    cdef uint64_t value
    cdef uint64_t expires = 0
    while rest.len > 0:
        if not read_varint(&rest, &tag) or not read_varint(&rest, &value):
            return span(NULL, 0)
        if tag == TAG_EXPIRES:
            expires = value
        elif tag == TAG_ADDRESS and value <= rest.len:
            host = span(rest.at, <size_t>value)
            rest = span(rest.at + value, rest.len - <uint32_t>value)
        else:
            return span(NULL, 0)
    if expires and <uint64_t>clock_wall_us(stream.clock) // US_PER_S > expires:
        return span(NULL, 0)
    return host


cdef size_t write_varint(char *out, uint64_t value) noexcept nogil:
    cdef size_t n = 0
    while value > 127:
        out[n] = <char>(value & 127 | 128)
        value >>= 7
        n += 1
    out[n] = <char>value
    return n + 1


cdef size_t write_message(HttpStream *stream, const SessionConf *conf, Span host, char *out) noexcept nogil:
    cdef size_t n = 0
    if conf.is_cookie:
        out[0] = TAG_ADDRESS
        n = 1 + write_varint(out + 1, host.len)
    memcpy(out + n, host.at, host.len)
    n += host.len
    if conf.ttl_s:
        out[n] = TAG_EXPIRES
        n += 1 + write_varint(out + n + 1, <uint64_t>clock_wall_us(stream.clock) // US_PER_S + conf.ttl_s)
    return n


cdef void tell_client(HttpStream *stream, const SessionConf *conf, Span host) noexcept nogil:
    cdef char message[ADDRESS_TEXT + 2 * VARINT_MAX + 2]
    cdef size_t n = write_message(stream, conf, host, message)
    cdef size_t room = base64_len(n)
    cdef char *text = <char *>arena_take(stream.arena, conf.name.len + 3 + room + conf.tail.len)
    if text == NULL:
        return
    if not conf.is_cookie:
        base64_encode(message, n, text)
        head_drop_name(stream.response, conf.name)
        head_add(stream.response, conf.name, span(text, room), head_identify(conf.name.at, conf.name.len))
        return
    memcpy(text, conf.name.at, conf.name.len)
    memcpy(text + conf.name.len, b'="', 2)
    base64_encode(message, n, text + conf.name.len + 2)
    text[conf.name.len + 2 + room] = 34
    memcpy(text + conf.name.len + 3 + room, conf.tail.at, conf.tail.len)
    head_add(stream.response, span(b"set-cookie", 10), span(text, conf.name.len + 3 + room + conf.tail.len), H_OTHER)


# --- hooks --------------------------------------------------------------------------------------------------------------


cdef bint on_path(const SessionConf *conf, Span path) noexcept nogil:
    cdef uint32_t n = 0
    while n < path.len and path.at[n] != 63 and path.at[n] != 35:
        n += 1
    if conf.path.len <= 1:
        return True
    if n < conf.path.len or not span_equal(span(path.at, conf.path.len), conf.path):
        return False
    return n == conf.path.len or conf.path.at[conf.path.len - 1] == 47 or path.at[conf.path.len] == 47


cdef int on_request_head(HttpStream *stream, uint8_t n, bint end) noexcept nogil:
    cdef const SessionConf *conf = <const SessionConf *>filter_settings(stream, n)
    cdef Session *session
    cdef Header *header
    if conf.disabled:
        return FILTER_CONTINUE
    session = <Session *>arena_take(stream.arena, sizeof(Session))
    stream.state[n] = session
    if session == NULL:
        return FILTER_CONTINUE
    session.conf = conf
    session.host = span(NULL, 0)
    if conf.is_cookie:
        if not on_path(conf, stream.request.path):
            session.conf = NULL
            return FILTER_CONTINUE
        session.host = cookie_host(stream, base64_decoded(stream.arena, cookie_of(stream.request, conf.name)))
    else:
        header = head_find_name(stream.request, conf.name)
        if header != NULL:
            session.host = base64_decoded(stream.arena, header_value(header))
    stream.wanted_host = session.host
    stream.wanted_only = conf.strict
    return FILTER_CONTINUE


cdef inline void count(HttpStream *stream, const SessionConf *conf, int stat) noexcept nogil:
    if conf.counted:
        stat_inc(stream.stats, conf.stats[stat])


cdef int on_response_head(HttpStream *stream, uint8_t n, bint end) noexcept nogil:
    cdef Session *session = <Session *>stream.state[n]
    cdef const SessionConf *conf
    cdef char text[ADDRESS_TEXT]
    cdef Span host
    if session == NULL:
        return FILTER_CONTINUE
    conf = session.conf
    if conf == NULL:
        count(stream, <const SessionConf *>filter_settings(stream, n), SESSION_NONE)
        return FILTER_CONTINUE
    if stream.record.upstream_remote == NULL:
        if conf.strict and session.host.len > 0:
            count(stream, conf, SESSION_FAILED_CLOSED)
        return FILTER_CONTINUE
    host = span(text, address_write(stream.record.upstream_remote, text, True))
    if span_equal(host, session.host):
        count(stream, conf, SESSION_ROUTED)
        return FILTER_CONTINUE
    tell_client(stream, conf, host)
    if not conf.strict:
        count(stream, conf, SESSION_FAILED_OPEN)
    return FILTER_CONTINUE


cdef HttpFilterOps ops
ops.kind = b"envoy.filters.http.stateful_session"
ops.on_request_head = on_request_head
ops.on_request_data = NULL
ops.on_request_trailers = NULL
ops.on_response_head = on_response_head
ops.on_response_data = NULL
ops.on_response_trailers = NULL
ops.on_log = NULL
ops.on_destroy = NULL


cdef const HttpFilterOps *stateful_session_filter() noexcept nogil:
    return &ops
