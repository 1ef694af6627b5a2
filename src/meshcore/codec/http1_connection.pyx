"""HTTP/1 connection options: close, keep-alive, upgrade, and headers that a request asks to be dropped at the next hop.

Connection itself stays in the head: whoever writes the next one decides about it. What may be nominated is Envoy's rule, but that
Content-Length and Transfer-Encoding never go: the body behind them would lose its frame. Called by http1_parse; any thread.
"""
from libc.stdint cimport uint8_t

from meshcore.base.arena cimport arena_copy
from meshcore.base.span cimport Span, list_has, lower, span, span_is_nocase, span_next_token
from meshcore.codec.head cimport *
from meshcore.codec.http1 cimport *

cdef enum:
    NOMINATED_MAX = 10             # as many options or more are refused
    TE_MAX = 256                   # a nominated TE this long is refused

cdef struct Options:
    bint close
    bint keep
    bint upgrade
    bint others                    # there are names of headers
    int n


cdef void read_options(Head *head, Options *options) noexcept nogil:
    cdef Header *header = head_find(head, H_CONNECTION)
    cdef Span rest
    cdef Span token
    options.close = options.keep = options.upgrade = options.others = False
    options.n = 0
    while header != NULL:
        rest = header_value(header)
        while span_next_token(&rest, &token):
            options.n += 1
            if span_is_nocase(token, b"close", 5):
                options.close = True
            elif span_is_nocase(token, b"keep-alive", 10):
                options.keep = True
            elif span_is_nocase(token, b"upgrade", 7):
                options.upgrade = True
            else:
                options.others = True
        header = head_next(head, header)


cdef bint keep_te(Head *head) noexcept nogil:
    # A nominated TE keeps nothing but "trailers". False when it goes.
    cdef Header *header = head_find(head, H_TE)
    if header != NULL and list_has(head_join(head, header), b"trailers", 8):
        return head_set(head, H_TE, span(b"trailers", 8))
    return False


cdef int drop_nominated(Head *head, Span name) noexcept nogil:
    cdef uint8_t id = head_identify(name.at, name.len)
    if id == H_X_FORWARDED_FOR or id == H_X_FORWARDED_HOST or id == H_X_FORWARDED_PROTO or name.at[0] == 58:
        # To drop these would hide where a request came from.
        return HTTP1_BAD_CONNECTION
    if id == H_HOST:
        head.authority = span(NULL, 0)
    elif id == H_TE:
        if head_value(head, H_TE).len >= TE_MAX:
            return HTTP1_BAD_CONNECTION
        if not keep_te(head):
            head_drop(head, H_TE)
    elif id != H_CONNECTION and id != H_CONTENT_LENGTH and id != H_TRANSFER_ENCODING:
        head_drop_name(head, name)
    return HTTP1_NO_ERROR


cdef int drop_all_nominated(Head *head) noexcept nogil:
    cdef Header *header = head_find(head, H_CONNECTION)
    cdef Span rest
    cdef Span token
    cdef char *name
    cdef uint32_t i
    cdef int error
    if header == NULL:
        return HTTP1_NO_ERROR
    rest = head_join(head, header)
    while span_next_token(&rest, &token):
        if span_is_nocase(token, b"close", 5) or span_is_nocase(token, b"keep-alive", 10) or \
                span_is_nocase(token, b"upgrade", 7) or span_is_nocase(token, b"http2-settings", 14):
            continue
        name = arena_copy(head.arena, token.at, token.len)
        if name == NULL:
            return HTTP1_HEAD_TOO_LARGE
        for i in range(token.len):
            name[i] = lower(name[i])
        error = drop_nominated(head, span(name, token.len))
        if error != HTTP1_NO_ERROR:
            return error
    return HTTP1_NO_ERROR


cdef inline bint is_h2c(Head *head) noexcept nogil:
    # Upgrade to h2c is not offered: the request goes on as HTTP/1.1.
    return span_is_nocase(head.protocol, b"h2c", 3)


cdef int http1_read_connection(Head *head, Http1Message *message) noexcept nogil:
    cdef Options options
    cdef Header *proxy = head_find(head, H_PROXY_CONNECTION)
    cdef Header *upgrade = head_find(head, H_UPGRADE)
    cdef int error
    read_options(head, &options)
    if proxy != NULL and list_has(header_value(proxy), b"close", 5):
        options.close = True
    message.keep_alive = (head.version == HTTP_11 or options.keep) and not options.close
    # RFC 9110, 7.8: an Upgrade in an HTTP/1.0 request is ignored.
    if options.upgrade and upgrade != NULL and head.version == HTTP_11:
        head.protocol = head_join(head, upgrade)
        message.upgrade = not is_h2c(head)
    if head.is_response or message.upgrade:
        return HTTP1_NO_ERROR
    if options.n >= NOMINATED_MAX:
        return HTTP1_BAD_CONNECTION
    error = drop_all_nominated(head) if options.others else HTTP1_NO_ERROR
    if head.protocol.len > 0:
        head.protocol = span(NULL, 0)
        head_drop(head, H_UPGRADE)
        head_drop(head, H_CONNECTION)
        head_drop(head, H_HTTP2_SETTINGS)
    return error
