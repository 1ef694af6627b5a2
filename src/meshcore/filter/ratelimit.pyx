"""Rate limit. See ratelimit.pxd for the law.

The order of what happens is that of Envoy's filter: metadata, counters, headers, then the reply. The numbers of the answer are those of the
descriptor with the least left (draft-ietf-httpapi-ratelimit-headers-03).
"""
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy, memset

from meshcore.base.arena cimport Arena, arena_take
from meshcore.base.random cimport random_u64
from meshcore.base.runtime cimport runtime_hits
from meshcore.base.span cimport Span, span, span_is, span_is_nocase, write_u64
from meshcore.codec.head cimport *
from meshcore.filter.grpc_call cimport GrpcCall
from meshcore.filter.http cimport *
from meshcore.filter.local_ratelimit cimport HOST_RATES_INCLUDE, HOST_RATES_OVERRIDE
from meshcore.filter.rate_limit_service cimport *
from meshcore.observe.metadata cimport MetaValue, metadata_namespace
from meshcore.observe.metadata_protobuf cimport metadata_read_struct
from meshcore.observe.record cimport FLAG_RL, FLAG_RLSE
from meshcore.route.mutation cimport headers_add
from meshcore.route.table cimport ROUTE_FORWARD, Route

cdef enum:
    POLICY_MAX = 64                # of one status in x-ratelimit-limit, its name apart
    UNITS = 8

# RateLimitResponse.RateLimit.Unit in seconds: unknown, second, minute, hour, day, month, year, week.
cdef uint32_t[UNITS] unit_s = [0, 1, 60, 3600, 86400, 2592000, 31536000, 604800]

cdef struct RateState:
    GrpcCall call
    HttpStream *stream
    uint8_t n
    bint starting                  # the call is being begun
    bint refused
    RateAnswer answer


# --- the question ---------------------------------------------------------------------------------------------------


cdef inline const RateLimitConf *conf_of(HttpStream *stream, uint8_t n) noexcept nogil:
    return <const RateLimitConf *>filter_settings(stream, n)


cdef void add(HttpStream *stream, RateDescriptors *list, const RateRules *rules, int stage) noexcept nogil:
    rate_descriptors_add(list, rules, stage, stream.random, stream.request, stream.record, stream.arena)


cdef void describe(HttpStream *stream, const RateLimitConf *conf, RateDescriptors *list) noexcept nogil:
    cdef const Route *route = stream.route
    if conf.rules.len > 0:
        add(stream, list, &conf.rules, -1)
        return
    if route.rate_rules != NULL:
        add(stream, list, route.rate_rules, conf.stage)
    if route.host.rate_rules != NULL and (
            route.include_host_rates or conf.host_rates == HOST_RATES_INCLUDE or
            conf.host_rates == HOST_RATES_OVERRIDE and route.rate_rules == NULL):
        add(stream, list, route.host.rate_rules, conf.stage)


cdef bint concerns(HttpStream *stream, const RateLimitConf *conf) noexcept nogil:
    cdef bint internal = span_is(head_value(stream.request, H_ENVOY_INTERNAL), b"true", 4)
    if conf.request_type == REQUEST_EXTERNAL and internal or conf.request_type == REQUEST_INTERNAL and not internal:
        return False
    return stream.route != NULL and stream.route.kind == ROUTE_FORWARD and stream.ops.charge_limit(stream, -1, 0)


cdef int on_request_head(HttpStream *stream, uint8_t n, bint end) noexcept nogil:
    cdef const RateLimitConf *conf = conf_of(stream, n)
    cdef RateDescriptors list
    cdef RateState *state
    cdef Span message
    if not runtime_hits(&conf.enabled, random_u64(stream.random)) or not concerns(stream, conf):
        return FILTER_CONTINUE
    memset(&list, 0, sizeof(RateDescriptors))
    describe(stream, conf, &list)
    if list.len == 0:
        return FILTER_CONTINUE
    state = <RateState *>arena_take(stream.arena, sizeof(RateState))
    message = rate_request_write(conf.service.domain, &list, stream.arena)
    if state == NULL or message.len == 0:
        return FILTER_CONTINUE
    memset(state, 0, sizeof(RateState))
    state.stream = stream
    state.n = n
    stream.state[n] = state
    rate_call_fill(&state.call, &conf.service)
    state.call.owner = state
    state.call.done = on_answer
    state.starting = True
    stream.ops.grpc_begin(stream, &state.call, message)
    state.starting = False
    return FILTER_STOP if state.call.stream != NULL or state.refused else FILTER_CONTINUE


# --- the answer -----------------------------------------------------------------------------------------------------


cdef void on_answer(GrpcCall *call, int status, Span message) noexcept nogil:
    cdef RateState *state = <RateState *>call.owner
    cdef HttpStream *stream = state.stream
    cdef RateAnswer *answer = &state.answer
    rate_answer_read(answer, status, message, stream.arena)
    if answer.metadata.len > 0:
        take_metadata(stream, answer.metadata)
    if answer.verdict == RATE_VERDICT_ERROR:
        failed(state)
    elif answer.verdict == RATE_VERDICT_OVER_LIMIT:
        over_limit(state)
    else:
        stream.ops.charge_limit(stream, RATE_COUNT_OK, 0)
        let_pass(state)


cdef void take_metadata(HttpStream *stream, Span message) noexcept nogil:
    cdef MetaValue *into = metadata_namespace(&stream.record.metadata, stream.arena, span(b"envoy.filters.http.ratelimit", 28))
    if into != NULL:
        metadata_read_struct(message, stream.arena, into)


