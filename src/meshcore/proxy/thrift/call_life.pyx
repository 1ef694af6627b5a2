"""Thrift calls: their life. See call_life.pxd for the law."""
from libc.stdint cimport int32_t, uint8_t, uint64_t
from libc.string cimport memset

from meshcore.base.arena cimport arena_fini, arena_init
from meshcore.base.atomics cimport atomic_ref
from meshcore.base.clock cimport clock_ns, clock_wall_us
from meshcore.base.slab cimport slab_free, slab_new
from meshcore.base.span cimport Span, span
from meshcore.cluster.host cimport host_unref
from meshcore.codec.head cimport H_OTHER, head_add, head_drop_name, head_find_name
from meshcore.codec.thrift cimport *
from meshcore.codec.thrift_frame cimport ThriftFrameHead
from meshcore.codec.thrift_reply cimport REPLY_ERROR, REPLY_MORE, REPLY_SUCCESS, thrift_exception_write
from meshcore.conf.stat_ids cimport *
from meshcore.conf.tables cimport listener_conf_unref
from meshcore.io.transport cimport transport_flush
from meshcore.observe.counters cimport gauge_add, histogram_record, stat_inc
from meshcore.proxy.drain cimport listener_drains
from meshcore.proxy.engine cimport cluster_unuse
from meshcore.proxy.grpc_call cimport grpc_call_cancel
from meshcore.proxy.objects cimport *
from meshcore.proxy.thrift.again cimport again_keep, again_over, again_try
from meshcore.proxy.thrift.call cimport *
from meshcore.proxy.thrift.charge cimport *
from meshcore.proxy.thrift.connection cimport downstream_call_ended, downstream_close, downstream_resume
from meshcore.proxy.thrift.local_reply cimport *
from meshcore.proxy.thrift.log cimport call_log
from meshcore.proxy.thrift.message cimport *
from meshcore.proxy.thrift.objects cimport *
from meshcore.proxy.thrift.pool cimport pool_cancel
from meshcore.proxy.thrift.router cimport router_find
from meshcore.proxy.thrift.shadow cimport shadow_failed, shadow_ready, shadow_replied, shadows_begin
from meshcore.proxy.thrift.upstream cimport upstream_drop, upstream_give_back, upstream_send

cdef enum:
    NS_PER_MS = 1000000


cdef inline void count(ThriftCall *call, int stat) noexcept nogil:
    stat_inc(call.engine.stats, conf_of(call.down).stats[stat])


cdef inline Span drain_header() noexcept nogil:
    return span(b":drain", 6)


# --- beginning and end ----------------------------------------------------------------------------------------------


cdef ThriftCall *call_new(ThriftDownstream *down) noexcept nogil:
    cdef Engine *engine = down.engine
    cdef ThriftCall *call = <ThriftCall *>slab_new(&engine.thrift_calls)
    if call == NULL:
        return NULL
    memset(call, 0, sizeof(ThriftCall))
    call.down = down
    call.engine = engine
    arena_init(&call.arena, &engine.loop.blocks)
    message_init(&call.request, &call.arena)
    message_init(&call.reply, &call.arena)
    call.kind = REPLY_MORE
    call.state = CALL_ROUTING
    call.started_ns = clock_ns(&engine.loop.clock)
    call.wall_us = clock_wall_us(&engine.loop.clock)
    call.next = down.calls
    call.link = &down.calls
    if call.next != NULL:
        call.next.link = &call.next
    down.calls = call
    gauge_add(engine.stats, conf_of(down).stats[THRIFT_RQ_ACTIVE], 1)
    return call


