"""Router: the last filter. See router.pxd for the law.

A request body is sent as it comes. While another try is still possible it is also kept (stream.replay, up to the buffer limit), so that the
next try can send it again; without that possibility it only waits (stream.waiting) until a connection is ready.
"""
from libc.stdint cimport uint32_t, uint64_t

from meshcore.base.atomics cimport atomic_add, atomic_load
from meshcore.base.buffer cimport *
from meshcore.base.clock cimport clock_ms, clock_ns
from meshcore.base.span cimport Span, span
from meshcore.base.wheel cimport Timer, timer_cancel, wheel_arm
from meshcore.cluster.host cimport HOST_RQ_TIMEOUT, host_unref
from meshcore.codec.head cimport *
from meshcore.conf.stat_ids cimport *
from meshcore.observe.counters cimport stat_inc
from meshcore.observe.record cimport *
from meshcore.proxy.attempt cimport arm_try, give_up, start_try
from meshcore.proxy.blame cimport blame_slow
from meshcore.proxy.charge cimport *
from meshcore.proxy.client cimport client_pause
from meshcore.proxy.engine cimport cluster_unuse, engine_find_cluster
from meshcore.proxy.failure cimport give_retry, timed_out, timeout_status
from meshcore.proxy.hedge cimport hedge_end, hedge_others, hedge_prepare, hedge_start
from meshcore.proxy.mirror cimport mirror_data, mirror_let_go, mirror_start, mirror_trailers
from meshcore.proxy.objects cimport *
from meshcore.proxy.overload cimport overload_refuses
from meshcore.proxy.reset_reply cimport join
from meshcore.proxy.retry cimport *
from meshcore.proxy.route_head cimport route_head_rewrite
from meshcore.proxy.route_reply cimport route_reply, route_reply_tls, route_reply_wants_tls
from meshcore.proxy.route_timeouts cimport route_timeouts_set, strict_headers_hold
from meshcore.proxy.stream cimport *
from meshcore.proxy.upstream cimport *
from meshcore.route.matcher cimport header_first_value
from meshcore.route.table cimport *

cdef enum:
    REPLAY_MAX = 64 * 1024         # body kept for a stale-connection replay when no retry policy asks for more


# --- choosing -----------------------------------------------------------------------------------------------------------


cdef ClusterLocal *router_find_cluster(Stream *stream, Route *route) noexcept nogil:
    cdef ClusterLocal *cluster = NULL
    cdef Span named = route.cluster_header
    cdef Span name
    if stream.choice != NULL:
        named = stream.choice.cluster_header
        if stream.choice.index >= 0 and <uint32_t>stream.choice.index < stream.engine.clusters_cap:
            cluster = stream.engine.clusters[stream.choice.index]
    if named.len > 0 and header_first_value(&stream.request, named, &name):
        cluster = engine_find_cluster(stream.engine, name)
        stream.record.cluster = name
    return cluster


cdef void refuse_header(Stream *stream, Span name, Span value) noexcept nogil:
    # strict_check_headers, in Envoy's words.
    cdef Span body = join(stream, span(b"invalid header '", 16), name, span(b"' with value '", 14), value)
    cdef Span details = join(stream, span(b"request_headers_failed_strict_check{", 36), name, span(b"}", 1), span(b"", 0))
    stream_reply_simple(stream, 400, FLAG_IH, details, join(stream, body, span(b"'", 1), span(b"", 0), span(b"", 0)))


cdef void refuse_value(Stream *stream) noexcept nogil:
    # A value that the proxy itself would have written, in Envoy's words; nothing goes upstream.
    cdef Span name = stream.record.unfit_header
    cdef Span none = span(b"", 0)
    cdef Span body = join(stream, span(b"invalid header value for: ", 26), name, none, none)
    cdef Span details = join(stream, span(b"filter_removed_required_request_headers{invalid_header_value_for:_", 66), name, span(b"}", 1), none)
    stream.record.unfit_header.at = NULL
    stream_reply_simple(stream, 503, FLAG_DPE, details, body)


