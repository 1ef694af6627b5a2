"""HTTP/1 heads: picohttpparser first, then the checks that make a head unambiguous.

The head's bytes are copied once into the stream's arena; names are lowered in that copy (http1_fields). Behaviour on doubtful input
follows Envoy 1.40 where that is safe; docs/decisions/http1-strictness.md has the exceptions. What a head says never depends on how
its bytes were cut: a head is judged when it is complete, or too long, and not before, except for its first byte.
Any thread; the parser's addresses are taken from the cffi module at import.
"""
from libc.stdint cimport uint8_t, uint16_t, uintptr_t
from libc.string cimport memchr, memcmp, memcpy

from meshcore.base.arena cimport arena_take
from meshcore.base.span cimport Span, span, span_is
from meshcore.codec.head cimport *
from meshcore.codec.http1 cimport *
from meshcore.codec.http1_case cimport http1_case_keep, http1_case_unify
from meshcore.codec.http1_connection cimport http1_read_connection
from meshcore.codec.http1_fields cimport *
from meshcore.codec.http1_mend cimport http1_mend_request, http1_mend_response
from meshcore.codec.http1_picohttp cimport *
from meshcore.codec.http1_target cimport http1_authority_valid, http1_take_target

from meshcore._native import _picohttp

cdef enum:
    HEADERS_MAX = 1024             # field lines that one parse may return; max_headers_count above this is cut to it
    WRONG = -1
    CR = 13
    LF = 10

cdef phr_request_fn parse_request
cdef phr_response_fn parse_response
cdef phr_headers_fn parse_headers


cdef _take_parser():
    cdef uintptr_t address
    ffi, lib = _picohttp.ffi, _picohttp.lib
    prefix = "sse42" if lib.sse42_usable() else "phr"
    address = int(ffi.cast("uintptr_t", ffi.addressof(lib, prefix + "_parse_request")))
    globals()["_held"] = lib
    global parse_request, parse_response, parse_headers
    parse_request = <phr_request_fn>address
    address = int(ffi.cast("uintptr_t", ffi.addressof(lib, prefix + "_parse_response")))
    parse_response = <phr_response_fn>address
    address = int(ffi.cast("uintptr_t", ffi.addressof(lib, prefix + "_parse_headers")))
    parse_headers = <phr_headers_fn>address


_take_parser()

# The methods that Envoy's parser accepts when allow_custom_methods is off.
METHODS = (
    b"GET", b"POST", b"PUT", b"HEAD", b"DELETE", b"OPTIONS", b"PATCH", b"CONNECT", b"TRACE", b"ACL", b"BIND", b"CHECKOUT", b"COPY",
    b"LINK", b"LOCK", b"MERGE", b"MKACTIVITY", b"MKCALENDAR", b"MKCOL", b"MOVE", b"MSEARCH", b"NOTIFY", b"PROPFIND", b"PROPPATCH",
    b"PURGE", b"QUERY", b"REBIND", b"REPORT", b"SEARCH", b"SOURCE", b"SUBSCRIBE", b"UNBIND", b"UNLINK", b"UNLOCK", b"UNSUBSCRIBE",
)
cdef enum:
    METHODS_LEN = 35
    METHOD_MAX = 11                # UNSUBSCRIBE
cdef Span methods[METHODS_LEN]     # shorter ones first
cdef uint8_t method_range[METHOD_MAX + 2]      # methods of length n lie in [range[n], range[n + 1])


cdef _fill_methods():
    ordered = sorted(METHODS, key=len)
    assert len(ordered) == METHODS_LEN and max(map(len, ordered)) == METHOD_MAX
    for i in range(METHODS_LEN):
        methods[i] = span(<const char *>ordered[i], len(ordered[i]))
    for n in range(METHOD_MAX + 2):
        method_range[n] = sum(len(method) < n for method in ordered)
    globals()["_methods"] = ordered        # the bytes that `methods` points into


_fill_methods()


cdef bint method_known(Span method) noexcept nogil:
    cdef uint8_t i
    if span_is(method, b"GET", 3) or span_is(method, b"POST", 4):
        return True
    if method.len > METHOD_MAX:
        return False
    for i in range(method_range[method.len], method_range[method.len + 1]):
        if memcmp(methods[i].at, method.at, method.len) == 0:
            return True
    return False


cdef inline int finish(Http1Message *message, int error) noexcept nogil:
    message.error = <uint8_t>error
    return HTTP1_OK if error == HTTP1_NO_ERROR else HTTP1_ERROR


