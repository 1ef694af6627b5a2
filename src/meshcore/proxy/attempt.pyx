"""Attempt: from the choice of a host to the request on its connection. See attempt.pxd for the law."""
from libc.string cimport memset

from meshcore.base.arena cimport arena_copy
from meshcore.base.atomics cimport atomic_add, atomic_ref
from meshcore.base.buffer cimport *
from meshcore.base.clock cimport clock_ms, clock_ns
from meshcore.base.slab cimport slab_free, slab_new
from meshcore.base.span cimport span, write_u64
from meshcore.base.wheel cimport timer_cancel, timer_init, wheel_arm
from meshcore.cluster.balancer cimport Pick, balancer_hashes, balancer_pick
from meshcore.cluster.breaker cimport *
from meshcore.cluster.host cimport *
from meshcore.codec.head cimport *
from meshcore.conf.stat_ids cimport *
from meshcore.conf.tables cimport UPSTREAM_AUTO, UPSTREAM_HTTP1, UPSTREAM_HTTP2
from meshcore.io.transport cimport transport_facts, transport_is_tls
from meshcore.observe.counters cimport gauge_add, stat_add
from meshcore.observe.metadata cimport metadata_find
from meshcore.observe.record cimport *
from meshcore.observe.tls_facts cimport tls_facts_ref, tls_facts_unref
from meshcore.proxy.aggregate cimport aggregate_choose
from meshcore.proxy.attempt_response cimport attempt_response_head
from meshcore.proxy.blame cimport blame_connected
from meshcore.proxy.charge cimport *
from meshcore.proxy.client cimport client_pause, client_resume
from meshcore.proxy.engine cimport cluster_unuse
from meshcore.proxy.failure cimport on_try_duration, on_try_idle, on_try_timeout
from meshcore.proxy.objects cimport *
from meshcore.proxy.original_dst cimport original_dst_pick
from meshcore.proxy.override_host cimport override_host_pick, wanted_host_pick
from meshcore.proxy.origin cimport Origin
from meshcore.proxy.own_pools cimport own_origin, own_pool_of
from meshcore.proxy.pool cimport pool_cancel, pool_of, pool_request
from meshcore.proxy.request_queue cimport queue_wake
from meshcore.proxy.reselect cimport reselect_note, reselect_prepare, reselects
from meshcore.proxy.route_hash cimport route_hash_fill
from meshcore.proxy.route_head cimport route_head_set_host
from meshcore.proxy.stream cimport *
from meshcore.proxy.tcp_tunnel cimport tunnel_unserved
from meshcore.proxy.terminate cimport stream_terminates
from meshcore.proxy.track cimport track_try
from meshcore.proxy.upstream cimport *
from meshcore.proxy.upstream_http1 cimport upstream_send_raw
from meshcore.route.criteria_merge cimport criteria_merge
from meshcore.route.table cimport SCOPE_RQ_TOTAL


# --- a host -------------------------------------------------------------------------------------------------------------


cdef void set_attempts(Stream *stream, uint32_t number) noexcept nogil:
    cdef char text[20]
    cdef size_t n
    if stream.host.attempt_count_request:
        n = write_u64(text, number)
        head_set_copy(&stream.request, H_ENVOY_ATTEMPT_COUNT, span(text, n))


cdef void no_host(Stream *stream) noexcept nogil:
    if stream.bits & STREAM_TCP:
        tunnel_unserved(stream)
        return
    charge(stream, 503, NULL)
    stream_reply_simple(stream, 503, FLAG_UH, span(b"no_healthy_upstream", 19), span(b"no healthy upstream", 19))


cdef void not_started(Stream *stream, bint extra) noexcept nogil:
    if extra:
        breaker_give(breaker_of(stream), RESOURCE_RETRIES)
    if stream.attempt == NULL:
        no_host(stream)


cdef void rewrite_to_host(Stream *stream, Host *host) noexcept nogil:
    cdef char *name = arena_copy(&stream.arena, host.hostname.at, host.hostname.len)
    if name != NULL:
        route_head_set_host(stream, stream.http.route, span(name, host.hostname.len))