cdef void router_request_head(Stream *stream, bint end) noexcept nogil:
    cdef Route *route = stream.http.route
    cdef ClusterLocal *cluster
    cdef Span blamed
    cdef Span value
    stat_inc(stream.engine.stats, stream.hcm.stats[HCM_ROUTER_RQ_TOTAL])
    if route_reply_wants_tls(stream):
        route_reply_tls(stream)
        return
    if route == NULL:
        stat_inc(stream.engine.stats, stream.hcm.stats[HCM_NO_ROUTE])
        stream_reply_simple(stream, 404, FLAG_NR, span(b"route_not_found", 15), span(b"", 0))
        return
    if route.kind != ROUTE_FORWARD:
        route_reply(stream, route)
        return
    cluster = router_find_cluster(stream, route)
    if cluster == NULL:
        stat_inc(stream.engine.stats, stream.hcm.stats[HCM_NO_CLUSTER])
        stream.record.cluster.len = 0
        stream.record.cluster_stat_name.len = 0
        stream_reply_simple(stream, route.cluster_not_found_code, FLAG_NC, span(b"cluster_not_found", 17), span(b"", 0))
        return
    stream.cluster = cluster
    cluster.users += 1
    stream.record.cluster = cluster.conf.name
    stream.record.cluster_stat_name = cluster.conf.stat_name
    stream.record.cluster_metadata = &cluster.conf.metadata
    if route.scoped:
        stream.vcluster = virtual_cluster(stream.host, &stream.request)
        if stream.vcluster != NULL:
            stream.record.virtual_cluster = stream.vcluster.name
    if stream.hcm.router.strict and not strict_headers_hold(stream, &blamed, &value):
        refuse_header(stream, blamed, value)
        return
    if head_has(&stream.request, H_ENVOY_UPSTREAM_ALT_STAT_NAME):
        stream.alt_stat = head_join(&stream.request, head_find(&stream.request, H_ENVOY_UPSTREAM_ALT_STAT_NAME))
        stream.alt_named = True
        head_drop(&stream.request, H_ENVOY_UPSTREAM_ALT_STAT_NAME)
    if (atomic_load(&cluster.conf.maintenance) > 0 or cluster.conf.drop_share > 0) and overload_refuses(stream, cluster):
        return
    hedge_prepare(stream, route)
    route_timeouts_set(stream, route)
    retry_prepare(stream)
    route_head_rewrite(stream, route)
    if stream.record.unfit_header.at != NULL:
        refuse_value(stream)
        return
    plan_replay(stream, end)
    if stream.bits & STREAM_CONNECT and not route.connect_terminate:
        stream.request.path.len = 0
    if cluster.conf.mirrors_len > 0:
        mirror_start(stream, cluster.conf.mirrors, cluster.conf.mirrors_len, end)
    elif route.mirrors_len > 0:
        mirror_start(stream, route.mirrors, route.mirrors_len, end)
    start_try(stream, False, False)
    if route.hedge != NULL:
        hedge_start(stream, route.hedge)
    if end and stream.bits & STREAM_ENDED == 0:
        router_request_complete(stream)


cdef void plan_replay(Stream *stream, bint end) noexcept nogil:
    # Without a reason to send the body twice it is not kept.
    if end or stream.bits & STREAM_UPGRADE:
        if stream.bits & STREAM_UPGRADE:
            stream.bits |= STREAM_REPLAY_LOST
        return
    if stream.retries_left == 0 and not method_idempotent(stream) and stream.http.route.hedge == NULL and \
            stream.http.route.internal_redirect == NULL:
        stream.bits |= STREAM_REPLAY_LOST


# --- the route timeout --------------------------------------------------------------------------------------------------


cdef void router_request_complete(Stream *stream) noexcept nogil:
    # Timeouts count from the moment the client has sent everything, as Envoy's do.
    cdef Attempt *attempt = stream.others
    if stream.bits & (STREAM_LOCAL_REPLY | STREAM_REQUEST_TIMED) or stream.cluster == NULL or stream.bits & STREAM_UPGRADE:
        return
    stream.bits |= STREAM_REQUEST_TIMED
    if stream.timeout_ms:
        stream.timeout.fire = on_timeout
        wheel_arm(&stream.engine.loop.wheel, &stream.timeout, clock_ms(&stream.engine.loop.clock) + stream.timeout_ms)
    if stream.attempt != NULL:
        arm_try(stream.attempt)
    while attempt != NULL:
        arm_try(attempt)
        attempt = attempt.next_other


