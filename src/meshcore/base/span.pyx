"""Text routines over borrowed bytes: comparison apart from case, comma lists, decimal and hexadecimal numbers.

Leaf code: no allocation, no errors but a False, any thread.
"""


cdef bint span_is_nocase(Span a, const char *lower_text, size_t n) noexcept nogil:
    cdef size_t i
    if a.len != n:
        return False
    for i in range(n):
        if lower(a.at[i]) != lower_text[i]:
            return False
    return True


cdef bint span_equal_nocase(Span a, Span b) noexcept nogil:
    cdef size_t i
    if a.len != b.len:
        return False
    for i in range(a.len):
        if lower(a.at[i]) != lower(b.at[i]):
            return False
    return True


cdef int64_t span_find(Span a, char c) noexcept nogil:
    cdef uint32_t i
    for i in range(a.len):
        if a.at[i] == c:
            return i
    return -1


cdef Span span_trim(Span a) noexcept nogil:
    while a.len > 0 and (a.at[0] == 32 or a.at[0] == 9):
        a.at += 1
        a.len -= 1
    while a.len > 0 and (a.at[a.len - 1] == 32 or a.at[a.len - 1] == 9):
        a.len -= 1
    return a


cdef bint span_next_token(Span *rest, Span *token) noexcept nogil:
    cdef int64_t comma
    while rest.len > 0:
        comma = span_find(rest[0], 44)
        token[0] = rest[0]
        if comma < 0:
            rest.at += rest.len
            rest.len = 0
        else:
            token.len = <uint32_t>comma
            rest.at += comma + 1
            rest.len -= <uint32_t>comma + 1
        token[0] = span_trim(token[0])
        if token.len > 0:
            return True
    return False


cdef bint list_has(Span list, const char *lower_text, size_t n) noexcept nogil:
    cdef Span token
    while span_next_token(&list, &token):
        if span_is_nocase(token, lower_text, n):
            return True
    return False


cdef bint span_fits_header(Span a) noexcept nogil:
    cdef uint32_t i
    cdef unsigned char c
    for i in range(a.len):
        c = <unsigned char>a.at[i]
        if c < 32 and c != 9 or c == 127:
            return False
    return True


cdef bint parse_u64(Span a, uint64_t *out) noexcept nogil:
    cdef uint64_t v = 0
    cdef uint32_t i
    cdef uint8_t digit
    if a.len == 0:
        return False
    for i in range(a.len):
        digit = <uint8_t>(a.at[i] - 48)
        if digit > 9:
            return False
        if v > (<uint64_t>-1 - digit) // 10:
            return False
        v = v * 10 + digit
    out[0] = v
    return True


cdef size_t write_u64(char *out, uint64_t v) noexcept nogil:
    cdef char text[20]
    cdef size_t n = 0
    cdef size_t i
    while True:
        text[n] = <char>(48 + v % 10)
        n += 1
        v //= 10
        if v == 0:
            break
    for i in range(n):
        out[i] = text[n - 1 - i]
    return n


cdef size_t write_hex(char *out, uint64_t v) noexcept nogil:
    cdef const char *digits = b"0123456789abcdef"
    cdef int shift = 60
    cdef size_t n = 0
    while shift > 0 and (v >> shift) == 0:
        shift -= 4
    while shift >= 0:
        out[n] = digits[(v >> shift) & 15]
        n += 1
        shift -= 4
    return n
