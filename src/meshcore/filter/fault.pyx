"""Fault injection; see fault.pxd for the law."""
from libc.string cimport memset

from meshcore.base.arena cimport arena_take
from meshcore.base.atomics cimport atomic_add, atomic_load
from meshcore.base.buffer cimport Buffer
from meshcore.base.clock cimport clock_ms, clock_ns
from meshcore.base.random cimport random_u64
from meshcore.base.runtime cimport runtime_hits, runtime_integer
from meshcore.base.span cimport parse_u64, span, span_equal
from meshcore.base.token_bucket cimport TokenBucket, bucket_init
from meshcore.base.wheel cimport Timer, timer_cancel, timer_init, wheel_arm
from meshcore.codec.head cimport *
from meshcore.filter.http cimport *
from meshcore.filter.pacer cimport *
from meshcore.observe.counters cimport gauge_dec, gauge_inc, stat_inc
from meshcore.observe.metadata cimport MetaValue, meta_merge, metadata_namespace
from meshcore.observe.record cimport FLAG_DI, FLAG_FI
from meshcore.route.matcher cimport headers_match_all

cdef struct FaultState:
    HttpStream *stream
    FaultConf *conf                # in force for this stream
    FaultConf *base                # counts
    uint8_t n
    bint active
    bint slowed
    Timer timer                    # the delay
    Pacer pacer
    TokenBucket bucket


cdef inline bint header_number(HttpStream *stream, const char *name, size_t len, uint64_t *out) noexcept nogil:
    cdef Header *header = head_find_name(stream.request, span(name, len))
    return header != NULL and parse_u64(header_value(header), out)


cdef bint part_holds(HttpStream *stream, const RuntimeFraction *part, bint by_header, const char *name, size_t len) noexcept nogil:
    # A header may lower the configured percentage, never raise it.
    cdef RuntimeFraction asked = part[0]
    cdef uint64_t number
    if by_header and header_number(stream, name, len, &number) and number < asked.numerator:
        asked.numerator = <uint32_t>number
    return runtime_hits(&asked, random_u64(stream.random))


cdef bint meant(HttpStream *stream, const FaultConf *conf) noexcept nogil:
    cdef Span node
    cdef uint16_t i
    if conf.upstream_cluster.len > 0 and not span_equal(stream.record.cluster, conf.upstream_cluster):
        return False
    if conf.nodes_len > 0:
        node = head_value(stream.request, H_ENVOY_DOWNSTREAM_SERVICE_NODE)
        for i in range(conf.nodes_len):
            if span_equal(conf.nodes[i], node):
                break
        else:
            return False
    return headers_match_all(conf.headers, conf.headers_len, stream.request)


cdef bint take_active(FaultState *state) noexcept nogil:
    # Not exact when workers meet: as Envoy's, the limit may be passed by a few.
    if state.active:
        return True
    if <uint64_t>atomic_load(&state.base.active) >= <uint64_t>runtime_integer(state.conf.active_max_cell, <int64_t>state.conf.active_max):
        stat_inc(state.stream.stats, state.base.stats[FAULT_OVERFLOW])
        return False
    atomic_add(&state.base.active, 1)
    gauge_inc(state.stream.stats, state.base.stats[FAULT_ACTIVE])
    state.active = True
    return True


cdef void leave_metadata(HttpStream *stream, const FaultConf *conf) noexcept nogil:
    # In place of what was there under the filter's name.
    cdef MetaValue *into = metadata_namespace(&stream.record.metadata, stream.arena, conf.name)
    if into == NULL:
        return
    into.items = NULL
    if conf.metadata != NULL:
        meta_merge(into, stream.arena, conf.metadata)


cdef bint slow_down(FaultState *state) noexcept nogil:
    cdef HttpStream *stream = state.stream
    cdef const FaultConf *conf = state.conf
    cdef uint64_t kbps = conf.slow_kbps
    cdef double rate
    if not conf.slows:
        return False
    if conf.slow_by_header and (not header_number(stream, b"x-envoy-fault-throughput-response", 33, &kbps) or kbps == 0):
        return False
    if not part_holds(stream, &conf.slow_part, conf.slow_by_header, b"x-envoy-fault-throughput-response-percentage", 44):
        return False
    if not take_active(state):
        return False
    rate = <double>kbps * 1024.0
    bucket_init(&state.bucket, rate, rate, rate * PACER_INTERVAL_MS / 1000.0, clock_ns(stream.clock))
    pacer_init(&state.pacer, stream, state.n, True, &state.bucket, PACER_INTERVAL_MS)
    stat_inc(stream.stats, state.base.stats[FAULT_SLOWED])
    state.slowed = True
    return True


