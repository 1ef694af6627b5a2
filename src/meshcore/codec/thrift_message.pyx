"""Thrift envelopes: the strict and the old binary form, and the compact one. See thrift_message.pxd for the law.

What Envoy's thrift_proxy takes for the start of a message is taken here. A name above the limit is refused as soon as its length
is known, so that nobody has to keep it.
"""
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memchr, memcpy

from meshcore.base.span cimport span
from meshcore.codec.thrift_wire cimport *

cdef enum:
    STRICT_MIN = 12                # version, type, length of the name, seqid
    LAX_MIN = 9
    COMPACT_MIN = 4
    BINARY_MAGIC = 0x8001
    COMPACT_MAGIC = 0x8201
    COMPACT_MASK = 0xff1f          # the three bits left out are the message type
    COLON = 58


cdef bint thrift_binary_magic(const char *at) noexcept nogil:
    return load_16(at) == BINARY_MAGIC


cdef bint thrift_compact_magic(const char *at) noexcept nogil:
    return (load_16(at) & COMPACT_MASK) == COMPACT_MAGIC


cdef inline int fail(uint8_t *error, uint8_t reason) noexcept nogil:
    error[0] = reason
    return THRIFT_ERROR


cdef inline int more(size_t *used, size_t wanted) noexcept nogil:
    used[0] = wanted
    return THRIFT_MORE


cdef int check(ThriftEnvelope *envelope, uint8_t protocol, uint8_t type, uint8_t *error) noexcept nogil:
    if type < THRIFT_CALL or type > THRIFT_ONEWAY:
        return fail(error, THRIFT_BAD_MESSAGE_TYPE)
    envelope.protocol = protocol
    envelope.type = type
    return THRIFT_OK


cdef int read_strict(const char *at, size_t n, const ThriftLimits *limits, ThriftEnvelope *envelope, size_t *used,
                     uint8_t *error) noexcept nogil:
    cdef uint32_t size
    if n < STRICT_MIN:
        return more(used, STRICT_MIN)
    if not thrift_binary_magic(at):
        return fail(error, THRIFT_BAD_PROTOCOL)
    if check(envelope, THRIFT_BINARY, <uint8_t>at[3], error) == THRIFT_ERROR:
        return THRIFT_ERROR
    size = load_32(at + 4)
    if size > limits.max_name_bytes:
        return fail(error, THRIFT_NAME_TOO_LONG)
    if n - STRICT_MIN < size:
        return more(used, STRICT_MIN + size)
    envelope.name = span(at + 8, size)
    envelope.seqid = <int32_t>load_32(at + 8 + size)
    used[0] = STRICT_MIN + size
    return THRIFT_OK


cdef int read_lax(const char *at, size_t n, const ThriftLimits *limits, ThriftEnvelope *envelope, size_t *used,
                  uint8_t *error) noexcept nogil:
    cdef uint32_t size
    if n < 4:
        return more(used, LAX_MIN)
    size = load_32(at)
    if size > limits.max_name_bytes:
        return fail(error, THRIFT_NAME_TOO_LONG)
    if n < LAX_MIN or n - LAX_MIN < size:
        return more(used, LAX_MIN + size)
    if check(envelope, THRIFT_BINARY_LAX, <uint8_t>at[4 + size], error) == THRIFT_ERROR:
        return THRIFT_ERROR
    envelope.name = span(at + 4, size)
    envelope.seqid = <int32_t>load_32(at + 5 + size)
    used[0] = LAX_MIN + size
    return THRIFT_OK


