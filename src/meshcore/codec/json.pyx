"""JSON; see json.pxd for the law. `at` is the next byte, `end` stands behind the last; NULL says that what was looked for is not there."""
from libc.math cimport isinf
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport strtod
from libc.string cimport memchr, memcmp, memcpy

from meshcore.base.arena cimport arena_take
from meshcore.base.span cimport parse_u64, span

cdef enum:
    NUMBER_MAX = 512               # digits beyond it say nothing to a double
    HIGH_FIRST = 0xd800            # surrogates
    LOW_FIRST = 0xdc00
    LOW_LAST = 0xdfff

cdef const char *ESCAPED = b'"\\/bfnrt'


cdef inline const char *past_blanks(const char *at, const char *end) noexcept nogil:
    while at < end and (at[0] == b' ' or at[0] == b'\t' or at[0] == b'\n' or at[0] == b'\r'):
        at += 1
    return at


# --- strings ------------------------------------------------------------------------------------------------------------


cdef int hex_digit(char c) noexcept nogil:
    if 48 <= c <= 57:
        return c - 48
    if 97 <= c <= 102:
        return c - 87
    return c - 55 if 65 <= c <= 70 else -1


cdef int unit(const char *at, const char *end) noexcept nogil:
    # The number of "uXXXX"; -1: it is none.
    cdef int value = 0
    cdef int digit
    cdef int i
    if end - at < 5 or at[0] != b'u':
        return -1
    for i in range(1, 5):
        digit = hex_digit(at[i])
        if digit < 0:
            return -1
        value = value * 16 + digit
    return value


cdef const char *past_escape(const char *at, const char *end) noexcept nogil:
    # `at` stands behind the backslash.
    cdef int value
    if at == end:
        return NULL
    if at[0] != b'u':
        return at + 1 if memchr(ESCAPED, at[0], 8) != NULL else NULL
    value = unit(at, end)
    if value < 0 or LOW_FIRST <= value <= LOW_LAST:
        return NULL
    if value < HIGH_FIRST or value > LOW_LAST:
        return at + 5
    if end - at < 11 or at[5] != b'\\' or not LOW_FIRST <= unit(at + 6, end) <= LOW_LAST:
        return NULL
    return at + 11


cdef const char *past_character(const char *at, const char *end) noexcept nogil:
    # One character of two to four bytes, as Unicode's table of well-formed UTF-8 has them.
    cdef uint8_t first = <uint8_t>at[0]
    cdef uint8_t low = 0x80
    cdef uint8_t high = 0xbf
    cdef int n = 1 if 0xc2 <= first <= 0xdf else 2 if 0xe0 <= first <= 0xef else 3 if 0xf0 <= first <= 0xf4 else 0
    cdef int i
    if n == 0 or end - at <= n:
        return NULL
    if first == 0xe0:
        low = 0xa0
    elif first == 0xed:
        high = 0x9f
    elif first == 0xf0:
        low = 0x90
    elif first == 0xf4:
        high = 0x8f
    if not low <= <uint8_t>at[1] <= high:
        return NULL
    for i in range(2, n + 1):
        if <uint8_t>at[i] >> 6 != 2:
            return NULL
    return at + n + 1


cdef const char *past_string(const char *at, const char *end) noexcept nogil:
    # `at` stands at the first quote.
    at += 1
    while at != NULL and at < end:
        if at[0] == b'"':
            return at + 1
        if at[0] == b'\\':
            at = past_escape(at + 1, end)
        elif <uint8_t>at[0] < 0x20:
            return NULL
        elif <uint8_t>at[0] < 0x80:
            at += 1
        else:
            at = past_character(at, end)
    return NULL


# --- values -------------------------------------------------------------------------------------------------------------


cdef const char *past_digits(const char *at, const char *end) noexcept nogil:
    # At least one.
    cdef const char *start = at
    while at < end and 48 <= at[0] <= 57:
        at += 1
    return at if at > start else NULL


