"""Thrift transports: framed, unframed and header frames, and telling them apart. See thrift_frame.pxd for the law.

The first bytes decide as in Envoy: a frame's length is positive, a message without a frame begins with its protocol's version, whose
first bit is set; behind a length come 0x0fff (header transport) or a protocol's version (framed).
"""
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from meshcore.base.span cimport span
from meshcore.codec.head cimport Header
from meshcore.codec.http1_case cimport http1_case_put
from meshcore.codec.thrift_message cimport thrift_binary_magic, thrift_compact_magic
from meshcore.codec.thrift_wire cimport *

cdef enum:
    MAGIC = 0x0fff
    FIXED = 10                     # magic, flags, seqid, header size in words
    HEAD = 4 + FIXED
    SMALLEST = FIXED + 4           # there is always one word of header
    HEADERS_MAX = 65536
    STRING_MAX = 32767
    INFO_PADDING = 0
    INFO_PAIRS = 1
    ID_BINARY = 0
    ID_COMPACT = 2


cdef inline int fail(uint8_t *error, uint8_t reason) noexcept nogil:
    error[0] = reason
    return THRIFT_ERROR


cdef inline int more(size_t *used, size_t wanted) noexcept nogil:
    used[0] = wanted
    return THRIFT_MORE


cdef bint take_varint(Span *rest, uint32_t *out) noexcept nogil:
    cdef uint64_t v = 0
    cdef int n = read_varint(rest.at, rest.len, 32, &v)
    if n <= 0:
        return False
    rest[0] = span(rest.at + n, rest.len - n)
    out[0] = <uint32_t>v
    return True


cdef bint take_string(Span *rest, Span *out) noexcept nogil:
    cdef uint32_t n = 0
    if not take_varint(rest, &n) or n > STRING_MAX or n > rest.len:
        return False
    out[0] = span(rest.at, n)
    rest[0] = span(rest.at + n, rest.len - n)
    return True


cdef int thrift_info_next(ThriftInfo *info, Span *key, Span *value) noexcept nogil:
    # A block of another kind ends the walk: its length is not told.
    cdef uint32_t id = 0
    while info.left == 0:
        if info.rest.len == 0:
            return THRIFT_DONE
        if not take_varint(&info.rest, &id):
            return THRIFT_ERROR
        if id != INFO_PAIRS:
            info.rest = span(info.rest.at, 0)
            return THRIFT_DONE
        if not take_varint(&info.rest, &info.left):
            return THRIFT_ERROR
    info.left -= 1
    if not take_string(&info.rest, key) or not take_string(&info.rest, value):
        return THRIFT_ERROR
    return THRIFT_OK


cdef int read_block(Span rest, ThriftFrameHead *frame, uint8_t *error) noexcept nogil:
    cdef ThriftInfo walk
    cdef Span key
    cdef Span value
    cdef uint32_t v = 0
    cdef uint32_t i
    cdef uint32_t id = 0
    cdef int result = THRIFT_OK
    if not take_varint(&rest, &v):
        return fail(error, THRIFT_BAD_HEADER)
    if v != ID_BINARY and v != ID_COMPACT:
        return fail(error, THRIFT_BAD_PROTOCOL)
    frame.protocol = THRIFT_BINARY if v == ID_BINARY else THRIFT_COMPACT
    if not take_varint(&rest, &v):
        return fail(error, THRIFT_BAD_HEADER)
    if v > THRIFT_TRANSFORMS_MAX:
        return fail(error, THRIFT_UNKNOWN_TRANSFORM)
    for i in range(v):
        if not take_varint(&rest, &id):
            return fail(error, THRIFT_BAD_HEADER)
        if id != THRIFT_TRANSFORM_ZLIB:
            return fail(error, THRIFT_UNKNOWN_TRANSFORM)
        frame.transforms[i] = <uint8_t>id
    frame.transforms_len = <uint8_t>v
    frame.info.rest = rest
    frame.info.left = 0
    walk = frame.info
    while result == THRIFT_OK:
        result = thrift_info_next(&walk, &key, &value)
    return THRIFT_OK if result == THRIFT_DONE else fail(error, THRIFT_BAD_HEADER)


cdef int read_header(const char *at, size_t n, const ThriftLimits *limits, ThriftFrameHead *frame, size_t *used,
                     uint8_t *error) noexcept nogil:
    cdef uint32_t size
    cdef uint32_t words
    if n < HEAD:
        return more(used, HEAD)
    size = load_32(at)
    if size < SMALLEST or size > limits.max_header_frame_bytes:
        return fail(error, THRIFT_BAD_FRAME_SIZE)
    if load_16(at + 4) != MAGIC:
        return fail(error, THRIFT_BAD_TRANSPORT)
    frame.flags = load_16(at + 6)
    frame.seqid = <int32_t>load_32(at + 8)
    words = load_16(at + 12)
    # Read as signed by Envoy and by most libraries.
    if words == 0 or words > 0x7fff or words * 4 > limits.max_header_bytes or words * 4 > size - FIXED:
        return fail(error, THRIFT_BAD_HEADER)
    if n - HEAD < words * 4:
        return more(used, HEAD + words * 4)
    if read_block(span(at + HEAD, words * 4), frame, error) == THRIFT_ERROR:
        return THRIFT_ERROR
    frame.transport = THRIFT_HEADER
    frame.size = size - FIXED - words * 4
    used[0] = HEAD + words * 4
    return THRIFT_OK


