"""Thrift router. See router.pxd for the law."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memset, strlen

from meshcore.base.atomics cimport atomic_ref
from meshcore.base.random cimport random_u64
from meshcore.base.span cimport Span, span
from meshcore.cluster.balancer cimport Pick, balancer_pick
from meshcore.cluster.host cimport Host
from meshcore.codec.thrift cimport *
from meshcore.conf.stat_ids cimport *
from meshcore.observe.counters cimport stat_inc
from meshcore.observe.metadata cimport metadata_find
from meshcore.proxy.aggregate cimport aggregate_choose
from meshcore.proxy.engine cimport engine_find_cluster
from meshcore.proxy.objects cimport *
from meshcore.proxy.overload cimport overload_maintains
from meshcore.proxy.thrift.call cimport *
from meshcore.proxy.thrift.call_life cimport call_fail_protocol, call_hold_conf, call_refuse
from meshcore.proxy.thrift.charge cimport charge_cluster, charge_refused, charge_request
from meshcore.proxy.thrift.local_reply cimport *
from meshcore.proxy.thrift.message cimport converts, message_convert, message_limits
from meshcore.proxy.thrift.objects cimport *
from meshcore.proxy.thrift.pool cimport pool_of, pool_request
from meshcore.route.criteria cimport Criteria
from meshcore.route.criteria_merge cimport criteria_merge
from meshcore.route.thrift_table cimport *


cdef void refuse(ThriftCall *call, int stat, uint8_t reason, Span subject) noexcept nogil:
    stat_inc(call.engine.stats, conf_of(call.down).stats[stat])
    call_refuse(call, reason, subject)


cdef void router_find(ThriftCall *call) noexcept nogil:
    cdef Engine *engine = call.engine
    cdef ClusterLocal *cluster
    call.route = thrift_route_find(conf_of(call.down).routes, call.request.envelope.name, &call.request.headers)
    if call.route == NULL:
        return
    call.cluster_name = thrift_route_cluster(call.route, &call.request.headers, random_u64(&engine.loop.random), &call.choice)
    if call.choice == NULL:
        cluster = engine_find_cluster(engine, call.cluster_name)
    else:
        cluster = engine.clusters[call.choice.index] if <uint32_t>call.choice.index < engine.clusters_cap else NULL
    call.cluster = cluster
    if cluster != NULL:
        cluster.users += 1


cdef void router_route(ThriftCall *call, uint64_t size) noexcept nogil:
    cdef Engine *engine = call.engine
    cdef ThriftMessage *request = &call.request
    cdef const Criteria *criteria
    cdef Span name
    cdef int error
    if call.route == NULL:
        router_find(call)
    name = call.cluster_name
    if call.route == NULL:
        refuse(call, THRIFT_ROUTE_MISSING, REASON_NO_ROUTE, request.envelope.name)
        return
    if call.cluster == NULL:
        refuse(call, THRIFT_UNKNOWN_CLUSTER, REASON_UNKNOWN_CLUSTER, name)
        return
    if call.route.mirrors_len > 0 or conf_of(call.down).retry != NULL:
        call_hold_conf(call)
    charge_request(call)
    if overload_maintains(engine, call.cluster):
        charge_refused(call)
        refuse(call, THRIFT_MAINTENANCE, REASON_MAINTENANCE, name)
        return
    criteria = call.route.criteria if call.choice == NULL else call.choice.criteria
    if call.metadata.namespaces != NULL:
        criteria = criteria_merge(criteria, metadata_find(&call.metadata, span(b"envoy.lb", 8), NULL, 0), &call.arena)
    call.criteria = criteria
    if not router_choose_host(call, criteria):
        charge_cluster(call, CLUSTER_CX_NONE_HEALTHY)
        charge_refused(call)
        refuse(call, THRIFT_NO_HEALTHY_UPSTREAM, REASON_NO_HEALTHY_UPSTREAM, name)
        return
    call.called = request.envelope.name
    request.envelope.name = thrift_route_name(call.route, request.envelope.name)
    router_speak(call, call.down.stream.transport, call.down.stream.protocol)
    call.passes = call.passes and not call.waited      # Envoy decides that before a filter has let it pass
    if converts(call.down.stream.protocol, call.up_protocol):
        error = message_convert(request, engine, call.up_protocol, size, message_limits())
        if error != THRIFT_NO_ERROR:
            stat_inc(engine.stats, conf_of(call.down).stats[THRIFT_RQ_DECODING_ERROR])
            call_fail_protocol(call, span(thrift_error_name(error), strlen(thrift_error_name(error))))
            return
    thrift_call_happens(&call.state, CALL_ROUTED)
    call.down.waits = call
    pool_request(call.pool, call)


cdef bint router_choose_host(ThriftCall *call, const Criteria *criteria) noexcept nogil:
    cdef ClusterLocal *cluster = call.cluster
    cdef uint32_t line
    cdef Pick pick
    cdef Host *host
    memset(&pick, 0, sizeof(Pick))
    pick.criteria = criteria
    if cluster.aggregate != NULL:
        cluster = aggregate_choose(cluster, &pick, &line)
    host = NULL if cluster == NULL else balancer_pick(&cluster.balancer, &pick)
    if host == NULL:
        return False
    call.pool = pool_of(cluster, host)
    if call.pool == NULL:
        return False
    atomic_ref(&host.refs)
    call.host = host
    return True


cdef void router_speak(ThriftCall *call, uint8_t transport, uint8_t protocol) noexcept nogil:
    # What the cluster's protocol options leave open is as the client speaks.
    call.up_transport = call.cluster.conf.thrift_transport
    call.up_protocol = call.cluster.conf.thrift_protocol
    if call.up_transport == THRIFT_TRANSPORT_AUTO:
        call.up_transport = transport
    if call.up_protocol == THRIFT_PROTOCOL_AUTO:
        # The old envelope is the client's affair: Envoy goes on with the strict one.
        call.up_protocol = THRIFT_BINARY if protocol == THRIFT_BINARY_LAX else protocol
    call.passes = transport != THRIFT_UNFRAMED and call.up_transport != THRIFT_UNFRAMED and \
        (protocol == call.up_protocol or (protocol == THRIFT_BINARY_LAX and call.up_protocol == THRIFT_BINARY)) and protocol != THRIFT_TWITTER
