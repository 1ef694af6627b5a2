"""HTTP/1 bodies: the chunked state machine of RFC 9112, 7.1, and the two trivial framings.

Strict: CR LF or nothing, hex digits only, at least one, and no size beyond 64 bits. Chunk extensions are dropped. Body bytes are
handed out as spans of the input, never copied. The state table is BodyState in http1.pxd; `body_state_name` prints it.
"""
from libc.stdint cimport uint32_t, uint64_t

from meshcore.base.span cimport span
from meshcore.codec.http1 cimport *
from meshcore.codec.http1_parse cimport http1_block_end, http1_parse_trailers

cdef enum:
    CR = 13
    LF = 10


cdef void http1_body_begin(Http1Body *body, const Http1Message *message) noexcept nogil:
    body.error = HTTP1_NO_ERROR
    body.digits = 0
    body.left = 0
    if message.framing == BODY_LENGTH:
        body.state = BODY_COUNTED
        body.left = message.length
    elif message.framing == BODY_CHUNKED:
        body.state = CHUNK_SIZE
    elif message.framing == BODY_NONE:
        body.state = BODY_DONE
    else:
        body.state = BODY_OPEN


cdef inline int hex_digit(char c) noexcept nogil:
    if c >= 48 and c <= 57:
        return c - 48
    c |= 32
    if c >= 97 and c <= 102:
        return c - 87
    return -1


cdef inline int fail(Http1Body *body) noexcept nogil:
    body.error = HTTP1_BAD_CHUNK
    return EVENT_ERROR


cdef inline int take_span(Http1Body *body, const char **at, const char *end, Span *data, uint8_t next) noexcept nogil:
    # Up to `left` bytes of body; `next` is the state when none is left.
    cdef uint64_t n = <uint64_t>(end - at[0])
    if n > body.left:
        n = body.left
    if n > <uint32_t>-1:
        n = <uint32_t>-1           # what a span can hold; the rest comes with the next call
    data[0] = span(at[0], n)
    at[0] += n
    body.left -= n
    if body.left == 0:
        body.state = next
    return EVENT_BODY


cdef int size_byte(Http1Body *body, char c) noexcept nogil:
    # One byte of a chunk-size line; False when it does not belong there.
    cdef int digit = hex_digit(c)
    if digit >= 0:
        if body.left >> 60 != 0:
            return False
        body.digits = 1            # leading zeros may be many: what counts is that there is a digit
        body.left = body.left * 16 + <uint64_t>digit
        return True
    if body.digits == 0:
        return False
    if c == CR:
        body.state = CHUNK_SIZE_LF
        return True
    if c == 59 or c == 32 or c == 9:
        body.state = CHUNK_EXTENSION
        return True
    return False


cdef int take_trailers(Http1Body *body, const char **at, const char *end, const Http1Options *options,
                       Head *trailers) noexcept nogil:
    # `left` remembers what an earlier call has looked at, so that a slow sender does not make each byte cost the whole section.
    cdef size_t n = <size_t>(end - at[0])
    cdef size_t used = 0
    cdef int result
    if body.left > 0 and at[0][0] != CR and n < options.max_head_bytes and http1_block_end(at[0], n, body.left) == 0:
        result = HTTP1_MORE
    else:
        result = http1_parse_trailers(at[0], n, options, trailers, &body.error, &used)
    if result == HTTP1_MORE:
        body.left = n
        return EVENT_MORE
    if result == HTTP1_ERROR:
        return EVENT_ERROR
    at[0] += used
    body.left = 0
    body.state = BODY_DONE
    return EVENT_TRAILERS if trailers != NULL and trailers.live > 0 else EVENT_DONE


cdef int http1_body_next(Http1Body *body, const char **at, const char *end, const Http1Options *options, Head *trailers,
                         Span *data) noexcept nogil:
    cdef char c
    while True:
        if body.state == BODY_DONE:
            return EVENT_DONE
        if at[0] == end:
            return EVENT_MORE
        if body.state == BODY_COUNTED:
            return take_span(body, at, end, data, BODY_DONE)
        if body.state == CHUNK_DATA:
            return take_span(body, at, end, data, CHUNK_DATA_CR)
        if body.state == BODY_OPEN:
            body.left = <uint64_t>-1
            return take_span(body, at, end, data, BODY_OPEN)
        if body.state == CHUNK_TRAILERS:
            return take_trailers(body, at, end, options, trailers)
        c = at[0][0]
        at[0] += 1
        if body.state == CHUNK_SIZE:
            if not size_byte(body, c):
                return fail(body)
        elif body.state == CHUNK_EXTENSION:
            if c == CR:
                body.state = CHUNK_SIZE_LF
            elif c == LF:
                return fail(body)
        elif body.state == CHUNK_SIZE_LF:
            if c != LF:
                return fail(body)
            body.digits = 0
            body.state = CHUNK_DATA if body.left > 0 else CHUNK_TRAILERS
        elif body.state == CHUNK_DATA_CR:
            if c != CR:
                return fail(body)
            body.state = CHUNK_DATA_LF
        else:
            if c != LF:
                return fail(body)
            body.state = CHUNK_SIZE


cdef const char *body_state_name(uint8_t state) noexcept nogil:
    if state == CHUNK_SIZE:
        return b"chunk-size"
    if state == CHUNK_EXTENSION:
        return b"chunk-extension"
    if state == CHUNK_SIZE_LF:
        return b"chunk-size-lf"
    if state == CHUNK_DATA:
        return b"chunk-data"
    if state == CHUNK_DATA_CR:
        return b"chunk-data-cr"
    if state == CHUNK_DATA_LF:
        return b"chunk-data-lf"
    if state == CHUNK_TRAILERS:
        return b"chunk-trailers"
    if state == BODY_COUNTED:
        return b"counted"
    if state == BODY_OPEN:
        return b"open"
    return b"done"
