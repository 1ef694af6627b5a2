"""Tunnels over HTTP/2 streams. See tunnel.pxd.

Only heads are changed here; bytes of a tunnel are DATA like any other, and what may wait for the answer is the router's matter.
"""
from libc.stdint cimport uint16_t

from meshcore.base.span cimport span, span_is
from meshcore.codec.head cimport *
from meshcore.codec.http1 cimport BODY_RAW
from meshcore.codec.http2_session cimport http2_send_head
from meshcore.observe.record cimport FLAG_UC, FLAG_UF, FLAG_UR
from meshcore.proxy.objects cimport *


cdef void upgrade_fields(Stream *stream, Head *head) noexcept nogil:
    head_set(head, H_UPGRADE, stream.request.protocol)
    head_set(head, H_CONNECTION, span(b"upgrade", 7))


cdef void http2_tunnel_asked(Stream *stream) noexcept nogil:
    cdef Head *head = &stream.request
    stream.message.framing = BODY_RAW
    if head.protocol.len == 0:
        return
    stream.message.upgrade = True
    head.method = span(b"GET", 3)
    upgrade_fields(stream, head)


cdef void http2_tunnel_agreed(Stream *stream, bint end) noexcept nogil:
    cdef Head *head = &stream.response
    cdef uint16_t status = head.status
    if span_is(head_value(head, H_CONTENT_LENGTH), b"0", 1):
        head_drop(head, H_CONTENT_LENGTH)
    if status == 101:
        head.status = 200          # RFC 8441, 5; logs keep what the upstream said
    http2_send_head(stream.client, head, end)
    head.status = status


cdef bint http2_tunnel_broke(Stream *stream) noexcept nogil:
    return stream.bits & (STREAM_CONNECT | STREAM_UPGRADE) != 0 and stream.record.flags & (FLAG_UF | FLAG_UC | FLAG_UR) != 0


cdef bint http2_tunnel_opened(Stream *stream) noexcept nogil:
    cdef Head *head = &stream.response
    if stream.bits & STREAM_CONNECT:
        if head.status >= 300:
            return False
    elif head.status != 200:
        return False
    else:
        head.status = 101
        upgrade_fields(stream, head)
    stream.bits |= STREAM_TUNNEL
    return True
