"""CORS; see cors.pxd for the law."""
from libc.stdint cimport uint8_t
from libc.string cimport memset

from meshcore.base.arena cimport arena_take
from meshcore.base.random cimport random_u64
from meshcore.base.runtime cimport runtime_hits
from meshcore.base.span cimport span, span_is
from meshcore.codec.head cimport *
from meshcore.filter.http cimport *
from meshcore.observe.counters cimport stat_inc
from meshcore.route.matcher cimport STRING_EXACT, string_matches

cdef struct CorsState:
    const CorsConf *conf
    Span origin


cdef inline Span value_of(Head *head, const char *name, size_t len) noexcept nogil:
    cdef Header *header = head_find_name(head, span(name, len))
    return header_value(header) if header != NULL else span(NULL, 0)


cdef bint allowed(const CorsConf *conf, Span origin) noexcept nogil:
    cdef const StringMatcher *matcher
    cdef uint16_t i
    for i in range(conf.origins_len):
        matcher = &conf.origins[i]
        if (matcher.kind == STRING_EXACT and span_is(matcher.value, b"*", 1)) or string_matches(matcher, origin):
            return True
    return False


cdef void set_name(Head *head, Span name, Span value) noexcept nogil:
    head_drop_name(head, name)
    head_add(head, name, value, H_OTHER)


cdef void mark(Head *head, const CorsConf *conf, const CorsState *state) noexcept nogil:
    # `state` NULL: the origin is not allowed; Envoy says all but the origin then.
    if state != NULL:
        set_name(head, span(b"access-control-allow-origin", 27), state.origin)
    if conf.credentials:
        set_name(head, span(b"access-control-allow-credentials", 32), span(b"true", 4))


cdef void answer(HttpStream *stream, const CorsConf *conf, const CorsState *state) noexcept nogil:
    # A preflight; `state` NULL: of an origin that is not allowed.
    cdef LocalReply reply
    cdef Head head
    memset(&reply, 0, sizeof(LocalReply))
    head_init(&head, stream.arena, True)
    mark(&head, conf, state)
    if conf.methods.len > 0:
        set_name(&head, span(b"access-control-allow-methods", 28), conf.methods)
    if conf.headers.len > 0:
        set_name(&head, span(b"access-control-allow-headers", 28), conf.headers)
    if conf.max_age.len > 0:
        set_name(&head, span(b"access-control-max-age", 22), conf.max_age)
    if conf.private_network and span_is(value_of(stream.request, b"access-control-request-private-network", 38), b"true", 4):
        set_name(&head, span(b"access-control-allow-private-network", 36), span(b"true", 4))
    reply.status = 200
    reply.plain = True
    reply.details = span(b"cors_response", 13)
    reply.head = &head
    stream.ops.reply(stream, &reply)


cdef int on_request_head(HttpStream *stream, uint8_t n, bint end) noexcept nogil:
    cdef const CorsConf *conf = <const CorsConf *>filter_settings(stream, n)
    cdef CorsState *state
    cdef Span origin
    cdef bint preflight
    cdef bint on
    if not conf.present:
        return FILTER_CONTINUE
    origin = value_of(stream.request, b"origin", 6)
    if origin.len == 0:
        return FILTER_CONTINUE
    on = not conf.enabled_given or runtime_hits(&conf.enabled, random_u64(stream.random))
    if not on and not (conf.shadow_given and runtime_hits(&conf.shadow, random_u64(stream.random))):
        return FILTER_CONTINUE
    preflight = span_is(stream.request.method, b"OPTIONS", 7) and \
        value_of(stream.request, b"access-control-request-method", 29).len > 0
    if not allowed(conf, origin):
        stat_inc(stream.stats, conf.stats[CORS_INVALID])
        if on and preflight and not conf.forward_preflights:
            answer(stream, conf, NULL)
            return FILTER_STOP
        return FILTER_CONTINUE
    stat_inc(stream.stats, conf.stats[CORS_VALID])
    if not on:
        return FILTER_CONTINUE
    state = <CorsState *>arena_take(stream.arena, sizeof(CorsState))
    if state == NULL:
        return FILTER_CONTINUE
    state.conf = conf
    state.origin = origin
    if preflight:
        stream.state[n] = state
        answer(stream, conf, state)
        return FILTER_STOP
    stream.state[n] = state
    return FILTER_CONTINUE


cdef int on_response_head(HttpStream *stream, uint8_t n, bint end) noexcept nogil:
    cdef CorsState *state = <CorsState *>stream.state[n]
    if state == NULL:
        return FILTER_CONTINUE
    mark(stream.response, state.conf, state)
    if state.conf.expose.len > 0:
        set_name(stream.response, span(b"access-control-expose-headers", 29), state.conf.expose)
    return FILTER_CONTINUE


cdef HttpFilterOps ops
ops.kind = b"envoy.filters.http.cors"
ops.on_request_head = on_request_head
ops.on_request_data = NULL
ops.on_request_trailers = NULL
ops.on_response_head = on_response_head
ops.on_response_data = NULL
ops.on_response_trailers = NULL
ops.on_log = NULL
ops.on_destroy = NULL


cdef const HttpFilterOps *cors_filter() noexcept nogil:
    return &ops