cdef bint speaks_http2(Stream *stream, ClusterLocal *cluster) noexcept nogil:
    cdef uint8_t protocol = cluster.conf.protocol
    if protocol == UPSTREAM_HTTP1 or stream_terminates(stream):
        return False
    return protocol == UPSTREAM_HTTP2 or protocol == UPSTREAM_AUTO or stream.record.protocol >= HTTP_2


cdef Host *pick_host(Stream *stream, ClusterLocal *cluster, Pick *pick) noexcept nogil:
    cdef Host *host = NULL
    if stream.http.wanted_host.len > 0 and stream.tries == 1:
        host = wanted_host_pick(stream, cluster)
        if host != NULL or stream.http.wanted_only:
            return host
    if balancer_hashes(&cluster.balancer):
        route_hash_fill(stream, cluster, pick)
    if cluster.conf.lb.overrides_len > 0:
        host = override_host_pick(stream, cluster)
    if host != NULL:
        return host
    return balancer_pick(&cluster.balancer, pick) if cluster.original == NULL else original_dst_pick(stream)


cdef void start_try(Stream *stream, bint fresh, bint extra) noexcept nogil:
    cdef ClusterLocal *cluster = stream.cluster
    cdef Engine *engine = stream.engine
    cdef Attempt *attempt
    cdef Pool *pool
    cdef Host *host
    cdef uint32_t line = 0
    cdef Pick pick
    cdef Origin origin
    stream.tries += 1
    stream.record.attempts = stream.tries
    memset(&pick, 0, sizeof(Pick))
    pick.criteria = stream.http.route.criteria if stream.choice == NULL else stream.choice.criteria
    if stream.record.metadata.namespaces != NULL and cluster.conf.lb.subsets != NULL:
        pick.criteria = criteria_merge(
            pick.criteria, metadata_find(&stream.record.metadata, span(b"envoy.lb", 8), NULL, 0), &stream.arena)
    if stream.tries > 1 and reselects(stream):
        reselect_prepare(stream, &pick, extra)
    if cluster.aggregate != NULL:
        cluster = aggregate_choose(cluster, &pick, &line)
    host = NULL if cluster == NULL else pick_host(stream, cluster, &pick)
    if host != NULL and reselects(stream):
        reselect_note(stream, host, host.priority if cluster == stream.cluster else line)
    if host == NULL:
        count(stream, CLUSTER_CX_NONE_HEALTHY, 1)
        not_started(stream, extra)
        return
    if own_origin(cluster, host, &stream.down.conn if stream.down != NULL else NULL, stream, &origin):
        pool = own_pool_of(cluster, host, priority_of(stream), speaks_http2(stream, cluster), &origin)
    else:
        pool = pool_of(cluster, host, priority_of(stream), speaks_http2(stream, cluster))
    attempt = <Attempt *>slab_new(&engine.attempts)
    if pool == NULL or attempt == NULL:
        if attempt != NULL:
            slab_free(&engine.attempts, attempt)
        if extra:
            not_started(stream, True)
            return
        stream_reply_simple(stream, 503, FLAG_LR, span(b"local_reset", 11), span(b"", 0))
        return
    memset(attempt, 0, sizeof(Attempt))
    attempt.stream = stream
    attempt.number = stream.tries
    attempt.extra = extra
    attempt.host = host
    atomic_ref(&host.refs)
    attempt.cluster = cluster
    cluster.users += 1
    attempt.fresh = fresh or stream_terminates(stream)
    attempt.started_ns = clock_ns(&engine.loop.clock)
    timer_init(&attempt.timer, on_try_timeout, attempt)
    timer_init(&attempt.idle, on_try_idle, attempt)
    timer_init(&attempt.duration, on_try_duration, attempt)
    if stream.attempt != NULL:
        stream.attempt.next_other = stream.others
        stream.others = stream.attempt
    stream.attempt = attempt
    host_note(host, &stream.record)
    set_attempts(stream, attempt.number)
    if stream.bits & STREAM_REQUEST_TIMED:
        arm_try(attempt)
    pool_request(pool, attempt)


# --- its timeouts -------------------------------------------------------------------------------------------------------


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


