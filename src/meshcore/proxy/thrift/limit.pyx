"""Thrift rate limits. See limit.pxd for the law."""
from libc.string cimport memset

from meshcore.base.arena cimport arena_take
from meshcore.base.random cimport random_u64
from meshcore.base.runtime cimport runtime_hits
from meshcore.base.span cimport Span
from meshcore.conf.stat_ids cimport *
from meshcore.filter.grpc_call cimport GrpcCall
from meshcore.filter.rate_limit_service cimport *
from meshcore.observe.record cimport FLAG_RL, FLAG_RLSE, Record
from meshcore.proxy.grpc_call cimport grpc_call_begin
from meshcore.proxy.thrift.call_life cimport call_hold_conf, call_limited
from meshcore.proxy.thrift.charge cimport charge_cluster
from meshcore.proxy.thrift.connection cimport downstream_call_passed
from meshcore.proxy.thrift.local_reply cimport REASON_LIMITER_ERROR, REASON_OVER_LIMIT
from meshcore.proxy.thrift.objects cimport *
from meshcore.proxy.thrift.router cimport router_find

cdef struct Question:
    GrpcCall call                  # must be first
    const ThriftRateLimit *limit
    bint starting                  # it is being begun


cdef void describe(ThriftCall *call, const ThriftRateLimit *limit, Record *record, RateDescriptors *list) noexcept nogil:
    record.downstream_remote = &call.down.conn.remote
    record.cluster = call.cluster_name
    call.request.headers.method = call.request.envelope.name
    rate_descriptors_add(list, &call.route.rate_rules, limit.stage, &call.engine.loop.random, &call.request.headers, record, &call.arena)


cdef void limit_begin(ThriftCall *call, const ThriftRateLimit *limit) noexcept nogil:
    cdef RateDescriptors list
    cdef Question *question
    cdef Record record
    cdef Span message
    if not runtime_hits(&limit.enabled, random_u64(&call.engine.loop.random)):
        return
    if call.route == NULL:
        router_find(call)
    if call.route == NULL or call.cluster == NULL or call.route.rate_rules.len == 0:
        return
    memset(&list, 0, sizeof(RateDescriptors))
    memset(&record, 0, sizeof(Record))
    describe(call, limit, &record, &list)
    if list.len == 0:
        return
    question = <Question *>arena_take(&call.arena, sizeof(Question))
    message = rate_request_write(limit.service.domain, &list, &call.arena)
    if question == NULL or message.len == 0:
        return
    call_hold_conf(call)
    call.gathers = call.waited = True
    rate_call_fill(&question.call, &limit.service)
    question.call.owner = call
    question.call.done = on_answer
    question.limit = limit
    question.starting = True
    call.limit = &question.call
    grpc_call_begin(call.engine, call.down.conn.chain.listener, &question.call, message, &record)
    question.starting = False


cdef void on_answer(GrpcCall *asked, int status, Span message) noexcept nogil:
    cdef Question *question = <Question *>asked
    cdef ThriftCall *call = <ThriftCall *>asked.owner
    cdef RateAnswer answer
    call.limit = NULL
    call.down.consuming = True     # a refusal lets no other call begin before this one is done with
    rate_answer_read(&answer, status, message, &call.arena)
    if answer.verdict == RATE_VERDICT_OK:
        charge_cluster(call, CLUSTER_RATELIMIT_OK)
    elif answer.verdict == RATE_VERDICT_OVER_LIMIT:
        over_limit(call, question.limit)
    else:
        failed(call, question.limit)
    if not question.starting:
        downstream_call_passed(call)


cdef void over_limit(ThriftCall *call, const ThriftRateLimit *limit) noexcept nogil:
    charge_cluster(call, CLUSTER_RATELIMIT_OVER_LIMIT)
    if runtime_hits(&limit.enforced, random_u64(&call.engine.loop.random)):
        call.flags |= FLAG_RL
        call_limited(call, REASON_OVER_LIMIT)


cdef void failed(ThriftCall *call, const ThriftRateLimit *limit) noexcept nogil:
    charge_cluster(call, CLUSTER_RATELIMIT_ERROR)
    if limit.deny:
        call.flags |= FLAG_RLSE
        call_limited(call, REASON_LIMITER_ERROR)
        return
    charge_cluster(call, CLUSTER_RATELIMIT_FAILURE_MODE_ALLOWED)
