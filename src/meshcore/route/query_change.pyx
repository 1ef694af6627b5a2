"""Changes to query parameters; see query_change.pxd for the law.

A query may have as many parameters as a head has bytes, so they are sorted by merging: the time is bounded by n log n.
"""
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memchr, memcmp, memcpy

from meshcore.base.arena cimport Arena, arena_take
from meshcore.base.span cimport Span, span
from meshcore.observe.format cimport format_bound, format_write
from meshcore.route.mutation cimport ADD_APPEND, ADD_IF_ABSENT, ADD_OVERWRITE, ADD_OVERWRITE_IF_EXISTS

cdef enum:
    AMPERSAND = 38
    EQUALS = 61
    PERCENT = 37
    QUESTION = 63
    DELETE = 127

cdef struct Parameter:
    Span name                      # decoded
    Span raw                       # the name as it is written
    Span value                     # as it is written
    bint gone

cdef struct Query:
    Arena *arena
    Parameter *list
    uint32_t len


cdef inline int digit(char c) noexcept nogil:
    if 48 <= c <= 57:
        return c - 48
    if 65 <= (c & ~32) <= 70:
        return (c & ~32) - 55
    return -1


cdef bint decode(Arena *arena, Span text, Span *out) noexcept nogil:
    cdef char *room
    cdef size_t i = 0
    cdef size_t n = 0
    out[0] = text
    if text.len == 0 or memchr(text.at, PERCENT, text.len) == NULL:
        return True
    room = <char *>arena_take(arena, text.len)
    if room == NULL:
        return False
    while i < text.len:
        if text.at[i] == PERCENT and i + 2 < text.len and digit(text.at[i + 1]) >= 0 and digit(text.at[i + 2]) >= 0:
            room[n] = <char>(digit(text.at[i + 1]) * 16 + digit(text.at[i + 2]))
            i += 3
        else:
            room[n] = text.at[i]
            i += 1
        n += 1
    out[0] = span(room, n)
    return True


cdef inline bint harmful(char c) noexcept nogil:
    return <uint8_t>c <= 32 or c == DELETE


cdef inline bint reserved(char c) noexcept nogil:
    # All but what application/x-www-form-urlencoded leaves alone.
    return not (48 <= c <= 57 or 65 <= (c & ~32) <= 90 or c == 42 or c == 45 or c == 46 or c == 95)


cdef bint escape(Arena *arena, Span text, bint (*takes)(char c) noexcept nogil, Span *out) noexcept nogil:
    cdef const char *digits = b"0123456789ABCDEF"
    cdef char *room
    cdef size_t i
    cdef size_t n = 0
    out[0] = text
    for i in range(text.len):
        if takes(text.at[i]):
            n += 1
    if n == 0:
        return True
    room = <char *>arena_take(arena, text.len + 2 * n)
    if room == NULL:
        return False
    n = 0
    for i in range(text.len):
        if takes(text.at[i]):
            room[n] = PERCENT
            room[n + 1] = digits[<uint8_t>text.at[i] >> 4]
            room[n + 2] = digits[text.at[i] & 15]
            n += 3
        else:
            room[n] = text.at[i]
            n += 1
    out[0] = span(room, n)
    return True


cdef bint split(Query *query, Span text, uint16_t changes) noexcept nogil:
    cdef const char *end = text.at + text.len
    cdef const char *at = text.at
    cdef const char *stop
    cdef const char *equals
    cdef Parameter *one
    cdef uint32_t n = 1
    cdef size_t i
    for i in range(text.len):
        n += text.at[i] == AMPERSAND
    query.len = 0
    query.list = <Parameter *>arena_take(query.arena, (n + changes) * sizeof(Parameter))
    if query.list == NULL:
        return False
    while at < end:
        stop = <const char *>memchr(at, AMPERSAND, <size_t>(end - at))
        stop = end if stop == NULL else stop
        equals = <const char *>memchr(at, EQUALS, <size_t>(stop - at))
        one = &query.list[query.len]
        query.len += 1
        one.gone = False
        one.raw = span(at, <size_t>((stop if equals == NULL else equals) - at))
        one.value = span(stop, 0) if equals == NULL else span(equals + 1, <size_t>(stop - equals - 1))
        if not decode(query.arena, one.raw, &one.name):
            return False
        at = stop + 1
    return True


cdef inline bint named(const Parameter *one, Span name) noexcept nogil:
    return not one.gone and one.name.len == name.len and (name.len == 0 or memcmp(one.name.at, name.at, name.len) == 0)


