"""Mirroring. See mirror.pxd for the law."""
from libc.stdint cimport uint16_t, uint32_t
from libc.string cimport memcpy

from meshcore.base.arena cimport arena_take
from meshcore.base.runtime cimport runtime_hits
from meshcore.base.span cimport Span, span
from meshcore.codec.head cimport *
from meshcore.codec.head_copy cimport head_copy
from meshcore.conf.stat_ids cimport CLUSTER_RETRY_OR_SHADOW_ABANDONED
from meshcore.observe.record cimport ADDRESS_TEXT, address_write
from meshcore.proxy.attempt cimport start_try
from meshcore.proxy.charge cimport count
from meshcore.proxy.engine cimport engine_find_cluster
from meshcore.proxy.objects cimport *
from meshcore.proxy.own_stream cimport own_stream_end, own_stream_new
from meshcore.proxy.route_timeouts cimport route_timeouts_expect
from meshcore.proxy.router cimport router_request_complete, router_request_data, router_request_trailers
from meshcore.route.matcher cimport header_first_value
from meshcore.route.mutation cimport mutate_request


cdef ClusterLocal *find_cluster(Stream *stream, const MirrorPolicy *policy) noexcept nogil:
    cdef Span name
    if policy.cluster_header.len == 0:
        return stream.engine.clusters[policy.index] if <uint32_t>policy.index < stream.engine.clusters_cap else NULL
    return engine_find_cluster(stream.engine, name) if header_first_value(&stream.request, policy.cluster_header, &name) else NULL


cdef void add_suffix(Head *head) noexcept nogil:
    # "host-shadow", and "host-shadow:80".
    cdef Span host = head.authority
    cdef char *text = <char *>arena_take(head.arena, host.len + 7)
    cdef uint32_t name = host.len
    if text == NULL:
        return
    while name > 0 and host.at[name - 1] != 58 and host.at[name - 1] != 93:
        name -= 1
    if name == 0 or host.at[name - 1] != 58:
        name = host.len + 1
    name -= 1
    memcpy(text, host.at, name)
    memcpy(text + name, b"-shadow", 7)
    memcpy(text + name + 7, host.at + name, host.len - name)
    head.authority = span(text, host.len + 7)


cdef void change_head(Stream *shadow, const MirrorPolicy *policy) noexcept nogil:
    cdef Head *head = &shadow.request
    cdef char text[ADDRESS_TEXT]
    cdef size_t n
    cdef uint16_t i
    if policy.host.len > 0:
        head.authority = policy.host
    elif not policy.keep_host:
        add_suffix(head)
    for i in range(policy.mutations_len):
        if policy.mutations[i] != NULL:
            mutate_request(policy.mutations[i], head, &shadow.record)
    head_set(head, H_ENVOY_INTERNAL, span(b"true", 4))
    n = address_write(&shadow.hcm.local_address, text, False)
    head_append_value(head, H_X_FORWARDED_FOR, span(text, n))


cdef Stream *shadow_new(Stream *stream, ClusterLocal *cluster) noexcept nogil:
    cdef Stream *shadow = own_stream_new(stream.engine, stream.listener, stream.hcm, stream.routes, cluster)
    if shadow == NULL:
        return NULL
    shadow.record.start_ns = stream.record.start_ns
    shadow.record.start_wall_us = stream.record.start_wall_us
    shadow.message = stream.message
    shadow.timeout_ms = stream.timeout_ms
    shadow.bits |= stream.bits & STREAM_HEAD_REQUEST
    return shadow


cdef void mirror_to(Stream *stream, ClusterLocal *cluster, const MirrorPolicy *policy, bint end) noexcept nogil:
    cdef Stream *shadow = shadow_new(stream, cluster)
    if shadow == NULL:
        return
    if not head_copy(&shadow.request, &stream.request, &shadow.arena):
        own_stream_end(shadow)
        return
    change_head(shadow, policy)
    route_timeouts_expect(shadow)
    if not end:
        shadow.copied = stream
        shadow.next_copy = stream.copies
        stream.copies = shadow
    else:
        shadow.bits |= STREAM_REQUEST_END
        shadow.record.request_end_ns = stream.record.request_end_ns
    start_try(shadow, False, False)
    if end and shadow.bits & STREAM_ENDED == 0:
        router_request_complete(shadow)


cdef void mirror_start(Stream *stream, const MirrorPolicy *policies, uint16_t n, bint end) noexcept nogil:
    cdef ClusterLocal *cluster
    cdef uint16_t i
    if stream.host.attempt_count_request:
        head_set(&stream.request, H_ENVOY_ATTEMPT_COUNT, span(b"1", 1))
    for i in range(n):
        cluster = find_cluster(stream, &policies[i])
        if cluster != NULL and runtime_hits(&policies[i].fraction, stream.random):
            mirror_to(stream, cluster, &policies[i], end)


cdef bint lags(Stream *shadow) noexcept nogil:
    cdef Attempt *attempt = shadow.attempt
    if attempt != NULL and attempt.full:
        return True
    return shadow.waiting.len > shadow.listener.conf.buffer_limit


cdef void mirror_data(Stream *stream, Span data, bint end) noexcept nogil:
    cdef Stream *shadow = stream.copies
    cdef Stream *next
    while shadow != NULL:
        next = shadow.next_copy
        if end:
            shadow.bits |= STREAM_REQUEST_END
            shadow.record.request_end_ns = stream.record.request_end_ns
        router_request_data(shadow, data, end)
        if end and shadow.bits & STREAM_ENDED == 0:
            router_request_complete(shadow)
        elif shadow.bits & STREAM_ENDED == 0 and lags(shadow):
            count(stream, CLUSTER_RETRY_OR_SHADOW_ABANDONED, 1)
            own_stream_end(shadow)
        shadow = next


cdef void mirror_trailers(Stream *stream) noexcept nogil:
    cdef Stream *shadow = stream.copies
    cdef Stream *next
    while shadow != NULL:
        next = shadow.next_copy
        shadow.bits |= STREAM_REQUEST_END | STREAM_TRAILERS
        shadow.record.request_end_ns = stream.record.request_end_ns
        shadow.request_trailers = <Head *>arena_take(&shadow.arena, sizeof(Head))
        if shadow.request_trailers == NULL or not head_copy(shadow.request_trailers, stream.request_trailers, &shadow.arena):
            own_stream_end(shadow)
        else:
            router_request_trailers(shadow)
            router_request_complete(shadow)
        shadow = next


cdef void mirror_forget(Stream *shadow) noexcept nogil:
    cdef Stream **link = &shadow.copied.copies
    while link[0] != shadow:
        link = &link[0].next_copy
    link[0] = shadow.next_copy
    shadow.copied = NULL


cdef void mirror_let_go(Stream *stream) noexcept nogil:
    cdef Stream *shadow = stream.copies
    cdef Stream *next
    while shadow != NULL:
        next = shadow.next_copy
        if shadow.bits & STREAM_REQUEST_END == 0:
            own_stream_end(shadow)
        else:
            shadow.copied = NULL
        shadow = next
    stream.copies = NULL