cdef int read_compact(const char *at, size_t n, const ThriftLimits *limits, ThriftEnvelope *envelope, size_t *used,
                      uint8_t *error) noexcept nogil:
    cdef uint64_t seqid = 0
    cdef uint64_t size = 0
    cdef size_t i = 2
    cdef int taken
    if n < COMPACT_MIN:
        return more(used, COMPACT_MIN)
    if not thrift_compact_magic(at):
        return fail(error, THRIFT_BAD_PROTOCOL)
    if check(envelope, THRIFT_COMPACT, <uint8_t>at[1] >> 5, error) == THRIFT_ERROR:
        return THRIFT_ERROR
    taken = read_varint(at + i, n - i, 32, &seqid)
    if taken <= 0:
        return more(used, n + 1) if taken == VARINT_MORE else fail(error, THRIFT_BAD_VARINT)
    i += <size_t>taken
    taken = read_varint(at + i, n - i, 32, &size)
    if taken <= 0:
        return more(used, n + 1) if taken == VARINT_MORE else fail(error, THRIFT_BAD_VARINT)
    i += <size_t>taken
    if size > limits.max_name_bytes:
        return fail(error, THRIFT_NAME_TOO_LONG)
    if n - i < size:
        return more(used, i + <size_t>size)
    envelope.name = span(at + i, size)
    envelope.seqid = <int32_t><uint32_t>seqid
    used[0] = i + <size_t>size
    return THRIFT_OK


cdef int thrift_message_read(const char *at, size_t n, uint8_t protocol, const ThriftLimits *limits, ThriftEnvelope *envelope,
                             size_t *used, uint8_t *error) noexcept nogil:
    if protocol == THRIFT_PROTOCOL_AUTO:
        if n < 2:
            return more(used, COMPACT_MIN)
        if thrift_compact_magic(at):
            protocol = THRIFT_COMPACT
        elif thrift_binary_magic(at):
            protocol = THRIFT_BINARY
        else:
            return fail(error, THRIFT_BAD_PROTOCOL)
    if protocol == THRIFT_COMPACT:
        return read_compact(at, n, limits, envelope, used, error)
    if protocol == THRIFT_BINARY_LAX and (n < 4 or (<uint8_t>at[0] & 0x80) == 0):
        return read_lax(at, n, limits, envelope, used, error)
    return read_strict(at, n, limits, envelope, used, error)


cdef inline size_t varint_len(uint32_t v) noexcept nogil:
    cdef size_t n = 1
    while v >= 0x80:
        v >>= 7
        n += 1
    return n


cdef size_t thrift_message_len(const ThriftEnvelope *envelope) noexcept nogil:
    if envelope.protocol == THRIFT_COMPACT:
        return 2 + varint_len(<uint32_t>envelope.seqid) + varint_len(envelope.name.len) + envelope.name.len
    return (LAX_MIN if envelope.protocol == THRIFT_BINARY_LAX else STRICT_MIN) + envelope.name.len


cdef size_t thrift_message_write(const ThriftEnvelope *envelope, char *out) noexcept nogil:
    cdef size_t i = 0
    if envelope.protocol == THRIFT_COMPACT:
        store_16(out, COMPACT_MAGIC | (<uint16_t>envelope.type << 5))
        i = 2 + write_varint(out + 2, <uint32_t>envelope.seqid)
        i += write_varint(out + i, envelope.name.len)
        memcpy(out + i, envelope.name.at, envelope.name.len)
        return i + envelope.name.len
    if envelope.protocol != THRIFT_BINARY_LAX:
        store_32(out, (<uint32_t>BINARY_MAGIC << 16) | envelope.type)
        i = 4
    store_32(out + i, envelope.name.len)
    memcpy(out + i + 4, envelope.name.at, envelope.name.len)
    i += 4 + envelope.name.len
    if envelope.protocol == THRIFT_BINARY_LAX:
        out[i] = <char>envelope.type
        i += 1
    store_32(out + i, <uint32_t>envelope.seqid)
    return i + 4


cdef void thrift_name_split(Span name, Span *service, Span *method) noexcept nogil:
    cdef const char *colon = <const char *>memchr(name.at, COLON, name.len) if name.len > 0 else NULL
    if colon == NULL:
        service[0] = span(name.at, 0)
        method[0] = name
    else:
        service[0] = span(name.at, colon - name.at)
        method[0] = span(colon + 1, name.at + name.len - colon - 1)
