"""Header to metadata; see header_to_metadata.pxd for the law."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.stdlib cimport strtod
from libc.string cimport memcpy, memset

from meshcore.base.arena cimport arena_copy, arena_take
from meshcore.base.span cimport Span, span, span_is, span_trim, write_u64
from meshcore.codec.base64 cimport base64_decoded
from meshcore.codec.head cimport *
from meshcore.filter.http cimport *
from meshcore.observe.metadata cimport META_NUMBER, META_TEXT, MetaValue, meta_make, metadata_namespace
from meshcore.observe.metadata_protobuf cimport metadata_read_value
from meshcore.route.cookie cimport cookie_of
from meshcore.route.regex cimport regex_replace

cdef enum:
    VALUE_MAX = 8192               # a longer one is left out, as in Envoy
    NUMBER_MAX = 64
    STATUS_MAX = 20


cdef bint number_of(Span value, double *out) noexcept nogil:
    cdef char text[NUMBER_MAX]
    cdef char *stop
    cdef Span trimmed = span_trim(value)
    if trimmed.len == 0 or trimmed.len >= NUMBER_MAX:
        return False
    memcpy(text, trimmed.at, trimmed.len)
    text[trimmed.len] = 0
    out[0] = strtod(text, &stop)
    return stop == text + trimmed.len


cdef bint make(HttpStream *stream, const HeaderFact *fact, Span value, MetaValue *out) noexcept nogil:
    # False: the value is no such thing.
    if fact.type == FACT_NUMBER:
        out.kind = META_NUMBER
        return number_of(value, &out.number)
    out.kind = META_TEXT
    out.text = span(arena_copy(stream.arena, value.at, value.len), value.len)
    if out.text.at == NULL:
        return False
    return fact.type != FACT_PROTOBUF or metadata_read_value(out.text, stream.arena, out)


cdef Span decoded(HttpStream *stream, Span value) noexcept nogil:
    # Base64, with or without its padding. Empty: it is none.
    cdef char *text = <char *>arena_take(stream.arena, value.len + 3)
    cdef uint32_t least = value.len - 2 if value.len > 2 else 0
    if text == NULL:
        return span(NULL, 0)
    while value.len > least and value.at[value.len - 1] == b'=':
        value.len -= 1
    memcpy(text, value.at, value.len)
    memset(text + value.len, b'=', 3)
    return base64_decoded(stream.arena, span(text, (value.len + 3) // 4 * 4))


cdef void leave(HttpStream *stream, const HeaderFact *fact, Span value) noexcept nogil:
    cdef MetaValue *into
    cdef MetaValue made
    if fact.value.len > 0:
        value = fact.value
    elif fact.regex != NULL:
        value = regex_replace(fact.regex, value, fact.substitution, stream.arena)
    if value.len == 0 or value.len >= VALUE_MAX:
        return
    if fact.decode:
        value = decoded(stream, value)
        if value.len == 0:
            return
    memset(&made, 0, sizeof(MetaValue))
    if not make(stream, fact, value, &made):
        return
    into = metadata_namespace(&stream.record.metadata, stream.arena, fact.namespace)
    into = meta_make(into, stream.arena, fact.key) if into != NULL else NULL
    if into != NULL:
        into[0] = made


cdef bint is_pseudo(Head *head, Span name) noexcept nogil:
    # Whether it stands apart from the header lines: what HTTP/2 calls a pseudo header, and Host, which is `:authority`.
    return name.at[0] == b':' or (not head.is_response and span_is(name, b"host", 4))


cdef Span pseudo(Head *head, Span name, char *status) noexcept nogil:
    # Empty: no such one. `status` has room for STATUS_MAX digits.
    if head.is_response:
        return span(status, write_u64(status, head.status)) if span_is(name, b":status", 7) else span(NULL, 0)
    if span_is(name, b":path", 5):
        return head.path
    if span_is(name, b":method", 7):
        return head.method
    if span_is(name, b":authority", 10) or span_is(name, b"host", 4):
        return head.authority
    return head.scheme if span_is(name, b":scheme", 7) else span(NULL, 0)


cdef void run(HttpStream *stream, const HeaderRules *rules, Head *head) noexcept nogil:
    cdef const HeaderRule *rule
    cdef char status[STATUS_MAX]
    cdef Header *header
    cdef Span value
    cdef bint there
    cdef uint16_t i
    for i in range(rules.len):
        rule = &rules.rules[i]
        if rule.header.len > 0 and is_pseudo(head, rule.header):
            value = pseudo(head, rule.header, status)
            there = value.len > 0
        elif rule.header.len > 0:
            header = head_find_name(head, rule.header)
            there = header != NULL
            value = head_join(head, header) if there else span(NULL, 0)
        else:
            value = cookie_of(head, rule.cookie)
            there = value.len > 0
        if there:
            if rule.present.set:
                leave(stream, &rule.present, value)
            if rule.remove and rule.header.len > 0:
                head_drop_name(head, rule.header)
        elif rule.missing.set:
            leave(stream, &rule.missing, value)


cdef int on_request_head(HttpStream *stream, uint8_t n, bint end) noexcept nogil:
    run(stream, &(<const HeaderToMetadataConf *>filter_settings(stream, n)).request, stream.request)
    return FILTER_CONTINUE


cdef int on_response_head(HttpStream *stream, uint8_t n, bint end) noexcept nogil:
    run(stream, &(<const HeaderToMetadataConf *>filter_settings(stream, n)).response, stream.response)
    return FILTER_CONTINUE


cdef HttpFilterOps ops
ops.kind = b"envoy.filters.http.header_to_metadata"
ops.on_request_head = on_request_head
ops.on_request_data = NULL
ops.on_request_trailers = NULL
ops.on_response_head = on_response_head
ops.on_response_data = NULL
ops.on_response_trailers = NULL
ops.on_log = NULL
ops.on_destroy = NULL


cdef const HttpFilterOps *header_to_metadata_filter() noexcept nogil:
    return &ops
