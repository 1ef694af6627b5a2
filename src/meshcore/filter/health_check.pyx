"""Health check; see health_check.pxd for the law."""
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memset

from meshcore.base.atomics cimport atomic_load, atomic_store
from meshcore.base.buffer cimport Buffer, buffer_drain
from meshcore.base.clock cimport clock_ms
from meshcore.base.span cimport span
from meshcore.codec.head cimport *
from meshcore.filter.http cimport *
from meshcore.observe.record cimport FLAG_LH
from meshcore.route.matcher cimport headers_match_all

cdef enum:
    IS_CHECK = 1                   # stream.state[n], as a number
    ANSWERED = 2                   # ... and this filter answers it
    DEGRADED = 1000


cdef int64_t remembered(HttpStream *stream, HealthCheckConf *conf) noexcept nogil:
    if conf.cache_ms == 0 or atomic_load(&conf.cached_until_ms) <= <int64_t>clock_ms(stream.clock):
        return 0
    return atomic_load(&conf.cached)


cdef Span judge(HttpStream *stream, const HealthCheckConf *conf) noexcept nogil:
    # The reason why some cluster has too few hosts; an empty one when all have enough.
    cdef uint32_t total
    cdef uint32_t available
    cdef uint16_t i
    for i in range(conf.clusters_len):
        if not stream.ops.cluster_members(stream, conf.clusters[i].index, &total, &available):
            return span(b"health_check_failed_no_cluster_found", 36)
        if total == 0:
            if conf.clusters[i].percent == 0.0:
                continue
            return span(b"health_check_failed_cluster_empty", 33)
        if 100.0 * available < <double>total * conf.clusters[i].percent:
            return span(b"health_check_failed_cluster_unhealthy", 37)
    return span(b"", 0)


cdef void answer(HttpStream *stream, HealthCheckConf *conf) noexcept nogil:
    cdef LocalReply reply
    cdef Head head
    cdef int64_t known = remembered(stream, conf)
    memset(&reply, 0, sizeof(LocalReply))
    head_init(&head, stream.arena, True)
    reply.head = &head
    reply.status = 200
    reply.details = span(b"health_check_ok", 15)
    if stream.ops.server_failed(stream):
        reply.status = 503
        reply.details = span(b"health_check_failed", 19)
    elif known:
        reply.status = known % DEGRADED
        reply.details = span(b"health_check_cached", 19)
        if known >= DEGRADED:
            head_set(&head, H_ENVOY_DEGRADED, span(b"", 0))
    elif conf.clusters_len > 0:
        reply.details = judge(stream, conf)
        if reply.details.len > 0:
            reply.status = 503
        else:
            reply.details = span(b"health_check_ok_cluster_healthy", 31)
    if reply.status < 200 or reply.status > 299:
        reply.flag = FLAG_LH
    stream.ops.reply(stream, &reply)


cdef int on_request_head(HttpStream *stream, uint8_t n, bint end) noexcept nogil:
    cdef HealthCheckConf *conf = <HealthCheckConf *>filter_settings(stream, n)
    stream.request_bodies &= ~(<uint32_t>1 << n)
    if not headers_match_all(conf.headers, conf.headers_len, stream.request):
        return FILTER_CONTINUE
    stream.state[n] = <void *>IS_CHECK
    stream.record.health_check = True
    if conf.pass_through and not stream.ops.server_failed(stream) and remembered(stream, conf) == 0:
        return FILTER_CONTINUE
    stream.state[n] = <void *>(IS_CHECK | ANSWERED)
    if end:
        answer(stream, conf)
        return FILTER_STOP
    stream.request_bodies |= <uint32_t>1 << n
    return FILTER_BUFFER


cdef int on_request_data(HttpStream *stream, uint8_t n, Buffer *data, bint end) noexcept nogil:
    if (<size_t>stream.state[n]) & ANSWERED == 0:
        return FILTER_CONTINUE
    buffer_drain(stream.buffers, data, data.len)
    if end:
        answer(stream, <HealthCheckConf *>filter_settings(stream, n))
    return FILTER_STOP


cdef int on_response_head(HttpStream *stream, uint8_t n, bint end) noexcept nogil:
    cdef HealthCheckConf *conf = <HealthCheckConf *>filter_settings(stream, n)
    cdef int64_t status = stream.response.status
    if stream.state[n] == NULL:
        if stream.ops.server_failed(stream):
            head_drop_name(stream.response, span(b"x-envoy-immediate-health-check-fail", 35))
            head_add(stream.response, span(b"x-envoy-immediate-health-check-fail", 35), span(b"True", 4), H_OTHER)
        return FILTER_CONTINUE
    if conf.cache_ms and remembered(stream, conf) == 0:
        atomic_store(&conf.cached, status + DEGRADED if head_has(stream.response, H_ENVOY_DEGRADED) else status)
        atomic_store(&conf.cached_until_ms, <int64_t>(clock_ms(stream.clock) + conf.cache_ms))
    head_drop_name(stream.response, span(b"x-envoy-upstream-healthchecked-cluster", 38))
    head_add(stream.response, span(b"x-envoy-upstream-healthchecked-cluster", 38), conf.node_cluster, H_OTHER)
    return FILTER_CONTINUE


cdef HttpFilterOps ops
ops.kind = b"envoy.filters.http.health_check"
ops.on_request_head = on_request_head
ops.on_request_data = on_request_data
ops.on_request_trailers = NULL
ops.on_response_head = on_response_head
ops.on_response_data = NULL
ops.on_response_trailers = NULL
ops.on_log = NULL
ops.on_destroy = NULL


cdef const HttpFilterOps *health_check_filter() noexcept nogil:
    return &ops
