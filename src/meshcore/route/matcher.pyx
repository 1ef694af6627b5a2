"""String, header and query matchers; see matcher.pxd for the law.

Runs on any worker, once per candidate route. A path's query is split on each call: routes with query conditions are few, and a
candidate is asked only after its path matched.
"""
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memchr, memcmp

from meshcore.base.span cimport lower, parse_u64, span, span_is, write_u64
from meshcore.codec.head cimport H_OTHER, HTTP_2, Header, head_drop_at, head_find, head_find_name, head_join, head_next, header_value
from meshcore.route.regex cimport regex_full


cdef bint equal_at(const char *text, const StringMatcher *matcher) noexcept nogil:
    # `text` has at least value.len bytes.
    cdef uint32_t i
    if not matcher.ignore_case:
        return memcmp(text, matcher.value.at, matcher.value.len) == 0
    for i in range(matcher.value.len):
        if lower(text[i]) != matcher.value.at[i]:
            return False
    return True


cdef bint contains(const StringMatcher *matcher, Span text) noexcept nogil:
    cdef const char *at = text.at
    cdef const char *last
    if matcher.value.len == 0:
        return True
    if matcher.value.len > text.len:
        return False
    last = text.at + (text.len - matcher.value.len)
    while at <= last:
        if not matcher.ignore_case:
            at = <const char *>memchr(at, matcher.value.at[0], <size_t>(last - at) + 1)
            if at == NULL:
                return False
        if equal_at(at, matcher):
            return True
        at += 1
    return False


cdef bint string_matches(const StringMatcher *matcher, Span text) noexcept nogil:
    cdef uint32_t n = matcher.value.len
    if matcher.kind == STRING_EXACT:
        return text.len == n and equal_at(text.at, matcher)
    if matcher.kind == STRING_PREFIX:
        return text.len >= n and equal_at(text.at, matcher)
    if matcher.kind == STRING_SUFFIX:
        return text.len >= n and equal_at(text.at + (text.len - n), matcher)
    if matcher.kind == STRING_CONTAINS:
        return contains(matcher, text)
    return regex_full(matcher.regex, text)


cdef bint parse_i64(Span text, int64_t *out) noexcept nogil:
    # A decimal integer with an optional sign and white space around it; anything else is not a number.
    cdef uint64_t magnitude
    cdef bint negative = False
    while text.len > 0 and is_space(text.at[0]):
        text.at += 1
        text.len -= 1
    while text.len > 0 and is_space(text.at[text.len - 1]):
        text.len -= 1
    if text.len > 0 and (text.at[0] == 45 or text.at[0] == 43):
        negative = text.at[0] == 45
        text.at += 1
        text.len -= 1
    while text.len > 19 and text.at[0] == 48:
        text.at += 1
        text.len -= 1
    if not parse_u64(text, &magnitude):
        return False
    if magnitude > (<uint64_t>1 << 63) - (0 if negative else 1):
        return False
    out[0] = <int64_t>(0 - magnitude) if negative else <int64_t>magnitude
    return True


cdef inline bint is_space(char c) noexcept nogil:
    return c == 32 or (c >= 9 and c <= 13)


cdef uint8_t header_source(Span lower_name) noexcept nogil:
    if span_is(lower_name, b":method", 7):
        return SOURCE_METHOD
    if span_is(lower_name, b":path", 5):
        return SOURCE_PATH
    if span_is(lower_name, b":authority", 10) or span_is(lower_name, b"host", 4):
        return SOURCE_AUTHORITY
    if span_is(lower_name, b":scheme", 7):
        return SOURCE_SCHEME
    if span_is(lower_name, b":protocol", 9):
        return SOURCE_PROTOCOL
    if span_is(lower_name, b":status", 7):
        return SOURCE_STATUS
    if lower_name.len > 0 and lower_name.at[0] == 58:
        return SOURCE_NEVER
    return SOURCE_HEADER


cdef bint pseudo_value(uint8_t source, Head *head, char *status, Span *value) noexcept nogil:
    # False: missing. `status` has room for five digits.
    if source == SOURCE_STATUS:
        value[0] = span(status, write_u64(status, head.status))
        return head.is_response
    if head.is_response or source == SOURCE_NEVER:
        return False
    if source == SOURCE_METHOD:
        value[0] = head.method
    elif source == SOURCE_PATH:
        value[0] = head.path
    elif source == SOURCE_AUTHORITY:
        value[0] = head.authority
    elif source == SOURCE_SCHEME:
        value[0] = head.scheme
    elif head.version >= HTTP_2:
        value[0] = head.protocol
    else:
        return False
    return value.at != NULL