cdef void charge_timeout(Stream *stream, Attempt *attempt) noexcept nogil:
    # Only tries that are under way have timed out; a back-off has not.
    if attempt == NULL:
        return
    count(stream, CLUSTER_RQ_TIMEOUT, 1)
    count_scoped(stream, SCOPE_RQ_TIMEOUT)
    atomic_add(&attempt.host.stats[HOST_RQ_TIMEOUT], 1)
    if not attempt.retried:
        blame_slow(attempt, timeout_status(stream))
    if not attempt.response_started:
        charge(stream, timeout_status(stream), attempt.host)


cdef void on_timeout(Timer *timer) noexcept nogil:
    cdef Stream *stream = <Stream *>timer.owner
    cdef Attempt *other = stream.others
    charge_timeout(stream, stream.attempt)
    while other != NULL:
        charge_timeout(stream, other)
        other = other.next_other
    stream.record.flags |= FLAG_UT
    if stream.bits & STREAM_RESPONSE_HEAD:
        stream.record.details = span(b"response_timeout", 16)
        stream_reset(stream)
        return
    timed_out(stream, span(b"response_timeout", 16))


# --- the body -----------------------------------------------------------------------------------------------------------


cdef uint64_t body_limit(Stream *stream) noexcept nogil:
    cdef uint64_t limit = stream.listener.conf.buffer_limit
    cdef Route *route = stream.http.route
    if route.body_limit >= 0 and (route.body_limit_widens or <uint64_t>route.body_limit < limit):
        limit = <uint64_t>route.body_limit
    return limit


cdef inline bint keeps(Stream *stream) noexcept nogil:
    return stream.retry_on != 0 or stream.http.route.internal_redirect != NULL


cdef void keep_body(Stream *stream, Span data) noexcept nogil:
    # For another try. Too much of it, and there will be none.
    cdef uint64_t most = body_limit(stream) if keeps(stream) else REPLAY_MAX
    if stream.bits & STREAM_REPLAY_LOST:
        return
    if stream.replay.len + data.len <= most and buffer_copy(&stream.engine.loop.buffers, &stream.replay, data.at, data.len):
        return
    lose_replay(stream)


cdef void keep_slices(Stream *stream, Buffer *data) noexcept nogil:
    # The same for bytes that are counted already.
    cdef uint64_t most = body_limit(stream) if keeps(stream) else REPLAY_MAX
    if stream.bits & STREAM_REPLAY_LOST:
        return
    if stream.replay.len + data.len <= most and buffer_own(&stream.engine.loop.buffers, data) and \
            buffer_share(&stream.engine.loop.buffers, &stream.replay, data):
        return
    lose_replay(stream)


cdef void lose_replay(Stream *stream) noexcept nogil:
    stream.bits |= STREAM_REPLAY_LOST
    if keeps(stream):
        count(stream, CLUSTER_RETRY_OR_SHADOW_ABANDONED, 1)
    stream.retry_on = 0
    if stream.attempt == NULL:
        if stream.http.response == NULL:
            stream_reply_simple(stream, 507, 0, span(b"request_payload_exceeded_retry_buffer_limit", 43),
                                span(b"exceeded request buffer limit while retrying upstream", 53))
        return
    if hedge_others(stream):
        hedge_end(stream)
    if stream.attempt.head_sent:
        buffer_fini(&stream.engine.loop.buffers, &stream.replay)
    else:
        buffer_move(&stream.waiting, &stream.replay)


cdef bint pass_on(Stream *stream, Attempt *attempt, Span data, bint end) noexcept nogil:
    # False: it has no connection yet.
    if attempt == NULL or not attempt.head_sent or attempt.holding:
        return False
    if attempt.upstream != NULL and not attempt.end_sent:
        stream.record.upstream_last_tx_ns = clock_ns(&stream.engine.loop.clock)
        upstream_send_span(attempt.upstream, attempt, data, end)
    return True


cdef void router_request_data(Stream *stream, Span data, bint end) noexcept nogil:
    cdef Attempt *other
    if stream.cluster == NULL or stream.bits & (STREAM_LOCAL_REPLY | STREAM_ENDED):
        return
    if end:
        stream.bits |= STREAM_REQUEST_PASSED
    if stream.copies != NULL:
        mirror_data(stream, data, end)
    if data.len > 0:
        keep_body(stream, data)
        if stream.bits & STREAM_LOCAL_REPLY:
            return
    other = stream.others
    while other != NULL:
        pass_on(stream, other, data, end)
        other = other.next_other
    if pass_on(stream, stream.attempt, data, end):
        return
    if stream.bits & STREAM_REPLAY_LOST and data.len > 0:
        buffer_copy(&stream.engine.loop.buffers, &stream.waiting, data.at, data.len)
    if stream.waiting.len + stream.replay.len > stream.listener.conf.buffer_limit:
        client_pause(stream, PAUSE_WAITING_FULL)


