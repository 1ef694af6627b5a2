"""Router: the last filter. See router.pxd for the law.

A request body is sent as it comes. While another try is still possible it is also kept (stream.replay, up to the buffer limit), so that the
next try can send it again; without that possibility it only waits (stream.waiting) until a connection is ready. What is charged to the
cluster, and the texts of local replies, are Envoy's.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from meshcore.base.arena cimport arena_copy, arena_take
from meshcore.base.atomics cimport atomic_add, atomic_ref
from meshcore.base.buffer cimport *
from meshcore.base.clock cimport clock_ms, clock_ns
from meshcore.base.slab cimport slab_free, slab_new
from meshcore.base.span cimport Span, span, write_u64
from meshcore.base.wheel cimport Timer, timer_cancel, timer_init, wheel_arm
from meshcore.cluster.balancer cimport balancer_panics, balancer_pick
from meshcore.cluster.breaker cimport *
from meshcore.cluster.host cimport *
from meshcore.codec.head cimport *
from meshcore.conf.stat_ids cimport *
from meshcore.filter.http cimport LocalReply
from meshcore.observe.counters cimport gauge_add, stat_add, stat_inc
from meshcore.observe.record cimport *
from meshcore.proxy.charge cimport *
from meshcore.proxy.downstream cimport downstream_pause, downstream_resume
from meshcore.proxy.engine cimport cluster_unuse, engine_find_cluster
from meshcore.proxy.objects cimport *
from meshcore.proxy.pool cimport pool_cancel, pool_of, pool_request
from meshcore.proxy.retry cimport *
from meshcore.proxy.route_head cimport route_head_rewrite, route_head_set_host
from meshcore.proxy.route_reply cimport route_reply, route_reply_tls, route_reply_wants_tls
from meshcore.proxy.route_timeouts cimport route_timeouts_set, strict_headers_hold
from meshcore.proxy.stream cimport *
from meshcore.proxy.upstream cimport *
from meshcore.route.finalize cimport route_mutate_response
from meshcore.route.table cimport *

cdef enum:
    NS_PER_MS = 1000000
    REPLAY_MAX = 64 * 1024         # body kept for a stale-connection replay when no retry policy asks for more


cdef inline void count(Stream *stream, int stat, int64_t n) noexcept nogil:
    stat_add(stream.engine.stats, stream.cluster.conf.stats[stat], n)


cdef inline void gauge(Stream *stream, int stat, int64_t n) noexcept nogil:
    gauge_add(stream.engine.stats, stream.cluster.conf.stats[stat], n)


cdef inline Breaker *breaker_of(Stream *stream) noexcept nogil:
    return &stream.cluster.conf.breakers[priority_of(stream)]


cdef inline uint8_t priority_of(Stream *stream) noexcept nogil:
    return 1 if stream.http.route.priority_high else 0


# --- choosing -------------------------------------------------------------------------------------------------------


cdef ClusterLocal *find_cluster(Stream *stream, Route *route) noexcept nogil:
    cdef ClusterLocal *cluster = NULL
    cdef Header *header
    if stream.choice != NULL:
        if stream.choice.index >= 0 and <uint32_t>stream.choice.index < stream.engine.clusters_cap:
            cluster = stream.engine.clusters[stream.choice.index]
    elif route.cluster_header.len > 0:
        header = head_find_name(&stream.request, route.cluster_header)
        if header != NULL:
            cluster = engine_find_cluster(stream.engine, header_value(header))
            stream.record.cluster = header_value(header)
    return cluster


cdef void set_attempts(Stream *stream) noexcept nogil:
    cdef char text[20]
    cdef size_t n
    if stream.host.attempt_count_request:
        n = write_u64(text, stream.tries)
        head_set_copy(&stream.request, H_ENVOY_ATTEMPT_COUNT, span(text, n))


cdef void refuse_header(Stream *stream, Span name, Span value) noexcept nogil:
    # strict_check_headers, in Envoy's words.
    cdef Span body = join(stream, span(b"invalid header '", 16), name, span(b"' with value '", 14), value)
    cdef Span details = join(stream, span(b"request_headers_failed_strict_check{", 36), name, span(b"}", 1), span(b"", 0))
    stream_reply_simple(stream, 400, FLAG_IH, details, join(stream, body, span(b"'", 1), span(b"", 0), span(b"", 0)))


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
    cluster = find_cluster(stream, route)
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
    if route.scoped:
        stream.vcluster = virtual_cluster(stream.host, &stream.request)
        if stream.vcluster != NULL:
            stream.record.virtual_cluster = stream.vcluster.name
    if stream.hcm.router.strict and not strict_headers_hold(stream, &blamed, &value):
        refuse_header(stream, blamed, value)
        return
    route_timeouts_set(stream, route)
    retry_prepare(stream)
    route_head_rewrite(stream, route)
    plan_replay(stream, end)
    if stream.bits & STREAM_CONNECT and not route.connect_terminate:
        stream.request.path.len = 0
    start_try(stream, False)
    if end and stream.bits & STREAM_ENDED == 0:
        router_request_complete(stream)


cdef void plan_replay(Stream *stream, bint end) noexcept nogil:
    # Without a reason to send the body twice it is not kept.
    if end or stream.bits & STREAM_UPGRADE:
        if stream.bits & STREAM_UPGRADE:
            stream.bits |= STREAM_REPLAY_LOST
        return
    if stream.retries_left == 0 and not method_idempotent(stream):
        stream.bits |= STREAM_REPLAY_LOST


cdef void router_request_complete(Stream *stream) noexcept nogil:
    # Timeouts count from the moment the client has sent everything, as Envoy's do.
    cdef Attempt *attempt = stream.attempt
    if stream.bits & (STREAM_LOCAL_REPLY | STREAM_REQUEST_TIMED) or stream.cluster == NULL or stream.bits & STREAM_UPGRADE:
        return
    stream.bits |= STREAM_REQUEST_TIMED
    if stream.timeout_ms:
        stream.timeout.fire = on_timeout
        wheel_arm(&stream.engine.loop.wheel, &stream.timeout, clock_ms(&stream.engine.loop.clock) + stream.timeout_ms)
    if attempt != NULL:
        arm_try(attempt)


# --- a try ----------------------------------------------------------------------------------------------------------


cdef void no_host(Stream *stream) noexcept nogil:
    count(stream, CLUSTER_CX_NONE_HEALTHY, 1)
    charge(stream, 503)
    stream_reply_simple(stream, 503, FLAG_UH, span(b"no_healthy_upstream", 19), span(b"no healthy upstream", 19))


cdef void start_try(Stream *stream, bint fresh) noexcept nogil:
    cdef ClusterLocal *cluster = stream.cluster
    cdef Engine *engine = stream.engine
    cdef Attempt *attempt
    cdef Pool *pool
    cdef Host *host
    stream.tries += 1
    stream.record.attempts = stream.tries
    if cluster.hosts == NULL or cluster.hosts.len == 0 or balancer_panics(&cluster.balancer):
        count(stream, CLUSTER_LB_HEALTHY_PANIC, 1)
    host = balancer_pick(&cluster.balancer, 0)
    if host == NULL:
        no_host(stream)
        return
    pool = pool_of(cluster, host, priority_of(stream))
    attempt = <Attempt *>slab_new(&engine.attempts)
    if pool == NULL or attempt == NULL:
        if attempt != NULL:
            slab_free(&engine.attempts, attempt)
        stream_reply_simple(stream, 503, FLAG_LR, span(b"local_reset", 11), span(b"", 0))
        return
    memset(attempt, 0, sizeof(Attempt))
    attempt.stream = stream
    attempt.host = host
    atomic_ref(&host.refs)
    attempt.fresh = fresh or stream.http.route.connect_terminate
    attempt.started_ns = clock_ns(&engine.loop.clock)
    timer_init(&attempt.timer, on_try_timeout, attempt)
    timer_init(&attempt.idle, on_try_idle, attempt)
    timer_init(&attempt.duration, on_try_duration, attempt)
    stream.attempt = attempt
    stream.record.upstream_remote = &host.address
    stream.record.upstream_hostname = host.hostname
    set_attempts(stream)
    if stream.http.route.auto_host_rewrite and host.hostname.len > 0:
        rewrite_to_host(stream, host)
    if stream.bits & STREAM_REQUEST_TIMED:
        arm_try(attempt)
    pool_request(pool, attempt)


cdef void rewrite_to_host(Stream *stream, Host *host) noexcept nogil:
    cdef char *name = arena_copy(&stream.arena, host.hostname.at, host.hostname.len)
    if name != NULL:
        route_head_set_host(stream, stream.http.route, span(name, host.hostname.len))


cdef void arm_try(Attempt *attempt) noexcept nogil:
    cdef Stream *stream = attempt.stream
    if stream.try_timeout_ms:
        wheel_arm(&stream.engine.loop.wheel, &attempt.timer, clock_ms(&stream.engine.loop.clock) + stream.try_timeout_ms)
    touch_try(attempt)


cdef void touch_try(Attempt *attempt) noexcept nogil:
    # per_try_idle_timeout: any sign of life of the upstream puts it off.
    cdef Stream *stream = attempt.stream
    if stream.retry != NULL and stream.retry.per_try_idle_timeout_ms:
        wheel_arm(&stream.engine.loop.wheel, &attempt.idle,
                  clock_ms(&stream.engine.loop.clock) + stream.retry.per_try_idle_timeout_ms)


cdef void drop_attempt(Attempt *attempt) noexcept nogil:
    # The try is over, well or not; its connection was given back or closed before.
    cdef Stream *stream = attempt.stream
    timer_cancel(&stream.engine.loop.wheel, &attempt.timer)
    timer_cancel(&stream.engine.loop.wheel, &attempt.idle)
    timer_cancel(&stream.engine.loop.wheel, &attempt.duration)
    if attempt.head_sent:
        gauge(stream, CLUSTER_RQ_ACTIVE, -1)
        atomic_add(&attempt.host.stats[HOST_RQ_ACTIVE], -1)
        breaker_give(breaker_of(stream), RESOURCE_REQUESTS)
    stream.attempt = NULL
    # Logs and headers may still name the host: the stream's own reference keeps it.
    keep_host(stream, attempt.host)
    slab_free(&stream.engine.attempts, attempt)


cdef void keep_host(Stream *stream, Host *host) noexcept nogil:
    if stream.used_host != NULL:
        host_unref(stream.used_host)
    stream.used_host = host


cdef void attempt_ready(Attempt *attempt, Upstream *upstream) noexcept nogil:
    cdef Stream *stream = attempt.stream
    cdef Record *record = &stream.record
    cdef bint end
    cdef Buffer body
    breaker_take(breaker_of(stream), RESOURCE_REQUESTS)
    count(stream, CLUSTER_RQ_TOTAL, 1)
    count_scoped(stream, SCOPE_RQ_TOTAL)
    gauge(stream, CLUSTER_RQ_ACTIVE, 1)
    atomic_add(&attempt.host.stats[HOST_RQ_TOTAL], 1)
    atomic_add(&attempt.host.stats[HOST_RQ_ACTIVE], 1)
    record.upstream_connected_ns = clock_ns(&stream.engine.loop.clock)
    record.upstream_first_tx_ns = record.upstream_connected_ns
    record.upstream_connection_id = upstream.id
    record.upstream_protocol = HTTP_11
    stream.upstream_local = upstream.local
    record.upstream_local = &stream.upstream_local
    if stream.cluster.conf.max_stream_ms:
        wheel_arm(&stream.engine.loop.wheel, &attempt.duration, clock_ms(&stream.engine.loop.clock) + stream.cluster.conf.max_stream_ms)
    if stream.bits & STREAM_CONNECT and stream.http.route.connect_terminate:
        open_tunnel(stream, attempt, upstream)
        return
    upstream_send_head(upstream, attempt, stream.message.framing == 0)
    if stream.message.framing == 0:
        record.upstream_last_tx_ns = record.upstream_first_tx_ns
        return
    buffer_init(&body)
    if stream.bits & STREAM_REPLAY_LOST:
        buffer_move(&body, &stream.waiting)
    elif not buffer_share(&stream.engine.loop.buffers, &body, &stream.replay):
        stream.bits |= STREAM_REPLAY_LOST
        buffer_move(&body, &stream.replay)
    end = stream.bits & STREAM_REQUEST_PASSED != 0
    if body.len > 0 or end:
        upstream_send_buffer(upstream, attempt, &body, end and stream.bits & STREAM_TRAILERS == 0)
    if end and stream.bits & STREAM_TRAILERS:
        upstream_send_trailers(upstream, attempt, stream.request_trailers)
    if end:
        record.upstream_last_tx_ns = record.upstream_first_tx_ns
    if stream.down != NULL:
        downstream_resume(stream.down, PAUSE_WAITING_FULL)


cdef void open_tunnel(Stream *stream, Attempt *attempt, Upstream *upstream) noexcept nogil:
    # CONNECT ends here: what waited goes out raw, the client gets its 200, and bytes flow both ways.
    cdef Buffer body
    upstream_send_raw(upstream, attempt)
    buffer_init(&body)
    buffer_move(&body, &stream.waiting)
    if body.len > 0:
        upstream_send_buffer(upstream, attempt, &body, False)
    stream.bits |= STREAM_TUNNEL
    attempt.response_started = True
    stream.record.upstream_first_rx_ns = clock_ns(&stream.engine.loop.clock)
    stream.record.upstream_protocol = NO_PROTOCOL
    stream.record.details = span(b"via_upstream", 12)
    head_init(&stream.response, &stream.arena, True)
    stream.response.status = 200
    charge(stream, 200)
    stream_response_head(stream, False)


cdef uint64_t body_limit(Stream *stream) noexcept nogil:
    cdef uint64_t limit = stream.listener.conf.buffer_limit
    cdef Route *route = stream.http.route
    if route.body_limit >= 0 and (route.body_limit_widens or <uint64_t>route.body_limit < limit):
        limit = <uint64_t>route.body_limit
    return limit


cdef void keep_body(Stream *stream, Span data) noexcept nogil:
    # For another try. Too much of it, and there will be none.
    cdef uint64_t most = body_limit(stream) if stream.retries_left > 0 else REPLAY_MAX
    if stream.bits & STREAM_REPLAY_LOST:
        return
    if stream.replay.len + data.len <= most and buffer_copy(&stream.engine.loop.buffers, &stream.replay, data.at, data.len):
        return
    stream.bits |= STREAM_REPLAY_LOST
    if stream.retries_left > 0:
        count(stream, CLUSTER_RETRY_OR_SHADOW_ABANDONED, 1)
    if stream.attempt != NULL and stream.attempt.head_sent:
        buffer_fini(&stream.engine.loop.buffers, &stream.replay)
    else:
        buffer_move(&stream.waiting, &stream.replay)


cdef void router_request_data(Stream *stream, Span data, bint end) noexcept nogil:
    cdef Attempt *attempt = stream.attempt
    if stream.cluster == NULL or stream.bits & (STREAM_LOCAL_REPLY | STREAM_ENDED):
        return
    if end:
        stream.bits |= STREAM_REQUEST_PASSED
    if data.len > 0:
        keep_body(stream, data)
    if attempt != NULL and attempt.head_sent:
        if attempt.upstream != NULL and not attempt.end_sent:
            stream.record.upstream_last_tx_ns = clock_ns(&stream.engine.loop.clock)
            upstream_send_span(attempt.upstream, attempt, data, end)
        return
    if stream.bits & STREAM_REPLAY_LOST and data.len > 0:
        buffer_copy(&stream.engine.loop.buffers, &stream.waiting, data.at, data.len)
    if stream.waiting.len + stream.replay.len > stream.listener.conf.buffer_limit and stream.down != NULL:
        downstream_pause(stream.down, PAUSE_WAITING_FULL)


cdef void router_request_trailers(Stream *stream) noexcept nogil:
    cdef Attempt *attempt = stream.attempt
    if stream.cluster == NULL or stream.bits & (STREAM_LOCAL_REPLY | STREAM_ENDED):
        return
    stream.bits |= STREAM_REQUEST_PASSED
    if attempt != NULL and attempt.head_sent and attempt.upstream != NULL:
        upstream_send_trailers(attempt.upstream, attempt, stream.request_trailers)


# --- failure --------------------------------------------------------------------------------------------------------


cdef Span reason_text(uint8_t reason) noexcept nogil:
    if reason == RESET_CONNECT_REFUSED:
        return span(b"remote connection failure", 25)
    if reason == RESET_CONNECT_TIMEOUT:
        return span(b"connection timeout", 18)
    if reason == RESET_TERMINATION:
        return span(b"connection termination", 22)
    if reason == RESET_PROTOCOL or reason == RESET_HEADERS_TOO_LARGE:
        return span(b"protocol error", 14)
    if reason == RESET_OVERFLOW:
        return span(b"overflow", 8)
    return span(b"local reset", 11)


cdef uint64_t reason_flag(uint8_t reason) noexcept nogil:
    if reason == RESET_CONNECT_REFUSED or reason == RESET_CONNECT_TIMEOUT:
        return FLAG_UF
    if reason == RESET_TERMINATION:
        return FLAG_UC
    if reason == RESET_PROTOCOL or reason == RESET_HEADERS_TOO_LARGE:
        return FLAG_UPE
    if reason == RESET_OVERFLOW:
        return FLAG_UO
    return FLAG_LR


cdef Span join(Stream *stream, Span a, Span b, Span c, Span d) noexcept nogil:
    cdef size_t n = a.len + b.len + c.len + d.len
    cdef char *text = <char *>arena_take(&stream.arena, n)
    if text == NULL:
        return a
    memcpy(text, a.at, a.len)
    memcpy(text + a.len, b.at, b.len)
    memcpy(text + a.len + b.len, c.at, c.len)
    memcpy(text + a.len + b.len + c.len, d.at, d.len)
    return span(text, n)


cdef Span reset_details(Stream *stream, Span prefix, Span reason, Span failure) noexcept nogil:
    # "prefix{reason|failure}" with "_" for blanks.
    cdef Span text
    cdef uint32_t i
    if failure.len > 0:
        text = join(stream, prefix, reason, span(b"|", 1), failure)
        text = join(stream, text, span(b"}", 1), span(b"", 0), span(b"", 0))
    else:
        text = join(stream, prefix, reason, span(b"}", 1), span(b"", 0))
    for i in range(text.len):
        if text.at[i] == 32:
            (<char *>text.at)[i] = 95
    return text


cdef void reply_reset(Stream *stream, uint8_t reason, Span failure, bint interim) noexcept nogil:
    cdef LocalReply reply
    cdef Head extra
    cdef Span text = reason_text(reason)
    cdef Span body
    cdef Span intro
    cdef uint16_t status = 502 if reason == RESET_PROTOCOL or reason == RESET_HEADERS_TOO_LARGE else 503
    if stream.tries > 1 and reason != RESET_OVERFLOW:
        intro = span(b"upstream connect error or disconnect/reset before headers. retried and the latest reset reason: ", 96)
    else:
        intro = span(b"upstream connect error or disconnect/reset before headers. reset reason: ", 73)
    body = join(stream, intro, text, span(b"", 0), span(b"", 0))
    stream.record.upstream_failure = failure
    if not interim:
        charge(stream, status)
    head_init(&extra, &stream.arena, True)
    if reason == RESET_OVERFLOW and not stream.hcm.router.suppress_envoy_headers:
        head_set(&extra, H_ENVOY_OVERLOADED, span(b"true", 4))
    reply.status = status
    reply.flag = reason_flag(reason)
    reply.body = body
    reply.content_type = span(b"", 0)
    if interim:
        reply.details = reset_details(stream, span(b"upstream_reset_after_response_started{", 38), text, failure)
    else:
        reply.details = reset_details(stream, span(b"upstream_reset_before_response_started{", 39), text, failure)
    reply.head = &extra
    stream_reply(stream, &reply)


cdef bint try_again(Stream *stream) noexcept nogil:
    # Takes one of the retries left, if the request can be sent again and the breaker agrees.
    if stream.retries_left == 0 or stream.bits & STREAM_REPLAY_LOST:
        return False
    if stream.bits & STREAM_REQUEST_END == 0 and stream.message.framing != 0 and stream.bits & STREAM_REQUEST_PASSED == 0:
        return False
    if not breaker_allows(breaker_of(stream), RESOURCE_RETRIES):
        count(stream, CLUSTER_RQ_RETRY_OVERFLOW, 1)
        count_scoped(stream, SCOPE_RQ_RETRY_OVERFLOW)
        stream.record.flags |= FLAG_UO
        return False
    stream.retries_left -= 1
    breaker_take(breaker_of(stream), RESOURCE_RETRIES)
    stream.bits |= STREAM_RETRY_HELD
    count(stream, CLUSTER_RQ_RETRY, 1)
    count_scoped(stream, SCOPE_RQ_RETRY)
    if stream.host.timeout_retry_header:
        head_set(&stream.request, H_ENVOY_IS_TIMEOUT_RETRY, span(b"false", 5))
    count(stream, CLUSTER_RQ_RETRY_BACKOFF, 1)
    stream.backoff.fire = on_backoff
    wheel_arm(&stream.engine.loop.wheel, &stream.backoff, clock_ms(&stream.engine.loop.clock) + retry_backoff_ms(stream))
    return True


cdef void on_backoff(Timer *timer) noexcept nogil:
    cdef Stream *stream = <Stream *>timer.owner
    start_try(stream, False)


cdef void give_retry(Stream *stream) noexcept nogil:
    if stream.bits & STREAM_RETRY_HELD:
        stream.bits &= ~<uint32_t>STREAM_RETRY_HELD
        breaker_give(breaker_of(stream), RESOURCE_RETRIES)


cdef bint replay_stale(Stream *stream, Attempt *attempt, uint8_t reason) noexcept nogil:
    # An idle connection that the upstream closed while our request was on its way: nothing was answered, so an idempotent request goes out
    # once more, on a new connection (RFC 9110, 9.2.2).
    return attempt.reused and reason == RESET_TERMINATION and not attempt.response_started and \
        stream.bits & (STREAM_REPLAYED | STREAM_REPLAY_LOST) == 0 and method_idempotent(stream)


cdef void attempt_failed(Attempt *attempt, uint8_t reason, Span failure) noexcept nogil:
    cdef Stream *stream = attempt.stream
    cdef bint head_sent = attempt.head_sent
    cdef bint stale = replay_stale(stream, attempt, reason)
    cdef bint started = attempt.response_started
    cdef bint interim = attempt.interim
    cdef bint wants
    if head_sent and reason == RESET_TERMINATION:
        count(stream, CLUSTER_RQ_RX_RESET, 0)
    atomic_add(&attempt.host.stats[HOST_RQ_ERROR], 1)
    attempt.upstream = NULL
    drop_attempt(attempt)
    give_retry(stream)
    if stale:
        stream.bits |= STREAM_REPLAYED
        count(stream, CLUSTER_RQ_REPLAYED, 1)
        stream.tries -= 1
        start_try(stream, True)
        return
    if started:
        cut_response(stream, reason)
        return
    wants = retry_wants_reset(stream, reason, head_sent)
    if wants and try_again(stream):
        return
    if wants and stream.retries_left == 0:
        limit_exceeded(stream)
    reply_reset(stream, reason, failure, interim)


cdef void limit_exceeded(Stream *stream) noexcept nogil:
    stream.record.flags |= FLAG_URX
    count(stream, CLUSTER_RQ_RETRY_LIMIT_EXCEEDED, 1)
    count_scoped(stream, SCOPE_RQ_RETRY_LIMIT_EXCEEDED)


cdef void cut_response(Stream *stream, uint8_t reason) noexcept nogil:
    # The upstream left in the middle of its response.
    stream.record.flags |= reason_flag(reason)
    stream.record.details = reset_details(stream, span(b"upstream_reset_after_response_started{", 38), reason_text(reason), span(b"", 0))
    if reason != RESET_PROTOCOL and stream.bits & STREAM_TUNNEL == 0:
        stat_inc(stream.engine.stats, stream.hcm.stats[HCM_RQ_RESET_AFTER_RESPONSE])
    stream_reset(stream)


cdef void timed_out(Stream *stream, Span details) noexcept nogil:
    # 504, or the 204 that x-envoy-upstream-rq-timeout-alt-response asks for.
    cdef uint16_t status = 204 if stream.alt_response else 504
    charge(stream, status)
    stream_reply_simple(stream, status, FLAG_UT, details,
                        span(b"", 0) if stream.alt_response else span(b"upstream request timeout", 24))


cdef void on_timeout(Timer *timer) noexcept nogil:
    cdef Stream *stream = <Stream *>timer.owner
    count(stream, CLUSTER_RQ_TIMEOUT, 1)
    count_scoped(stream, SCOPE_RQ_TIMEOUT)
    if stream.attempt != NULL:
        atomic_add(&stream.attempt.host.stats[HOST_RQ_TIMEOUT], 1)
    stream.record.flags |= FLAG_UT
    if stream.bits & STREAM_RESPONSE_HEAD:
        stream.record.details = span(b"response_timeout", 16)
        stream_reset(stream)
        return
    timed_out(stream, span(b"response_timeout", 16))


cdef void on_try_timeout(Timer *timer) noexcept nogil:
    cdef Attempt *attempt = <Attempt *>timer.owner
    cdef Stream *stream = attempt.stream
    if attempt.response_started:
        return
    count(stream, CLUSTER_RQ_PER_TRY_TIMEOUT, 1)
    end_try(attempt, span(b"upstream_per_try_timeout", 24))


cdef void on_try_idle(Timer *timer) noexcept nogil:
    cdef Attempt *attempt = <Attempt *>timer.owner
    count(attempt.stream, CLUSTER_RQ_PER_TRY_IDLE_TIMEOUT, 1)
    if attempt.response_started:
        attempt.stream.record.flags |= FLAG_SI
        cut_response(attempt.stream, RESET_LOCAL)
        return
    end_try(attempt, span(b"upstream_per_try_idle_timeout", 29))


cdef void end_try(Attempt *attempt, Span details) noexcept nogil:
    # Too slow: another try, or the timeout becomes the answer.
    cdef Stream *stream = attempt.stream
    cdef bint wants = retry_wants_reset(stream, RESET_LOCAL, True)
    give_up(attempt)
    give_retry(stream)
    if wants and try_again(stream):
        if stream.host.timeout_retry_header:
            head_set(&stream.request, H_ENVOY_IS_TIMEOUT_RETRY, span(b"true", 4))
        return
    stream.record.flags |= FLAG_UT
    if wants and stream.retries_left == 0:
        limit_exceeded(stream)
    timed_out(stream, details)


cdef void on_try_duration(Timer *timer) noexcept nogil:
    cdef Attempt *attempt = <Attempt *>timer.owner
    cdef Stream *stream = attempt.stream
    count(stream, CLUSTER_RQ_MAX_DURATION_REACHED, 1)
    stream.record.flags |= FLAG_UMSDR
    if attempt.response_started:
        stream.record.details = span(b"upstream_max_stream_duration_reached", 36)
        stream_reset(stream)
        return
    give_up(attempt)
    give_retry(stream)
    if retry_wants_reset(stream, RESET_LOCAL, True) and try_again(stream):
        return
    stream_reply_simple(stream, 504, FLAG_UMSDR, span(b"upstream_max_stream_duration_reached", 36),
                        span(b"upstream max stream duration reached", 36))


cdef void give_up(Attempt *attempt) noexcept nogil:
    if attempt.upstream != NULL:
        upstream_abandon(attempt.upstream)
    else:
        pool_cancel(attempt)
    drop_attempt(attempt)


# --- the response ---------------------------------------------------------------------------------------------------


cdef void attempt_interim(Attempt *attempt, Head *head) noexcept nogil:
    cdef Stream *stream = attempt.stream
    if head.status == 100 and attempt.interim:
        return                     # Envoy takes one 100 per response
    charge(stream, head.status)
    attempt.interim = True
    stream.retry_on = 0            # a part of this try's answer was taken: there is no other try
    if stream.hcm.proxy_100_continue:
        stream_interim(stream, head)


cdef void attempt_response_head(Attempt *attempt, bint end) noexcept nogil:
    cdef Stream *stream = attempt.stream
    cdef Head *head = &stream.response
    cdef uint16_t status = head.status
    cdef char text[20]
    cdef size_t n
    cdef uint64_t now = clock_ns(&stream.engine.loop.clock)
    timer_cancel(&stream.engine.loop.wheel, &attempt.timer)
    give_retry(stream)
    atomic_add(&attempt.host.stats[HOST_RQ_ERROR if status >= 500 else HOST_RQ_SUCCESS], 1)
    if retry_wants_response(stream):
        if try_again(stream):
            charge_retried(stream, status)
            if not end:
                give_up(attempt)
            else:
                drop_attempt(attempt)
            return
        if stream.retries_left == 0:
            limit_exceeded(stream)
    elif stream.tries > 1:
        count(stream, CLUSTER_RQ_RETRY_SUCCESS, 1)
        count_scoped(stream, SCOPE_RQ_RETRY_SUCCESS)
    charge(stream, status)
    charge_canary(stream, head)
    attempt.response_started = True
    stream.record.details = span(b"via_upstream", 12)
    if stream.record.request_end_ns:
        n = write_u64(text, (now - stream.record.request_end_ns) // NS_PER_MS)
    else:
        n = write_u64(text, 0)
    if not stream.hcm.router.suppress_envoy_headers:
        head_drop(head, H_ENVOY_UPSTREAM_SERVICE_TIME)
    if stream.record.request_end_ns and not stream.hcm.router.suppress_envoy_headers:
        head_set_copy(head, H_ENVOY_UPSTREAM_SERVICE_TIME, span(text, n))
    if stream.host.attempt_count_response:
        n = write_u64(text, stream.tries)
        head_set_copy(head, H_ENVOY_ATTEMPT_COUNT, span(text, n))
    stream.record.response = head
    stream.record.status = status
    route_mutate_response(stream.http.route, stream.choice, head, &stream.record)
    if end:
        response_over(stream, attempt)
    stream_response_head(stream, end)


cdef void response_over(Stream *stream, Attempt *attempt) noexcept nogil:
    # Charged before the last byte goes downstream, because that ends the stream.
    stream.bits |= STREAM_UPSTREAM_DONE
    charge_time(stream)
    drop_attempt(attempt)


cdef void attempt_response_data(Attempt *attempt, Span data, bint end) noexcept nogil:
    cdef Stream *stream = attempt.stream
    touch_try(attempt)
    if end:
        response_over(stream, attempt)
    stream_response_data(stream, data, end)


cdef void attempt_response_trailers(Attempt *attempt) noexcept nogil:
    cdef Stream *stream = attempt.stream
    response_over(stream, attempt)
    stream_response_trailers(stream)


cdef void attempt_upload_full(Attempt *attempt) noexcept nogil:
    if attempt.stream.down != NULL:
        downstream_pause(attempt.stream.down, PAUSE_UPSTREAM_FULL)


cdef void attempt_upload_low(Attempt *attempt) noexcept nogil:
    if attempt.stream.down != NULL:
        downstream_resume(attempt.stream.down, PAUSE_UPSTREAM_FULL)


cdef void router_end(Stream *stream) noexcept nogil:
    timer_cancel(&stream.engine.loop.wheel, &stream.timeout)
    timer_cancel(&stream.engine.loop.wheel, &stream.backoff)
    if stream.cluster == NULL:
        return
    if stream.attempt != NULL:
        give_up(stream.attempt)
    give_retry(stream)


cdef void router_let_go(Stream *stream) noexcept nogil:
    if stream.used_host != NULL:
        host_unref(stream.used_host)
        stream.used_host = NULL
    if stream.cluster != NULL:
        cluster_unuse(stream.cluster)
        stream.cluster = NULL