cdef Span one_line(Head *head, Header *header) noexcept nogil:
    # The lines become one, once, as Envoy keeps them: so ten thousand candidates cost one joined copy.
    cdef Header *other = head_next(head, header)
    cdef Span whole
    if other == NULL:
        return header_value(header)
    whole = head_join(head, header)
    if whole.at == header.value:
        # No memory: the first line has to do.
        return whole
    header.value = whole.at
    header.value_len = whole.len
    while other != NULL:
        head_drop_at(head, <uint16_t>(other - head.headers))
        other = head_next(head, header)
    return whole


cdef bint value_matches(const HeaderMatcher *matcher, Span value) noexcept nogil:
    cdef int64_t number
    if matcher.kind == HEADER_PRESENT:
        return True
    if matcher.kind == HEADER_RANGE:
        return parse_i64(value, &number) and number >= matcher.start and number < matcher.end
    return string_matches(&matcher.string, value)


cdef bint any_value_matches(const HeaderMatcher *matcher, Head *head, bint *found) noexcept nogil:
    cdef char status[24]
    cdef Span value
    cdef Header *header
    if matcher.source != SOURCE_HEADER:
        found[0] = pseudo_value(matcher.source, head, status, &value)
        return found[0] and value_matches(matcher, value)
    header = head_find(head, matcher.id) if matcher.id != H_OTHER else head_find_name(head, matcher.name)
    found[0] = header != NULL
    if matcher.joins and header != NULL:
        return value_matches(matcher, one_line(head, header))
    while header != NULL:
        if value_matches(matcher, header_value(header)):
            return True
        header = head_next(head, header)
    return False


cdef bint header_matches(const HeaderMatcher *matcher, Head *head) noexcept nogil:
    cdef bint found
    cdef bint matched = any_value_matches(matcher, head, &found)
    if not found:
        # A condition on a missing header is not met, inverted or not, unless it counts as empty; presence is a condition of its own.
        if matcher.missing_as_empty:
            matched = value_matches(matcher, span(b"", 0))
        elif matcher.kind != HEADER_PRESENT:
            return False
    if matcher.kind == HEADER_PRESENT:
        matched = matched == matcher.present
    return matched != matcher.invert


cdef bint header_nth_value(const HeaderMatcher *matcher, Head *request, uint32_t n, Span *value) noexcept nogil:
    cdef Header *header
    if matcher.source != SOURCE_HEADER:
        return n == 0 and matcher.source != SOURCE_STATUS and pseudo_value(matcher.source, request, NULL, value)
    header = head_find(request, matcher.id) if matcher.id != H_OTHER else head_find_name(request, matcher.name)
    if header == NULL:
        return False
    if matcher.joins:
        value[0] = one_line(request, header)
        return n == 0
    while n > 0 and header != NULL:
        header = head_next(request, header)
        n -= 1
    if header != NULL:
        value[0] = header_value(header)
    return header != NULL


cdef bint header_first_value(Head *request, Span lower_name, Span *value) noexcept nogil:
    cdef uint8_t source = header_source(lower_name)
    cdef Header *header
    if source != SOURCE_HEADER:
        return source != SOURCE_STATUS and pseudo_value(source, request, NULL, value)
    header = head_find_name(request, lower_name)
    if header != NULL:
        value[0] = header_value(header)
    return header != NULL


cdef bint headers_match_all(const HeaderMatcher *matchers, uint16_t n, Head *head) noexcept nogil:
    cdef uint16_t i
    for i in range(n):
        if not header_matches(&matchers[i], head):
            return False
    return True


cdef bint headers_match_any(const HeaderMatcher *matchers, uint16_t n, Head *head) noexcept nogil:
    cdef uint16_t i
    for i in range(n):
        if header_matches(&matchers[i], head):
            return True
    return False


cdef bint query_find(Span path, Span name, Span *value) noexcept nogil:
    cdef const char *end = path.at + path.len
    cdef const char *at = <const char *>memchr(path.at, 63, path.len)
    cdef const char *stop
    cdef const char *equals
    if at == NULL:
        return False
    at += 1
    while at < end:
        stop = <const char *>memchr(at, 38, <size_t>(end - at))
        if stop == NULL:
            stop = end
        equals = <const char *>memchr(at, 61, <size_t>(stop - at))
        if equals == NULL:
            equals = stop
        if <size_t>(equals - at) == name.len and memcmp(at, name.at, name.len) == 0:
            value[0] = span(equals + 1, <size_t>(stop - equals - 1)) if equals < stop else span(stop, 0)
            return True
        at = stop + 1
    return False


cdef bint queries_match_all(const QueryMatcher *matchers, uint16_t n, Span path) noexcept nogil:
    cdef Span value
    cdef bint found
    cdef uint16_t i
    for i in range(n):
        found = query_find(path, matchers[i].name, &value)
        if matchers[i].presence_only:
            if found != matchers[i].present:
                return False
        elif not found or not string_matches(&matchers[i].string, value):
            return False
    return True
