"""Local rate limit; see local_ratelimit.pxd for the law.

The order of Envoy's LocalRateLimiterImpl: buckets of the request's descriptors, the slowest first, then the one for everybody. The first that
is empty refuses; those asked before keep what they took.
"""
from libc.math cimport ceil
from libc.string cimport memset

from meshcore.base.arena cimport arena_take
from meshcore.base.bucket_table cimport bucket_table_find
from meshcore.base.clock cimport clock_ns
from meshcore.base.hash cimport mix64
from meshcore.base.random cimport random_u64
from meshcore.base.runtime cimport runtime_hits
from meshcore.base.span cimport Span, span, span_equal, write_u64
from meshcore.base.token_bucket cimport word_take, word_tokens
from meshcore.codec.head cimport *
from meshcore.filter.http cimport *
from meshcore.observe.counters cimport stat_inc
from meshcore.observe.record cimport FLAG_RL
from meshcore.route.mutation cimport headers_add
from meshcore.route.rate_limit cimport RateDescriptor, rate_describe
from meshcore.route.table cimport Route

cdef enum:
    MATCHES_MAX = 32               # descriptors of one request that count

cdef struct Match:
    # A bucket that this request has to pass.
    const Limit *limit
    int64_t *word
    uint64_t hits

cdef struct RateState:
    LocalRateLimitConf *conf
    Match told                     # whose numbers go into x-ratelimit-*; limit NULL: none
    bint limited


# --- which buckets --------------------------------------------------------------------------------------------------


cdef int64_t *word_of(HttpStream *stream, const LocalRateLimitConf *conf, Limit *limit, uint64_t key) noexcept nogil:
    if limit.keys == NULL:
        return &limit.word
    if conf.per_connection:
        key = mix64(key ^ mix64(stream.record.connection_id) ^ <uint64_t>stream.worker)
    return bucket_table_find(limit.keys, mix64(key), clock_ns(stream.clock))


cdef bint same(const RateDescriptor *wanted, const LocalDescriptor *descriptor) noexcept nogil:
    cdef uint16_t i
    if wanted.len != descriptor.len:
        return False
    for i in range(wanted.len):
        if not span_equal(wanted.entries[i].key, descriptor.entries[i].key):
            return False
        if descriptor.entries[i].value.len > 0 and not span_equal(wanted.entries[i].value, descriptor.entries[i].value):
            return False
    return True


cdef LocalDescriptor *find(LocalRateLimitConf *conf, const RateDescriptor *wanted) noexcept nogil:
    cdef LocalDescriptor *found = conf.index[wanted.hash & conf.index_mask]
    cdef uint16_t i
    while found != NULL:
        if found.hash == wanted.hash and same(wanted, found):
            return found
        found = found.next
    for i in range(conf.wild_len):
        if same(wanted, &conf.wild[i]):
            return &conf.wild[i]
    return NULL


cdef int add_rules(HttpStream *stream, LocalRateLimitConf *conf, const RateRules *rules, bint staged, Match *matches, int n) noexcept nogil:
    cdef RateDescriptor wanted
    cdef LocalDescriptor *found
    cdef uint16_t i
    for i in range(rules.len):
        if rules.rules[i].disable_key or staged and rules.rules[i].stage != conf.stage:
            continue
        if n == MATCHES_MAX or not rate_describe(&rules.rules[i], stream.request, stream.record, stream.arena, &wanted):
            continue
        found = find(conf, &wanted)
        if found != NULL:
            matches[n].limit = &found.limit
            matches[n].word = word_of(stream, conf, &found.limit, wanted.hash)
            matches[n].hits = wanted.hits
            n += 1
    return n


cdef int matches_of(HttpStream *stream, LocalRateLimitConf *conf, Match *matches) noexcept nogil:
    cdef const Route *route = stream.route
    cdef int n = 0
    if conf.descriptors_len == 0:
        return 0
    if conf.rules.len > 0:
        return add_rules(stream, conf, &conf.rules, False, matches, 0)
    if route == NULL:
        return 0
    if route.rate_rules != NULL:
        n = add_rules(stream, conf, route.rate_rules, True, matches, 0)
    if route.host.rate_rules == NULL:
        return n
    if route.include_host_rates or conf.host_rates == HOST_RATES_INCLUDE or \
            (conf.host_rates == HOST_RATES_OVERRIDE and route.rate_rules == NULL):
        n = add_rules(stream, conf, route.host.rate_rules, True, matches, n)
    return n


cdef void slowest_first(Match *matches, int n) noexcept nogil:
    cdef Match moved
    cdef int i
    cdef int k
    for i in range(1, n):
        moved = matches[i]
        k = i
        while k > 0 and matches[k - 1].limit.per_second > moved.limit.per_second:
            matches[k] = matches[k - 1]
            k -= 1
        matches[k] = moved


