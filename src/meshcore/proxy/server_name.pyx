"""Names that a request brings; see server_name.pxd for the law."""
from libc.stdint cimport uint32_t

from meshcore.base.span cimport Span, span
from meshcore.codec.head cimport *
from meshcore.conf.tables cimport NameRule
from meshcore.observe.ip cimport address_parse
from meshcore.observe.record cimport IpAddress
from meshcore.proxy.objects cimport *
from meshcore.route.matcher cimport header_first_value


cdef Span without_port(Span text) noexcept nogil:
    # "name:80" and "[::1]:80"; "[::1]" loses its brackets, and what no port follows stays whole.
    cdef uint32_t end = text.len
    while end > 0 and 48 <= text.at[end - 1] <= 57:
        end -= 1
    if 0 < end < text.len and text.at[end - 1] == 58:
        text.len = end - 1
    if text.len >= 2 and text.at[0] == 91 and text.at[text.len - 1] == 93:
        return span(text.at + 1, text.len - 2)
    return text


cdef Span name_of(Stream *stream, const NameRule *rule) noexcept nogil:
    cdef Span found = stream.request.authority
    cdef Span other
    if rule.header.len > 0 and header_first_value(&stream.request, rule.header, &other) and other.len > 0:
        found = other
    return without_port(found)


cdef bint server_name_fill(Stream *stream, ClusterLocal *cluster, Origin *out) noexcept nogil:
    cdef const NameRule *rule = cluster.conf.names
    cdef IpAddress address
    if stream.bits & STREAM_TCP:
        return False               # a tunnel's request names who is behind the host
    if stream.server_name.len == 0:
        stream.server_name = name_of(stream, rule)
    if stream.server_name.len == 0:
        return False
    if rule.check:
        out.san = stream.server_name
    if rule.ask and not address_parse(stream.server_name, &address):
        out.sni = stream.server_name
    return out.san.len + out.sni.len > 0