cdef inline void clear(Http1Message *message, Http1Fields *fields) noexcept nogil:
    message.framing = BODY_NONE
    message.error = HTTP1_NO_ERROR
    message.keep_alive = False
    message.expect_continue = False
    message.upgrade = False
    message.absolute = False
    message.wants_trailers = False
    message.length = 0
    message.dropped_headers = 0
    fields.lines = 0
    fields.has_host = False
    fields.has_length = False
    fields.bad_length = False
    fields.has_coding = False
    fields.bad_coding = False


cdef size_t http1_block_end(const char *at, size_t n, size_t seen) noexcept nogil:
    # A line end, and a line end right after it; looks back over `seen` for one that was cut.
    cdef const char *end = at + n
    cdef const char *lf = at + (seen - 2 if seen > 2 else 0)
    while lf < end:
        lf = <const char *>memchr(lf, LF, end - lf)
        if lf == NULL:
            return 0
        lf += 1
        if lf < end and lf[0] == LF:
            return lf + 1 - at
        if lf + 1 < end and lf[0] == CR and lf[1] == LF:
            return lf + 2 - at
    return 0


cdef inline int more(size_t n, const Http1Options *options, Http1Message *message) noexcept nogil:
    # No end in sight yet. A head of exactly the limit would have ended by now.
    return finish(message, HTTP1_HEAD_TOO_LARGE) if n >= options.max_head_bytes else HTTP1_MORE


cdef bint has_control(const char *at, size_t n) noexcept nogil:
    # Anything below SP but HTAB and the bytes of line ends, and DEL.
    cdef size_t i
    cdef uint8_t c
    for i in range(n):
        c = <uint8_t>at[i]
        if (c < 32 and c != 9 and c != CR and c != LF) or c == 127:
            return True
    return False


cdef int other_version(const char *at, size_t n) noexcept nogil:
    # A request that is right but for its version (any HTTP/d.d, or none at all as in HTTP/0.9) is told so; others are bad syntax.
    cdef phr_header headers[HEADERS_MAX]
    cdef size_t headers_len = HEADERS_MAX
    cdef const char *line_end = <const char *>memchr(at, LF, n)
    cdef const char *stop = line_end
    cdef const char *sp = <const char *>memchr(at, 32, line_end - at)
    if (stop - 1)[0] == CR:
        stop -= 1
    while stop > at and (stop - 1)[0] == 32:
        stop -= 1
    if sp == NULL or not method_known(span(at, sp - at)) or sp + 1 >= stop or (sp[1] != 47 and sp[1] != 42):
        return HTTP1_BAD_SYNTAX
    sp += 1
    while sp < stop and sp[0] > 32 and sp[0] < 127:
        sp += 1
    if sp < stop and not (stop - sp == 9 and memcmp(sp, b" HTTP/", 6) == 0 and is_digit(sp[6]) and sp[6] != 49 and sp[7] == 46 and
                          is_digit(sp[8])):
        return HTTP1_BAD_SYNTAX
    if parse_headers(line_end + 1, at + n - line_end - 1, headers, &headers_len, 0) < 0:
        return HTTP1_BAD_SYNTAX
    return HTTP1_BAD_VERSION


cdef inline bint is_digit(char c) noexcept nogil:
    return c >= 48 and c <= 57


cdef int refused(const char *at, size_t n, size_t headers_len, const Http1Options *options, bint request,
                 Http1Message *message) noexcept nogil:
    # The parser did not answer with a head: too little, too much, or wrong. Only a complete block is looked into.
    cdef size_t end = http1_block_end(at, n, 0)
    if end == 0:
        return more(n, options, message)
    if end > options.max_head_bytes:
        return finish(message, HTTP1_HEAD_TOO_LARGE)
    if has_control(at, end):
        return finish(message, HTTP1_INVALID_CHARACTERS)
    if headers_len >= HEADERS_MAX:
        return finish(message, HTTP1_TOO_MANY_HEADERS)
    return finish(message, other_version(at, end) if request else HTTP1_BAD_SYNTAX)


cdef inline char *copy_block(Head *head, const char *at, size_t n) noexcept nogil:
    cdef char *copy = <char *>arena_take(head.arena, n + FIELDS_SLACK)
    if copy != NULL:
        memcpy(copy, at, n)
    return copy


cdef inline bint can_start(char c, const Http1Options *options) noexcept nogil:
    # The one thing that is judged at once, so that TLS on a plain port is answered and not waited for.
    return (c >= 65 and c <= 90) or (options.allow_custom_methods and c > 32 and c < 127)


