"""PROXY protocol; see proxy_protocol.pxd for the law."""
from libc.stdint cimport uint16_t, uint64_t
from libc.string cimport memchr, memcmp, memcpy, memset

from meshcore.base.span cimport Span, parse_u64, span, span_is, write_u64
from meshcore.observe.ip cimport address_parse
from meshcore.observe.record cimport address_write

cdef enum:
    SIGNATURE_LEN = 12
    V2_HEAD = PROXY_V2_HEAD
    V2_V4 = 12
    V2_V6 = 36

cdef const char *SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


cdef bint next_word(Span *rest, Span *word) noexcept nogil:
    # Words of a line are one space apart.
    cdef uint64_t i = 0
    if rest.len == 0:
        return False
    while i < rest.len and rest.at[i] != 32:
        i += 1
    word[0] = span(rest.at, i)
    rest[0] = span(rest.at + i + 1, rest.len - i - 1) if i < rest.len else span(rest.at, 0)
    return i > 0


cdef bint read_port(Span *rest, IpAddress *address) noexcept nogil:
    cdef Span word
    cdef uint64_t port
    if not next_word(rest, &word) or not parse_u64(word, &port) or port > 65535:
        return False
    address.port = <uint16_t>port
    return True


cdef bint read_line(Span line, ProxyHeader *header) noexcept nogil:
    # What stands between "PROXY " and the end of the line.
    cdef Span word
    cdef Span source
    cdef Span destination
    cdef int family
    if not next_word(&line, &word):
        return False
    if span_is(word, b"UNKNOWN", 7):
        header.local = True
        return True
    if not span_is(word, b"TCP4", 4) and not span_is(word, b"TCP6", 4):
        return False
    family = 4 if word.at[3] == 52 else 6
    if not next_word(&line, &source) or not next_word(&line, &destination):
        return False
    if not address_parse(source, &header.source) or not address_parse(destination, &header.destination):
        return False
    if header.source.family != family or header.destination.family != family:
        return False
    return read_port(&line, &header.source) and read_port(&line, &header.destination) and line.len == 0


cdef bint unicast(const IpAddress *address) noexcept nogil:
    # What one end of a TCP connection may have.
    cdef uint8_t first = address.bytes[0]
    cdef uint8_t low = 0
    cdef uint8_t high = 255
    cdef int i
    for i in range(4 if address.family == 4 else 16):
        low |= address.bytes[i]
        high &= address.bytes[i]
    return low != 0 and first != 255 if address.family == 6 else low != 0 and high != 255 and first >> 4 != 14


cdef int parse_v1(const char *at, size_t n, ProxyHeader *header) noexcept nogil:
    cdef const char *end = <const char *>memchr(at, 10, n if n < PROXY_FIRST_MAX else PROXY_FIRST_MAX)
    if end == NULL and n > PROXY_V1_MAX:
        header.version = 0
        return PROXY_BAD
    if end == NULL:
        return PROXY_MORE
    header.len = <size_t>(end - at) + 1
    header.tlvs = header.len
    if header.len < 8 or header.len > PROXY_V1_MAX or end[-1] != 13 or not read_line(span(at + 6, header.len - 8), header):
        return PROXY_BAD
    return PROXY_FOUND if header.local or (unicast(&header.source) and unicast(&header.destination)) else PROXY_BAD


cdef inline uint16_t big16(const char *at) noexcept nogil:
    return <uint16_t>(<uint16_t>(<uint8_t>at[0]) << 8 | <uint8_t>at[1])


cdef bint proxy_tlv_next(Span *rest, Span *tlv) noexcept nogil:
    cdef size_t n
    if rest.len < PROXY_TLV_HEAD:
        return False
    n = PROXY_TLV_HEAD + <size_t>big16(rest.at + 1)
    if n > rest.len:
        return False
    tlv[0] = span(rest.at, n)
    rest[0] = span(rest.at + n, rest.len - n)
    return True


cdef bint whole_tlvs(Span rest) noexcept nogil:
    cdef Span tlv
    while proxy_tlv_next(&rest, &tlv):
        pass
    return rest.len == 0