cdef bint delay(FaultState *state) noexcept nogil:
    cdef HttpStream *stream = state.stream
    cdef const FaultConf *conf = state.conf
    cdef uint64_t ms = conf.delay_ms
    if not conf.delays:
        return False
    if not part_holds(stream, &conf.delay_part, conf.delay_by_header, b"x-envoy-fault-delay-request-percentage", 38):
        return False
    if conf.delay_by_header and not header_number(stream, b"x-envoy-fault-delay-request", 27, &ms):
        return False
    ms = <uint64_t>runtime_integer(conf.delay_ms_cell, <int64_t>ms)
    if ms == 0 or not take_active(state):
        return False
    timer_init(&state.timer, on_delayed, state)
    wheel_arm(stream.wheel, &state.timer, clock_ms(stream.clock) + ms)
    stat_inc(stream.stats, state.base.stats[FAULT_DELAYS])
    stream.record.flags |= FLAG_DI
    leave_metadata(stream, conf)
    return True


cdef bint abort(FaultState *state) noexcept nogil:
    cdef HttpStream *stream = state.stream
    cdef const FaultConf *conf = state.conf
    cdef LocalReply reply
    cdef uint64_t status = conf.abort_status
    cdef uint64_t grpc = conf.abort_grpc
    if not conf.aborts:
        return False
    if not part_holds(stream, &conf.abort_part, conf.abort_by_header, b"x-envoy-fault-abort-request-percentage", 38):
        return False
    if conf.abort_by_header:
        if not header_number(stream, b"x-envoy-fault-abort-request", 27, &status) or status < 200 or status >= 600:
            status = 0
            if not header_number(stream, b"x-envoy-fault-abort-grpc-request", 32, &grpc):
                return False
    if status:
        status = <uint64_t>runtime_integer(conf.abort_status_cell, <int64_t>status)
    else:
        grpc = <uint64_t>runtime_integer(conf.abort_grpc_cell, <int64_t>grpc)
    if not take_active(state):
        return False
    memset(&reply, 0, sizeof(LocalReply))
    reply.status = <uint16_t>status if status else 200
    reply.grpc = 0 if status or grpc > 254 else <uint8_t>(grpc + 1)
    reply.flag = FLAG_FI
    reply.body = span(b"fault filter abort", 18)
    reply.details = span(b"fault_filter_abort", 18)
    stat_inc(stream.stats, state.base.stats[FAULT_ABORTS])
    leave_metadata(stream, conf)
    stream.ops.reply(stream, &reply)
    return True


cdef void on_delayed(Timer *timer) noexcept nogil:
    cdef FaultState *state = <FaultState *>timer.owner
    if not abort(state):
        state.stream.ops.resume_request(state.stream, state.n)


cdef int on_request_head(HttpStream *stream, uint8_t n, bint end) noexcept nogil:
    cdef FaultConf *conf = <FaultConf *>filter_settings(stream, n)
    cdef FaultState *state
    cdef uint32_t bit = <uint32_t>1 << n
    if not meant(stream, conf):
        stream.response_bodies &= ~bit
        return FILTER_CONTINUE
    state = <FaultState *>arena_take(stream.arena, sizeof(FaultState))
    if state == NULL:
        stream.response_bodies &= ~bit
        return FILTER_CONTINUE
    memset(state, 0, sizeof(FaultState))
    state.stream = stream
    state.conf = conf
    state.base = <FaultConf *>stream.settings[n]
    state.n = n
    stream.state[n] = state
    if not slow_down(state):
        stream.response_bodies &= ~bit
    if delay(state) or abort(state):
        return FILTER_STOP
    return FILTER_CONTINUE


cdef int on_response_data(HttpStream *stream, uint8_t n, Buffer *data, bint end) noexcept nogil:
    cdef FaultState *state = <FaultState *>stream.state[n]
    return pacer_data(&state.pacer, data, end) if state != NULL and state.slowed else FILTER_CONTINUE


cdef int on_response_trailers(HttpStream *stream, uint8_t n, Head *trailers) noexcept nogil:
    cdef FaultState *state = <FaultState *>stream.state[n]
    return pacer_trailers(&state.pacer) if state != NULL and state.slowed else FILTER_CONTINUE


cdef void on_destroy(HttpStream *stream, uint8_t n) noexcept nogil:
    cdef FaultState *state = <FaultState *>stream.state[n]
    if state == NULL:
        return
    timer_cancel(stream.wheel, &state.timer)
    if state.slowed:
        pacer_fini(&state.pacer)
    if state.active:
        atomic_add(&state.base.active, -1)
        gauge_dec(stream.stats, state.base.stats[FAULT_ACTIVE])


cdef HttpFilterOps ops
ops.kind = b"envoy.filters.http.fault"
ops.on_request_head = on_request_head
ops.on_request_data = NULL
ops.on_request_trailers = NULL
ops.on_response_head = NULL
ops.on_response_data = on_response_data
ops.on_response_trailers = on_response_trailers
ops.on_log = NULL
ops.on_destroy = on_destroy


cdef const HttpFilterOps *fault_filter() noexcept nogil:
    return &ops