cdef size_t skip_line_ends(const char *at, size_t n) noexcept nogil:
    # RFC 9112, 2.2: empty lines before a request are ignored. Stops at anything else, and at a CR whose LF has not come.
    cdef size_t i = 0
    while i < n:
        if at[i] == LF:
            i += 1
        elif at[i] == CR and i + 1 < n and at[i + 1] == LF:
            i += 2
        else:
            break
    return i


cdef int http1_parse_request(const char *at, size_t n, size_t seen, const Http1Options *options, Head *head,
                             Http1Message *message, size_t *used) noexcept nogil:
    cdef phr_header headers[HEADERS_MAX]
    cdef size_t headers_len = HEADERS_MAX
    cdef const char *method
    cdef const char *path
    cdef size_t method_len
    cdef size_t path_len
    cdef int minor
    cdef int result
    cdef char *copy
    cdef Http1Fields fields
    cdef size_t skipped = 0
    cdef char *mended = NULL
    cdef size_t mended_len = 0
    clear(message, &fields)
    if n > 0 and (at[0] == CR or at[0] == LF):
        skipped = skip_line_ends(at, n)
        at += skipped
        n -= skipped
        seen = seen - skipped if seen > skipped else 0
        if skipped >= options.max_head_bytes:
            return finish(message, HTTP1_HEAD_TOO_LARGE)
    if n == 0 or (n == 1 and at[0] == CR):
        return more(n, options, message)
    if not can_start(at[0], options):
        return finish(message, HTTP1_BAD_SYNTAX)
    if seen > 0 and http1_block_end(at, n, seen) == 0:
        return more(n, options, message)
    result = parse_request(at, n, &method, &method_len, &path, &path_len, &minor, headers, &headers_len, 0)
    used[0] = skipped + <size_t>result
    if result == WRONG:
        used[0] = http1_block_end(at, n, 0)
        mended = http1_mend_request(head.arena, at, used[0], &mended_len) if used[0] <= options.max_head_bytes else NULL
        if mended != NULL:
            headers_len = HEADERS_MAX
            result = parse_request(mended, mended_len, &method, &method_len, &path, &path_len, &minor, headers, &headers_len, 0)
            used[0] += skipped
    if result < 0:
        return refused(at, n, headers_len, options, True, message)
    if mended != NULL:
        at = mended
    if <size_t>result > options.max_head_bytes:
        return finish(message, HTTP1_HEAD_TOO_LARGE)
    copy = copy_block(head, at, <size_t>result)
    if copy == NULL:
        return finish(message, HTTP1_HEAD_TOO_LARGE)
    head.version = HTTP_11 if minor > 0 else HTTP_10
    head.method = span(copy + (method - at), method_len)
    head.path = span(copy + (path - at), path_len)
    if not options.allow_custom_methods and not method_known(head.method):
        return finish(message, HTTP1_BAD_METHOD)
    if options.preserve_case and not http1_case_keep(head, options, at, <size_t>result, copy):
        return finish(message, HTTP1_HEAD_TOO_LARGE)
    result = http1_take_fields(headers, headers_len, at, at + result, copy, options, REQUEST_FIELDS, head, message, &fields)
    if head.raw != NULL:
        http1_case_unify(head)
    if result == HTTP1_NO_ERROR:
        result = http1_fields_error(&fields, options, head)
    if result == HTTP1_NO_ERROR:
        result = request_framing(head, message, options, fields.has_coding)
    if result == HTTP1_NO_ERROR and minor > 1:
        result = HTTP1_BAD_VERSION
    return finish(message, result)


cdef inline int read_connection(Head *head, Http1Message *message) noexcept nogil:
    # Most heads say nothing about the connection.
    if head_has(head, H_CONNECTION) or head_has(head, H_PROXY_CONNECTION) or head_has(head, H_UPGRADE):
        return http1_read_connection(head, message)
    message.keep_alive = head.version == HTTP_11
    return HTTP1_NO_ERROR