cdef int tell(const char *at, size_t n, uint8_t *transport, size_t *used, uint8_t *error) noexcept nogil:
    if n < 2:
        return more(used, 2)
    if thrift_binary_magic(at) or thrift_compact_magic(at):
        transport[0] = THRIFT_UNFRAMED
        return THRIFT_OK
    if n < 6:
        return more(used, 6)
    if load_32(at) - 1 < 0x7fffffff:
        if load_16(at + 4) == MAGIC:
            transport[0] = THRIFT_HEADER
            return THRIFT_OK
        if thrift_binary_magic(at + 4) or thrift_compact_magic(at + 4):
            transport[0] = THRIFT_FRAMED
            return THRIFT_OK
    return fail(error, THRIFT_BAD_TRANSPORT)


cdef int thrift_frame_read(const char *at, size_t n, uint8_t transport, const ThriftLimits *limits, ThriftFrameHead *frame,
                           size_t *used, uint8_t *error) noexcept nogil:
    cdef uint32_t size
    cdef int result
    if transport == THRIFT_TRANSPORT_AUTO:
        result = tell(at, n, &transport, used, error)
        if result != THRIFT_OK:
            return result
    if transport == THRIFT_HEADER:
        return read_header(at, n, limits, frame, used, error)
    memset(frame, 0, sizeof(ThriftFrameHead))
    frame.transport = transport
    used[0] = 0
    frame.size = THRIFT_UNBOUNDED
    if transport == THRIFT_FRAMED:
        if n < 4:
            return more(used, 4)
        size = load_32(at)
        if size == 0 or size > limits.max_frame_bytes:
            return fail(error, THRIFT_BAD_FRAME_SIZE)
        frame.size = size
        used[0] = 4
    return THRIFT_OK


cdef size_t thrift_frame_bound(const ThriftFrameHead *frame, Head *headers) noexcept nogil:
    cdef size_t n = HEAD + 4 * (3 + frame.transforms_len) + VARINT32_MAX
    cdef uint16_t i
    if frame.transport != THRIFT_HEADER:
        return 4
    if headers != NULL:
        for i in range(headers.len):
            n += headers.headers[i].name_len + headers.headers[i].value_len + 2 * VARINT32_MAX
    return n


cdef size_t write_string(char *out, const char *at, uint32_t n) noexcept nogil:
    cdef size_t size = write_varint(out, n)
    memcpy(out + size, at, n)
    return size + n


cdef size_t write_block(const ThriftFrameHead *frame, Head *headers, char *out) noexcept nogil:
    # 0 when a string is too long.
    cdef Header *header
    cdef size_t n = 0
    cdef uint16_t i
    n += write_varint(out, ID_COMPACT if frame.protocol == THRIFT_COMPACT else ID_BINARY)
    n += write_varint(out + n, frame.transforms_len)
    for i in range(frame.transforms_len):
        n += write_varint(out + n, frame.transforms[i])
    if headers != NULL and headers.live > 0:
        n += write_varint(out + n, INFO_PAIRS)
        n += write_varint(out + n, headers.live)
        for i in range(headers.len):
            header = &headers.headers[i]
            if header.dropped:
                continue
            if header.name_len > STRING_MAX or header.value_len > STRING_MAX:
                return 0
            n += write_varint(out + n, header.name_len)
            if headers.raw != NULL:
                http1_case_put(headers, header.name, header.name_len, out + n)
            else:
                memcpy(out + n, header.name, header.name_len)
            n += header.name_len
            n += write_string(out + n, header.value, header.value_len)
    # At least one byte of padding, as Envoy and Apache's library for C++ write it.
    memset(out + n, INFO_PADDING, 4 - n % 4)
    return n + 4 - n % 4


cdef size_t thrift_frame_write(const ThriftFrameHead *frame, Head *headers, char *out) noexcept nogil:
    cdef size_t block
    if frame.transport == THRIFT_UNFRAMED:
        return 0
    if frame.transport == THRIFT_FRAMED:
        store_32(out, <uint32_t>frame.size)
        return 4
    block = write_block(frame, headers, out + HEAD)
    if block == 0 or block > HEADERS_MAX or frame.size + block + FIXED > 0x3fffffff:
        return 0
    store_32(out, <uint32_t>(frame.size + block + FIXED))
    store_16(out + 4, MAGIC)
    store_16(out + 6, frame.flags)
    store_32(out + 8, <uint32_t>frame.seqid)
    store_16(out + 12, <uint16_t>(block / 4))
    return HEAD + block
