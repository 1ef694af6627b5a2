"""Thrift local replies: the texts. See local_reply.pxd for the law.

Clients read them, and some tests of theirs do: they are Envoy's, with the subject between quotes. Filled when the module is imported.
"""
from libc.stdint cimport int32_t, uint8_t
from libc.string cimport memcpy

from meshcore.base.span cimport span
from meshcore.codec.thrift_reply cimport EXCEPTION_INTERNAL_ERROR, EXCEPTION_PROTOCOL_ERROR, EXCEPTION_UNKNOWN_METHOD

START = b"connection failure before response start: "
IN_REPLY = b"connection failure before response complete: "
# (before the subject, behind it, type), in the order of LocalReason
TEXTS = (
    (b"no route for method '", b"'", EXCEPTION_UNKNOWN_METHOD),
    (b"unknown cluster '", b"'", EXCEPTION_INTERNAL_ERROR),
    (b"maintenance mode for cluster '", b"'", EXCEPTION_INTERNAL_ERROR),
    (b"no healthy upstream for '", b"'", EXCEPTION_INTERNAL_ERROR),
    (b"thrift upstream request: too many connections", b"", EXCEPTION_INTERNAL_ERROR),
    (START + b"local connection failure '", b"'", EXCEPTION_INTERNAL_ERROR),
    (START + b"remote connection failure '", b"'", EXCEPTION_INTERNAL_ERROR),
    (START + b"connection timeout '", b"'", EXCEPTION_INTERNAL_ERROR),
    (IN_REPLY + b"local connection failure '", b"'", EXCEPTION_INTERNAL_ERROR),
    (IN_REPLY + b"remote connection failure '", b"'", EXCEPTION_INTERNAL_ERROR),
    (IN_REPLY + b"connection timeout '", b"'", EXCEPTION_INTERNAL_ERROR),
    (b"", b"", EXCEPTION_PROTOCOL_ERROR),
    (b"over limit", b"", EXCEPTION_INTERNAL_ERROR),
    (b"limiter error", b"", EXCEPTION_INTERNAL_ERROR),
)

cdef Span before[REASONS]
cdef Span behind[REASONS]
cdef int32_t types[REASONS]


cdef _fill():
    cdef int i
    assert len(TEXTS) == REASONS
    for i in range(REASONS):
        before[i] = span(<const char *>TEXTS[i][0], len(TEXTS[i][0]))
        behind[i] = span(<const char *>TEXTS[i][1], len(TEXTS[i][1]))
        types[i] = TEXTS[i][2]


_fill()


cdef size_t append(char *out, size_t n, Span text, size_t room) noexcept nogil:
    cdef size_t part = text.len
    if part > room - n:
        part = room - n
    if part:
        memcpy(out + n, text.at, part)
    return n + part


cdef size_t thrift_local_text(uint8_t reason, Span subject, char *out, int32_t *type) noexcept nogil:
    cdef size_t n = append(out, 0, before[reason], LOCAL_TEXT_MAX)
    type[0] = types[reason]
    if reason != REASON_OVERFLOW and subject.len > 0:
        # The closing quote stands even when the subject is cut.
        n = append(out, n, subject, LOCAL_TEXT_MAX - behind[reason].len)
    return append(out, n, behind[reason], LOCAL_TEXT_MAX)