cdef int request_framing(Head *head, Http1Message *message, const Http1Options *options, bint chunked) noexcept nogil:
    cdef bint connect = span_is(head.method, b"CONNECT", 7)
    cdef int error = read_connection(head, message)
    if error != HTTP1_NO_ERROR:
        return error
    if connect:
        if chunked:
            return HTTP1_BAD_TRANSFER_ENCODING
        if message.length > 0:
            return HTTP1_BODY_DISALLOWED
        message.framing = BODY_RAW
    elif message.upgrade:
        # What follows belongs to the tunnel, whatever the head calls it.
        head_drop(head, H_TRANSFER_ENCODING)
        message.framing = BODY_RAW
    elif chunked:
        message.framing = BODY_CHUNKED
    elif message.length > 0:
        message.framing = BODY_LENGTH
    if chunked and head.version == HTTP_10:
        message.keep_alive = False         # RFC 9112, 6.1
    error = http1_take_target(head, message, options, connect)
    if error == HTTP1_NO_ERROR and not connect and not message.absolute and not http1_authority_valid(head.authority):
        return HTTP1_BAD_AUTHORITY
    return error


cdef int http1_parse_response(const char *at, size_t n, size_t seen, const Http1Options *options, bint head_only, bint connect,
                              Head *head, Http1Message *message, size_t *used) noexcept nogil:
    cdef phr_header headers[HEADERS_MAX]
    cdef size_t headers_len = HEADERS_MAX
    cdef const char *reason
    cdef size_t reason_len
    cdef int minor
    cdef int status
    cdef int result
    cdef char *copy
    cdef char *mended = NULL
    cdef size_t mended_len = 0
    cdef Http1Fields fields
    clear(message, &fields)
    if n == 0:
        return HTTP1_MORE
    if at[0] != 72:                # "HTTP/"
        return finish(message, HTTP1_BAD_SYNTAX)
    if seen > 0 and http1_block_end(at, n, seen) == 0:
        return more(n, options, message)
    result = parse_response(at, n, &minor, &status, &reason, &reason_len, headers, &headers_len, 0)
    used[0] = <size_t>result
    if result < 0:                 # wrong, or too little for a status of three digits
        used[0] = http1_block_end(at, n, 0)
        mended = http1_mend_response(head.arena, at, used[0], &mended_len) if used[0] <= options.max_head_bytes else NULL
        if mended != NULL:
            headers_len = HEADERS_MAX
            result = parse_response(mended, mended_len, &minor, &status, &reason, &reason_len, headers, &headers_len, 0)
    if result < 0:
        return refused(at, n, headers_len, options, False, message)
    if mended != NULL:
        at = mended
    if <size_t>result > options.max_head_bytes:
        return finish(message, HTTP1_HEAD_TOO_LARGE)
    copy = copy_block(head, at, <size_t>result)
    if copy == NULL:
        return finish(message, HTTP1_HEAD_TOO_LARGE)
    # RFC 9110, 2.5: a higher minor version is read as the highest one that is known.
    head.version = HTTP_11 if minor > 0 else HTTP_10
    head.status = <uint16_t>status
    head.reason = span(copy + (reason - at), reason_len)
    if options.preserve_case and not http1_case_keep(head, options, at, <size_t>result, copy):
        return finish(message, HTTP1_HEAD_TOO_LARGE)
    result = http1_take_fields(headers, headers_len, at, at + result, copy, options, RESPONSE_FIELDS, head, message, &fields)
    if head.raw != NULL:
        http1_case_unify(head)
    if result == HTTP1_NO_ERROR:
        result = http1_fields_error(&fields, options, head)
    if result == HTTP1_NO_ERROR:
        # Envoy keeps the connection of a version that it does not know only when it is told to.
        head.version = HTTP_11 if minor == 1 else HTTP_10
        result = read_connection(head, message)
        head.version = HTTP_11 if minor > 0 else HTTP_10
    if result == HTTP1_NO_ERROR:
        result = response_framing(head, message, &fields, head_only, connect)
    return finish(message, result)


cdef int bodiless_fields(Head *head, Http1Message *message, Http1Fields *fields) noexcept nogil:
    # 1xx and 204 may have neither framing header; a length of zero is overlooked, and taken out.
    if fields.has_coding:
        return HTTP1_CODING_NOT_ALLOWED
    if fields.has_length:
        if not span_is(head_value(head, H_CONTENT_LENGTH), b"0", 1):
            return HTTP1_LENGTH_NOT_ALLOWED
        head_drop(head, H_CONTENT_LENGTH)
    return HTTP1_NO_ERROR


