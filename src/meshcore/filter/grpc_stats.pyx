"""gRPC statistics; see grpc_stats.pxd for the law."""
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy, memset

from meshcore.base.arena cimport arena_take
from meshcore.base.buffer cimport Buffer
from meshcore.base.hash cimport xxhash64
from meshcore.base.span cimport Span, span, span_equal, write_u64
from meshcore.codec.head cimport *
from meshcore.filter.grpc_calls cimport *
from meshcore.filter.http cimport *
from meshcore.observe.counters cimport histogram_record, stat_add
from meshcore.observe.late_stats cimport GRPC_REQUEST_MESSAGES, GRPC_RESPONSE_MESSAGES, LateStat
from meshcore.observe.metadata cimport META_TEXT, FilterStateItem, MetaValue, filter_state_struct, meta_make
from meshcore.route.table cimport request_is_grpc

cdef enum:
    NS_PER_MS = 1000000
    NUMBER = 20                    # digits of a number, at most

cdef Span KEY = span(b"envoy.filters.http.grpc_stats", 29)
cdef Span ASKED = span(b"request_message_count", 21)
cdef Span TOLD = span(b"response_message_count", 22)

cdef struct CallState:
    const LateStat *stat
    bint answered                  # in gRPC; a filter before this one may give the answer another type
    GrpcFrames request
    GrpcFrames response
    uint64_t asked                 # messages of the request
    uint64_t told                  # ... of the response
    FilterStateItem *seen          # both as filter state; NULL: not yet, or not wanted
    char text[2 * NUMBER + 1]      # ... as text
    char asked_text[NUMBER]
    char told_text[NUMBER]


cdef uint32_t grpc_method_hash(Span service, Span method) noexcept nogil:
    return <uint32_t>xxhash64(method.at, method.len, xxhash64(service.at, service.len, 0))


cdef bint is_listed(const GrpcStatsConf *conf, Span service, Span method) noexcept nogil:
    cdef uint32_t at = grpc_method_hash(service, method)
    cdef const GrpcMethod *found
    while conf.methods != NULL:
        found = &conf.methods[at & (conf.places - 1)]
        if found.service.len == 0:
            return False
        if span_equal(found.service, service) and span_equal(found.method, method):
            return True
        at += 1
    return False


cdef Span without_dots(HttpStream *stream, Span service) noexcept nogil:
    cdef char *text = <char *>arena_take(stream.arena, service.len)
    cdef uint32_t i
    if text == NULL:
        return service
    memcpy(text, service.at, service.len)
    for i in range(service.len):
        if text[i] == b'.':
            text[i] = b'_'
    return span(text, service.len)


cdef const LateStat *stat_of(HttpStream *stream, const GrpcStatsConf *conf) noexcept nogil:
    cdef Span service
    cdef Span method
    if not grpc_path_split(stream.request.path, &service, &method):
        return NULL
    if conf.every_method:
        service = without_dots(stream, service) if conf.undotted else service
    elif not is_listed(conf, service, method):
        service.len = 0
    return grpc_call_stat(stream, span(b"grpc", 4), service, method)


cdef int on_request_head(HttpStream *stream, uint8_t n, bint end) noexcept nogil:
    cdef const LateStat *stat = NULL
    cdef CallState *state = NULL
    if request_is_grpc(stream.request):
        stat = stat_of(stream, <const GrpcStatsConf *>filter_settings(stream, n))
    if stat != NULL:
        state = <CallState *>arena_take(stream.arena, sizeof(CallState))
    if state == NULL:
        stream.request_bodies &= ~(<uint32_t>1 << n)
        stream.response_bodies &= ~(<uint32_t>1 << n)
        return FILTER_CONTINUE
    memset(state, 0, sizeof(CallState))
    state.stat = stat
    stream.state[n] = state
    return FILTER_CONTINUE


