"""Thrift calls once more. See again.pxd for the law."""
from meshcore.base.buffer cimport buffer_fini, buffer_move, buffer_own, buffer_share
from meshcore.cluster.breaker cimport RESOURCE_RETRIES, breaker_allows_retry, breaker_give, breaker_take
from meshcore.cluster.host cimport Host, host_unref
from meshcore.codec.thrift cimport THRIFT_CALL
from meshcore.codec.thrift_reply cimport REPLY_MORE
from meshcore.conf.stat_ids cimport *
from meshcore.proxy.objects cimport *
from meshcore.proxy.thrift.call cimport CALL_REPLYING, CALL_ROUTED, CALL_ROUTING, CALL_SENT, thrift_call_happens
from meshcore.proxy.thrift.charge cimport charge_cluster
from meshcore.proxy.thrift.message cimport message_fini, message_init
from meshcore.proxy.thrift.objects cimport *
from meshcore.proxy.thrift.pool cimport pool_request
from meshcore.proxy.thrift.router cimport router_choose_host
from meshcore.proxy.thrift.upstream cimport upstream_drop
from meshcore.route.thrift_retry cimport thrift_retry_allows


cdef inline bint is_named(ThriftCall *call) noexcept nogil:
    # By the name that the client called: the route may have taken the service off it.
    return call.request.envelope.type == THRIFT_CALL and thrift_retry_allows(conf_of(call.down).retry, call.called)


cdef void again_keep(ThriftCall *call) noexcept nogil:
    if call.tries < conf_of(call.down).retry.most and is_named(call) and buffer_own(&call.engine.loop.buffers, &call.request.body):
        buffer_share(&call.engine.loop.buffers, &call.kept, &call.request.body)


cdef bint may(ThriftCall *call) noexcept nogil:
    if call.tries >= conf_of(call.down).retry.most:
        if call.tries > 0:
            charge_cluster(call, CLUSTER_RQ_RETRY_LIMIT_EXCEEDED)
        return False
    if (call.state == CALL_SENT or call.state == CALL_REPLYING) and call.kept.len == 0:
        return False
    if not is_named(call):
        return False
    if call.tries == 0 and not breaker_allows_retry(&call.cluster.conf.breakers[0]):
        charge_cluster(call, CLUSTER_RQ_RETRY_OVERFLOW)
        return False
    return True


cdef bint move(ThriftCall *call) noexcept nogil:
    # To another choice of host; all stays as it is when there is none.
    cdef Host *failed = call.host
    cdef ThriftPool *left = call.pool
    cdef Host *host
    cdef ThriftPool *pool
    if not router_choose_host(call, call.criteria):
        return False
    if call.upstream != NULL:
        host = call.host
        pool = call.pool
        call.host = failed         # whose connection it is
        call.pool = left
        upstream_drop(call)
        call.host = host
        call.pool = pool
    host_unref(failed)
    return True


cdef bint again_try(ThriftCall *call) noexcept nogil:
    if conf_of(call.down).retry == NULL or not may(call) or not move(call):
        return False
    if call.tries == 0:
        breaker_take(&call.cluster.conf.breakers[0], RESOURCE_RETRIES)
    call.tries += 1
    charge_cluster(call, CLUSTER_RQ_RETRY)
    if call.kept.len > 0:
        buffer_fini(&call.engine.loop.buffers, &call.request.body)
        buffer_move(&call.request.body, &call.kept)        # it is kept anew when it goes out
    message_fini(&call.reply, call.engine)
    message_init(&call.reply, &call.arena)
    call.kind = REPLY_MORE
    call.first_len = 0
    call.reply_size = 0
    call.sent_ns = 0
    call.state = CALL_ROUTING
    thrift_call_happens(&call.state, CALL_ROUTED)
    pool_request(call.pool, call)
    return True


cdef void again_over(ThriftCall *call) noexcept nogil:
    if call.tries > 0:
        breaker_give(&call.cluster.conf.breakers[0], RESOURCE_RETRIES)
    buffer_fini(&call.engine.loop.buffers, &call.kept)