# --- its end ------------------------------------------------------------------------------------------------------------


cdef void keep_host(Stream *stream, Host *host) noexcept nogil:
    # Logs and headers may still name the host: the stream's own reference keeps it.
    if stream.used_host != NULL:
        host_unref(stream.used_host)
    stream.used_host = host
    if stream.tries > 1 and stream.record.upstream_remote != NULL:
        host_note(host, &stream.record)


cdef void unlink(Stream *stream, Attempt *attempt) noexcept nogil:
    cdef Attempt **link = &stream.others
    if stream.attempt == attempt:
        stream.attempt = stream.others
        if stream.others != NULL:
            stream.others = stream.others.next_other
        return
    while link[0] != attempt:
        link = &link[0].next_other
    link[0] = attempt.next_other


cdef void drop_attempt(Attempt *attempt) noexcept nogil:
    # The try is over, well or not; its connection was given back or closed before.
    cdef Stream *stream = attempt.stream
    timer_cancel(&stream.engine.loop.wheel, &attempt.timer)
    timer_cancel(&stream.engine.loop.wheel, &attempt.idle)
    timer_cancel(&stream.engine.loop.wheel, &attempt.duration)
    if attempt.head_sent:
        gauge_add(stream.engine.stats, attempt.cluster.conf.stats[CLUSTER_RQ_ACTIVE], -1)
        atomic_add(&attempt.host.stats[HOST_RQ_ACTIVE], -1)
        breaker_give(&attempt.cluster.conf.breakers[priority_of(stream)], RESOURCE_REQUESTS)
        if attempt.cluster.conf.queue != NULL:
            queue_wake(attempt.cluster)
    if attempt.extra:
        breaker_give(breaker_of(stream), RESOURCE_RETRIES)
    if attempt.full:
        attempt_upload_low(attempt)
    if stream.cluster.conf.tracking != NULL:
        track_try(attempt)
    unlink(stream, attempt)
    keep_host(stream, attempt.host)
    cluster_unuse(attempt.cluster)
    slab_free(&stream.engine.attempts, attempt)


cdef void give_up(Attempt *attempt) noexcept nogil:
    if attempt.upstream != NULL:
        upstream_abandon(attempt.upstream, attempt)
    else:
        pool_cancel(attempt)
    drop_attempt(attempt)


cdef void give_up_others(Stream *stream, Attempt *chosen) noexcept nogil:
    cdef Attempt *attempt = stream.attempt
    if attempt != chosen:
        unlink(stream, chosen)
        chosen.next_other = NULL
        attempt.next_other = stream.others
        stream.others = attempt
        stream.attempt = chosen
    while stream.others != NULL:
        give_up(stream.others)
    host_note(chosen.host, &stream.record)
    stream.record.upstream_connection_id = chosen.connection_id
    stream.upstream_local = chosen.local


# --- its connection -----------------------------------------------------------------------------------------------------


cdef void take_body(Stream *stream, Buffer *body) noexcept nogil:
    # What was read of the request so far; kept, as long as it may have to go out again.
    buffer_init(body)
    if stream.bits & STREAM_REPLAY_LOST:
        buffer_move(body, &stream.waiting)
    elif not buffer_share(&stream.engine.loop.buffers, body, &stream.replay):
        stream.bits |= STREAM_REPLAY_LOST
        buffer_move(body, &stream.replay)