# --- the decision ---------------------------------------------------------------------------------------------------


cdef inline bint passes(HttpStream *stream, Match *match) noexcept nogil:
    if match.hits == 0:
        return True
    return word_take(match.word, match.limit.max, match.limit.per_second, match.hits, False, clock_ns(stream.clock)) > 0


cdef bint allowed(HttpStream *stream, LocalRateLimitConf *conf, Match *told) noexcept nogil:
    cdef Match[MATCHES_MAX] matches
    cdef Match whole
    cdef int n = matches_of(stream, conf, matches)
    cdef int i
    slowest_first(matches, n)
    for i in range(n):
        if not passes(stream, &matches[i]):
            told[0] = matches[i]
            return False
    if n > 0:
        told[0] = matches[0]
        if not conf.always_default:
            return True
    if not conf.limits:
        return True
    whole.limit = &conf.limit
    whole.word = word_of(stream, conf, &conf.limit, 0)
    whole.hits = 1
    if conf.limit.max <= 0.0:
        told.limit = NULL
        return False
    if not passes(stream, &whole):
        told[0] = whole
        return False
    if n == 0:
        told[0] = whole
    return True


cdef void refuse(HttpStream *stream, LocalRateLimitConf *conf) noexcept nogil:
    cdef LocalReply reply
    cdef Head head
    memset(&reply, 0, sizeof(LocalReply))
    head_init(&head, stream.arena, True)
    headers_add(conf.response_add, conf.response_add_len, &head, stream.record)
    reply.status = conf.status
    reply.grpc = conf.grpc
    reply.flag = FLAG_RL
    reply.body = span(b"local_rate_limited", 18)
    reply.details = span(b"local_rate_limited", 18)
    reply.head = &head
    stream.ops.reply(stream, &reply)


cdef int on_request_head(HttpStream *stream, uint8_t n, bint end) noexcept nogil:
    cdef LocalRateLimitConf *conf = <LocalRateLimitConf *>filter_settings(stream, n)
    cdef Match told
    if not runtime_hits(&conf.enabled_part, random_u64(stream.random)):
        return FILTER_CONTINUE
    stat_inc(stream.stats, conf.stats[RATE_LIMIT_ENABLED])
    told.limit = NULL
    if allowed(stream, conf, &told):
        stat_inc(stream.stats, conf.stats[RATE_LIMIT_OK])
        tell(stream, n, conf, &told)
        return FILTER_CONTINUE
    stat_inc(stream.stats, conf.stats[RATE_LIMIT_LIMITED])
    tell(stream, n, conf, &told)
    if not runtime_hits(&conf.enforced_part, random_u64(stream.random)):
        headers_add(conf.request_add, conf.request_add_len, stream.request, stream.record)
        return FILTER_CONTINUE
    stat_inc(stream.stats, conf.stats[RATE_LIMIT_ENFORCED])
    refuse(stream, conf)
    return FILTER_STOP


cdef void tell(HttpStream *stream, uint8_t n, LocalRateLimitConf *conf, const Match *told) noexcept nogil:
    # Keeps whose numbers the response will name.
    cdef RateState *state
    if not conf.headers or told.limit == NULL:
        return
    state = <RateState *>arena_take(stream.arena, sizeof(RateState))
    if state != NULL:
        state.conf = conf
        state.told = told[0]
        stream.state[n] = state


cdef void add_number(Head *head, Span name, uint64_t value) noexcept nogil:
    cdef char text[20]
    head_add_copy(head, name, span(text, write_u64(text, value)))


cdef int on_response_head(HttpStream *stream, uint8_t n, bint end) noexcept nogil:
    cdef RateState *state = <RateState *>stream.state[n]
    cdef double tokens
    cdef double wait_s
    if state == NULL:
        return FILTER_CONTINUE
    tokens = word_tokens(state.told.word, state.told.limit.max, state.told.limit.per_second, clock_ns(stream.clock))
    wait_s = ceil((1.0 - tokens) / state.told.limit.per_second) if tokens < 1.0 else 0.0
    add_number(stream.response, span(b"x-ratelimit-limit", 17), <uint64_t>state.told.limit.max)
    add_number(stream.response, span(b"x-ratelimit-remaining", 21), <uint64_t>tokens)
    add_number(stream.response, span(b"x-ratelimit-reset", 17), <uint64_t>wait_s)
    return FILTER_CONTINUE


cdef HttpFilterOps ops
ops.kind = b"envoy.filters.http.local_ratelimit"
ops.on_request_head = on_request_head
ops.on_request_data = NULL
ops.on_request_trailers = NULL
ops.on_response_head = on_response_head
ops.on_response_data = NULL
ops.on_response_trailers = NULL
ops.on_log = NULL
ops.on_destroy = NULL


cdef const HttpFilterOps *local_ratelimit_filter() noexcept nogil:
    return &ops