cdef int parse_v2(const char *at, size_t n, ProxyHeader *header) noexcept nogil:
    cdef uint8_t command
    cdef uint8_t family
    cdef size_t size
    if n < V2_HEAD:
        return PROXY_MORE
    command = <uint8_t>at[12]
    family = <uint8_t>at[13]
    if command >> 4 != 2 or command & 15 > 1:
        return PROXY_BAD
    header.len = V2_HEAD + <size_t>big16(at + 14)
    header.local = command & 15 == 0
    # A stream or datagrams, the addresses look the same.
    size = 0 if family & 15 != 1 and family & 15 != 2 else V2_V4 if family >> 4 == 1 else V2_V6 if family >> 4 == 2 else 0
    if not header.local and (size == 0 or header.len < V2_HEAD + size):
        return PROXY_BAD
    if n < header.len:
        return PROXY_MORE
    header.tlvs = header.len
    if header.local:
        return PROXY_FOUND
    header.tlvs = V2_HEAD + size
    header.source.family = header.destination.family = 4 if size == V2_V4 else 6
    size = 4 if size == V2_V4 else 16
    memcpy(header.source.bytes, at + V2_HEAD, size)
    memcpy(header.destination.bytes, at + V2_HEAD + size, size)
    header.source.port = big16(at + V2_HEAD + 2 * size)
    header.destination.port = big16(at + V2_HEAD + 2 * size + 2)
    if not unicast(&header.source) or not unicast(&header.destination):
        return PROXY_BAD
    return PROXY_FOUND if whole_tlvs(span(at + header.tlvs, header.len - header.tlvs)) else PROXY_BAD


cdef int proxy_header_parse(const char *at, size_t n, ProxyHeader *header) noexcept nogil:
    memset(header, 0, sizeof(ProxyHeader))
    if memcmp(at, SIGNATURE, n if n < SIGNATURE_LEN else SIGNATURE_LEN) == 0:
        header.version = 2
        return parse_v2(at, n, header) if n >= SIGNATURE_LEN else PROXY_MORE
    if memcmp(at, b"PROXY ", n if n < 6 else 6) == 0:
        header.version = 1
        return parse_v1(at, n, header) if n >= 6 else PROXY_MORE
    return PROXY_NONE


# --- writing --------------------------------------------------------------------------------------------------------


cdef size_t write_v1(const IpAddress *source, const IpAddress *destination, char *out) noexcept nogil:
    cdef size_t n = 6
    memcpy(out, b"PROXY ", 6)
    if source.family != destination.family or (source.family != 4 and source.family != 6):
        memcpy(out + n, b"UNKNOWN\r\n", 9)
        return n + 9
    memcpy(out + n, b"TCP4 " if source.family == 4 else b"TCP6 ", 5)
    n += 5
    n += address_write(source, out + n, False)
    out[n] = 32
    n += 1
    n += address_write(destination, out + n, False)
    out[n] = 32
    n += 1
    n += write_u64(out + n, source.port)
    out[n] = 32
    n += 1
    n += write_u64(out + n, destination.port)
    memcpy(out + n, b"\r\n", 2)
    return n + 2


cdef inline void put16(char *out, uint16_t value) noexcept nogil:
    out[0] = <char>(value >> 8)
    out[1] = <char>(value & 255)


cdef size_t proxy_header_write(int version, const IpAddress *source, const IpAddress *destination, char *out) noexcept nogil:
    cdef size_t size = 0
    if version == 1:
        return write_v1(source, destination, out)
    memcpy(out, SIGNATURE, SIGNATURE_LEN)
    if source.family == destination.family and (source.family == 4 or source.family == 6):
        size = 4 if source.family == 4 else 16
    out[12] = 0x21 if size else 0x20
    out[13] = 0x11 if size == 4 else 0x21 if size else 0
    put16(out + 14, <uint16_t>(2 * size + 4 if size else 0))
    if size == 0:
        return V2_HEAD
    memcpy(out + V2_HEAD, source.bytes, size)
    memcpy(out + V2_HEAD + size, destination.bytes, size)
    put16(out + V2_HEAD + 2 * size, source.port)
    put16(out + V2_HEAD + 2 * size + 2, destination.port)
    return V2_HEAD + 2 * size + 4


cdef void proxy_header_lengthen(char *head, uint16_t more) noexcept nogil:
    put16(head + 14, <uint16_t>(big16(head + 14) + more))