cdef int response_framing(Head *head, Http1Message *message, Http1Fields *fields, bint head_only, bint connect) noexcept nogil:
    # RFC 9112, 6.3, in its order.
    cdef uint16_t status = head.status
    cdef int error
    if status < 200 or status == 204:
        error = bodiless_fields(head, message, fields)
        if error != HTTP1_NO_ERROR:
            return error
    if status == 101 or (connect and status >= 200 and status < 300):
        message.framing = BODY_RAW
    elif head_only or (status >= 100 and status < 200) or status == 204 or status == 304:
        message.framing = BODY_NONE
        message.length = 0
    elif fields.has_coding:
        message.framing = BODY_CHUNKED
        if head.version == HTTP_10:
            message.keep_alive = False     # RFC 9112, 6.1
    elif fields.has_length:
        message.framing = BODY_LENGTH if message.length > 0 else BODY_NONE
    else:
        message.framing = BODY_UNTIL_CLOSE
        message.keep_alive = False
    return HTTP1_NO_ERROR


cdef int http1_parse_trailers(const char *at, size_t n, const Http1Options *options, Head *head, uint8_t *error,
                              size_t *used) noexcept nogil:
    cdef phr_header headers[HEADERS_MAX]
    cdef size_t headers_len = HEADERS_MAX
    cdef Http1Message message
    cdef Http1Fields fields
    cdef int result
    clear(&message, &fields)
    error[0] = HTTP1_NO_ERROR
    result = parse_headers(at, n, headers, &headers_len, 0)
    if result < 0:
        result = refused(at, n, headers_len, options, False, &message)
        error[0] = message.error
        return result
    used[0] = <size_t>result
    error[0] = <uint8_t>take_trailers(at, <size_t>result, headers, headers_len, options, head, &message, &fields)
    return HTTP1_OK if error[0] == HTTP1_NO_ERROR else HTTP1_ERROR


cdef int take_trailers(const char *at, size_t n, phr_header *headers, size_t headers_len, const Http1Options *options, Head *head,
                       Http1Message *message, Http1Fields *fields) noexcept nogil:
    # Without a head to fill, only the size is looked at: nobody will see the names.
    cdef char *copy
    cdef int error
    if n > options.max_head_bytes:
        return HTTP1_HEAD_TOO_LARGE
    if head == NULL:
        return HTTP1_NO_ERROR
    copy = copy_block(head, at, n)
    if copy == NULL:
        return HTTP1_HEAD_TOO_LARGE
    error = http1_take_fields(headers, headers_len, at, at + n, copy, options, TRAILER_FIELDS, head, message, fields)
    return error if error != HTTP1_NO_ERROR else http1_fields_error(fields, options, head)


cdef uint16_t http1_error_status(uint8_t error) noexcept nogil:
    if error == HTTP1_HEAD_TOO_LARGE or error == HTTP1_TOO_MANY_HEADERS:
        return 431
    if error == HTTP1_BAD_TRANSFER_ENCODING:
        return 501
    if error == HTTP1_BAD_VERSION:
        return 426
    return 400


cdef Span http1_error_details(uint8_t error) noexcept nogil:
    if error == HTTP1_HEAD_TOO_LARGE:
        return span(b"http1.headers_too_large", 23)
    if error == HTTP1_TOO_MANY_HEADERS:
        return span(b"http1.too_many_headers", 22)
    if error == HTTP1_BAD_TRANSFER_ENCODING:
        return span(b"http1.invalid_transfer_encoding", 31)
    if error == HTTP1_LENGTH_AND_CHUNKED:
        return span(b"http1.content_length_and_chunked_not_allowed", 44)
    if error == HTTP1_UNDERSCORE:
        return span(b"http1.unexpected_underscore", 27)
    if error == HTTP1_BAD_CONNECTION:
        return span(b"http1.connection_header_rejected", 32)
    if error == HTTP1_BAD_URL:
        return span(b"http1.invalid_url", 17)
    if error == HTTP1_BODY_DISALLOWED:
        return span(b"http1.body_disallowed", 21)
    if error == HTTP1_BAD_VERSION:
        return span(b"low_version", 11)
    if error == HTTP1_INVALID_CHARACTERS:
        return span(b"http1.invalid_characters", 24)
    if error == HTTP1_INVALID_SCHEME:
        return span(b"http1.invalid_scheme", 20)
    if error == HTTP1_BAD_AUTHORITY:
        return span(b"http.invalid_authority", 22)
    if error == HTTP1_LENGTH_NOT_ALLOWED:
        return span(b"http1.content_length_not_allowed", 32)
    if error == HTTP1_CODING_NOT_ALLOWED:
        return span(b"http1.transfer_encoding_not_allowed", 35)
    return span(b"http1.codec_error", 17)
