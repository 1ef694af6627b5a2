"""HTTP/1 output: writes heads, chunk sizes and trailers into room that the caller has reserved.

One pass, no allocation; nothing is decided here but letter case. Any thread.
"""
from libc.stdint cimport uint16_t
from libc.string cimport memchr, memcpy

from meshcore.base.span cimport Span, span, write_hex, write_u64
from meshcore.codec.head cimport *
from meshcore.codec.http1 cimport Http1Options
from meshcore.codec.http1_case cimport http1_case_put, http1_proper_put

cdef enum:
    CODES = 600

REASONS = {
    100: b"Continue", 101: b"Switching Protocols",
    200: b"OK", 201: b"Created", 202: b"Accepted", 203: b"Non-Authoritative Information", 204: b"No Content",
    205: b"Reset Content", 206: b"Partial Content", 207: b"Multi-Status", 208: b"Already Reported", 226: b"IM Used",
    300: b"Multiple Choices", 301: b"Moved Permanently", 302: b"Found", 303: b"See Other", 304: b"Not Modified",
    305: b"Use Proxy", 307: b"Temporary Redirect", 308: b"Permanent Redirect",
    400: b"Bad Request", 401: b"Unauthorized", 402: b"Payment Required", 403: b"Forbidden", 404: b"Not Found",
    405: b"Method Not Allowed", 406: b"Not Acceptable", 407: b"Proxy Authentication Required", 408: b"Request Timeout",
    409: b"Conflict", 410: b"Gone", 411: b"Length Required", 412: b"Precondition Failed", 413: b"Payload Too Large",
    414: b"URI Too Long", 415: b"Unsupported Media Type", 416: b"Range Not Satisfiable", 417: b"Expectation Failed",
    421: b"Misdirected Request", 422: b"Unprocessable Entity", 423: b"Locked", 424: b"Failed Dependency", 425: b"Too Early",
    426: b"Upgrade Required", 428: b"Precondition Required", 429: b"Too Many Requests",
    431: b"Request Header Fields Too Large", 500: b"Internal Server Error", 501: b"Not Implemented", 502: b"Bad Gateway",
    503: b"Service Unavailable", 504: b"Gateway Timeout", 505: b"HTTP Version Not Supported", 506: b"Variant Also Negotiates",
    507: b"Insufficient Storage", 508: b"Loop Detected", 510: b"Not Extended", 511: b"Network Authentication Required",
    599: b"Last Unassigned Server Error Code",
}
cdef Span reasons[CODES]


cdef _fill_reasons():
    for i in range(CODES):
        reasons[i] = span(b"Unknown", 7)
    for code, text in REASONS.items():
        reasons[code] = span(<const char *>text, len(text))


_fill_reasons()


cdef Span http1_reason(uint16_t status) noexcept nogil:
    return reasons[status] if status < CODES else span(b"Unknown", 7)


cdef inline char *put(char *out, const char *at, size_t n) noexcept nogil:
    if n > 0:                      # an empty value may lie nowhere
        memcpy(out, at, n)
    return out + n


cdef size_t http1_head_bound(Head *head) noexcept nogil:
    cdef size_t n = 96 + head.method.len + head.path.len + 2 * head.authority.len + head.scheme.len + head.reason.len
    cdef uint16_t i
    for i in range(head.len):
        n += head.headers[i].name_len + head.headers[i].value_len + 4
    return n


cdef inline char *put_name(Head *head, char *out, const char *name, size_t n, const Http1Options *options) noexcept nogil:
    # The case that the sender's codec has kept goes before what the receiver's would do.
    if head.raw != NULL:
        return http1_case_put(head, name, n, out)
    if options.proper_case:
        return http1_proper_put(name, n, out)
    memcpy(out, name, n)
    return out + n


cdef char *put_headers(Head *head, const Http1Options *options, char *out) noexcept nogil:
    cdef Header *header = head.headers
    cdef Header *end = header + head.len
    while header < end:
        if not header.dropped:
            out = put_name(head, out, header.name, header.name_len, options)
            out[0] = 58
            out[1] = 32
            out = put(out + 2, header.value, header.value_len)
            out[0] = 13
            out[1] = 10
            out += 2
        header += 1
    out[0] = 13
    out[1] = 10
    return out + 2


cdef size_t http1_write_request(Head *head, const Http1Options *options, bint full_url, char *out) noexcept nogil:
    cdef char *start = out
    out = put(out, head.method.at, head.method.len)
    out[0] = 32
    out += 1
    if head.path.len == 0:
        out = put(out, head.authority.at, head.authority.len)       # CONNECT
    else:
        if full_url:
            out = put(out, head.scheme.at, head.scheme.len)
            out = put(out, b"://", 3)
            out = put(out, head.authority.at, head.authority.len)
        out = put(out, head.path.at, head.path.len)
    out = put(out, b" HTTP/1.1\r\n", 11)
    out = put_name(head, out, b"host", 4, options)
    out = put(out, b": ", 2)
    out = put(out, head.authority.at, head.authority.len)
    out = put(out, b"\r\n", 2)
    return put_headers(head, options, out) - start


cdef size_t http1_write_response(Head *head, bint http_10, const Http1Options *options, char *out) noexcept nogil:
    cdef char *start = out
    cdef Span reason = head.reason if head.reason_kept and head.reason.len > 0 else http1_reason(head.status)
    out = put(out, b"HTTP/1.0 " if http_10 else b"HTTP/1.1 ", 9)
    out += write_u64(out, head.status)
    out[0] = 32
    out = put(out + 1, reason.at, reason.len)
    out = put(out, b"\r\n", 2)
    return put_headers(head, options, out) - start


cdef size_t http1_fields_len(const char *at, size_t n) noexcept nogil:
    return n - (<const char *>memchr(at, 10, n) + 1 - at) - 2


cdef size_t http1_write_chunk_size(uint64_t n, char *out) noexcept nogil:
    cdef size_t len = write_hex(out, n)
    out[len] = 13
    out[len + 1] = 10
    return len + 2


cdef Http1Options plain            # lower-case names: trailers are never recased

cdef size_t http1_write_trailers(Head *trailers, char *out) noexcept nogil:
    cdef char *start = out
    out = put(out, b"0\r\n", 3)
    return put_headers(trailers, &plain, out) - start
