"""Criteria of one request. See criteria_merge.pxd for the law."""
from libc.stdint cimport uint8_t, uint32_t
from libc.stdio cimport snprintf
from libc.stdlib cimport strtod
from libc.string cimport memcpy, memset

from meshcore.base.arena cimport arena_take
from meshcore.base.span cimport Span, span, span_equal
from meshcore.base.span_order cimport span_order
from meshcore.observe.metadata cimport META_BOOL, META_NULL, META_NUMBER, META_STRUCT, META_TEXT, MetaItem
from meshcore.route.criteria cimport CRITERIA_MAX, Criterion, criterion_hash

cdef enum:
    NUMBER_TEXT = 40
    EXACT_DIGITS = 17


# --- canonical text, as Python's json writes it -----------------------------------------------------------------------


cdef size_t put_escape(uint32_t unit, char *out) noexcept nogil:
    cdef const char *digits = b"0123456789abcdef"
    out[0] = b"\\"
    out[1] = b"u"
    out[2] = digits[unit >> 12 & 15]
    out[3] = digits[unit >> 8 & 15]
    out[4] = digits[unit >> 4 & 15]
    out[5] = digits[unit & 15]
    return 6


cdef size_t put_char(uint32_t point, char *out) noexcept nogil:
    cdef const char *plain = b"\"\\\b\f\n\r\t"
    cdef const char *letters = b"\"\\bfnrt"
    cdef int i
    for i in range(7):
        if point == <uint8_t>plain[i]:
            out[0] = b"\\"
            out[1] = letters[i]
            return 2
    if 32 <= point < 127:
        out[0] = <char>point
        return 1
    if point < 0x10000:
        return put_escape(point, out)
    point -= 0x10000
    return put_escape(0xd800 | point >> 10, out) + put_escape(0xdc00 | (point & 0x3ff), out + 6)


cdef uint32_t take_point(const uint8_t *at, const uint8_t *end, size_t *used) noexcept nogil:
    # One character of UTF-8; a byte that is none stands for itself.
    cdef uint32_t first = at[0]
    cdef uint32_t n = 1 + (first >= 0xc2) + (first >= 0xe0) + (first >= 0xf0)
    cdef uint32_t point = first & (0x7f >> n)
    cdef uint32_t i
    used[0] = 1
    if first < 0xc2 or first > 0xf4 or n > <size_t>(end - at):
        return first
    for i in range(1, n):
        if at[i] & 0xc0 != 0x80:
            return first
        point = point << 6 | (at[i] & 0x3f)
    used[0] = n
    return point


cdef Span text_of(Span text, Arena *arena) noexcept nogil:
    cdef char *out = <char *>arena_take(arena, 6 * <size_t>text.len + 2)
    cdef const uint8_t *at = <const uint8_t *>text.at
    cdef const uint8_t *end = at + text.len
    cdef size_t n = 1
    cdef size_t used = 0
    if out == NULL:
        return span(NULL, 0)
    out[0] = b'"'
    while at < end:
        n += put_char(take_point(at, end, &used), out + n)
        at += used
    out[n] = b'"'
    return span(out, n + 1)


cdef Span number_of(double number, Arena *arena) noexcept nogil:
    # The fewest digits that read back as the same number; whole ones end in ".0".
    cdef char *out = <char *>arena_take(arena, NUMBER_TEXT)
    cdef int digits = 1
    cdef int n
    if out == NULL:
        return span(NULL, 0)
    if number > -1e16 and number < 1e16 and number == <double><long long>number:
        return span(out, snprintf(out, NUMBER_TEXT, b"%.1f", number))
    n = snprintf(out, NUMBER_TEXT, b"%.*g", digits, number)
    while digits < EXACT_DIGITS and strtod(out, NULL) != number:
        digits += 1
        n = snprintf(out, NUMBER_TEXT, b"%.*g", digits, number)
    return span(out, n)


cdef Span canonical(const MetaValue *value, Arena *arena) noexcept nogil:
    # Empty: a value that no host is divided by.
    if value.kind == META_TEXT:
        return text_of(value.text, arena)
    if value.kind == META_NUMBER:
        return number_of(value.number, arena)
    if value.kind == META_BOOL:
        return span(b"true", 4) if value.flag else span(b"false", 5)
    return span(b"null", 4) if value.kind == META_NULL else span(NULL, 0)


# --- merging --------------------------------------------------------------------------------------------------------


cdef bint put(Criteria *out, Span key, Span value) noexcept nogil:
    # In the order of keys; an equal one is replaced.
    cdef uint32_t at = 0
    cdef uint32_t i
    while at < out.len and span_order(out.pairs[at].key, key) < 0:
        at += 1
    if at == out.len or not span_equal(out.pairs[at].key, key):
        if out.len == CRITERIA_MAX:
            return False
        for i in range(out.len, at, -1):
            out.pairs[i] = out.pairs[i - 1]
        out.len += 1
    out.pairs[at].key = key
    out.pairs[at].value = value
    out.pairs[at].hash = criterion_hash(key, value)
    return True


cdef const Criteria *criteria_merge(const Criteria *base, const MetaValue *wanted, Arena *arena) noexcept nogil:
    cdef const MetaItem *item
    cdef Criteria *out
    cdef Span value
    if wanted == NULL or wanted.kind != META_STRUCT or wanted.items == NULL:
        return base
    out = <Criteria *>arena_take(arena, sizeof(Criteria))
    if out == NULL:
        return base
    memset(out, 0, sizeof(Criteria))
    out.pairs = <Criterion *>arena_take(arena, CRITERIA_MAX * sizeof(Criterion))
    if out.pairs == NULL:
        return base
    if base != NULL:
        memcpy(out.pairs, base.pairs, base.len * sizeof(Criterion))
        out.len = base.len
    item = wanted.items
    while item != NULL:
        value = canonical(&item.value, arena)
        if value.len > 0 and not put(out, item.key, value):
            return base
        item = item.next
    return out
