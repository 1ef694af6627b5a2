"""HTTP/1 start lines that Envoy reads and picohttpparser does not. See http1_mend.pxd.

RFC 9112, 3 and 4 let a recipient split a start line at any blanks and overlook those behind it; the request that goes on is written anew,
with single spaces, so no later hop sees what came. Never on the way of a head that the parser took.
"""
from libc.string cimport memchr, memcmp, memcpy, memmove

from meshcore.base.arena cimport arena_take

cdef enum:
    HTAB = 9
    LF = 10
    CR = 13
    SP = 32
    DIGITS = 3                     # of a status code
    VERSION_LEN = 8                # "HTTP/1.1"


cdef inline bint is_digit(char c) noexcept nogil:
    return c >= 48 and c <= 57


cdef char *copy_of(Arena *arena, const char *at, size_t n) noexcept nogil:
    cdef char *copy = <char *>arena_take(arena, n + DIGITS)
    if copy != NULL:
        memcpy(copy, at, n)
    return copy


cdef size_t line_len(const char *at, size_t n) noexcept nogil:
    # Without its line end.
    cdef const char *lf = <const char *>memchr(at, LF, n)
    cdef size_t len
    if lf == NULL:
        return 0
    len = lf - at
    return len - 1 if len > 0 and at[len - 1] == CR else len


cdef char *http1_mend_request(Arena *arena, const char *at, size_t n, size_t *len) noexcept nogil:
    # Tabs stand for spaces; blanks behind the version go.
    cdef size_t line = line_len(at, n)
    cdef size_t used = line
    cdef size_t i
    cdef char *copy
    while used > 0 and (at[used - 1] == SP or at[used - 1] == HTAB):
        used -= 1
    if used == 0 or (used == line and memchr(at, HTAB, line) == NULL):
        return NULL
    copy = copy_of(arena, at, n)
    if copy == NULL:
        return NULL
    for i in range(used):
        if copy[i] == HTAB:
            copy[i] = SP
    memmove(copy + used, copy + line, n - line)
    len[0] = n - (line - used)
    return copy


cdef char *http1_mend_response(Arena *arena, const char *at, size_t n, size_t *len) noexcept nogil:
    # A version that does not exist is read as 1.0, as Envoy does, a status of one or two digits as the number that it is.
    cdef size_t line = line_len(at, n)
    cdef size_t digits = 0
    cdef size_t pad
    cdef char *copy
    if line < VERSION_LEN + 2 or memcmp(at, b"HTTP/", 5) != 0 or not is_digit(at[5]) or at[6] != 46 or not is_digit(at[7]):
        return NULL
    while VERSION_LEN + 1 + digits < line and is_digit(at[VERSION_LEN + 1 + digits]):
        digits += 1
    if at[VERSION_LEN] != SP or digits == 0 or digits > DIGITS or (at[5] == 49 and digits == DIGITS):
        return NULL
    copy = copy_of(arena, at, n)
    if copy == NULL:
        return NULL
    if copy[5] != 49:
        memcpy(copy + 5, b"1.0", 3)
    pad = DIGITS - digits
    memmove(copy + VERSION_LEN + 1 + pad, copy + VERSION_LEN + 1, n - VERSION_LEN - 1)
    memcpy(copy + VERSION_LEN + 1, b"00", pad)
    len[0] = n + pad
    return copy
