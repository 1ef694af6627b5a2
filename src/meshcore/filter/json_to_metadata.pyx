"""JSON to metadata; see json_to_metadata.pxd for the law."""
from libc.stdlib cimport strtod
from libc.stdio cimport snprintf
from libc.string cimport memcpy, memset

from meshcore.base.arena cimport arena_take
from meshcore.base.buffer cimport Buffer, Slice
from meshcore.base.span cimport span, span_equal, span_is, span_trim
from meshcore.codec.head cimport *
from meshcore.codec.json cimport *
from meshcore.filter.http cimport *
from meshcore.observe.counters cimport stat_inc
from meshcore.observe.metadata cimport META_BOOL, META_NUMBER, META_TEXT, Metadata, MetaItem, MetaValue, meta_make, metadata_find, metadata_namespace
from meshcore.route.regex cimport regex_full

cdef enum:
    VALUE_MAX = 8192               # a longer one is not written, as in Envoy
    NUMBER_MAX = 400               # of a double in full
    WORD_MAX = 64


# --- facts --------------------------------------------------------------------------------------------------------------


cdef void write(HttpStream *stream, Metadata *made, const JsonFact *fact, const MetaValue *value) noexcept nogil:
    # Into `made`: what one body says counts when all rules have seen it, so none of them keeps what another has found.
    cdef MetaValue *into
    if fact.keeps and metadata_find(&stream.record.metadata, fact.namespace, &fact.key, 1) != NULL:
        return
    into = metadata_namespace(made, stream.arena, fact.namespace)
    into = meta_make(into, stream.arena, fact.key) if into != NULL else NULL
    if into != NULL:
        into[0] = value[0]


cdef void write_fixed(HttpStream *stream, Metadata *made, const JsonFact *fact) noexcept nogil:
    if fact.set:
        write(stream, made, fact, fact.value)


cdef void leave(HttpStream *stream, const Metadata *made, bint request) noexcept nogil:
    cdef const MetaItem *namespace = made.namespaces
    cdef const MetaItem *item
    cdef MetaValue *into
    cdef MetaValue *value
    while namespace != NULL:
        into = metadata_namespace(&stream.record.metadata, stream.arena, namespace.key)
        item = namespace.value.items if into != NULL else NULL
        while item != NULL:
            value = meta_make(into, stream.arena, item.key)
            if value != NULL:
                value[0] = item.value
            item = item.next
        namespace = namespace.next
    if request and made.namespaces != NULL:
        stream.ops.clear_route(stream)


cdef bint as_number(HttpStream *stream, Span value, double *out) noexcept nogil:
    cdef uint8_t kind = json_kind(value)
    cdef char text[WORD_MAX]
    cdef char *stop
    cdef Span word
    if kind == JSON_BOOL:
        out[0] = value.at[0] == b't'
        return True
    if kind == JSON_INTEGER or kind == JSON_NUMBER:
        out[0] = json_number(value)
        return True
    word = span_trim(json_string(value, stream.arena))
    if word.len == 0 or word.len >= WORD_MAX:
        return False
    memcpy(text, word.at, word.len)
    text[word.len] = 0
    out[0] = strtod(text, &stop)
    return stop == text + word.len


cdef Span as_text(HttpStream *stream, Span value) noexcept nogil:
    cdef uint8_t kind = json_kind(value)
    cdef char *text
    if kind == JSON_STRING:
        return json_string(value, stream.arena)
    if kind == JSON_BOOL:
        return span(b"1", 1) if value.at[0] == b't' else span(b"0", 1)
    if kind == JSON_INTEGER:
        return span(b"0", 1) if span_is(value, b"-0", 2) else value
    text = <char *>arena_take(stream.arena, NUMBER_MAX)
    return span(text, snprintf(text, NUMBER_MAX, b"%f", json_number(value))) if text != NULL else span(NULL, 0)


cdef bint convert(HttpStream *stream, const JsonFact *fact, Span value, MetaValue *out) noexcept nogil:
    # False: it cannot be written so.
    cdef uint8_t kind = json_kind(value)
    memset(out, 0, sizeof(MetaValue))
    if kind == JSON_NULL or kind == JSON_OBJECT or kind == JSON_ARRAY:
        return False
    if fact.type == JSON_AS_NUMBER or (fact.type == JSON_AS_VALUE and (kind == JSON_INTEGER or kind == JSON_NUMBER)):
        out.kind = META_NUMBER
        return as_number(stream, value, &out.number)
    if fact.type == JSON_AS_VALUE and kind == JSON_BOOL:
        out.kind = META_BOOL
        out.flag = value.at[0] == b't'
        return True
    out.kind = META_TEXT
    out.text = as_text(stream, value)
    return out.text.at != NULL and out.text.len <= VALUE_MAX


# --- rules --------------------------------------------------------------------------------------------------------------


