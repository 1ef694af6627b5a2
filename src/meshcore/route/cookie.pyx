"""Cookies; see cookie.pxd for the law."""
from libc.string cimport memchr, memcmp

from meshcore.base.span cimport Span, span, span_trim
from meshcore.codec.head cimport Head, Header, head_find_name, head_next, header_value


cdef Span unquoted(Span value) noexcept nogil:
    if value.len >= 2 and value.at[0] == 34 and value.at[value.len - 1] == 34:
        return span(value.at + 1, value.len - 2)
    return value


cdef bint cookie_in(Span line, Span name, Span *value) noexcept nogil:
    cdef const char *end = line.at + line.len
    cdef const char *at = line.at
    cdef const char *stop
    cdef const char *equals
    cdef Span key
    while at < end:
        stop = <const char *>memchr(at, 59, <size_t>(end - at))
        if stop == NULL:
            stop = end
        equals = <const char *>memchr(at, 61, <size_t>(stop - at))
        if equals != NULL:
            key = span_trim(span(at, <size_t>(equals - at)))
            if key.len == name.len and memcmp(key.at, name.at, name.len) == 0:
                value[0] = unquoted(span_trim(span(equals + 1, <size_t>(stop - equals - 1))))
                return True
        at = stop + 1
    return False


cdef Span cookie_of(Head *request, Span name) noexcept nogil:
    cdef Header *header = head_find_name(request, span(b"cookie", 6))
    cdef Span value = span(NULL, 0)
    while header != NULL:
        if cookie_in(header_value(header), name, &value):
            return value
        header = head_next(request, header)
    return value