cdef void let_pass(RateState *state) noexcept nogil:
    cdef RateHeader *header = state.answer.request_headers
    while header != NULL:
        head_add_copy(state.stream.request, header.name, header.value)
        header = header.next
    if not state.starting:
        state.stream.ops.resume_request(state.stream, state.n)


cdef void refuse(RateState *state, const LocalReply *reply) noexcept nogil:
    state.refused = True
    state.stream.ops.reply(state.stream, reply)


cdef void failed(RateState *state) noexcept nogil:
    cdef HttpStream *stream = state.stream
    cdef const RateLimitConf *conf = conf_of(stream, state.n)
    cdef LocalReply reply
    stream.ops.charge_limit(stream, RATE_COUNT_ERROR, 0)
    if not runtime_hits(&conf.denied, random_u64(stream.random)):
        stream.ops.charge_limit(stream, RATE_COUNT_FAILURE_MODE_ALLOWED, 0)
        let_pass(state)
        return
    memset(&reply, 0, sizeof(LocalReply))
    reply.status = conf.error_status
    reply.flag = FLAG_RLSE
    reply.details = span(b"rate_limiter_error", 18)
    refuse(state, &reply)


cdef Span content_type(const RateAnswer *answer) noexcept nogil:
    cdef RateHeader *header = answer.response_headers
    while header != NULL:
        if span_is_nocase(header.name, b"content-type", 12):
            return header.value
        header = header.next
    return span(NULL, 0)


cdef void over_limit(RateState *state) noexcept nogil:
    cdef HttpStream *stream = state.stream
    cdef const RateLimitConf *conf = conf_of(stream, state.n)
    cdef LocalReply reply
    cdef Head head
    stream.ops.charge_limit(stream, RATE_COUNT_OVER_LIMIT, conf.status)
    if not runtime_hits(&conf.enforced, random_u64(stream.random)):
        let_pass(state)
        return
    memset(&reply, 0, sizeof(LocalReply))
    head_init(&head, stream.arena, True)
    headers_add(conf.response_add, conf.response_add_len, &head, stream.record)
    reply.status = conf.status
    reply.grpc = conf.grpc
    reply.flag = FLAG_RL
    reply.body = state.answer.body
    reply.content_type = content_type(&state.answer)
    reply.details = span(b"request_rate_limited", 20)
    reply.head = &head
    refuse(state, &reply)


# --- what the client is told ----------------------------------------------------------------------------------------


cdef char *put(char *out, const char *text, size_t n) noexcept nogil:
    memcpy(out, text, n)
    return out + n


cdef char *put_policy(char *out, const RateStatus *status) noexcept nogil:
    # ", 10;w=60" and ";name=..."
    out = put(out, b", ", 2)
    out += write_u64(out, status.requests_per_unit)
    out = put(out, b";w=", 3)
    out += write_u64(out, unit_s[status.unit])
    if status.name.len > 0:
        out = put(out, b";name=\"", 7)
        out = put(out, status.name.at, status.name.len)
        out = put(out, b"\"", 1)
    return out


cdef void add_number(Head *head, Span name, uint64_t value) noexcept nogil:
    cdef char text[20]
    head_add_copy(head, name, span(text, write_u64(text, value)))


cdef void add_limits(Head *head, const RateAnswer *answer, Arena *arena) noexcept nogil:
    cdef const RateStatus *status = answer.statuses
    cdef const RateStatus *least = status
    cdef size_t room = POLICY_MAX
    cdef char *text
    cdef char *out
    while status != NULL:
        if status.remaining < least.remaining:
            least = status
        room += POLICY_MAX + status.name.len
        status = status.next
    text = <char *>arena_take(arena, room)
    if least == NULL or text == NULL:
        return
    out = text + write_u64(text, least.requests_per_unit)
    status = answer.statuses
    while status != NULL:
        if status.unit < UNITS and unit_s[status.unit] > 0:
            out = put_policy(out, status)
        status = status.next
    head_add(head, span(b"x-ratelimit-limit", 17), span(text, out - text), H_OTHER)
    add_number(head, span(b"x-ratelimit-remaining", 21), least.remaining)
    add_number(head, span(b"x-ratelimit-reset", 17), least.reset_s)


cdef int on_response_head(HttpStream *stream, uint8_t n, bint end) noexcept nogil:
    cdef RateState *state = <RateState *>stream.state[n]
    cdef const RateLimitConf *conf = conf_of(stream, n)
    cdef RateHeader *header
    if state == NULL:
        return FILTER_CONTINUE
    header = state.answer.response_headers
    while header != NULL:
        if not state.refused or not span_is_nocase(header.name, b"content-type", 12):
            head_add_copy(stream.response, header.name, header.value)
        header = header.next
    if state.answer.verdict == RATE_VERDICT_OVER_LIMIT and conf.says_limited:
        head_set(stream.response, H_ENVOY_RATELIMITED, span(b"true", 4))
    if conf.headers:
        add_limits(stream.response, &state.answer, stream.arena)
    return FILTER_CONTINUE


cdef void on_destroy(HttpStream *stream, uint8_t n) noexcept nogil:
    cdef RateState *state = <RateState *>stream.state[n]
    if state != NULL:
        stream.ops.grpc_cancel(&state.call)


cdef HttpFilterOps ops
ops.kind = b"envoy.filters.http.ratelimit"
ops.on_request_head = on_request_head
ops.on_request_data = NULL
ops.on_request_trailers = NULL
ops.on_response_head = on_response_head
ops.on_response_data = NULL
ops.on_response_trailers = NULL
ops.on_log = NULL
ops.on_destroy = on_destroy


cdef const HttpFilterOps *ratelimit_filter() noexcept nogil:
    return &ops
