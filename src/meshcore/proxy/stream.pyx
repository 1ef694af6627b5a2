"""Stream: birth, request events, timeouts and local replies. See stream.pxd for the law; how it ends is in stream_end.pyx."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from meshcore.base.arena cimport arena_init, arena_take
from meshcore.base.buffer cimport Buffer
from meshcore.base.clock cimport clock_ms, clock_ns, clock_wall_us
from meshcore.base.random cimport random_u64
from meshcore.base.slab cimport slab_new
from meshcore.base.span cimport Span, span, span_is, span_is_nocase
from meshcore.base.wheel cimport Timer, timer_cancel, timer_init, wheel_arm
from meshcore.codec.head cimport *
from meshcore.conf.stat_ids cimport *
from meshcore.filter.grpc_call cimport GrpcCall
from meshcore.filter.http cimport HttpStream, LocalReply, StreamOps
from meshcore.io.transport cimport transport_facts, transport_is_tls
from meshcore.observe.counters cimport gauge_add, stat_inc
from meshcore.observe.metadata cimport FilterStateItem
from meshcore.observe.record cimport *
from meshcore.observe.tls_facts cimport TlsFacts
from meshcore.proxy.attempt cimport RESET_LOCAL
from meshcore.proxy.chain cimport *
from meshcore.proxy.charge cimport charge_local
from meshcore.proxy.client cimport client_no_more
from meshcore.proxy.connection cimport connection_direct_local, connection_direct_remote, connection_local, connection_server_name
from meshcore.proxy.grpc_call cimport grpc_call_begin, grpc_call_cancel
from meshcore.proxy.local_reply cimport local_reply_fill
from meshcore.proxy.objects cimport *
from meshcore.proxy.own_stream cimport own_stream_end
from meshcore.proxy.request_head cimport request_head_prepare
from meshcore.proxy.route_hash cimport route_hash_weight
from meshcore.proxy.route_timeouts cimport route_duration_use
from meshcore.proxy.router cimport router_end, router_find_cluster, router_request_complete
from meshcore.proxy.stream_end cimport stream_end
from meshcore.proxy.stream_response cimport deliver_full, deliver_low
from meshcore.proxy.tcp_tunnel cimport tunnel_failed
from meshcore.route.table cimport ROUTE_FORWARD, Route, UpgradeRule, host_of, request_is_grpc, route_choose_for, route_find

cdef enum:
    NS_PER_MS = 1000000


# --- birth ----------------------------------------------------------------------------------------------------------


cdef Stream *stream_new(Downstream *down) noexcept nogil:
    cdef Engine *engine = down.engine
    cdef Stream *stream = <Stream *>slab_new(&engine.streams)
    if stream == NULL:
        return NULL
    memset(stream, 0, sizeof(Stream))
    stream.engine = engine
    stream.down = down
    stream.listener = down.conn.chain.listener
    stream.listener.users += 1
    stream.hcm = down.conn.chain.conf.hcm
    stream.routes = down.conn.chain.routes
    stream.routes.users += 1
    arena_init(&stream.arena, &engine.loop.blocks)
    head_init(&stream.request, &stream.arena, False)
    stream.record.filter_chain = down.conn.chain.conf.name
    stream.record.start_ns = clock_ns(&engine.loop.clock)
    return stream


cdef void adopt_state(Stream *stream, const FilterStateItem *item) noexcept nogil:
    # What network filters left on the connection is its streams' too; what they set themselves stays theirs.
    cdef FilterStateItem *copy
    while item != NULL:
        copy = <FilterStateItem *>arena_take(&stream.arena, sizeof(FilterStateItem))
        if copy == NULL:
            return
        copy[0] = item[0]
        copy.next = stream.record.filter_state.items
        stream.record.filter_state.items = copy
        item = item.next


cdef void stream_begin(Stream *stream) noexcept nogil:
    cdef Engine *engine = stream.engine
    cdef Record *record = &stream.record
    cdef Downstream *down = stream.down
    cdef HttpStream *http = &stream.http
    http.ops = &ops
    http.arena = &stream.arena
    http.buffers = &engine.loop.buffers
    http.wheel = &engine.loop.wheel
    http.clock = &engine.loop.clock
    http.random = &engine.loop.random
    http.stats = engine.stats
    http.worker = engine.worker
    http.batch = &engine.batch
    http.record = record
    stream.random = random_u64(&engine.loop.random)
    timer_init(&stream.timeout, NULL, stream)
    timer_init(&stream.idle, on_idle, stream)
    timer_init(&stream.duration, on_duration, stream)
    timer_init(&stream.backoff, NULL, stream)
    timer_init(&stream.request_timer, on_request_timeout, stream)
    record.request = &stream.request
    record.start_wall_us = clock_wall_us(&engine.loop.clock)
    record.downstream_remote = &down.conn.remote
    record.downstream_direct_remote = connection_direct_remote(&down.conn)
    record.server_name = connection_server_name(&down.conn)
    if down.conn.state != NULL:
        adopt_state(stream, down.conn.state.objects.items)
    record.downstream_local = connection_local(&down.conn)
    record.downstream_direct_local = record.downstream_local if down.conn.arrival == NULL else connection_direct_local(&down.conn)
    record.connection_id = down.conn.id
    record.listener_metadata = &stream.listener.conf.metadata
    record.chain_metadata = &down.conn.chain.conf.metadata
    if transport_is_tls(down.conn.transport):
        take_tls(record, transport_facts(down.conn.transport))
    record.protocol = stream.request.version
    record.downstream_header_rx = stream.request.bytes
    if not chain_init(stream):
        client_no_more(stream)     # the filters cannot run: nothing may pass them by
        stream.bits |= STREAM_NO_FILTERS
    stat_inc(engine.stats, stream.hcm.stats[HCM_RQ_TOTAL])
    stat_inc(engine.stats, stream.hcm.stats[HCM_RQ_HTTP1_TOTAL if stream.client == NULL else HCM_RQ_HTTP2_TOTAL])
    gauge_add(engine.stats, stream.hcm.stats[HCM_RQ_ACTIVE], 1)


cdef void take_tls(Record *record, TlsFacts *facts) noexcept nogil:
    record.downstream_tls = facts
    if facts != NULL:
        record.peer_presented = facts.presented
        record.peer_validated = facts.validated


cdef Head *stream_trailers(Stream *stream, Head **slot, bint is_response) noexcept nogil:
    if slot[0] == NULL:
        slot[0] = <Head *>arena_take(&stream.arena, sizeof(Head))
    if slot[0] != NULL:
        head_init(slot[0], &stream.arena, is_response)
    return slot[0]


# --- timers ---------------------------------------------------------------------------------------------------------


cdef void stream_touch(Stream *stream) noexcept nogil:
    stream.active_ns = clock_ns(&stream.engine.loop.clock)


cdef void arm(Stream *stream, Timer *timer, uint64_t ms) noexcept nogil:
    if ms:
        wheel_arm(&stream.engine.loop.wheel, timer, clock_ms(&stream.engine.loop.clock) + ms)


cdef inline uint16_t timeout_status(Stream *stream) noexcept nogil:
    # Envoy's maybeRequestTimeoutCode: whoever is late gets the blame.
    return 504 if stream.bits & STREAM_REQUEST_END else 408


cdef void on_idle(Timer *timer) noexcept nogil:
    # Touching a stream only notes the time; the timer finds out here how long it has really been idle.
    cdef Stream *stream = <Stream *>timer.owner
    cdef uint64_t due = stream.active_ns // NS_PER_MS + stream.idle_ms
    if clock_ms(&stream.engine.loop.clock) < due:
        wheel_arm(&stream.engine.loop.wheel, timer, due)
        return
    stat_inc(stream.engine.stats, stream.hcm.stats[HCM_RQ_IDLE_TIMEOUT])
    if stream.bits & STREAM_RESPONSE_HEAD:
        stream.record.flags |= FLAG_SI
        stream.record.details = span(b"stream_idle_timeout", 19)
        stream_reset(stream)
        return
    stream_reply_simple(stream, timeout_status(stream), FLAG_SI, span(b"stream_idle_timeout", 19), span(b"stream timeout", 14))


cdef void on_duration(Timer *timer) noexcept nogil:
    cdef Stream *stream = <Stream *>timer.owner
    stat_inc(stream.engine.stats, stream.hcm.stats[HCM_RQ_MAX_DURATION_REACHED])
    if stream.bits & STREAM_RESPONSE_HEAD:
        stream.record.details = span(b"max_duration_timeout", 20)
        stream_reset(stream)
        return
    stream_reply_simple(stream, timeout_status(stream), 0, span(b"max_duration_timeout", 20),
                        span(b"downstream duration timeout", 27))


cdef void on_request_timeout(Timer *timer) noexcept nogil:
    cdef Stream *stream = <Stream *>timer.owner
    if stream.http.response == NULL:       # an answer that has begun may take its time, a tunnel too
        stat_inc(stream.engine.stats, stream.hcm.stats[HCM_RQ_TIMEOUT])
        stream_reply_simple(stream, 408, 0, span(b"request_overall_timeout", 23), span(b"request timeout", 15))


# --- the request ----------------------------------------------------------------------------------------------------


cdef inline uint64_t number_of(Stream *stream, const Route *route) noexcept nogil:
    return route_hash_weight(stream, route) if route.weight_by_hash else stream.random


cdef void find_route(Stream *stream) noexcept nogil:
    cdef Head *head = &stream.request
    stream.host = host_of(stream.routes.table, head)
    stream.http.route = NULL
    stream.record.cluster = stream.record.cluster_stat_name = span(NULL, 0)
    stream.record.route_metadata = NULL
    if stream.host != NULL:
        stream.http.route = route_find(stream.host, head, &stream.record, stream.random)
        stream.record.virtual_host = stream.host.name
        stream.record.host_metadata = &stream.host.metadata
    if stream.http.route != NULL:
        stream.record.route_name = stream.http.route.name
        stream.record.route_metadata = &stream.http.route.metadata
        stream.choice = NULL
        if stream.http.route.kind == ROUTE_FORWARD:
            stream.choice = route_choose_for(stream.http.route, head, number_of(stream, stream.http.route))
        if stream.choice != NULL:
            stream.record.cluster = stream.choice.name
            stream.record.cluster_stat_name = stream.choice.name
    if stream.filters_len > 0:
        chain_route(stream)


cdef int upgrade_rule(const UpgradeRule *rules, uint16_t n, Span wanted) noexcept nogil:
    # 1 allowed, 0 forbidden, -1 not mentioned.
    cdef uint16_t i
    for i in range(n):
        if span_is_nocase(wanted, rules[i].type.at, rules[i].type.len):
            return rules[i].enabled
    return -1


cdef bint upgrade_allowed(Stream *stream) noexcept nogil:
    cdef Span wanted = stream.request.protocol
    cdef int rule = -1
    if stream.bits & STREAM_CONNECT:
        wanted = span(b"connect", 7)
    if stream.http.route != NULL:
        rule = upgrade_rule(stream.http.route.upgrades, stream.http.route.upgrades_len, wanted)
    if rule < 0:
        rule = upgrade_rule(stream.hcm.upgrades, stream.hcm.upgrades_len, wanted)
    return rule > 0


cdef bint stream_wants_websocket(Stream *stream) noexcept nogil:
    return stream.bits & STREAM_UPGRADE != 0 and span_is_nocase(stream.request.protocol, b"websocket", 9)


cdef void stream_request_head(Stream *stream, bint end) noexcept nogil:
    cdef Head *head = &stream.request
    cdef HcmConf *hcm = stream.hcm
    if end:
        stream.bits |= STREAM_REQUEST_END
        stream.record.request_end_ns = clock_ns(&stream.engine.loop.clock)
    if span_is(head.method, b"HEAD", 4):
        stream.bits |= STREAM_HEAD_REQUEST
    elif span_is(head.method, b"CONNECT", 7):
        stream.bits |= STREAM_CONNECT
    if request_is_grpc(head):
        stream.bits |= STREAM_IS_GRPC          # before filters change what it is
    stream.idle_ms = hcm.stream_idle_ms
    stream_touch(stream)
    arm(stream, &stream.idle, stream.idle_ms)
    arm(stream, &stream.duration, hcm.max_stream_ms)
    if not end:
        arm(stream, &stream.request_timer, hcm.request_ms)
    stream.http.request = head
    if stream.bits & STREAM_NO_FILTERS:
        stream_reply_simple(stream, 503, FLAG_LR, span(b"local_reset", 11), span(b"", 0))
        return
    if stream.bits & STREAM_REDIRECTED == 0 and not request_head_prepare(stream):
        return
    find_route(stream)
    if stream.message.upgrade or stream.bits & STREAM_CONNECT:
        if upgrade_allowed(stream):
            stream.bits |= STREAM_UPGRADE
            stat_inc(stream.engine.stats, hcm.stats[HCM_CX_UPGRADES_TOTAL])
            gauge_add(stream.engine.stats, hcm.stats[HCM_CX_UPGRADES_ACTIVE], 1)
        elif stream.http.route != NULL:
            stat_inc(stream.engine.stats, hcm.stats[HCM_RQ_WS_ON_NON_WS_ROUTE])
            client_no_more(stream)
            stream_reply_simple(stream, 403, 0, span(b"upgrade_failed", 14), span(b"", 0))
            return
    use_route_idle(stream)
    chain_request_head(stream)


cdef void use_route_idle(Stream *stream) noexcept nogil:
    cdef Route *route = stream.http.route
    if route == NULL:
        return
    if route.idle_timeout_ms >= 0:
        stream.idle_ms = <uint64_t>route.idle_timeout_ms
        timer_cancel(&stream.engine.loop.wheel, &stream.idle)
        arm(stream, &stream.idle, stream.idle_ms)
    if route.new_timeouts:
        route_duration_use(stream, route)


cdef void stream_request_data(Stream *stream, Span data) noexcept nogil:
    stream.record.bytes_received += data.len
    stream_touch(stream)
    chain_request_data(stream, data, False)


cdef void request_over(Stream *stream) noexcept nogil:
    stream.bits |= STREAM_REQUEST_END
    stream.record.request_end_ns = clock_ns(&stream.engine.loop.clock)
    timer_cancel(&stream.engine.loop.wheel, &stream.request_timer)


cdef void stream_request_end(Stream *stream) noexcept nogil:
    request_over(stream)
    chain_request_data(stream, span(b"", 0), True)
    if stream.bits & STREAM_ENDED == 0:
        router_request_complete(stream)


cdef void stream_request_trailers(Stream *stream) noexcept nogil:
    request_over(stream)
    chain_request_trailers(stream)
    if stream.bits & STREAM_ENDED == 0:
        router_request_complete(stream)


cdef void stream_client_gone(Stream *stream, bint local) noexcept nogil:
    stream.down = NULL
    if stream.bits & STREAM_ENDED:
        return
    stat_inc(stream.engine.stats, stream.hcm.stats[HCM_RQ_RX_RESET])
    if not local:
        stream.record.flags |= FLAG_DC
        stream.record.details = span(b"downstream_remote_disconnect", 28)
    elif stream.record.details.len == 0:
        stream.record.details = span(b"downstream_local_disconnect", 27)
    stream_end(stream)


cdef void stream_reset(Stream *stream) noexcept nogil:
    # The client cannot be told in HTTP any more: its connection is cut, so that it sees the response is not whole.
    cdef Downstream *down = stream.down
    if stream.bits & STREAM_OWN:
        own_stream_end(stream)
        return
    stat_inc(stream.engine.stats, stream.hcm.stats[HCM_RQ_TX_RESET])
    stat_inc(stream.engine.stats, stream.hcm.stats[HCM_RQ_RX_RESET])
    if down == NULL:
        stream_end(stream)
        return
    stream.down = NULL
    stream_end(stream)
    down.ops.cut(down, stream)


cdef void stream_upload_full(Stream *stream) noexcept nogil:
    stream.client_full = True
    deliver_full(stream)


cdef void stream_upload_low(Stream *stream) noexcept nogil:
    stream.client_full = False
    if stream.response_chain.full == 0:
        deliver_low(stream)


# --- the response ---------------------------------------------------------------------------------------------------


cdef void stream_interim(Stream *stream, Head *head) noexcept nogil:
    stream_touch(stream)
    if stream.down != NULL and stream.bits & STREAM_HTTP10 == 0:
        stat_inc(stream.engine.stats, stream.hcm.stats[HCM_RQ_1XX])
        stat_inc(stream.engine.stats, stream.hcm.stats[HCM_RQ_COMPLETED])
        stat_inc(stream.engine.stats, stream.hcm.listener_stats[LISTENER_HTTP_1XX])
        stat_inc(stream.engine.stats, stream.hcm.listener_stats[LISTENER_HTTP_COMPLETED])
        stream.down.ops.send_interim(stream.down, stream, head)


cdef void stream_response_head(Stream *stream, bint end) noexcept nogil:
    stream_touch(stream)
    stream.record.response = &stream.response
    stream.http.response = &stream.response
    chain_response_head(stream, end)


cdef void stream_response_data(Stream *stream, Span data, bint end) noexcept nogil:
    chain_response_data(stream, data, end)


cdef void stream_response_trailers(Stream *stream) noexcept nogil:
    stream.record.trailers = stream.trailers
    chain_response_trailers(stream)


cdef void stream_reply(Stream *stream, const LocalReply *reply) noexcept nogil:
    # Filters see one response head per stream: a reply that takes the place of one which a filter holds, or has just been shown, goes
    # straight to the client.
    cdef Span body
    cdef bint replaces = stream.http.response != NULL
    if stream.bits & STREAM_ENDED or (stream.bits & STREAM_LOCAL_REPLY and stream.response_chain.holding == 0 and
                                      (not replaces or stream.response_chain.direct)):
        return
    if stream.bits & STREAM_OWN:
        if stream.bits & STREAM_TCP:
            tunnel_failed(stream, RESET_LOCAL, span(b"", 0))
        else:
            own_stream_end(stream)
        return
    if stream.bits & STREAM_RESPONSE_HEAD:
        if stream.bits & STREAM_LOCAL_REPLY:
            return
        stream.record.flags |= reply.flag
        stream.record.details = reply.details
        stream_reset(stream)
        return
    stream.bits |= STREAM_LOCAL_REPLY
    if reply.status == 400 and not stream.hcm.stream_error_on_invalid:
        client_no_more(stream)     # Envoy takes each 400 of its own for a broken message
    router_end(stream)
    chain_skip_response(stream, replaces)
    body = local_reply_fill(stream, reply)
    stream_response_head(stream, body.len == 0 or stream.bits & STREAM_HEAD_REQUEST != 0)
    if body.len > 0 and stream.bits & STREAM_ENDED == 0:
        stream_response_data(stream, body, True)


cdef void stream_reply_simple(Stream *stream, uint16_t status, uint64_t flag, Span details, Span body) noexcept nogil:
    cdef LocalReply reply
    reply.status = status
    reply.flag = flag
    reply.grpc = 0
    reply.plain = False
    reply.body = body
    reply.content_type = span(b"", 0)
    reply.details = details
    reply.head = NULL
    stream_reply(stream, &reply)


# --- what filters may ask for ---------------------------------------------------------------------------------------


cdef void resume_request(HttpStream *http, uint8_t n) noexcept nogil:
    chain_resume(<Stream *>http, False, n)


cdef void resume_response(HttpStream *http, uint8_t n) noexcept nogil:
    chain_resume(<Stream *>http, True, n)


cdef void inject_request(HttpStream *http, uint8_t n, Buffer *data, bint end) noexcept nogil:
    chain_inject(<Stream *>http, False, n, data, end)


cdef void inject_response(HttpStream *http, uint8_t n, Buffer *data, bint end) noexcept nogil:
    chain_inject(<Stream *>http, True, n, data, end)


cdef Head *add_trailers(HttpStream *http, uint8_t n, Buffer *data) noexcept nogil:
    return chain_add_trailers(<Stream *>http, n, data)


cdef void hold_back(HttpStream *http, uint8_t n, bint response, bint on) noexcept nogil:
    chain_hold_back(<Stream *>http, response, n, on)


cdef void reply_of(HttpStream *http, const LocalReply *reply) noexcept nogil:
    stream_reply(<Stream *>http, reply)


cdef bint cluster_members(HttpStream *http, int64_t index, uint32_t *total, uint32_t *available) noexcept nogil:
    cdef Engine *engine = (<Stream *>http).engine
    cdef ClusterLocal *cluster = NULL
    if index >= 0 and <uint64_t>index < engine.clusters_cap:
        cluster = engine.clusters[index]
    if cluster == NULL:
        return False
    total[0] = available[0] = 0
    if cluster.hosts != NULL:
        total[0] = cluster.hosts.len
        available[0] = cluster.hosts.healthy_len + cluster.hosts.degraded_len
    return True


cdef const IpAddress *connection_source(HttpStream *http) noexcept nogil:
    return &(<Stream *>http).down.conn.remote


cdef bint server_failed(HttpStream *http) noexcept nogil:
    return (<Stream *>http).engine.unhealthy


cdef Span cluster_stat_name(HttpStream *http) noexcept nogil:
    cdef ClusterLocal *cluster = NULL
    if http.route != NULL and http.route.kind == ROUTE_FORWARD:
        cluster = router_find_cluster(<Stream *>http, http.route)
    return cluster.conf.stat_name if cluster != NULL else span(NULL, 0)


cdef void clear_route(HttpStream *http) noexcept nogil:
    find_route(<Stream *>http)


cdef bint response_complete(HttpStream *http) noexcept nogil:
    return (<Stream *>http).bits & STREAM_RESPONSE_END != 0


cdef void grpc_begin(HttpStream *http, GrpcCall *call, Span message) noexcept nogil:
    cdef Stream *stream = <Stream *>http
    grpc_call_begin(stream.engine, stream.listener, call, message, &stream.record)


cdef bint charge_limit(HttpStream *http, int what, uint16_t status) noexcept nogil:
    cdef Stream *stream = <Stream *>http
    cdef ClusterLocal *cluster = stream.cluster
    if cluster == NULL and http.route != NULL and http.route.kind == ROUTE_FORWARD:
        cluster = router_find_cluster(stream, http.route)
    if cluster == NULL:
        return False
    if what >= 0:
        stat_inc(stream.engine.stats, cluster.conf.stats[CLUSTER_RATELIMIT_OK + what])
    if status:
        charge_local(stream.engine, cluster.conf, status)
    return True


cdef StreamOps ops
ops.resume_request = resume_request
ops.resume_response = resume_response
ops.inject_request = inject_request
ops.inject_response = inject_response
ops.hold_back = hold_back
ops.add_trailers = add_trailers
ops.reply = reply_of
ops.cluster_members = cluster_members
ops.connection_source = connection_source
ops.server_failed = server_failed
ops.cluster_stat_name = cluster_stat_name
ops.clear_route = clear_route
ops.response_complete = response_complete
ops.grpc_begin = grpc_begin
ops.grpc_cancel = grpc_call_cancel
ops.charge_limit = charge_limit