cdef const char *past_number(const char *at, const char *end) noexcept nogil:
    cdef const char *start = at
    cdef uint64_t whole
    if at < end and at[0] == b'-':
        at += 1
    if at < end and at[0] == b'0':
        at += 1
    else:
        at = past_digits(at, end)
    if at != NULL and at < end and at[0] == b'.':
        at = past_digits(at + 1, end)
    if at != NULL and at < end and (at[0] == b'e' or at[0] == b'E'):
        at += 1
        if at < end and (at[0] == b'+' or at[0] == b'-'):
            at += 1
        at = past_digits(at, end)
    if at == NULL or isinf(json_number(span(start, at - start))):
        return NULL
    if parse_u64(span(start, at - start), &whole) and whole >> 63:
        return NULL
    return at


cdef const char *past_word(const char *at, const char *end, const char *word, size_t n) noexcept nogil:
    return at + n if <size_t>(end - at) >= n and memcmp(at, word, n) == 0 else NULL


cdef const char *past_array(const char *at, const char *end, int depth) noexcept nogil:
    at = past_blanks(at + 1, end)
    if at < end and at[0] == b']':
        return at + 1
    while True:
        at = past_value(past_blanks(at, end), end, depth)
        if at == NULL:
            return NULL
        at = past_blanks(at, end)
        if at == end or at[0] != b',':
            return at + 1 if at < end and at[0] == b']' else NULL
        at += 1


cdef const char *past_object(const char *at, const char *end, int depth) noexcept nogil:
    at = past_blanks(at + 1, end)
    if at < end and at[0] == b'}':
        return at + 1
    while True:
        at = past_blanks(at, end)
        at = past_string(at, end) if at < end and at[0] == b'"' else NULL
        if at == NULL:
            return NULL
        at = past_blanks(at, end)
        if at == end or at[0] != b':':
            return NULL
        at = past_value(past_blanks(at + 1, end), end, depth)
        if at == NULL:
            return NULL
        at = past_blanks(at, end)
        if at == end or at[0] != b',':
            return at + 1 if at < end and at[0] == b'}' else NULL
        at += 1


cdef const char *past_value(const char *at, const char *end, int depth) noexcept nogil:
    if at == end:
        return NULL
    if at[0] == b'"':
        return past_string(at, end)
    if at[0] == b'{':
        return past_object(at, end, depth - 1) if depth > 0 else NULL
    if at[0] == b'[':
        return past_array(at, end, depth - 1) if depth > 0 else NULL
    if at[0] == b't':
        return past_word(at, end, b"true", 4)
    if at[0] == b'f':
        return past_word(at, end, b"false", 5)
    if at[0] == b'n':
        return past_word(at, end, b"null", 4)
    return past_number(at, end)


cdef bint json_valid(Span text, Span *value) noexcept nogil:
    cdef const char *end = text.at + text.len
    cdef const char *at = past_blanks(text.at, end)
    cdef const char *stop
    if text.len >= 3 and memcmp(text.at, b"\xef\xbb\xbf", 3) == 0:
        at = past_blanks(text.at + 3, end)
    stop = past_value(at, end, JSON_DEPTH)
    if stop == NULL:
        return False
    end = past_blanks(stop, end)
    if end != text.at + text.len and end[0] != 0:
        return False
    value[0] = span(at, stop - at)
    return True


# --- what a value is ----------------------------------------------------------------------------------------------------


cdef uint8_t json_kind(Span value) noexcept nogil:
    cdef uint64_t size
    cdef Span whole
    cdef uint32_t i
    if value.at[0] == b'"':
        return JSON_STRING
    if value.at[0] == b'{':
        return JSON_OBJECT
    if value.at[0] == b'[':
        return JSON_ARRAY
    if value.at[0] == b'n':
        return JSON_NULL
    if value.at[0] == b't' or value.at[0] == b'f':
        return JSON_BOOL
    for i in range(value.len):
        if value.at[i] == b'.' or value.at[i] == b'e' or value.at[i] == b'E':
            return JSON_NUMBER
    whole = span(value.at + 1, value.len - 1) if value.at[0] == b'-' else value
    return JSON_INTEGER if parse_u64(whole, &size) and size <= <uint64_t>1 << 63 else JSON_NUMBER


