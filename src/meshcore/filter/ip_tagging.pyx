"""IP tagging; see ip_tagging.pxd for the law."""
from libc.string cimport memcmp, memcpy

from meshcore.base.arena cimport arena_take
from meshcore.base.random cimport random_u64
from meshcore.base.runtime cimport runtime_hits
from meshcore.base.span cimport span_is
from meshcore.codec.head cimport *
from meshcore.filter.http cimport *
from meshcore.filter.ratelimit cimport REQUEST_EXTERNAL, REQUEST_INTERNAL
from meshcore.observe.counters cimport stat_inc
from meshcore.observe.record cimport IpAddress


cdef const TagSet *tags_of(const IpTaggingConf *conf, const IpAddress *address) noexcept nogil:
    cdef const TagTable *table = &conf.v4 if address.family == 4 else &conf.v6
    cdef size_t width = 4 if address.family == 4 else 16
    cdef uint32_t low = 0
    cdef uint32_t high = table.len
    cdef uint32_t middle
    if address.family != 4 and address.family != 6:
        return NULL
    while low < high:
        middle = low + (high - low) // 2
        if memcmp(table.pieces[middle].first, address.bytes, width) <= 0:
            low = middle + 1
        else:
            high = middle
    return table.pieces[low - 1].tags if low > 0 else NULL


cdef void append(Head *head, Span name, Span text) noexcept nogil:
    cdef Header *header = head_find_name(head, name)
    cdef char *joined
    if header == NULL:
        head_add(head, name, text, head_identify(name.at, name.len))
        return
    joined = <char *>arena_take(head.arena, header.value_len + 1 + text.len)
    if joined == NULL:
        return
    memcpy(joined, header.value, header.value_len)
    joined[header.value_len] = b','
    memcpy(joined + header.value_len + 1, text.at, text.len)
    header.value = joined
    header.value_len += 1 + text.len


cdef void mark(HttpStream *stream, const IpTaggingConf *conf, Span text) noexcept nogil:
    cdef Head *head = stream.request
    if conf.header.len == 0:
        head_append_value(head, H_ENVOY_IP_TAGS, text)
        return
    if not conf.appends:
        head_drop_name(head, conf.header)
    append(head, conf.header, text)


cdef int on_request_head(HttpStream *stream, uint8_t n, bint end) noexcept nogil:
    cdef const IpTaggingConf *conf = <const IpTaggingConf *>filter_settings(stream, n)
    cdef bint internal = span_is(head_value(stream.request, H_ENVOY_INTERNAL), b"true", 4)
    cdef const TagSet *tags
    cdef uint16_t i
    if conf.request_type == REQUEST_EXTERNAL and internal or conf.request_type == REQUEST_INTERNAL and not internal:
        return FILTER_CONTINUE
    if not runtime_hits(&conf.enabled, random_u64(stream.random)):
        return FILTER_CONTINUE
    stat_inc(stream.stats, conf.stats[TAG_TOTAL])
    tags = tags_of(conf, stream.record.downstream_remote)
    if tags != NULL:
        mark(stream, conf, tags.text)
        for i in range(tags.hits_len):
            stat_inc(stream.stats, tags.hits[i])
        stream.ops.clear_route(stream)
        return FILTER_CONTINUE
    stat_inc(stream.stats, conf.stats[TAG_NO_HIT])
    if conf.header.len > 0 and not conf.appends and head_find_name(stream.request, conf.header) != NULL:
        head_drop_name(stream.request, conf.header)
        stream.ops.clear_route(stream)
    return FILTER_CONTINUE


cdef HttpFilterOps ops
ops.kind = b"envoy.filters.http.ip_tagging"
ops.on_request_head = on_request_head
ops.on_request_data = NULL
ops.on_request_trailers = NULL
ops.on_response_head = NULL
ops.on_response_data = NULL
ops.on_response_trailers = NULL
ops.on_log = NULL
ops.on_destroy = NULL


cdef const HttpFilterOps *ip_tagging_filter() noexcept nogil:
    return &ops
