"""Override host; see override_host.pxd for the law."""
from libc.stdint cimport int64_t, uint16_t, uint32_t

from meshcore.base.atomics cimport atomic_load
from meshcore.base.span cimport Span, span, span_find, span_trim
from meshcore.cluster.balancer cimport *
from meshcore.cluster.host cimport *
from meshcore.cluster.host_set cimport host_set_find
from meshcore.codec.head cimport Header, head_find_name, header_value
from meshcore.observe.metadata cimport META_TEXT, MetaValue, metadata_find
from meshcore.proxy.objects cimport *


cdef Span list_of(Stream *stream, const OverrideSource *source) noexcept nogil:
    cdef const MetaValue *value
    cdef Header *header
    if source.header.len > 0:
        header = head_find_name(&stream.request, source.header)
        return header_value(header) if header != NULL else span(NULL, 0)
    value = metadata_find(&stream.record.metadata, source.namespace, source.path, source.path_len)
    return value.text if value != NULL and value.kind == META_TEXT else span(NULL, 0)


cdef Span asked_for(Stream *stream, ClusterLocal *cluster) noexcept nogil:
    cdef uint16_t i
    cdef Span found = span(NULL, 0)
    for i in range(cluster.conf.lb.overrides_len):
        found = list_of(stream, &cluster.conf.lb.overrides[i])
        if found.len > 0:
            break
    return found


cdef int wanted_health(int64_t bits) noexcept nogil:
    # What its checks say goes before what its configuration says.
    if bits & (HEALTH_FAILED_ACTIVE | HEALTH_FAILED_OUTLIER):
        return WANTED_UNHEALTHY
    if bits & HEALTH_DRAINING_EDS:
        return WANTED_DRAINING
    if bits & HEALTH_FAILED_EDS:
        return WANTED_TIMEOUT if bits & HEALTH_SAID_TIMEOUT else WANTED_UNHEALTHY
    if bits & HEALTH_DEGRADED_BITS:
        return WANTED_DEGRADED
    return WANTED_HEALTHY if bits & HEALTH_SAID_HEALTHY else WANTED_UNKNOWN


cdef Host *wanted_host_pick(Stream *stream, ClusterLocal *cluster) noexcept nogil:
    cdef Host *host = host_set_find(cluster.hosts, stream.http.wanted_host) if cluster.hosts != NULL else NULL
    if host != NULL and not cluster.conf.lb.wanted_health & wanted_health(atomic_load(&host.health)):
        return NULL
    return host


cdef Host *override_host_pick(Stream *stream, ClusterLocal *cluster) noexcept nogil:
    cdef Host *host = NULL
    cdef Span rest
    cdef int64_t comma
    cdef Span item
    if not stream.override_asked:
        stream.override_asked = True
        stream.override_rest = asked_for(stream, cluster)
    rest = stream.override_rest
    while rest.len > 0 and host == NULL and cluster.hosts != NULL:
        comma = span_find(rest, b',')
        item = rest if comma < 0 else span(rest.at, <uint32_t>comma)
        rest = span(NULL, 0) if comma < 0 else span(rest.at + comma + 1, rest.len - <uint32_t>comma - 1)
        host = host_set_find(cluster.hosts, span_trim(item))
    stream.override_rest = rest
    return host
