"""Thrift shadows. See shadow.pxd for the law."""
from libc.stdint cimport uint16_t, uint32_t
from libc.string cimport memset

from meshcore.base.arena cimport Arena, arena_copy, arena_fini, arena_init
from meshcore.base.buffer cimport buffer_own, buffer_share
from meshcore.base.clock cimport clock_ns
from meshcore.base.random cimport random_u64
from meshcore.base.runtime cimport runtime_hits
from meshcore.base.slab cimport slab_free, slab_new
from meshcore.base.span cimport Span
from meshcore.cluster.host cimport host_unref
from meshcore.codec.head_copy cimport head_copy
from meshcore.codec.thrift cimport *
from meshcore.codec.thrift_reply cimport REPLY_MORE
from meshcore.conf.stat_ids cimport *
from meshcore.observe.counters cimport stat_inc
from meshcore.proxy.engine cimport cluster_unuse
from meshcore.proxy.objects cimport *
from meshcore.proxy.overload cimport overload_maintains
from meshcore.proxy.thrift.call cimport *
from meshcore.proxy.thrift.charge cimport charge_cluster, charge_refused, charge_reply, charge_request, charge_time
from meshcore.proxy.thrift.message cimport *
from meshcore.proxy.thrift.objects cimport *
from meshcore.proxy.thrift.pool cimport pool_cancel, pool_request
from meshcore.proxy.thrift.router cimport router_choose_host, router_speak
from meshcore.proxy.thrift.upstream cimport upstream_drop, upstream_give_back, upstream_send
from meshcore.route.thrift_table cimport ThriftMirror


cdef inline void count(ThriftCall *call, int stat) noexcept nogil:
    stat_inc(call.engine.stats, conf_of(call.down).stats[stat])


# --- beginning and end ----------------------------------------------------------------------------------------------


cdef ThriftCall *shadow_new(Engine *engine, ClusterLocal *cluster) noexcept nogil:
    cdef ThriftCall *shadow = <ThriftCall *>slab_new(&engine.thrift_calls)
    if shadow == NULL:
        return NULL
    memset(shadow, 0, sizeof(ThriftCall))
    shadow.engine = engine
    arena_init(&shadow.arena, &engine.loop.blocks)
    message_init(&shadow.request, &shadow.arena)
    message_init(&shadow.reply, &shadow.arena)
    shadow.kind = REPLY_MORE
    shadow.state = CALL_WAITING
    shadow.request_end = True
    shadow.cluster = cluster
    cluster.users += 1
    shadow.next = <ThriftCall *>engine.thrift_shadows
    shadow.link = <ThriftCall **>&engine.thrift_shadows
    if shadow.next != NULL:
        shadow.next.link = &shadow.next
    engine.thrift_shadows = shadow
    return shadow


cdef void shadow_free(ThriftCall *shadow) noexcept nogil:
    cdef Engine *engine = shadow.engine
    shadow.link[0] = shadow.next
    if shadow.next != NULL:
        shadow.next.link = shadow.link
    message_fini(&shadow.request, engine)
    message_fini(&shadow.reply, engine)
    cluster_unuse(shadow.cluster)
    host_unref(shadow.host)
    arena_fini(&shadow.arena)
    slab_free(&engine.thrift_calls, shadow)


cdef void shadows_end(Engine *engine) noexcept nogil:
    while engine.thrift_shadows != NULL:
        shadow_failed(<ThriftCall *>engine.thrift_shadows)


cdef bint keep(Arena *arena, Span *text) noexcept nogil:
    if text.len > 0:
        text.at = arena_copy(arena, text.at, text.len)
    return text.at != NULL or text.len == 0


cdef bint copy_request(ThriftCall *shadow, ThriftCall *call) noexcept nogil:
    # Its payload is in the protocol that the original speaks to its host.
    cdef ThriftMessage *to = &shadow.request
    cdef ThriftMessage *of = &call.request
    to.envelope = of.envelope
    to.flags = of.flags
    to.trace = of.trace
    to.spans = of.spans
    to.size = of.size
    if of.walk != NULL:
        to.envelope.protocol = call.up_protocol
    return (keep(&shadow.arena, &to.envelope.name) and keep(&shadow.arena, &to.spans) and
            head_copy(&to.headers, &of.headers, &shadow.arena) and
            buffer_own(&call.engine.loop.buffers, &of.body) and
            buffer_share(&call.engine.loop.buffers, &to.body, &of.body))


cdef bint converted(ThriftCall *shadow) noexcept nogil:
    cdef ThriftMessage *request = &shadow.request
    if not converts(request.envelope.protocol, shadow.up_protocol):
        return True
    return message_convert(request, shadow.engine, shadow.up_protocol, request.body.len, message_limits()) == THRIFT_NO_ERROR and \
        message_end(request) == THRIFT_NO_ERROR


cdef bint submit(ThriftCall *call, ClusterLocal *cluster) noexcept nogil:
    cdef ThriftCall *shadow = shadow_new(call.engine, cluster)
    if shadow == NULL:
        return False
    if not copy_request(shadow, call):
        shadow_free(shadow)
        return False
    charge_request(shadow)
    if overload_maintains(call.engine, cluster):
        charge_refused(shadow)
        count(call, THRIFT_MAINTENANCE)
        shadow_free(shadow)
        return False
    if not router_choose_host(shadow, NULL):
        charge_cluster(shadow, CLUSTER_CX_NONE_HEALTHY)
        charge_refused(shadow)
        count(call, THRIFT_NO_HEALTHY_UPSTREAM)
        shadow_free(shadow)
        return False
    router_speak(shadow, call.down.stream.transport, call.down.stream.protocol)
    if not converted(shadow):
        shadow_free(shadow)
        return False
    pool_request(shadow.pool, shadow)
    return True


cdef void shadows_begin(ThriftCall *call) noexcept nogil:
    cdef Engine *engine = call.engine
    cdef const ThriftMirror *mirror
    cdef ClusterLocal *cluster
    cdef uint16_t i
    for i in range(call.route.mirrors_len):
        mirror = &call.route.mirrors[i]
        if not runtime_hits(&mirror.fraction, random_u64(&engine.loop.random)):
            continue
        cluster = engine.clusters[mirror.index] if <uint32_t>mirror.index < engine.clusters_cap else NULL
        if cluster == NULL:
            count(call, THRIFT_UNKNOWN_CLUSTER)
        if cluster == NULL or not submit(call, cluster):
            count(call, THRIFT_SHADOW_FAILURE)


# --- events ---------------------------------------------------------------------------------------------------------


cdef void shadow_ready(ThriftCall *shadow) noexcept nogil:
    thrift_call_happens(&shadow.state, CALL_CONNECTED)
    upstream_send(shadow)
    shadow.sent_ns = clock_ns(&shadow.engine.loop.clock)
    if shadow.request.envelope.type == THRIFT_ONEWAY:
        thrift_call_happens(&shadow.state, CALL_ONEWAY_END)
        charge_time(shadow)
        upstream_give_back(shadow)
        shadow_free(shadow)
    else:
        thrift_call_happens(&shadow.state, CALL_REQUEST_END)


cdef void shadow_replied(ThriftCall *shadow, bint draining) noexcept nogil:
    charge_reply(shadow, draining)
    charge_time(shadow)
    if draining:
        upstream_drop(shadow)
    else:
        upstream_give_back(shadow)
    shadow_free(shadow)


cdef void shadow_failed(ThriftCall *shadow) noexcept nogil:
    if shadow.upstream != NULL:
        upstream_drop(shadow)
    else:
        pool_cancel(shadow)
    shadow_free(shadow)
