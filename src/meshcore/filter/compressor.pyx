"""Compressor; see compressor.pxd for the law."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport strtod
from libc.string cimport memcpy, memset

from meshcore.base.arena cimport arena_take
from meshcore.base.buffer cimport *
from meshcore.base.runtime cimport runtime_boolean
from meshcore.base.span cimport Span, list_has, parse_u64, span, span_equal_nocase, span_find, span_is, span_is_nocase, span_next_token, span_trim
from meshcore.codec.gzip cimport gzip_begin, gzip_end, gzip_write
from meshcore.codec.head cimport *
from meshcore.filter.http cimport *
from meshcore.observe.counters cimport stat_add, stat_inc

cdef enum:
    NUMBER_MAX = 32

cdef Span CONTENT_ENCODING = span(b"content-encoding", 16)

cdef enum Choice:
    CHOOSE_NOTHING
    CHOOSE_IDENTITY
    CHOOSE_ANYTHING                # "*"
    CHOOSE_GZIP

cdef struct Work:
    Span accepts                   # accept-encoding
    bint asked                     # there was one
    void *request_writer           # NULL: the request stays as it is
    void *writer                   # NULL: the response does


cdef Span value_of(Head *head, Span name) noexcept nogil:
    # All lines of that name; empty: there is none.
    cdef Header *header = head_find_name(head, name)
    return head_join(head, header) if header != NULL else span(NULL, 0)


# --- accept-encoding ----------------------------------------------------------------------------------------------------


cdef double quality_of(Span parameters) noexcept nogil:
    # 1 unless a parameter q says otherwise; one that is no number says 0.
    cdef char text[NUMBER_MAX]
    cdef char *stop
    cdef double found = 1
    cdef int64_t at
    cdef Span one
    while parameters.len > 0:
        at = span_find(parameters, 59)
        one = span_trim(parameters if at < 0 else span(parameters.at, <size_t>at))
        parameters = span(NULL, 0) if at < 0 else span(parameters.at + at + 1, parameters.len - <uint32_t>at - 1)
        at = span_find(one, 61)
        if at < 0 or not span_is_nocase(span_trim(span(one.at, <size_t>at)), b"q", 1):
            continue
        one = span_trim(span(one.at + at + 1, one.len - <uint32_t>at - 1))
        if one.len == 0 or one.len >= NUMBER_MAX:
            return 0
        memcpy(text, one.at, one.len)
        text[one.len] = 0
        found = strtod(text, &stop)
        if stop != text + one.len:
            return 0
    return found


cdef int choose(Span accepts, bint gzip_allowed) noexcept nogil:
    # The first of those with the greatest quality.
    cdef int chosen = CHOOSE_NOTHING
    cdef int candidate
    cdef double best = 0
    cdef double quality
    cdef int64_t at
    cdef Span one
    cdef Span name
    while span_next_token(&accepts, &one):
        at = span_find(one, 59)
        name = span_trim(one if at < 0 else span(one.at, <size_t>at))
        quality = 1 if at < 0 else quality_of(span(one.at + at + 1, one.len - <uint32_t>at - 1))
        candidate = CHOOSE_NOTHING
        if span_is(name, b"identity", 8):
            candidate = CHOOSE_IDENTITY
        elif span_is(name, b"*", 1):
            candidate = CHOOSE_ANYTHING
        elif gzip_allowed and span_is(name, b"gzip", 4):
            candidate = CHOOSE_GZIP
        if candidate != CHOOSE_NOTHING and quality > best:
            best = quality
            chosen = candidate
    return chosen


cdef bint accepted(HttpStream *stream, const CompressorConf *conf, Work *work, bint type_allowed) noexcept nogil:
    cdef int choice
    if not work.asked:
        stat_inc(stream.stats, conf.accept_stats[ACCEPT_NO_HEADER])
        return False
    choice = choose(work.accepts, type_allowed)
    if choice == CHOOSE_GZIP:
        stat_inc(stream.stats, conf.accept_stats[ACCEPT_USED])
    elif choice == CHOOSE_ANYTHING:
        stat_inc(stream.stats, conf.accept_stats[ACCEPT_WILDCARD])
    elif choice == CHOOSE_IDENTITY:
        stat_inc(stream.stats, conf.accept_stats[ACCEPT_IDENTITY])
    else:
        stat_inc(stream.stats, conf.accept_stats[ACCEPT_NOT_VALID])
    return choice == CHOOSE_GZIP or choice == CHOOSE_ANYTHING and type_allowed


# --- heads --------------------------------------------------------------------------------------------------------------


cdef bint long_enough(HttpStream *stream, const CompressedBodies *bodies, Head *head) noexcept nogil:
    cdef uint64_t length
    if not head_has(head, H_CONTENT_LENGTH):
        return True
    if parse_u64(head_value(head, H_CONTENT_LENGTH), &length) and length >= bodies.least:
        return True
    stat_inc(stream.stats, bodies.stats[CONTENT_TOO_SMALL])
    return False


cdef bint type_allowed(const CompressedBodies *bodies, Head *head) noexcept nogil:
    cdef Span type = head_value(head, H_CONTENT_TYPE)
    cdef int64_t at = span_find(type, 59)
    cdef uint16_t i
    if not head_has(head, H_CONTENT_TYPE):
        return True
    type = span_trim(type if at < 0 else span(type.at, <size_t>at))
    for i in range(bodies.types_len):
        if span_equal_nocase(type, bodies.types[i]):
            return True
    return False


cdef bint status_allowed(HttpStream *stream, const CompressorConf *conf) noexcept nogil:
    cdef uint16_t i
    for i in range(conf.statuses_len):
        if conf.statuses[i] == stream.response.status:
            return False
    return True


cdef bint etag_allowed(HttpStream *stream, const CompressorConf *conf) noexcept nogil:
    if not conf.not_with_etag or head_find_name(stream.response, span(b"etag", 4)) == NULL:
        return True
    stat_inc(stream.stats, conf.accept_stats[ACCEPT_ETAG])
    return False


cdef void mark(Head *head) noexcept nogil:
    head_drop(head, H_CONTENT_LENGTH)
    head_add(head, CONTENT_ENCODING, span(b"gzip", 4), H_OTHER)


cdef bint compressible(HttpStream *stream, const CompressorConf *conf, bint type_fits) noexcept nogil:
    if stream.response.status == 101 or not type_fits or not status_allowed(stream, conf):
        return False
    if list_has(value_of(stream.response, span(b"cache-control", 13)), b"no-transform", 12):
        return False
    return etag_allowed(stream, conf) and head_find_name(stream.response, CONTENT_ENCODING) == NULL


cdef void drop_strong_etag(Head *head) noexcept nogil:
    # A strong validator stands for bytes that the client does not get.
    cdef Header *header = head_find_name(head, span(b"etag", 4))
    cdef Span value
    if header == NULL:
        return
    value = header_value(header)
    if value.len > 2 and not ((value.at[0] == 87 or value.at[0] == 119) and value.at[1] == 47):
        head_drop_name(head, span(b"etag", 4))


cdef void add_vary(HttpStream *stream) noexcept nogil:
    cdef Span now = value_of(stream.response, span(b"vary", 4))
    cdef char *text
    if list_has(now, b"accept-encoding", 15):
        return
    if now.len == 0:
        head_drop_name(stream.response, span(b"vary", 4))
        head_add(stream.response, span(b"vary", 4), span(b"Accept-Encoding", 15), H_OTHER)
        return
    text = <char *>arena_take(stream.arena, now.len + 17)
    if text == NULL:
        return
    memcpy(text, now.at, now.len)
    memcpy(text + now.len, b", Accept-Encoding", 17)
    head_drop_name(stream.response, span(b"vary", 4))
    head_add(stream.response, span(b"vary", 4), span(text, now.len + 17), H_OTHER)


# --- hooks --------------------------------------------------------------------------------------------------------------


cdef inline const CompressorConf *conf_of(HttpStream *stream, uint8_t n) noexcept nogil:
    return <const CompressorConf *>filter_settings(stream, n)


cdef void begin_request(HttpStream *stream, uint8_t n, const CompressorConf *conf, Work *work) noexcept nogil:
    cdef Head *head = stream.request
    if not runtime_boolean(conf.request.enabled_cell, conf.request.enabled):
        return
    if not long_enough(stream, &conf.request, head) or not type_allowed(&conf.request, head):
        return
    if head_find_name(head, CONTENT_ENCODING) != NULL:
        return
    work.request_writer = gzip_begin(&conf.gzip)
    if work.request_writer != NULL:
        stream.request_bodies |= <uint32_t>1 << n
        mark(head)


cdef int on_request_head(HttpStream *stream, uint8_t n, bint end) noexcept nogil:
    cdef const CompressorConf *conf = conf_of(stream, n)
    cdef Work *work = <Work *>arena_take(stream.arena, sizeof(Work))
    stream.request_bodies &= ~(<uint32_t>1 << n)
    stream.state[n] = work
    if work == NULL:
        return FILTER_CONTINUE
    memset(work, 0, sizeof(Work))
    if not end:
        begin_request(stream, n, conf, work)
    stat_inc(stream.stats, conf.request.stats[NOT_COMPRESSED if work.request_writer == NULL else COMPRESSED])
    work.accepts = value_of(stream.request, span(b"accept-encoding", 15))
    work.asked = head_find_name(stream.request, span(b"accept-encoding", 15)) != NULL
    if conf.drops_accept:
        head_drop_name(stream.request, span(b"accept-encoding", 15))
    return FILTER_CONTINUE


cdef int on_response_head(HttpStream *stream, uint8_t n, bint end) noexcept nogil:
    cdef const CompressorConf *conf = conf_of(stream, n)
    cdef Work *work = <Work *>stream.state[n]
    cdef bint on = not conf.disabled and runtime_boolean(conf.response.enabled_cell, conf.response.enabled)
    cdef bint type_fits
    cdef bint fits
    stream.response_bodies &= ~(<uint32_t>1 << n)
    on = on and long_enough(stream, &conf.response, stream.response)
    type_fits = type_allowed(&conf.response, stream.response)
    fits = on and compressible(stream, conf, type_fits)
    if not end and on and work != NULL and accepted(stream, conf, work, type_fits) and fits:
        work.writer = gzip_begin(&conf.gzip)
    if work == NULL or work.writer == NULL:
        stat_inc(stream.stats, conf.response.stats[NOT_COMPRESSED])
    else:
        stat_inc(stream.stats, conf.response.stats[COMPRESSED])
        stream.response_bodies |= <uint32_t>1 << n
        drop_strong_etag(stream.response)
        mark(stream.response)
    if fits:
        add_vary(stream)
    return FILTER_CONTINUE


# --- bodies -------------------------------------------------------------------------------------------------------------


cdef void compress(HttpStream *stream, const CompressedBodies *bodies, void *writer, Buffer *data, bint end) noexcept nogil:
    cdef Buffer packed
    buffer_init(&packed)
    stat_add(stream.stats, bodies.stats[TOTAL_UNCOMPRESSED], data.len)
    gzip_write(writer, stream.buffers, data, &packed, end)
    stat_add(stream.stats, bodies.stats[TOTAL_COMPRESSED], packed.len)
    buffer_fini(stream.buffers, data)
    buffer_move(data, &packed)


cdef int on_request_data(HttpStream *stream, uint8_t n, Buffer *data, bint end) noexcept nogil:
    cdef Work *work = <Work *>stream.state[n]
    if work != NULL and work.request_writer != NULL:
        compress(stream, &conf_of(stream, n).request, work.request_writer, data, end)
    return FILTER_CONTINUE


cdef int on_request_trailers(HttpStream *stream, uint8_t n, Head *trailers) noexcept nogil:
    cdef Work *work = <Work *>stream.state[n]
    cdef Buffer rest
    if work == NULL or work.request_writer == NULL:
        return FILTER_CONTINUE
    buffer_init(&rest)
    compress(stream, &conf_of(stream, n).request, work.request_writer, &rest, True)
    stream.ops.inject_request(stream, n, &rest, False)
    return FILTER_CONTINUE


cdef int on_response_data(HttpStream *stream, uint8_t n, Buffer *data, bint end) noexcept nogil:
    cdef Work *work = <Work *>stream.state[n]
    if work != NULL and work.writer != NULL:
        compress(stream, &conf_of(stream, n).response, work.writer, data, end)
    return FILTER_CONTINUE


cdef int on_response_trailers(HttpStream *stream, uint8_t n, Head *trailers) noexcept nogil:
    cdef Work *work = <Work *>stream.state[n]
    cdef Buffer rest
    if work == NULL or work.writer == NULL:
        return FILTER_CONTINUE
    buffer_init(&rest)
    compress(stream, &conf_of(stream, n).response, work.writer, &rest, True)
    stream.ops.inject_response(stream, n, &rest, False)
    return FILTER_CONTINUE


cdef void on_destroy(HttpStream *stream, uint8_t n) noexcept nogil:
    cdef Work *work = <Work *>stream.state[n]
    if work != NULL:
        gzip_end(work.request_writer)
        gzip_end(work.writer)
        work.request_writer = work.writer = NULL


cdef HttpFilterOps ops
ops.kind = b"envoy.filters.http.compressor"
ops.on_request_head = on_request_head
ops.on_request_data = on_request_data
ops.on_request_trailers = on_request_trailers
ops.on_response_head = on_response_head
ops.on_response_data = on_response_data
ops.on_response_trailers = on_response_trailers
ops.on_log = NULL
ops.on_destroy = on_destroy


cdef const HttpFilterOps *compressor_filter() noexcept nogil:
    return &ops