cdef void run_rule(HttpStream *stream, Metadata *made, const JsonRule *rule, Span value) noexcept nogil:
    # The last key is looked for only if its value is wanted, as in Envoy: without `present`, or with a fixed value there, it counts as found.
    cdef bint wanted = rule.present.set and rule.present.value == NULL
    cdef MetaValue found
    cdef uint16_t i
    for i in range(rule.path_len):
        if i + 1 == rule.path_len and not wanted and (i == 0 or json_kind(value) == JSON_OBJECT):
            break
        if not json_member(value, rule.path[i], &value):
            write_fixed(stream, made, &rule.missing)
            return
    if not rule.present.set:
        return
    if rule.present.value != NULL:
        write(stream, made, &rule.present, rule.present.value)
    elif not convert(stream, &rule.present, value, &found):
        write_fixed(stream, made, &rule.missing)
    elif found.kind != META_TEXT or found.text.len > 0 or rule.present.type == JSON_AS_VALUE:
        write(stream, made, &rule.present, &found)


cdef bint type_asked(const JsonRules *rules, Head *head) noexcept nogil:
    cdef Span type = head_value(head, H_CONTENT_TYPE)
    cdef uint16_t i
    if type.len == 0:
        return rules.without_type
    for i in range(rules.types_len):
        if span_equal(type, rules.types[i]):
            return True
    return rules.types_regex != NULL and regex_full(rules.types_regex, type)


cdef void all_missing(HttpStream *stream, const JsonRules *rules, int why) noexcept nogil:
    cdef Metadata made
    cdef uint16_t i
    made.namespaces = NULL
    stat_inc(stream.stats, rules.stats[why])
    for i in range(rules.len):
        write_fixed(stream, &made, &rules.rules[i].missing)
    leave(stream, &made, rules.request)


cdef void all_wrong(HttpStream *stream, const JsonRules *rules, int why) noexcept nogil:
    cdef Metadata made
    cdef uint16_t i
    made.namespaces = NULL
    stat_inc(stream.stats, rules.stats[why])
    for i in range(rules.len):
        write_fixed(stream, &made, &rules.rules[i].error)
    leave(stream, &made, rules.request)


cdef bint waits(HttpStream *stream, const JsonRules *rules, Head *head, bint end) noexcept nogil:
    # Whether the body is wanted.
    if rules.len == 0:
        return False
    if not type_asked(rules, head):
        all_wrong(stream, rules, JSON_OTHER_TYPE)
        return False
    if end:
        all_missing(stream, rules, JSON_NO_BODY)
    return not end


cdef Span whole(HttpStream *stream, Buffer *data) noexcept nogil:
    # The body in one piece, which metadata may point into. NULL: no memory.
    cdef char *text = <char *>arena_take(stream.arena, data.len)
    cdef Slice *item = data.first
    cdef size_t done = 0
    if text == NULL:
        return span(NULL, 0)
    while item != NULL:
        memcpy(text + done, item.at, item.len)
        done += item.len
        item = item.next
    return span(text, done)


cdef void look(HttpStream *stream, const JsonRules *rules, Buffer *data) noexcept nogil:
    cdef Metadata made
    cdef Span text
    cdef Span value
    cdef uint16_t i
    if data.len == 0:
        all_missing(stream, rules, JSON_NO_BODY)
        return
    text = whole(stream, data)
    if text.at == NULL or not json_valid(text, &value):
        all_wrong(stream, rules, JSON_INVALID)
        return
    if json_kind(value) != JSON_OBJECT and json_kind(value) != JSON_ARRAY:
        all_missing(stream, rules, JSON_SUCCESS)
        return
    made.namespaces = NULL
    for i in range(rules.len):
        run_rule(stream, &made, &rules.rules[i], value)
    leave(stream, &made, rules.request)
    stat_inc(stream.stats, rules.stats[JSON_SUCCESS])


# --- hooks --------------------------------------------------------------------------------------------------------------


cdef int on_request_head(HttpStream *stream, uint8_t n, bint end) noexcept nogil:
    if waits(stream, &(<const JsonToMetadataConf *>filter_settings(stream, n)).request, stream.request, end):
        return FILTER_BUFFER
    stream.request_bodies &= ~(<uint32_t>1 << n)
    return FILTER_CONTINUE


cdef int on_request_data(HttpStream *stream, uint8_t n, Buffer *data, bint end) noexcept nogil:
    stream.request_bodies &= ~(<uint32_t>1 << n)
    look(stream, &(<const JsonToMetadataConf *>filter_settings(stream, n)).request, data)
    return FILTER_CONTINUE


cdef int on_response_head(HttpStream *stream, uint8_t n, bint end) noexcept nogil:
    if waits(stream, &(<const JsonToMetadataConf *>filter_settings(stream, n)).response, stream.response, end):
        return FILTER_BUFFER
    stream.response_bodies &= ~(<uint32_t>1 << n)
    return FILTER_CONTINUE


cdef int on_response_data(HttpStream *stream, uint8_t n, Buffer *data, bint end) noexcept nogil:
    stream.response_bodies &= ~(<uint32_t>1 << n)
    look(stream, &(<const JsonToMetadataConf *>filter_settings(stream, n)).response, data)
    return FILTER_CONTINUE


cdef HttpFilterOps ops
ops.kind = b"envoy.filters.http.json_to_metadata"
ops.on_request_head = on_request_head
ops.on_request_data = on_request_data
ops.on_request_trailers = NULL
ops.on_response_head = on_response_head
ops.on_response_data = on_response_data
ops.on_response_trailers = NULL
ops.on_log = NULL
ops.on_destroy = NULL


cdef const HttpFilterOps *json_to_metadata_filter() noexcept nogil:
    return &ops
