"""Adaptive concurrency; see adaptive_concurrency.pxd for the law."""
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memset

from meshcore.base.arena cimport arena_take
from meshcore.base.clock cimport clock_ns
from meshcore.base.random cimport random_u64
from meshcore.base.runtime cimport runtime_boolean, runtime_integer, runtime_number
from meshcore.base.span cimport span
from meshcore.base.spin cimport spin_lock, spin_unlock
from meshcore.filter.gradient cimport gradient_admit, gradient_answered, gradient_cancel
from meshcore.filter.http cimport *
from meshcore.observe.counters cimport gauge_add, stat_inc

cdef struct Sent:
    # A request that was let in.
    uint64_t at_ns
    bint over


cdef inline double share(const RuntimeCell *cell, double otherwise) noexcept nogil:
    return min(max(runtime_number(cell, 100 * otherwise), 0.0), 100.0) / 100.0


cdef void concurrency_law(const ConcurrencyConf *conf, GradientLaw *out) noexcept nogil:
    out[0] = conf.law
    out.interval_ms = <uint64_t>runtime_integer(conf.interval_cell, <int64_t>out.interval_ms)
    out.sample_ms = <uint64_t>runtime_integer(conf.sample_cell, <int64_t>out.sample_ms)
    out.most = <uint32_t>runtime_integer(conf.most_cell, out.most)
    out.least = <uint32_t>runtime_integer(conf.least_cell, out.least)
    out.count = <uint32_t>runtime_integer(conf.count_cell, out.count)
    out.quantile = share(conf.quantile_cell, out.quantile)
    out.jitter = share(conf.jitter_cell, out.jitter)
    out.buffer = share(conf.buffer_cell, out.buffer)


cdef void show_gauges(HttpStream *stream, ConcurrencyConf *conf) noexcept nogil:
    cdef int i
    if not conf.gradient.changed:
        return
    spin_lock(&conf.gradient.lock)
    conf.gradient.changed = False
    for i in range(GRADIENT_GAUGES):
        gauge_add(stream.stats, conf.gauges[i], conf.gradient.gauges[i] - conf.shown[i])
        conf.shown[i] = conf.gradient.gauges[i]
    spin_unlock(&conf.gradient.lock)


cdef void refuse(HttpStream *stream, const ConcurrencyConf *conf) noexcept nogil:
    cdef LocalReply reply
    memset(&reply, 0, sizeof(LocalReply))
    reply.status = conf.status
    reply.body = span(b"reached concurrency limit", 25)
    reply.details = span(b"reached_concurrency_limit", 25)
    stream.ops.reply(stream, &reply)


cdef int on_request_head(HttpStream *stream, uint8_t n, bint end) noexcept nogil:
    cdef ConcurrencyConf *conf = <ConcurrencyConf *>stream.settings[n]
    cdef GradientLaw law
    cdef Sent *sent
    if stream.record.health_check or not runtime_boolean(conf.enabled_cell, conf.enabled):
        return FILTER_CONTINUE
    sent = <Sent *>arena_take(stream.arena, sizeof(Sent))
    if sent == NULL:
        return FILTER_CONTINUE
    concurrency_law(conf, &law)
    if not gradient_admit(&conf.gradient, &law, random_u64(stream.random), clock_ns(stream.clock)):
        stat_inc(stream.stats, conf.stats[CONCURRENCY_BLOCKED])
        show_gauges(stream, conf)
        refuse(stream, conf)
        return FILTER_STOP
    show_gauges(stream, conf)
    sent.at_ns = clock_ns(stream.clock)
    sent.over = False
    stream.state[n] = sent
    return FILTER_CONTINUE


cdef void on_destroy(HttpStream *stream, uint8_t n) noexcept nogil:
    # A stream that ends with its whole response is timed; one that was cut is only taken out of the count.
    cdef ConcurrencyConf *conf = <ConcurrencyConf *>stream.settings[n]
    cdef Sent *sent = <Sent *>stream.state[n]
    cdef GradientLaw law
    if sent == NULL or sent.over:
        return
    sent.over = True
    if not stream.ops.response_complete(stream):
        gradient_cancel(&conf.gradient)
        return
    concurrency_law(conf, &law)
    gradient_answered(&conf.gradient, &law, sent.at_ns, random_u64(stream.random), clock_ns(stream.clock))
    show_gauges(stream, conf)


cdef HttpFilterOps ops
ops.kind = b"envoy.filters.http.adaptive_concurrency"
ops.on_request_head = on_request_head
ops.on_request_data = NULL
ops.on_request_trailers = NULL
ops.on_response_head = NULL
ops.on_response_data = NULL
ops.on_response_trailers = NULL
ops.on_log = NULL
ops.on_destroy = on_destroy


cdef const HttpFilterOps *adaptive_concurrency_filter() noexcept nogil:
    return &ops