cdef bint pass_slices(Stream *stream, Attempt *attempt, Buffer *data, bint end) noexcept nogil:
    # False: it has no connection yet. What was sent is gone from `data`.
    if attempt == NULL or not attempt.head_sent or attempt.holding:
        return False
    if attempt.upstream != NULL and not attempt.end_sent:
        stream.record.upstream_last_tx_ns = clock_ns(&stream.engine.loop.clock)
        upstream_send_buffer(attempt.upstream, attempt, data, end)
    return True


cdef void pass_shared(Stream *stream, Attempt *attempt, Buffer *data, bint end) noexcept nogil:
    # One of several tries: the others need the bytes too.
    cdef Buffer own
    buffer_init(&own)
    if data.len > 0 and (not buffer_own(&stream.engine.loop.buffers, data) or not buffer_share(&stream.engine.loop.buffers, &own, data)):
        give_up(attempt)
        return
    pass_slices(stream, attempt, &own, end)
    buffer_fini(&stream.engine.loop.buffers, &own)


cdef void mirror_slices(Stream *stream, Buffer *data, bint end) noexcept nogil:
    cdef Slice *slice = data.first
    if slice == NULL:
        mirror_data(stream, span(b"", 0), end)
    while slice != NULL:
        mirror_data(stream, span(slice.at, slice.len), end and slice.next == NULL)
        slice = slice.next


cdef void router_request_buffer(Stream *stream, Buffer *data, bint end) noexcept nogil:
    # As router_request_data, for bytes that filters have looked at: slices move on by reference.
    cdef Attempt *other
    cdef Attempt *next
    if stream.cluster == NULL or stream.bits & (STREAM_LOCAL_REPLY | STREAM_ENDED):
        return
    if end:
        stream.bits |= STREAM_REQUEST_PASSED
    if stream.copies != NULL:
        mirror_slices(stream, data, end)
    if data.len > 0:
        keep_slices(stream, data)
        if stream.bits & STREAM_LOCAL_REPLY:
            return
    other = stream.others
    while other != NULL:
        next = other.next_other
        pass_shared(stream, other, data, end)
        other = next
    if not pass_slices(stream, stream.attempt, data, end) and stream.bits & STREAM_REPLAY_LOST and data.len > 0 and \
            buffer_own(&stream.engine.loop.buffers, data):
        buffer_move(&stream.waiting, data)
        if stream.waiting.len > stream.listener.conf.buffer_limit:
            client_pause(stream, PAUSE_WAITING_FULL)
    if end and stream.bits & STREAM_ENDED == 0:
        router_request_complete(stream)


cdef void pass_trailers(Stream *stream, Attempt *attempt) noexcept nogil:
    if attempt.head_sent and attempt.upstream != NULL:
        upstream_send_trailers(attempt.upstream, attempt, stream.request_trailers)


cdef void router_request_trailers(Stream *stream) noexcept nogil:
    cdef Attempt *other = stream.others
    if stream.cluster == NULL or stream.bits & (STREAM_LOCAL_REPLY | STREAM_ENDED):
        return
    stream.bits |= STREAM_REQUEST_PASSED
    if stream.copies != NULL:
        mirror_trailers(stream)
    while other != NULL:
        pass_trailers(stream, other)
        other = other.next_other
    if stream.attempt != NULL:
        pass_trailers(stream, stream.attempt)
    router_request_complete(stream)


# --- the end ------------------------------------------------------------------------------------------------------------


cdef void router_end(Stream *stream) noexcept nogil:
    timer_cancel(&stream.engine.loop.wheel, &stream.timeout)
    timer_cancel(&stream.engine.loop.wheel, &stream.backoff)
    if stream.copies != NULL:
        mirror_let_go(stream)
    if stream.cluster == NULL:
        return
    while stream.attempt != NULL:
        give_up(stream.attempt)
    give_retry(stream)


cdef void router_let_go(Stream *stream) noexcept nogil:
    if stream.used_host != NULL:
        host_unref(stream.used_host)
        stream.used_host = NULL
    if stream.cluster != NULL:
        cluster_unuse(stream.cluster)
        stream.cluster = NULL
