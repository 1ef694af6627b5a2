"""Escapes bytes for the inside of a JSON string. See json_text.pxd.

Quotes, backslashes and control bytes are escaped. Text that is valid UTF-8 is copied; in text that is not, every byte beyond ASCII
is written as the code point of its value, which keeps the bytes readable and the line valid JSON. That is Envoy's rule.
"""
from libc.stdint cimport uint8_t, uint32_t


cdef size_t json_bound(Span text) noexcept nogil:
    return 6 * <size_t>text.len


cdef size_t utf8_length(const uint8_t *at, size_t n) noexcept nogil:
    # Bytes of the well-formed sequence at `at` (Unicode, table 3-7), 0 when it is none.
    cdef size_t need = 1
    cdef uint32_t code
    cdef size_t i
    if at[0] < 0x80:
        return 1
    if at[0] >= 0xc2 and at[0] < 0xe0:
        need = 2
        code = at[0] & 31
    elif at[0] >= 0xe0 and at[0] < 0xf0:
        need = 3
        code = at[0] & 15
    elif at[0] >= 0xf0 and at[0] < 0xf5:
        need = 4
        code = at[0] & 7
    else:
        return 0
    if n < need:
        return 0
    for i in range(1, need):
        if at[i] & 0xc0 != 0x80:
            return 0
        code = code << 6 | (at[i] & 63)
    if need == 3 and (code < 0x800 or (code >= 0xd800 and code < 0xe000)):
        return 0
    return 0 if need == 4 and (code < 0x10000 or code > 0x10ffff) else need


cdef bint valid_utf8(Span text) noexcept nogil:
    cdef size_t i = 0
    cdef size_t n
    while i < text.len:
        n = utf8_length(<const uint8_t *>text.at + i, text.len - i)
        if n == 0:
            return False
        i += n
    return True


cdef char *put_code(uint8_t c, char *out) noexcept nogil:
    cdef const char *digits = b"0123456789abcdef"
    out[0] = b'\\'
    out[1] = b'u'
    out[2] = b'0'
    out[3] = b'0'
    out[4] = digits[c >> 4]
    out[5] = digits[c & 15]
    return out + 6


cdef char *put_escape(uint8_t c, char *out) noexcept nogil:
    out[0] = b'\\'
    out[1] = c
    if c == b'\n':
        out[1] = b'n'
    elif c == b'\r':
        out[1] = b'r'
    elif c == b'\t':
        out[1] = b't'
    elif c == b'\b':
        out[1] = b'b'
    elif c == b'\f':
        out[1] = b'f'
    elif c < 32:
        return put_code(c, out)
    return out + 2


cdef char *json_write(Span text, char *out) noexcept nogil:
    cdef int foreign = 0           # 1: bytes beyond ASCII are copied, 2: they are escaped
    cdef size_t i
    cdef uint8_t c
    for i in range(text.len):
        c = <uint8_t>text.at[i]
        if c >= 0x80:
            if foreign == 0:
                foreign = 1 if valid_utf8(text) else 2
            if foreign == 2:
                out = put_code(c, out)
                continue
        elif c < 32 or c == b'"' or c == b'\\':
            out = put_escape(c, out)
            continue
        out[0] = <char>c
        out += 1
    return out