cdef bint has(const Query *query, Span name) noexcept nogil:
    cdef uint32_t i
    for i in range(query.len):
        if named(&query.list[i], name):
            return True
    return False


cdef void drop(Query *query, Span name) noexcept nogil:
    cdef uint32_t i
    for i in range(query.len):
        if named(&query.list[i], name):
            query.list[i].gone = True


cdef bint value_of(const HeaderAdd *add, Arena *arena, Record *record, Span *out) noexcept nogil:
    cdef size_t room
    cdef char *text
    if add.format == NULL:
        return escape(arena, add.literal, reserved, out)
    room = format_bound(add.format, record)
    text = <char *>arena_take(arena, room + 1)
    if text == NULL:
        return False
    return escape(arena, span(text, <size_t>(format_write(add.format, record, text, text + room) - text)), reserved, out)


cdef bint change(const QueryChange *one, Query *query, Record *record) noexcept nogil:
    cdef const HeaderAdd *add = &one.add
    cdef Parameter *made
    if one.removes:
        drop(query, add.name)
        return True
    if add.action != ADD_APPEND and has(query, add.name) == (add.action == ADD_IF_ABSENT) and add.action != ADD_OVERWRITE:
        return True
    if add.action == ADD_OVERWRITE or add.action == ADD_OVERWRITE_IF_EXISTS:
        drop(query, add.name)
    made = &query.list[query.len]
    query.len += 1
    made.gone = False
    made.name = add.name
    return escape(query.arena, add.name, harmful, &made.raw) and value_of(add, query.arena, record, &made.value)


cdef inline bint after(const Parameter *left, const Parameter *right) noexcept nogil:
    cdef size_t n = min(left.name.len, right.name.len)
    cdef int order = memcmp(left.name.at, right.name.at, n) if n > 0 else 0
    return order > 0 or (order == 0 and left.name.len > right.name.len)


cdef void merge(const Parameter *left, uint32_t left_len, const Parameter *right, uint32_t right_len, Parameter *out) noexcept nogil:
    cdef uint32_t i = 0
    cdef uint32_t k = 0
    while i < left_len or k < right_len:
        if k == right_len or (i < left_len and not after(&left[i], &right[k])):
            out[i + k] = left[i]
            i += 1
        else:
            out[i + k] = right[k]
            k += 1


cdef bint sort(Query *query) noexcept nogil:
    cdef Parameter *other = <Parameter *>arena_take(query.arena, query.len * sizeof(Parameter) + 1)
    cdef Parameter *swapped
    cdef uint32_t width = 1
    cdef uint32_t at, middle, end
    if other == NULL:
        return False
    while width < query.len:
        at = 0
        while at < query.len:
            middle = min(at + width, query.len)
            end = min(middle + width, query.len)
            merge(&query.list[at], middle - at, &query.list[middle], end - middle, &other[at])
            at = end
        swapped = query.list
        query.list = other
        other = swapped
        width *= 2
    return True


cdef bint write(const Query *query, Span path, Head *head) noexcept nogil:
    cdef const Parameter *one
    cdef size_t room = path.len
    cdef size_t n = path.len
    cdef uint32_t i
    cdef char *text
    for i in range(query.len):
        room += query.list[i].raw.len + query.list[i].value.len + 2
    text = <char *>arena_take(query.arena, room + 1)
    if text == NULL:
        return False
    memcpy(text, path.at, path.len)
    for i in range(query.len):
        one = &query.list[i]
        if one.gone:
            continue
        text[n] = AMPERSAND if n > path.len else QUESTION
        memcpy(text + n + 1, one.raw.at, one.raw.len)
        n += 1 + one.raw.len
        text[n] = EQUALS
        memcpy(text + n + 1, one.value.at, one.value.len)
        n += 1 + one.value.len
    head.path = span(text, n)
    return True


cdef bint query_change_all(const QueryChange *changes, uint16_t n, Head *head, Record *record) noexcept nogil:
    cdef Query query
    cdef Span path = head.path
    cdef const char *mark
    cdef uint16_t i
    if n == 0 or path.at == NULL:
        return True
    mark = <const char *>memchr(path.at, QUESTION, path.len)
    if mark == NULL:
        mark = path.at + path.len
    path.len = <size_t>(mark - path.at)
    query.arena = head.arena
    if not split(&query, span(mark, 0) if path.len == head.path.len else span(mark + 1, head.path.len - path.len - 1), n):
        return False
    for i in range(n):
        if not change(&changes[i], &query, record):
            return False
    return sort(&query) and write(&query, path, head)
