"""Who the client is, by Envoy's rules for use_remote_address, xff_num_trusted_hops and internal_address_config.

With use_remote_address the immediate peer is the client (or, behind N trusted proxies, the N-th address of x-forwarded-for from the right),
and the peer is appended to x-forwarded-for. Without it x-forwarded-for is believed: its last address (or the one N before it).
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from meshcore.base.span cimport Span, span, span_is_nocase, span_trim, write_u64
from meshcore.codec.head cimport *
from meshcore.conf.tables cimport IpSource
from meshcore.io.transport cimport transport_is_tls
from meshcore.observe.ip cimport address_parse, cidrs_hold
from meshcore.observe.record cimport ADDRESS_TEXT, address_write
from meshcore.proxy.connection cimport connection_local
from meshcore.proxy.objects cimport *


cdef bint address_internal(const HcmConf *hcm, const IpAddress *address) noexcept nogil:
    return hcm.internal_unix if address.family == 1 else cidrs_hold(hcm.internal, hcm.internal_len, address)


cdef bint is_loopback(const IpAddress *address) noexcept nogil:
    cdef int i
    if address.family == 4:
        return address.bytes[0] == 127
    if address.family == 6:
        for i in range(15):
            if address.bytes[i] != 0:
                return False
        return address.bytes[15] == 1
    return False


cdef bint xff_address(Head *head, uint32_t skip, IpAddress *out, bint *single) noexcept nogil:
    # The address that stands `skip` places before the last one in x-forwarded-for.
    cdef Span rest = head_value(head, H_X_FORWARDED_FOR)
    cdef Span item
    cdef uint32_t i
    cdef uint32_t start
    single[0] = False
    if rest.at == NULL:
        return False
    rest = head_join(head, head_find(head, H_X_FORWARDED_FOR))
    for i in range(rest.len):
        single[0] = single[0] or rest.at[i] == 44
    single[0] = not single[0]
    while True:
        start = rest.len
        while start > 0 and rest.at[start - 1] != 44:
            start -= 1
        item = span_trim(span(rest.at + start, rest.len - start))
        if skip == 0:
            return address_parse(item, out)
        if start == 0:
            return False
        skip -= 1
        rest.len = start - 1


cdef void append_peer(Stream *stream, const IpAddress *peer) noexcept nogil:
    # RFC 7239's older cousin: Envoy joins with a comma and no space.
    cdef char text[ADDRESS_TEXT]
    cdef size_t n
    if peer.family != 4 and peer.family != 6:
        return
    n = address_write(peer, text, False)
    head_append_value(&stream.request, H_X_FORWARDED_FOR, span(text, n))


cdef void set_port(Stream *stream) noexcept nogil:
    cdef char text[20]
    cdef size_t n = write_u64(text, connection_local(&stream.down.conn).port)
    head_set_copy(&stream.request, H_X_FORWARDED_PORT, span(text, n))


cdef inline Span scheme_of(Stream *stream) noexcept nogil:
    # Of the connection.
    return span(b"https", 5) if transport_is_tls(stream.down.conn.transport) else span(b"http", 4)


cdef void set_scheme(Stream *stream) noexcept nogil:
    # :scheme comes from the absolute form, else from x-forwarded-proto when that is a scheme, else from the connection.
    cdef Head *head = &stream.request
    cdef Span proto
    if stream.hcm.scheme.len > 0:
        head.scheme = stream.hcm.scheme
        head_set(head, H_X_FORWARDED_PROTO, head.scheme)
        return
    if head.scheme.len == 0:
        proto = head_value(head, H_X_FORWARDED_PROTO)
        if span_is_nocase(proto, b"https", 5):
            head.scheme = span(b"https", 5)
        else:
            head.scheme = span(b"http", 4)
    elif span_is_nocase(head.scheme, b"https", 5):
        head.scheme = span(b"https", 5)
    else:
        head.scheme = span(b"http", 4)


cdef bint ask_source(Stream *stream, const IpSource *source, bint *trusted) noexcept nogil:
    cdef Head *head = &stream.request
    cdef Header *header
    cdef bint found
    if source.header.len == 0:
        found = xff_address(head, source.hops, &stream.remote, trusted)
        if source.append:
            append_peer(stream, &stream.hcm.local_address if is_loopback(&stream.down.conn.remote) else &stream.down.conn.remote)
        return found
    header = head_find_name(head, source.header)
    trusted[0] = source.trusted
    return header != NULL and address_parse(span_trim(header_value(header)), &stream.remote)


cdef bint ask_sources(Stream *stream, bint *trusted, uint16_t *reject) noexcept nogil:
    # original_ip_detection_extensions: the first that finds an address; one of them may insist.
    cdef HcmConf *hcm = stream.hcm
    cdef uint8_t i
    for i in range(hcm.ip_sources_len):
        if ask_source(stream, &hcm.ip_sources[i], trusted):
            return True
        if hcm.ip_sources[i].reject_status:
            reject[0] = hcm.ip_sources[i].reject_status
            break
    trusted[0] = False
    return False


cdef bint client_identify(Stream *stream, uint16_t *reject) noexcept nogil:
    cdef HcmConf *hcm = stream.hcm
    cdef Head *head = &stream.request
    cdef IpAddress *peer = &stream.down.conn.remote
    cdef bint trusted_check = False
    cdef bint found = False
    cdef bint single
    cdef bint internal
    if hcm.use_remote_address:
        trusted_check = not head_has(head, H_X_FORWARDED_FOR)
        if hcm.trusted_hops > 0:
            found = xff_address(head, hcm.trusted_hops - 1, &stream.remote, &single)
        if not found:
            stream.remote = peer[0]
        if not hcm.skip_xff_append:
            append_peer(stream, &hcm.local_address if is_loopback(peer) else peer)
        if hcm.trusted_hops == 0 or head_value(head, H_X_FORWARDED_PROTO).len == 0:
            head_set(head, H_X_FORWARDED_PROTO, scheme_of(stream))
        if hcm.append_x_forwarded_port and (hcm.trusted_hops == 0 or not head_has(head, H_X_FORWARDED_PORT)):
            set_port(stream)
        found = True
    else:
        if hcm.ip_sources_len > 0:
            found = ask_sources(stream, &trusted_check, reject)
            if reject[0]:
                return False
        else:
            found = xff_address(head, hcm.trusted_hops, &stream.remote, &trusted_check)
        if not found:
            stream.remote = peer[0]
        if head_value(head, H_X_FORWARDED_PROTO).len == 0:
            head_set(head, H_X_FORWARDED_PROTO, scheme_of(stream))
        if hcm.append_x_forwarded_port and not head_has(head, H_X_FORWARDED_PORT):
            set_port(stream)
    set_scheme(stream)
    internal = trusted_check and found and address_internal(hcm, &stream.remote)
    if internal:
        stream.bits |= STREAM_INTERNAL
    stream.record.downstream_remote = &stream.remote
    return hcm.use_remote_address and not internal
