"""Decompressor; see decompressor.pxd for the law."""
from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memcpy, memset

from meshcore.base.arena cimport arena_take
from meshcore.base.buffer cimport *
from meshcore.base.runtime cimport runtime_boolean
from meshcore.base.span cimport Span, list_has, span, span_equal_nocase, span_find, span_is, span_next_token, span_trim
from meshcore.codec.gunzip cimport GUNZIP_OK, gunzip_begin, gunzip_end, gunzip_read
from meshcore.codec.head cimport *
from meshcore.filter.http cimport *
from meshcore.observe.counters cimport stat_add, stat_inc

cdef Span GZIP = span(b"gzip", 4)
cdef Span ACCEPT_ENCODING = span(b"accept-encoding", 15)
cdef Span CONTENT_ENCODING = span(b"content-encoding", 16)

cdef struct Readers:
    void *request                  # NULL: that body stays as it is
    void *response


cdef Span value_of(Head *head, Span name) noexcept nogil:
    cdef Header *header = head_find_name(head, name)
    return head_join(head, header) if header != NULL else span(NULL, 0)


cdef inline const DecompressorConf *conf_of(HttpStream *stream, uint8_t n) noexcept nogil:
    return <const DecompressorConf *>filter_settings(stream, n)


# --- heads --------------------------------------------------------------------------------------------------------------


cdef void advertise(HttpStream *stream) noexcept nogil:
    # gzip is named once, last and without a quality: it is as welcome as can be.
    cdef Span rest = value_of(stream.request, ACCEPT_ENCODING)
    cdef char *text = <char *>arena_take(stream.arena, rest.len + 1 + GZIP.len)
    cdef uint32_t n = 0
    cdef int64_t at
    cdef Span one
    if text == NULL:
        return
    while span_next_token(&rest, &one):
        at = span_find(one, 59)
        if one.len == 0 or span_is(span_trim(one if at < 0 else span(one.at, <size_t>at)), b"gzip", 4):
            continue
        memcpy(text + n, one.at, one.len)
        text[n + one.len] = b','
        n += one.len + 1
    memcpy(text + n, GZIP.at, GZIP.len)
    head_drop_name(stream.request, ACCEPT_ENCODING)
    head_add(stream.request, ACCEPT_ENCODING, span(text, n + GZIP.len), H_OTHER)


cdef bint packed(const Direction *direction, Head *head) noexcept nogil:
    cdef Span codings = value_of(head, CONTENT_ENCODING)
    cdef int64_t at = span_find(codings, 44)
    if codings.len == 0 or not runtime_boolean(direction.enabled_cell, direction.enabled):
        return False
    if not direction.despite_no_transform and list_has(value_of(head, span(b"cache-control", 13)), b"no-transform", 12):
        return False
    return span_equal_nocase(span_trim(codings if at < 0 else span(codings.at, <size_t>at)), GZIP)


cdef void drop_coding(Head *head) noexcept nogil:
    # The first one; the others stay.
    cdef Span codings = value_of(head, CONTENT_ENCODING)
    cdef int64_t at = span_find(codings, 44)
    head_drop_name(head, CONTENT_ENCODING)
    if at >= 0:
        head_add(head, CONTENT_ENCODING, span_trim(span(codings.at + at + 1, codings.len - <uint32_t>at - 1)), H_OTHER)


cdef void *reader_for(HttpStream *stream, const DecompressorConf *conf, const Direction *direction, Head *head) noexcept nogil:
    # NULL: this body goes on as it comes.
    cdef void *reader = gunzip_begin(&conf.gzip) if packed(direction, head) else NULL
    stat_inc(stream.stats, direction.stats[NOT_DECOMPRESSED if reader == NULL else DECOMPRESSED])
    if reader != NULL:
        head_drop(head, H_CONTENT_LENGTH)
        drop_coding(head)
    return reader


cdef int on_request_head(HttpStream *stream, uint8_t n, bint end) noexcept nogil:
    cdef const DecompressorConf *conf = conf_of(stream, n)
    cdef Readers *readers = <Readers *>arena_take(stream.arena, sizeof(Readers))
    stream.request_bodies &= ~(<uint32_t>1 << n)
    stream.response_bodies &= ~(<uint32_t>1 << n)
    stream.state[n] = readers
    if readers == NULL:
        return FILTER_CONTINUE
    memset(readers, 0, sizeof(Readers))
    if conf.advertises and runtime_boolean(conf.response.enabled_cell, conf.response.enabled):
        advertise(stream)
    if not end:
        readers.request = reader_for(stream, conf, &conf.request, stream.request)
        if readers.request != NULL:
            stream.request_bodies |= <uint32_t>1 << n
    return FILTER_CONTINUE


cdef int on_response_head(HttpStream *stream, uint8_t n, bint end) noexcept nogil:
    cdef const DecompressorConf *conf = conf_of(stream, n)
    cdef Readers *readers = <Readers *>stream.state[n]
    if end or readers == NULL:
        return FILTER_CONTINUE
    readers.response = reader_for(stream, conf, &conf.response, stream.response)
    if readers.response != NULL:
        stream.response_bodies |= <uint32_t>1 << n
    return FILTER_CONTINUE


# --- bodies -------------------------------------------------------------------------------------------------------------


cdef void unpack(HttpStream *stream, const DecompressorConf *conf, const Direction *direction, void *reader, Buffer *data) noexcept nogil:
    cdef Buffer plain
    cdef int result
    buffer_init(&plain)
    result = gunzip_read(reader, &conf.gzip, stream.buffers, data, &plain)
    if result != GUNZIP_OK:
        stat_inc(stream.stats, conf.errors[result])
    stat_add(stream.stats, direction.stats[PACKED_BYTES], data.len)
    stat_add(stream.stats, direction.stats[UNPACKED_BYTES], plain.len)
    buffer_fini(stream.buffers, data)
    buffer_move(data, &plain)


cdef int on_request_data(HttpStream *stream, uint8_t n, Buffer *data, bint end) noexcept nogil:
    cdef const DecompressorConf *conf = conf_of(stream, n)
    cdef Readers *readers = <Readers *>stream.state[n]
    if readers != NULL and readers.request != NULL:
        unpack(stream, conf, &conf.request, readers.request, data)
    return FILTER_CONTINUE


cdef int on_response_data(HttpStream *stream, uint8_t n, Buffer *data, bint end) noexcept nogil:
    cdef const DecompressorConf *conf = conf_of(stream, n)
    cdef Readers *readers = <Readers *>stream.state[n]
    if readers != NULL and readers.response != NULL:
        unpack(stream, conf, &conf.response, readers.response, data)
    return FILTER_CONTINUE


cdef void on_destroy(HttpStream *stream, uint8_t n) noexcept nogil:
    cdef Readers *readers = <Readers *>stream.state[n]
    if readers != NULL:
        gunzip_end(readers.request)
        gunzip_end(readers.response)
        readers.request = readers.response = NULL


cdef HttpFilterOps ops
ops.kind = b"envoy.filters.http.decompressor"
ops.on_request_head = on_request_head
ops.on_request_data = on_request_data
ops.on_request_trailers = NULL
ops.on_response_head = on_response_head
ops.on_response_data = on_response_data
ops.on_response_trailers = NULL
ops.on_log = NULL
ops.on_destroy = on_destroy


cdef const HttpFilterOps *decompressor_filter() noexcept nogil:
    return &ops
