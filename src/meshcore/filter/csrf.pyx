"""CSRF; see csrf.pxd for the law."""
from libc.stdint cimport uint8_t
from libc.string cimport memset

from meshcore.base.random cimport random_u64
from meshcore.base.runtime cimport runtime_hits
from meshcore.base.span cimport Span, span, span_equal, span_is
from meshcore.codec.head cimport *
from meshcore.filter.http cimport *
from meshcore.observe.counters cimport stat_inc
from meshcore.route.matcher cimport string_matches


cdef bint changes_something(Span method) noexcept nogil:
    return span_is(method, b"POST", 4) or span_is(method, b"PUT", 3) or span_is(method, b"DELETE", 6) or span_is(method, b"PATCH", 5)


cdef Span host_and_port(Span url) noexcept nogil:
    # What stands between "scheme://" and the path; a text that is no absolute URL stays as it is.
    cdef uint32_t i = 0
    cdef uint32_t start
    while i + 2 < url.len and not (url.at[i] == 58 and url.at[i + 1] == 47 and url.at[i + 2] == 47):
        i += 1
    if i == 0 or i + 3 >= url.len:
        return url
    start = i + 3
    i = start
    while i < url.len and url.at[i] != 47 and url.at[i] != 63 and url.at[i] != 35:
        i += 1
    return span(url.at + start, i - start)


cdef Span source_of(Head *request) noexcept nogil:
    cdef Header *origin = head_find_name(request, span(b"origin", 6))
    cdef Span found = host_and_port(header_value(origin)) if origin != NULL else span(NULL, 0)
    return found if found.len > 0 else host_and_port(head_value(request, H_REFERER))


cdef bint trusted(const CsrfConf *conf, Span source, Span target) noexcept nogil:
    cdef uint16_t i
    if span_equal(source, target):
        return True
    for i in range(conf.origins_len):
        if string_matches(&conf.origins[i], source):
            return True
    return False


cdef void refuse(HttpStream *stream) noexcept nogil:
    cdef LocalReply reply
    memset(&reply, 0, sizeof(LocalReply))
    reply.status = 403
    reply.body = span(b"Invalid origin", 14)
    reply.details = span(b"csrf_origin_mismatch", 20)
    stream.ops.reply(stream, &reply)


cdef int on_request_head(HttpStream *stream, uint8_t n, bint end) noexcept nogil:
    cdef const CsrfConf *conf = <const CsrfConf *>filter_settings(stream, n)
    cdef Span source
    cdef bint on = runtime_hits(&conf.enabled, random_u64(stream.random))
    if not on and not (conf.shadow_given and runtime_hits(&conf.shadow, random_u64(stream.random))):
        return FILTER_CONTINUE
    if not changes_something(stream.request.method):
        return FILTER_CONTINUE
    source = source_of(stream.request)
    if source.len == 0:
        stat_inc(stream.stats, conf.stats[CSRF_MISSING])
    elif trusted(conf, source, host_and_port(stream.request.authority)):
        stat_inc(stream.stats, conf.stats[CSRF_VALID])
        return FILTER_CONTINUE
    else:
        stat_inc(stream.stats, conf.stats[CSRF_INVALID])
    if not on:
        return FILTER_CONTINUE
    refuse(stream)
    return FILTER_STOP


cdef HttpFilterOps ops
ops.kind = b"envoy.filters.http.csrf"
ops.on_request_head = on_request_head
ops.on_request_data = NULL
ops.on_request_trailers = NULL
ops.on_response_head = NULL
ops.on_response_data = NULL
ops.on_response_trailers = NULL
ops.on_log = NULL
ops.on_destroy = NULL


cdef const HttpFilterOps *csrf_filter() noexcept nogil:
    return &ops
