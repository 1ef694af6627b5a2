"""Path normalisation in Envoy's order: escaped slashes, dot segments (RFC 3986, 6.2.2), adjacent slashes. The query is never touched."""
from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memcpy

from meshcore.base.arena cimport arena_take
from meshcore.base.span cimport span
from meshcore.conf.tables cimport SLASHES_KEEP, SLASHES_REDIRECT, SLASHES_REJECT


cdef inline int hex_value(char c) noexcept nogil:
    if c >= 48 and c <= 57:
        return c - 48
    c |= 32
    return c - 87 if c >= 97 and c <= 102 else -1


cdef uint32_t query_at(Span path) noexcept nogil:
    cdef uint32_t i = 0
    while i < path.len and path.at[i] != 63 and path.at[i] != 35:
        i += 1
    return i


cdef bint escaped_slash(const char *at, uint32_t left) noexcept nogil:
    # %2F or %5C
    return left >= 3 and at[0] == 37 and ((at[1] == 50 and (at[2] | 32) == 102) or (at[1] == 53 and (at[2] | 32) == 99))


cdef uint32_t unescape_slashes(char *text, uint32_t n) noexcept nogil:
    cdef uint32_t i = 0
    cdef uint32_t out = 0
    while i < n:
        if escaped_slash(text + i, n - i):
            text[out] = 47 if text[i + 1] == 50 else 92
            i += 3
        else:
            text[out] = text[i]
            i += 1
        out += 1
    return out


cdef inline bint unreserved(int c) noexcept nogil:
    return (c >= 97 and c <= 122) or (c >= 65 and c <= 90) or (c >= 48 and c <= 57) or c == 45 or c == 46 or c == 95 or c == 126


cdef int64_t decode(char *text, uint32_t n) noexcept nogil:
    # Backslashes become slashes, escaped unreserved characters themselves; the new length, or -1 for an escape that is none, or a NUL.
    cdef uint32_t i = 0
    cdef uint32_t out = 0
    cdef int high
    cdef int low
    cdef int c
    while i < n:
        c = text[i]
        if c == 92:
            c = 47
        elif c == 37 and i + 2 < n:
            high = hex_value(text[i + 1])
            low = hex_value(text[i + 2])
            if high >= 0 and low >= 0:
                c = high * 16 + low
                if c == 0:
                    return -1
                if not unreserved(c):
                    text[out] = text[i]
                    text[out + 1] = text[i + 1]
                    text[out + 2] = text[i + 2]
                    out += 3
                    i += 3
                    continue
                i += 2
            else:
                c = 37
        text[out] = <char>c
        out += 1
        i += 1
    return out


cdef uint32_t remove_dots(char *text, uint32_t n) noexcept nogil:
    # RFC 3986, 5.2.4, in place; the path starts with a slash.
    cdef uint32_t i = 0
    cdef uint32_t out = 0
    cdef uint32_t start
    cdef uint32_t len
    cdef bint last
    while i < n:
        start = i + 1
        i = start
        while i < n and text[i] != 47:
            i += 1
        len = 0
        while start + len < i and text[start + len] != 59:
            len += 1                       # a parameter does not make ".." a name (";" as some servers read it)
        if len > 2 or text[start] != 46:
            len = i - start
        last = i == n
        if len == 1 and text[start] == 46:
            if last:
                text[out] = 47
                out += 1
        elif len == 2 and text[start] == 46 and text[start + 1] == 46:
            while out > 0:
                out -= 1
                if text[out] == 47:
                    break
            if last:
                text[out] = 47
                out += 1
        else:
            text[out] = 47
            out += 1
            while start < i:
                text[out] = text[start]
                out += 1
                start += 1
    return out


cdef uint32_t merge(char *text, uint32_t n) noexcept nogil:
    cdef uint32_t i
    cdef uint32_t out = 0
    for i in range(n):
        if text[i] == 47 and out > 0 and text[out - 1] == 47:
            continue
        text[out] = text[i]
        out += 1
    return out


cdef int path_normalize(const HcmConf *hcm, Arena *arena, Span *path) noexcept nogil:
    cdef uint32_t n
    cdef uint32_t tail
    cdef char *text
    cdef int64_t decoded
    cdef bint slashes = False
    cdef uint32_t i
    if not hcm.normalize_path and not hcm.merge_slashes and hcm.escaped_slashes == SLASHES_KEEP:
        return PATH_OK
    n = query_at(path[0])
    tail = path.len - n
    for i in range(n):
        slashes = slashes or escaped_slash(path.at + i, n - i)
    text = <char *>arena_take(arena, path.len + 1)
    if text == NULL:
        return PATH_REJECT
    memcpy(text, path.at, n)
    if slashes and hcm.escaped_slashes != SLASHES_KEEP:
        n = unescape_slashes(text, n)
        if hcm.escaped_slashes == SLASHES_REJECT:
            memcpy(text + n, path.at + path.len - tail, tail)
            path[0] = span(text, n + tail)
            return PATH_REJECT
    if hcm.normalize_path:
        decoded = decode(text, n)
        if decoded < 0:
            return PATH_REJECT
        n = remove_dots(text, <uint32_t>decoded)
    if hcm.merge_slashes:
        n = merge(text, n)
    memcpy(text + n, path.at + path.len - tail, tail)
    path[0] = span(text, n + tail)
    return PATH_REDIRECT if slashes and hcm.escaped_slashes == SLASHES_REDIRECT else PATH_OK
