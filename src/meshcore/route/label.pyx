"""Labels of a host. See label.pxd for the law."""
from libc.stdint cimport uint32_t

from meshcore.base.span cimport Span, span, span_equal

cdef enum:
    QUOTE = 34
    COMMA = 44
    BACKSLASH = 92
    OPEN_LIST = 91
    OPEN_OBJECT = 123
    CLOSE_LIST = 93
    CLOSE_OBJECT = 125


cdef uint32_t skip_value(Span text, uint32_t at) noexcept nogil:
    # Behind the value that begins at `at`.
    cdef uint32_t depth = 0
    cdef bint quoted = False
    cdef char c
    while at < text.len:
        c = text.at[at]
        if quoted:
            at += c == BACKSLASH
            quoted = c != QUOTE
        elif c == QUOTE:
            quoted = True
        elif c == OPEN_LIST or c == OPEN_OBJECT:
            depth += 1
        elif (c == COMMA or c == CLOSE_LIST or c == CLOSE_OBJECT) and depth == 0:
            return at
        elif c == CLOSE_LIST or c == CLOSE_OBJECT:
            depth -= 1
        at += 1
    return at


cdef Span part(Span text, uint32_t begin, uint32_t end) noexcept nogil:
    return span(text.at + begin, end - begin)


cdef Span member(Span tree, Span key) noexcept nogil:
    # The value of a key of an object; empty: it has none.
    cdef uint32_t at = 1
    cdef uint32_t colon
    cdef uint32_t end
    while at + 1 < tree.len:
        colon = at + 1
        while colon < tree.len and tree.at[colon] != QUOTE:
            colon += 2 if tree.at[colon] == BACKSLASH else 1
        colon += 1                 # JSON without blanks: the colon follows at once
        end = skip_value(tree, colon + 1)
        if span_equal(part(tree, at, colon), key):
            return part(tree, colon + 1, end)
        at = end + 1
    return span(b"", 0)


cdef bint same(Span found, Span wanted) noexcept nogil:
    cdef uint32_t at = 1
    cdef uint32_t end
    if span_equal(found, wanted):
        return True
    if found.len == 0 or found.at[0] != OPEN_LIST:
        return False
    while at + 1 < found.len:
        end = skip_value(found, at)
        if span_equal(part(found, at, end), wanted):
            return True
        at = end + 1
    return False


cdef bint labels_hold(Span metadata, const Label *labels, size_t n) noexcept nogil:
    cdef Span own
    cdef size_t i
    if metadata.len == 0:
        return False
    own = member(metadata, span(b'"envoy.lb"', 10))
    if own.len == 0:
        return False
    for i in range(n):
        if not same(member(own, labels[i].key), labels[i].value):
            return False
    return True