cdef void show_number(HttpStream *stream, MetaValue *counts, Span name, char *text, uint64_t number) noexcept nogil:
    # Protobuf's JSON: 64 bits are a text, and 0 is not there.
    cdef MetaValue *member = meta_make(counts, stream.arena, name) if number > 0 else NULL
    if member != NULL:
        member.kind = META_TEXT
        member.text = span(text, write_u64(text, number))


cdef void show(HttpStream *stream, uint8_t n, CallState *state) noexcept nogil:
    cdef size_t len
    if not (<const GrpcStatsConf *>filter_settings(stream, n)).shows:
        return
    if state.seen == NULL:
        state.seen = filter_state_struct(&stream.record.filter_state, stream.arena, KEY)
    if state.seen == NULL:
        return
    len = write_u64(state.text, state.asked)
    state.text[len] = b','
    state.seen.text = span(state.text, len + 1 + write_u64(state.text + len + 1, state.told))
    show_number(stream, state.seen.typed, ASKED, state.asked_text, state.asked)
    show_number(stream, state.seen.typed, TOLD, state.told_text, state.told)


cdef int on_request_data(HttpStream *stream, uint8_t n, Buffer *data, bint end) noexcept nogil:
    cdef CallState *state = <CallState *>stream.state[n]
    cdef uint64_t messages
    if state == NULL:
        return FILTER_CONTINUE
    messages = grpc_frames_count(&state.request, data)
    if messages > 0:
        stat_add(stream.stats, state.stat.slot + GRPC_REQUEST_MESSAGES, messages)
        state.asked += messages
        show(stream, n, state)
    return FILTER_CONTINUE


cdef void charge_time(HttpStream *stream, uint8_t n, const CallState *state) noexcept nogil:
    # From the last byte sent to the last one received, as far as they were when the answer ended.
    cdef uint64_t sent = stream.record.upstream_last_tx_ns
    cdef uint64_t received = stream.record.upstream_last_rx_ns
    if (<const GrpcStatsConf *>filter_settings(stream, n)).times and sent != 0 and received != 0:
        histogram_record(stream.stats, state.stat.block, (received - sent) // NS_PER_MS if received > sent else 0)


cdef int on_response_head(HttpStream *stream, uint8_t n, bint end) noexcept nogil:
    cdef CallState *state = <CallState *>stream.state[n]
    if state == NULL:
        return FILTER_CONTINUE
    state.answered = stream.response.status == 200 and request_is_grpc(stream.response)
    grpc_charge_status(stream, state.stat, stream.response)
    if end:
        charge_time(stream, n, state)
    return FILTER_CONTINUE


cdef int on_response_data(HttpStream *stream, uint8_t n, Buffer *data, bint end) noexcept nogil:
    cdef CallState *state = <CallState *>stream.state[n]
    cdef uint64_t messages
    if state == NULL or not state.answered:
        return FILTER_CONTINUE
    messages = grpc_frames_count(&state.response, data)
    if messages > 0:
        stat_add(stream.stats, state.stat.slot + GRPC_RESPONSE_MESSAGES, messages)
        state.told += messages
        show(stream, n, state)
    return FILTER_CONTINUE


cdef int on_response_trailers(HttpStream *stream, uint8_t n, Head *trailers) noexcept nogil:
    cdef CallState *state = <CallState *>stream.state[n]
    if state != NULL and trailers != NULL:
        grpc_charge_status(stream, state.stat, trailers)
        charge_time(stream, n, state)
    return FILTER_CONTINUE


cdef HttpFilterOps ops
ops.kind = b"envoy.filters.http.grpc_stats"
ops.on_request_head = on_request_head
ops.on_request_data = on_request_data
ops.on_request_trailers = NULL
ops.on_response_head = on_response_head
ops.on_response_data = on_response_data
ops.on_response_trailers = on_response_trailers
ops.on_log = NULL
ops.on_destroy = NULL


cdef const HttpFilterOps *grpc_stats_filter() noexcept nogil:
    return &ops