cdef void attempt_ready(Attempt *attempt, Upstream *upstream) noexcept nogil:
    cdef Stream *stream = attempt.stream
    cdef Record *record = &stream.record
    cdef bint end
    cdef Buffer body
    breaker_take(&attempt.cluster.conf.breakers[priority_of(stream)], RESOURCE_REQUESTS)
    stat_add(stream.engine.stats, attempt.cluster.conf.stats[CLUSTER_RQ_TOTAL], 1)
    count_scoped(stream, SCOPE_RQ_TOTAL)
    gauge_add(stream.engine.stats, attempt.cluster.conf.stats[CLUSTER_RQ_ACTIVE], 1)
    atomic_add(&attempt.host.stats[HOST_RQ_TOTAL], 1)
    blame_connected(attempt)
    atomic_add(&attempt.host.stats[HOST_RQ_ACTIVE], 1)
    record.upstream_connected_ns = clock_ns(&stream.engine.loop.clock)
    record.upstream_first_tx_ns = record.upstream_connected_ns
    record.upstream_connection_id = upstream.id
    record.upstream_protocol = upstream.version
    attempt.connection_id = upstream.id
    attempt.local = upstream.local
    stream.upstream_local = upstream.local
    record.upstream_local = &stream.upstream_local
    if transport_is_tls(upstream.transport):
        tls_facts_unref(record.upstream_tls)
        record.upstream_tls = tls_facts_ref(transport_facts(upstream.transport))
    if stream.cluster.conf.max_stream_ms and stream.bits & STREAM_TCP == 0:
        wheel_arm(&stream.engine.loop.wheel, &attempt.duration, clock_ms(&stream.engine.loop.clock) + stream.cluster.conf.max_stream_ms)
    if stream_terminates(stream):
        open_tunnel(stream, attempt, upstream)
        return
    if stream.http.route.auto_host_rewrite and attempt.host.hostname.len > 0:
        rewrite_to_host(stream, attempt.host)
    if stream.others != NULL:
        set_attempts(stream, attempt.number)
    upstream_send_head(upstream, attempt, stream.message.framing == 0)
    if stream.message.framing == 0:
        record.upstream_last_tx_ns = record.upstream_first_tx_ns
        return
    if stream.bits & STREAM_UPGRADE:
        attempt.holding = True
        return
    take_body(stream, &body)
    end = stream.bits & STREAM_REQUEST_PASSED != 0
    if body.len > 0 or end:
        upstream_send_buffer(upstream, attempt, &body, end and stream.bits & STREAM_TRAILERS == 0)
    if end and stream.bits & STREAM_TRAILERS:
        upstream_send_trailers(upstream, attempt, stream.request_trailers)
    if end:
        record.upstream_last_tx_ns = record.upstream_first_tx_ns
    client_resume(stream, PAUSE_WAITING_FULL)


cdef void attempt_tunnel_opened(Attempt *attempt) noexcept nogil:
    # The upstream has agreed: what the client sent in the meantime follows.
    cdef Stream *stream = attempt.stream
    if not attempt.holding:
        return
    attempt.holding = False
    if stream.waiting.len > 0 or stream.bits & STREAM_REQUEST_PASSED:
        upstream_send_buffer(attempt.upstream, attempt, &stream.waiting, stream.bits & STREAM_REQUEST_PASSED != 0)
    client_resume(stream, PAUSE_WAITING_FULL)


cdef void open_tunnel(Stream *stream, Attempt *attempt, Upstream *upstream) noexcept nogil:
    # It ends here: what waited goes out raw, the client gets its 200, and bytes flow both ways.
    cdef Buffer body
    upstream_send_raw(upstream, attempt)
    take_body(stream, &body)
    if stream.bits & STREAM_CONNECT:
        stream.bits |= STREAM_TUNNEL
    if body.len > 0 or stream.bits & STREAM_REQUEST_PASSED:
        upstream_send_buffer(upstream, attempt, &body, stream.bits & STREAM_REQUEST_PASSED != 0)
    stream.record.upstream_first_rx_ns = clock_ns(&stream.engine.loop.clock)
    stream.record.upstream_protocol = NO_PROTOCOL
    head_init(&stream.response, &stream.arena, True)
    stream.response.status = 200
    attempt_response_head(attempt, False)


cdef void attempt_upload_full(Attempt *attempt) noexcept nogil:
    if not attempt.full:
        attempt.full = True
        attempt.stream.uploads_full += 1
    client_pause(attempt.stream, PAUSE_UPSTREAM_FULL)


cdef void attempt_upload_low(Attempt *attempt) noexcept nogil:
    # The client is read again when no try is full any more.
    if attempt.full:
        attempt.full = False
        attempt.stream.uploads_full -= 1
    if attempt.stream.uploads_full == 0:
        client_resume(attempt.stream, PAUSE_UPSTREAM_FULL)