cdef void call_free(ThriftCall *call) noexcept nogil:
    cdef ThriftDownstream *down = call.down
    cdef Engine *engine = call.engine
    histogram_record(engine.stats, conf_of(down).rq_time, (clock_ns(&engine.loop.clock) - call.started_ns) // NS_PER_MS)
    gauge_add(engine.stats, conf_of(down).stats[THRIFT_RQ_ACTIVE], -1)
    call_log(call)
    call.link[0] = call.next
    if call.next != NULL:
        call.next.link = call.link
    if down.reading == call:
        down.reading = NULL
    if down.waits == call:
        down.waits = NULL
    message_fini(&call.request, engine)
    message_fini(&call.reply, engine)
    if call.limit != NULL:
        grpc_call_cancel(call.limit)
    if call.cluster != NULL:
        again_over(call)
        cluster_unuse(call.cluster)
    if call.conf != NULL:
        listener_conf_unref(call.conf)
    host_unref(call.host)
    arena_fini(&call.arena)
    slab_free(&engine.thrift_calls, call)
    downstream_call_ended(down)


cdef void call_hold_conf(ThriftCall *call) noexcept nogil:
    if call.conf == NULL:
        call.conf = call.down.conn.chain.listener.conf
        atomic_ref(&call.conf.refs)


cdef void call_discard(ThriftCall *call) noexcept nogil:
    call_free(call)


cdef void call_abandon(ThriftCall *call) noexcept nogil:
    if thrift_call_happens(&call.state, CALL_DOWNSTREAM_CLOSED) & ACT_DROP:
        drop(call)
    call_free(call)


cdef void drop(ThriftCall *call) noexcept nogil:
    if call.upstream != NULL:
        # Envoy counts its own end of the connection as a failure, and the exception that nobody gets.
        if call.reply_size > 0:
            charge_cluster(call, CLUSTER_THRIFT_PARTIAL_CLOSE)
        charge_local(call, CLUSTER_THRIFT_LOCAL_LOCAL_FAILURE)
        if not conf_of(call.down).stays_open:
            count(call, THRIFT_DRAIN_CLOSE)
        upstream_drop(call)
    else:
        pool_cancel(call)


# --- events ---------------------------------------------------------------------------------------------------------


cdef void fail(ThriftCall *call, uint8_t event, uint8_t reason, Span subject) noexcept nogil:
    # Every event that ends a call with an exception.
    cdef ThriftDownstream *down = call.down
    cdef uint8_t acts = thrift_call_happens(&call.state, event)
    if acts == ACT_NONE:
        return
    if conf_of(down).stays_open and (event == CALL_REFUSED or event == CALL_CONNECT_FAILED or event == CALL_UPSTREAM_CLOSED):
        acts &= ~<uint8_t>ACT_CLOSE
    if acts & ACT_DROP:
        drop(call)
    if acts & ACT_EXCEPTION:
        answer(call, reason, subject, acts & ACT_CLOSE != 0)
    if down.waits == call:
        down.waits = NULL
    if acts & ACT_CLOSE:
        downstream_close(down, True)
        return
    if call.request_end:
        count_request(call)
        call_free(call)
    downstream_resume(down)


cdef void call_refuse(ThriftCall *call, uint8_t reason, Span subject) noexcept nogil:
    fail(call, CALL_REFUSED, reason, subject)


cdef void call_limited(ThriftCall *call, uint8_t reason) noexcept nogil:
    fail(call, CALL_LIMITED, reason, span(NULL, 0))


cdef void call_overflow(ThriftCall *call) noexcept nogil:
    charge_local(call, CLUSTER_THRIFT_LOCAL_OVERFLOW)
    if call.down == NULL:
        shadow_failed(call)
        return
    fail(call, CALL_OVERFLOW, REASON_OVERFLOW, span(NULL, 0))


cdef void call_connect_failed(ThriftCall *call, uint8_t reason) noexcept nogil:
    if call.down != NULL and again_try(call):
        return
    if reason == REASON_TIMEOUT_AT_START:
        charge_local(call, CLUSTER_THRIFT_LOCAL_TIMEOUT)
    else:
        charge_local(call, CLUSTER_THRIFT_LOCAL_LOCAL_FAILURE if reason == REASON_LOCAL_FAILURE_AT_START else CLUSTER_THRIFT_LOCAL_REMOTE_FAILURE)
    if call.down == NULL:
        shadow_failed(call)
    else:
        fail(call, CALL_CONNECT_FAILED, reason, call.host.text)


cdef void call_fail_protocol(ThriftCall *call, Span what) noexcept nogil:
    if call.state == CALL_SENT or call.state == CALL_REPLYING:
        count(call, THRIFT_RS_EXCEPTION)       # once more, as Envoy does, for the connection that it closes itself
    fail(call, CALL_REQUEST_BROKEN, REASON_PROTOCOL_ERROR, what)


cdef void call_upstream_closed(ThriftCall *call, bint local) noexcept nogil:
    cdef uint8_t reason = REASON_LOCAL_FAILURE_AT_START if local else REASON_REMOTE_FAILURE_AT_START
    if call.down != NULL and again_try(call):
        return
    if call.reply_size > 0:
        reason += REASON_LOCAL_FAILURE_IN_REPLY - REASON_LOCAL_FAILURE_AT_START
        charge_cluster(call, CLUSTER_THRIFT_PARTIAL_CLOSE)
    charge_local(call, CLUSTER_THRIFT_LOCAL_LOCAL_FAILURE if local else CLUSTER_THRIFT_LOCAL_REMOTE_FAILURE)
    charge_time(call)
    if call.down == NULL:
        shadow_failed(call)
        return
    fail(call, CALL_UPSTREAM_CLOSED, reason, call.host.text)


cdef void call_reply_broken(ThriftCall *call, Span what) noexcept nogil:
    charge_broken(call)
    if call.down == NULL:
        shadow_failed(call)
        return
    if again_try(call):
        return
    count(call, THRIFT_RS_DECODING_ERROR)
    count(call, THRIFT_RS_EXCEPTION)           # once more, as Envoy does, for the connection that it closes itself
    fail(call, CALL_REPLY_BROKEN, REASON_PROTOCOL_ERROR, what)


cdef void call_ready(ThriftCall *call) noexcept nogil:
    cdef ThriftDownstream *down = call.down
    if down == NULL:
        shadow_ready(call)
        return
    thrift_call_happens(&call.state, CALL_CONNECTED)
    if down.waits == call:
        down.waits = NULL
    if call.request_end:
        send(call)
    downstream_resume(down)


cdef void call_request_complete(ThriftCall *call) noexcept nogil:
    call.request_end = True
    # A call with mirrors holds its configuration; another's route may be gone by now.
    if call.conf != NULL and call.route != NULL and call.route.mirrors_len > 0 and call.state != CALL_DONE and not call.upgrade:
        shadows_begin(call)
    if call.upgrade:
        agree(call)
    elif call.state == CALL_SENDING:
        send(call)
    elif call.state == CALL_DONE:
        count_request(call)
        call_free(call)
    elif message_hold(&call.request, call.engine) != THRIFT_NO_ERROR:
        # It waits for its connection longer than the bytes of this event live.
        call_fail_protocol(call, span(b"no memory", 9))


cdef void send(ThriftCall *call) noexcept nogil:
    cdef uint8_t type = call.request.envelope.type
    if conf_of(call.down).retry != NULL:
        again_keep(call)
    upstream_send(call)
    call.sent_ns = clock_ns(&call.engine.loop.clock)
    count_request(call)
    if type != THRIFT_ONEWAY:
        thrift_call_happens(&call.state, CALL_REQUEST_END)
        if type != THRIFT_CALL:
            discard(call)
        return
    thrift_call_happens(&call.state, CALL_ONEWAY_END)
    charge_time(call)
    upstream_give_back(call)
    call_free(call)


cdef void discard(ThriftCall *call) noexcept nogil:
    # A client that sends replies: nothing is known of what the host would make of it.
    cdef ThriftDownstream *down = call.down
    charge_time(call)
    charge_failed(call)
    thrift_call_happens(&call.state, CALL_DOWNSTREAM_CLOSED)
    drop(call)
    answer(call, REASON_LOCAL_FAILURE_AT_START, call.host.text, True)
    call.reply.envelope.type = 0   # not in its log line
    call_free(call)
    downstream_close(down, True)


cdef void count_request(ThriftCall *call) noexcept nogil:
    cdef ThriftDownstream *down = call.down
    cdef uint8_t type = call.request.envelope.type
    if call.counted:
        return
    call.counted = True
    count(call, THRIFT_RQ)
    if type == THRIFT_CALL:
        count(call, THRIFT_RQ_CALL)
    else:
        count(call, THRIFT_RQ_ONEWAY if type == THRIFT_ONEWAY else THRIFT_RQ_INVALID_TYPE)
    if call.passes and conf_of(down).count_passing:
        count(call, THRIFT_RQ_PASSTHROUGH)
    down.requests += 1
    if conf_of(down).max_requests and down.requests == conf_of(down).max_requests:
        down.overflow = True
        count(call, THRIFT_CX_MAX_REQUESTS)


# --- replies --------------------------------------------------------------------------------------------------------


cdef void call_reply_begin(ThriftCall *call) noexcept nogil:
    thrift_call_happens(&call.state, CALL_REPLY_BEGIN)


cdef void call_reply_complete(ThriftCall *call) noexcept nogil:
    cdef ThriftDownstream *down = call.down
    cdef bint draining = head_find_name(&call.reply.headers, drain_header()) != NULL
    cdef uint8_t acts = thrift_call_happens(&call.state, CALL_REPLY_END)
    cdef uint64_t wire = 0
    cdef int error
    if acts & ACT_FORWARD == 0:
        return
    if call.down == NULL:
        shadow_replied(call, draining)
        return
    if draining:
        head_drop_name(&call.reply.headers, drain_header())
    charge_reply(call, draining)
    if call.tries > 0:
        charge_cluster(call, CLUSTER_RQ_RETRY_SUCCESS)
    charge_time(call)
    if listener_drains(down.conn.chain.listener):
        head_add(&call.reply.headers, drain_header(), span(b"true", 4), H_OTHER)
        count(call, THRIFT_DRAIN_CLOSE)
    error = message_write(&call.reply, call.engine, &call.arena, down.conn.transport, down.stream.transport, down.stream.protocol,
                          down.stream.upgraded, call.reply.envelope.name, call.request.envelope.seqid, &wire)
    if draining:
        upstream_drop(call)
    else:
        upstream_give_back(call)
    if error != THRIFT_NO_ERROR:
        downstream_close(down, True)
        return
    transport_flush(down.conn.transport)
    count_reply(call)
    call_free(call)


cdef void count_reply(ThriftCall *call) noexcept nogil:
    cdef uint8_t type = call.reply.envelope.type
    count(call, THRIFT_RS)
    if call.passes and conf_of(call.down).count_passing:
        count(call, THRIFT_RS_PASSTHROUGH)
    if type == THRIFT_REPLY:
        count(call, THRIFT_RS_REPLY)
        if call.kind == REPLY_SUCCESS:
            count(call, THRIFT_RS_SUCCESS)
        elif call.kind == REPLY_ERROR:
            count(call, THRIFT_RS_ERROR)
    else:
        count(call, THRIFT_RS_EXCEPTION if type == THRIFT_EXCEPTION else THRIFT_RS_INVALID_TYPE)


cdef void answer(ThriftCall *call, uint8_t reason, Span subject, bint close) noexcept nogil:
    # An exception of our own. A oneway call gets none, but counts.
    cdef ThriftDownstream *down = call.down
    cdef Engine *engine = call.engine
    cdef ThriftFrameHead frame
    cdef ThriftEnvelope envelope = call.request.envelope
    cdef Span lead = span(NULL, 0)
    cdef char text[LOCAL_TEXT_MAX]
    cdef int32_t type = 0
    cdef size_t n = thrift_local_text(reason, subject, text, &type)
    message_fini(&call.reply, engine)
    message_init(&call.reply, &call.arena)
    call.reply.envelope.type = THRIFT_EXCEPTION
    if close:
        head_add(&call.reply.headers, drain_header(), span(b"true", 4), H_OTHER)
        count(call, THRIFT_DRAIN_CLOSE)
    count(call, THRIFT_RS_EXCEPTION)
    if envelope.type == THRIFT_ONEWAY:
        return
    memset(&frame, 0, sizeof(ThriftFrameHead))
    frame.transport = down.stream.transport
    frame.seqid = envelope.seqid
    envelope.protocol = down.stream.protocol
    if down.stream.upgraded:
        message_lead(&call.reply, engine, &call.arena, True, &lead)
    thrift_exception_write(&engine.loop.buffers, &down.conn.transport.out, &frame, &call.reply.headers, lead, &envelope, type, span(text, n))
    transport_flush(down.conn.transport)


cdef void agree(ThriftCall *call) noexcept nogil:
    # The answer to who asks for the Twitter protocol: an empty result, and headers from here on.
    cdef ThriftDownstream *down = call.down
    cdef uint64_t wire = 0
    call.reply.envelope = call.request.envelope
    call.reply.envelope.type = THRIFT_REPLY
    message_take(&call.reply, call.engine, span(b"\0", 1), True)
    message_write(&call.reply, call.engine, &call.arena, down.conn.transport, down.stream.transport, down.stream.protocol, False,
                  call.request.envelope.name, call.request.envelope.seqid, &wire)
    transport_flush(down.conn.transport)
    down.stream.upgraded = True
    count(call, THRIFT_RS_SUCCESS)
    call.kind = REPLY_SUCCESS
    call.state = CALL_DONE
    if conf_of(down).logs_len > 0:
        router_find(call)
    count_request(call)
    call_free(call)
