"""Origins; see origin.pxd for the law. TLVs that a cluster adds come first and win over those of the same type that pass, as in Envoy."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport malloc
from libc.string cimport memcpy

from meshcore.base.hash cimport xxhash64
from meshcore.base.span cimport Span, span, span_equal
from meshcore.io.proxy_protocol cimport PROXY_HEADER_MAX, PROXY_TLVS_MAX, proxy_header_lengthen, proxy_header_write
from meshcore.io.transport cimport Transport, transport_copy, transport_flush, transport_local, transport_remote
from meshcore.observe.record cimport IpAddress

cdef enum:
    TLV_HEAD = 3


cdef inline uint64_t hash_address(const IpAddress *address, uint64_t seed) noexcept nogil:
    return xxhash64(<const char *>address.bytes, 16, seed ^ (<uint64_t>address.port << 8 | address.family))


cdef uint64_t origin_hash(const Origin *origin) noexcept nogil:
    cdef uint64_t whose = hash_address(&origin.bind, origin.mark ^ origin.client << 1)
    cdef uint64_t hash = hash_address(&origin.destination, hash_address(&origin.source, whose))
    if origin.sni.len + origin.san.len > 0:
        hash = xxhash64(origin.san.at, origin.san.len, xxhash64(origin.sni.at, origin.sni.len, hash))
    return hash


cdef bint same(const IpAddress *a, const IpAddress *b) noexcept nogil:
    cdef int i
    if a.family != b.family or a.port != b.port:
        return False
    for i in range(16 if a.family == 6 else 4):
        if a.family > 1 and a.bytes[i] != b.bytes[i]:
            return False
    return True


cdef bint origin_equal(const Origin *a, const Origin *b) noexcept nogil:
    return (same(&a.bind, &b.bind) and a.mark == b.mark and a.client == b.client and same(&a.source, &b.source)
            and same(&a.destination, &b.destination) and span_equal(a.sni, b.sni) and span_equal(a.san, b.san))


cdef Span place(char **at, Span text) noexcept nogil:
    cdef Span copy = span(at[0], text.len)
    if text.len:
        memcpy(at[0], text.at, text.len)
    at[0] += text.len
    return copy


cdef Origin *origin_copy(const Origin *origin) noexcept nogil:
    cdef Origin *copy = <Origin *>malloc(sizeof(Origin) + origin.tlvs.len + origin.sni.len + origin.san.len)
    cdef char *at = <char *>(copy + 1)
    if copy == NULL:
        return NULL
    copy[0] = origin[0]
    copy.tlvs = place(&at, origin.tlvs)
    copy.sni = place(&at, origin.sni)
    copy.san = place(&at, origin.san)
    return copy


cdef TlsNames origin_names(const Origin *origin, const Host *host) noexcept nogil:
    cdef TlsNames names
    names.host = host.hostname
    names.alpn = span(NULL, 0)
    names.sni = span(NULL, 0) if origin == NULL else origin.sni
    names.san = span(NULL, 0) if origin == NULL else origin.san
    return names


cdef const Dial *origin_dial(const Origin *origin, const Dial *dial, Dial *room) noexcept nogil:
    if origin == NULL or (origin.bind.family == 0 and origin.mark == 0):
        return dial
    room[0] = dial[0]
    if origin.mark:
        room.mark = origin.mark
    if origin.bind.family:
        room.source = origin.bind
        room.other.family = 0
        room.transparent = True
    return room


cdef inline bint has_bit(const uint8_t *bits, uint8_t n) noexcept nogil:
    return bits[n >> 3] >> (n & 7) & 1


cdef size_t gather(const Origin *origin, const ProxyOut *says, char *out) noexcept nogil:
    # The TLVs of a header. What would make it too long stays away, all of it.
    cdef size_t n = says.added.len
    cdef Span rest = origin.tlvs
    cdef uint32_t one
    if n:
        memcpy(out, says.added.at, n)
    if says.passes == NULL:
        return n
    while rest.len >= TLV_HEAD:
        one = TLV_HEAD + (<uint32_t><uint8_t>rest.at[1] << 8 | <uint8_t>rest.at[2])
        if one > rest.len:
            break
        if has_bit(says.passes, <uint8_t>rest.at[0]) and not has_bit(says.adds, <uint8_t>rest.at[0]) and n + one <= PROXY_TLVS_MAX:
            memcpy(out + n, rest.at, one)
            n += one
        rest = span(rest.at + one, rest.len - one)
    return n


cdef void origin_say(const Origin *origin, const ProxyOut *says, Transport *transport) noexcept nogil:
    cdef char head[PROXY_HEADER_MAX]
    cdef char tlvs[PROXY_TLVS_MAX]
    cdef IpAddress source
    cdef IpAddress destination
    cdef size_t n
    cdef size_t more = 0
    if origin != NULL and origin.source.family:
        n = proxy_header_write(says.version, &origin.source, &origin.destination, head)
        if says.version == 2:
            more = gather(origin, says, tlvs)
    elif says.version == 1:
        transport_local(transport, &source)
        transport_remote(transport, &destination)
        n = proxy_header_write(1, &source, &destination, head)
    else:
        source.family = destination.family = 0
        n = proxy_header_write(2, &source, &destination, head)
    if more:
        proxy_header_lengthen(head, <uint16_t>more)
    transport_copy(transport, head, n)
    transport_copy(transport, tlvs, more)
    transport_flush(transport)
