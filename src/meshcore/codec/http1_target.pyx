"""HTTP/1 request targets, judged as Envoy 1.40 judges them.

Two steps, because they answer with different details: is it a target at all (HTTP1_BAD_SYNTAX), and is the URL in it one that we
can serve (HTTP1_BAD_URL, HTTP1_INVALID_SCHEME). The absolute form overrides Host (RFC 9112, 3.2.2). Nothing is decoded or
normalised here. Any thread; the byte classes are filled at import and read-only afterwards.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from meshcore.base.span cimport Span, parse_u64, span, span_find, span_is, span_is_nocase
from meshcore.codec.head cimport *
from meshcore.codec.http1 cimport *

cdef enum:
    SLASH = 47
    COLON = 58
    STAR = 42
    QUESTION = 63
    AT = 64
    FRAGMENT = 35
    OPEN = 91
    CLOSE = 93
    PORT_MAX = 65535

cdef uint64_t ONES = <uint64_t>0x0101010101010101
cdef uint64_t HIGHS = <uint64_t>0x8080808080808080
cdef uint8_t authority_bytes[256]          # RFC 3986, 3.2: unreserved, sub-delims, and ":@[]%"
cdef uint8_t target_bytes[256]             # the same, and "/?"
cdef uint8_t host_bytes[256]               # what the host of a URL may have: letters, digits, "-", "."


cdef _fill_classes():
    letters = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-."
    memset(authority_bytes, 0, sizeof(authority_bytes))
    memset(target_bytes, 0, sizeof(target_bytes))
    memset(host_bytes, 0, sizeof(host_bytes))
    for c in letters:
        host_bytes[c] = authority_bytes[c] = target_bytes[c] = 1
    for c in b"_~!$&'()*+,;=:@[]%":
        authority_bytes[c] = target_bytes[c] = 1
    for c in b"/?":
        target_bytes[c] = 1


_fill_classes()


cdef bint all_of(Span text, const uint8_t *bytes) noexcept nogil:
    # Without a way out of the loop: these texts are short, and right nearly always.
    cdef uint8_t good = 1
    cdef uint32_t i
    for i in range(text.len):
        good &= bytes[<uint8_t>text.at[i]]
    return good != 0


cdef inline uint64_t in_range(uint64_t word, uint64_t low, uint64_t high) noexcept nogil:
    # The high bit of each byte that lies in low..high; right for bytes below 128.
    return (word + (128 - low) * ONES) & ~(word + (127 - high) * ONES)


cdef inline bint plain_bytes(const char *at) noexcept nogil:
    # Eight bytes of which each is one of a-z 0-9 "-" "." ":", as those of nearly every host are.
    cdef uint64_t word
    memcpy(&word, at, 8)
    return ((in_range(word, 97, 122) | (in_range(word, 45, 58) & ~in_range(word, 47, 47))) & ~word & HIGHS) == HIGHS


cdef bint http1_authority_valid(Span authority) noexcept nogil:
    cdef uint32_t i = 0
    if authority.len < 8:
        return all_of(authority, authority_bytes)
    while i + 8 <= authority.len:
        if not plain_bytes(authority.at + i):
            return all_of(authority, authority_bytes)
        i += 8
    return plain_bytes(authority.at + authority.len - 8) or all_of(authority, authority_bytes)


cdef bint has_high(Span text) noexcept nogil:
    # Bytes above 0x7f; the parser has refused every other byte that a target may not have.
    cdef uint64_t word
    cdef uint64_t seen = 0
    cdef uint32_t i = 0
    if text.len < 8:
        for i in range(text.len):
            seen |= <uint8_t>text.at[i]
        return seen & HIGHS != 0
    while i + 8 <= text.len:
        memcpy(&word, text.at + i, 8)
        seen |= word
        i += 8
    memcpy(&word, text.at + text.len - 8, 8)
    return (seen | word) & HIGHS != 0


cdef bint is_port(Span text) noexcept nogil:
    cdef uint64_t port
    return parse_u64(text, &port) and port <= PORT_MAX


cdef bint is_ipv6(Span text) noexcept nogil:
    # Hex digits, colons, and dots of an embedded IPv4 address; at least two colons. Names are resolved nowhere, so this is enough.
    cdef uint32_t i
    cdef uint32_t colons = 0
    cdef char c
    for i in range(text.len):
        c = text.at[i]
        if c == COLON:
            colons += 1
        elif not ((c >= 48 and c <= 57) or ((c | 32) >= 97 and (c | 32) <= 102) or c == 46):
            return False
    return colons >= 2


cdef bint is_host_port(Span text, bint needs_port) noexcept nogil:
    # host [":" port] with a host of letters, digits, "-" and ".", or an IPv6 address in brackets.
    cdef Span host = text
    cdef Span rest
    cdef int64_t end
    if text.len > 0 and text.at[0] == OPEN:
        end = span_find(text, CLOSE)
        if end < 0 or not is_ipv6(span(text.at + 1, end - 1)):
            return False
        rest = span(text.at + end + 1, text.len - end - 1)
    else:
        end = span_find(text, COLON)
        host.len = text.len if end < 0 else <uint32_t>end
        if host.len == 0 or not all_of(host, host_bytes):
            return False
        rest = span(text.at + host.len, text.len - host.len)
    if rest.len == 0:
        return not needs_port
    return rest.at[0] == COLON and is_port(span(rest.at + 1, rest.len - 1))


cdef inline bint alpha(char c) noexcept nogil:
    return (c | 32) >= 97 and (c | 32) <= 122


cdef int take_absolute(Head *head, Http1Message *message) noexcept nogil:
    cdef Span target = head.path
    cdef Span authority
    cdef int64_t colon = span_find(target, COLON)
    cdef int64_t at
    cdef uint32_t start
    cdef uint32_t end
    if not alpha(target.at[0]) or colon < 0 or colon + 3 > target.len or target.at[colon + 1] != SLASH or \
            target.at[colon + 2] != SLASH:
        return HTTP1_BAD_SYNTAX
    start = <uint32_t>colon + 3
    end = start
    while end < target.len and target.at[end] != SLASH and target.at[end] != QUESTION:
        end += 1
    authority = span(target.at + start, end - start)
    if not http1_authority_valid(authority):
        return HTTP1_BAD_SYNTAX
    if span_is_nocase(span(target.at, colon), b"https", 5):
        head.scheme = span(b"https", 5)
    elif span_is_nocase(span(target.at, colon), b"http", 4):
        head.scheme = span(b"http", 4)
    else:
        return HTTP1_INVALID_SCHEME
    # RFC 9110, 4.2.4: user information has no business in an authority that goes on.
    at = span_find(authority, AT)
    if at >= 0:
        authority = span(authority.at + at + 1, authority.len - at - 1)
    if not is_host_port(authority, False):
        return HTTP1_BAD_URL
    head.authority = authority
    message.absolute = True
    head.path = span(b"/", 1) if end == target.len else span(target.at + end, target.len - end)
    return HTTP1_NO_ERROR


cdef int http1_take_target(Head *head, Http1Message *message, const Http1Options *options, bint connect) noexcept nogil:
    cdef Span target = head.path
    if has_high(target):
        return HTTP1_BAD_SYNTAX
    if connect:
        if not is_host_port(target, True):
            return HTTP1_BAD_URL if all_of(target, target_bytes) else HTTP1_BAD_SYNTAX
        head.authority = target
        head.path.len = 0
        return HTTP1_NO_ERROR
    if target.at[0] == SLASH:
        return HTTP1_NO_ERROR
    if target.at[0] == STAR:
        if options.allow_absolute_url and not span_is(head.method, b"OPTIONS", 7):
            return HTTP1_BAD_URL
        return HTTP1_NO_ERROR
    if not options.allow_absolute_url:
        # Without the option the URL is not looked into: it stays a path, which no route has.
        return HTTP1_NO_ERROR if span_find(target, COLON) > 0 and alpha(target.at[0]) else HTTP1_BAD_SYNTAX
    return take_absolute(head, message)


cdef uint32_t scheme_end(Span text) noexcept nogil:
    # Behind "://"; 0: the text does not begin with a scheme (RFC 3986, 3.1).
    cdef uint32_t i = 1
    if text.len == 0 or not alpha(text.at[0]):
        return 0
    while i < text.len and (alpha(text.at[i]) or (text.at[i] >= 48 and text.at[i] <= 57) or text.at[i] == 43 or
                            text.at[i] == 45 or text.at[i] == 46):
        i += 1
    return i + 3 if i + 3 <= text.len and text.at[i] == COLON and text.at[i + 1] == SLASH and text.at[i + 2] == SLASH else 0


cdef bint is_url(Span text, uint32_t start) noexcept nogil:
    cdef uint32_t end = start
    cdef uint32_t i
    if start < text.len and text.at[start] == AT:
        start += 1                          # empty user information is none
    while end < text.len and text.at[end] != SLASH and text.at[end] != QUESTION:
        end += 1
    if not is_host_port(span(text.at + start, end - start if end > start else 0), False):
        return False
    for i in range(end, text.len):
        if <uint8_t>text.at[i] <= 32 or <uint8_t>text.at[i] >= 127 or (text.at[i] == FRAGMENT and i + 1 < text.len):
            return False
    return True


cdef bint http1_referer_valid(Span text) noexcept nogil:
    cdef uint32_t start = scheme_end(text)
    cdef bint slash = False
    cdef uint32_t i
    if start > 0 and is_url(text, start):
        return True
    for i in range(text.len):
        slash = slash or text.at[i] == SLASH
        if not target_bytes[<uint8_t>text.at[i]] or text.at[i] == OPEN or text.at[i] == CLOSE or (text.at[i] == COLON and not slash):
            return False
    return True
