"""The words for a try that was reset. See reset_reply.pxd for the law."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from meshcore.base.arena cimport arena_take
from meshcore.base.span cimport Span, span
from meshcore.codec.head cimport *
from meshcore.filter.http cimport LocalReply
from meshcore.observe.record cimport *
from meshcore.proxy.attempt cimport *
from meshcore.proxy.charge cimport charge
from meshcore.proxy.objects cimport Stream
from meshcore.proxy.stream cimport stream_reply


cdef Span reason_text(uint8_t reason) noexcept nogil:
    if reason == RESET_CONNECT_REFUSED:
        return span(b"remote connection failure", 25)
    if reason == RESET_CONNECT_TIMEOUT:
        return span(b"connection timeout", 18)
    if reason == RESET_TERMINATION:
        return span(b"connection termination", 22)
    if reason == RESET_PROTOCOL or reason == RESET_HEADERS_TOO_LARGE:
        return span(b"protocol error", 14)
    if reason == RESET_OVERFLOW:
        return span(b"overflow", 8)
    if reason == RESET_REMOTE:
        return span(b"remote reset", 12)
    if reason == RESET_REFUSED:
        return span(b"remote refused stream reset", 27)
    return span(b"local reset", 11)


cdef uint64_t reason_flag(uint8_t reason) noexcept nogil:
    if reason == RESET_CONNECT_REFUSED or reason == RESET_CONNECT_TIMEOUT:
        return FLAG_UF
    if reason == RESET_TERMINATION:
        return FLAG_UC
    if reason == RESET_PROTOCOL or reason == RESET_HEADERS_TOO_LARGE:
        return FLAG_UPE
    if reason == RESET_OVERFLOW:
        return FLAG_UO
    if reason == RESET_REMOTE or reason == RESET_REFUSED:
        return FLAG_UR
    return FLAG_LR


cdef Span join(Stream *stream, Span a, Span b, Span c, Span d) noexcept nogil:
    cdef size_t n = a.len + b.len + c.len + d.len
    cdef char *text = <char *>arena_take(&stream.arena, n)
    if text == NULL:
        return a
    memcpy(text, a.at, a.len)
    memcpy(text + a.len, b.at, b.len)
    memcpy(text + a.len + b.len, c.at, c.len)
    memcpy(text + a.len + b.len + c.len, d.at, d.len)
    return span(text, n)


cdef Span reset_details(Stream *stream, Span prefix, Span reason, Span failure) noexcept nogil:
    # "prefix{reason|failure}" with "_" for blanks.
    cdef Span text
    cdef uint32_t i
    if failure.len > 0:
        text = join(stream, prefix, reason, span(b"|", 1), failure)
        text = join(stream, text, span(b"}", 1), span(b"", 0), span(b"", 0))
    else:
        text = join(stream, prefix, reason, span(b"}", 1), span(b"", 0))
    for i in range(text.len):
        if text.at[i] == 32:
            (<char *>text.at)[i] = 95
    return text


cdef void reply_reset(Stream *stream, uint8_t reason, Span failure, bint interim) noexcept nogil:
    cdef LocalReply reply
    cdef Head extra
    cdef Span text = reason_text(reason)
    cdef Span body
    cdef Span intro
    cdef uint16_t status = 502 if reason == RESET_PROTOCOL or reason == RESET_HEADERS_TOO_LARGE else 503
    if stream.tries > 1 and reason != RESET_OVERFLOW:
        intro = span(b"upstream connect error or disconnect/reset before headers. retried and the latest reset reason: ", 96)
    else:
        intro = span(b"upstream connect error or disconnect/reset before headers. reset reason: ", 73)
    body = join(stream, intro, text, span(b"", 0), span(b"", 0))
    # A copy: the text may be of a connection that goes before the log line is written.
    stream.record.upstream_failure = join(stream, failure, span(b"", 0), span(b"", 0), span(b"", 0)) if failure.len > 0 else failure
    if not interim:
        charge(stream, status, stream.used_host)
    head_init(&extra, &stream.arena, True)
    if reason == RESET_OVERFLOW and not stream.hcm.router.suppress_envoy_headers:
        head_set(&extra, H_ENVOY_OVERLOADED, span(b"true", 4))
    reply.status = status
    reply.grpc = 0
    reply.plain = False
    reply.flag = reason_flag(reason)
    reply.body = body
    reply.content_type = span(b"", 0)
    if interim:
        reply.details = reset_details(stream, span(b"upstream_reset_after_response_started{", 38), text, failure)
    else:
        reply.details = reset_details(stream, span(b"upstream_reset_before_response_started{", 39), text, failure)
    reply.head = &extra
    stream_reply(stream, &reply)