cdef double json_number(Span value) noexcept nogil:
    cdef char text[NUMBER_MAX + 1]
    cdef uint32_t n = value.len if value.len < NUMBER_MAX else NUMBER_MAX
    memcpy(text, value.at, n)
    text[n] = 0
    return strtod(text, NULL)


cdef bint is_key(const char *at, const char *stop, Span key) noexcept nogil:
    # Whether the string from `at` to `stop`, quotes included, says `key`.
    cdef char piece[4]
    cdef uint32_t done = 0
    cdef uint32_t n
    at += 1
    while at < stop - 1:
        n = 1
        piece[0] = at[0]
        at = unescape(at, piece, &n) if at[0] == b'\\' else at + 1
        if key.len - done < n or memcmp(key.at + done, piece, n) != 0:
            return False
        done += n
    return done == key.len


cdef bint json_member(Span parent, Span key, Span *value) noexcept nogil:
    cdef const char *end = parent.at + parent.len
    cdef const char *at = past_blanks(parent.at + 1, end)
    cdef const char *stop
    cdef bint found = False
    cdef bint here
    if parent.at[0] != b'{' or at[0] == b'}':
        return False
    while True:
        at = past_blanks(at, end)
        stop = past_string(at, end)
        here = is_key(at, stop, key)
        at = past_blanks(past_blanks(stop, end) + 1, end)
        stop = past_value(at, end, JSON_DEPTH)
        if here:
            value[0] = span(at, stop - at)
            found = True
        at = past_blanks(stop, end)
        if at[0] == b'}':
            return found
        at += 1


cdef const char *unescape(const char *at, char *out, uint32_t *n) noexcept nogil:
    # `at` stands at the backslash of a valid escape; up to four bytes of `out` are written. The byte behind the escape.
    cdef uint32_t code
    n[0] = 1
    if at[1] != b'u':
        out[0] = (8 if at[1] == b'b' else 12 if at[1] == b'f' else 10 if at[1] == b'n' else 13 if at[1] == b'r'
                  else 9 if at[1] == b't' else at[1])
        return at + 2
    code = unit(at + 1, at + 6)
    at += 6
    if HIGH_FIRST <= code < LOW_FIRST:
        code = 0x10000 + ((code - HIGH_FIRST) << 10) + (<uint32_t>unit(at + 1, at + 6) - LOW_FIRST)
        at += 6
    if code < 0x80:
        out[0] = <char>code
        return at
    n[0] = 2 if code < 0x800 else 3 if code < 0x10000 else 4
    if n[0] == 2:
        out[0] = <char>(0xc0 | code >> 6)
    elif n[0] == 3:
        out[0] = <char>(0xe0 | code >> 12)
        out[1] = <char>(0x80 | (code >> 6 & 63))
    else:
        out[0] = <char>(0xf0 | code >> 18)
        out[1] = <char>(0x80 | (code >> 12 & 63))
        out[2] = <char>(0x80 | (code >> 6 & 63))
    out[n[0] - 1] = <char>(0x80 | (code & 63))
    return at


cdef Span json_string(Span value, Arena *arena) noexcept nogil:
    cdef const char *at = value.at + 1
    cdef const char *end = value.at + value.len - 1
    cdef char *out
    cdef uint32_t n
    cdef uint32_t done = 0
    while at < end and at[0] != b'\\':
        at += 1
    if at == end:
        return span(value.at + 1, value.len - 2)
    out = <char *>arena_take(arena, value.len + 4)
    if out == NULL:
        return span(NULL, 0)
    at = value.at + 1
    while at < end:
        n = 1
        if at[0] == b'\\':
            at = unescape(at, out + done, &n)
        else:
            out[done] = at[0]
            at += 1
        done += n
    return span(out, done)
