"""Bandwidth limit; see bandwidth_limit.pxd. The pacing is pacer's; what is left here are the two directions and what they count."""
from libc.stdint cimport uint8_t, uint64_t

from meshcore.base.arena cimport arena_take
from meshcore.base.buffer cimport Buffer
from meshcore.base.clock cimport clock_ns
from meshcore.base.runtime cimport runtime_boolean
from meshcore.codec.head cimport Head
from meshcore.filter.http cimport *
from meshcore.filter.pacer cimport *
from meshcore.observe.counters cimport *

cdef enum:
    NS_PER_MS = 1000000

cdef struct Direction:
    Pacer pacer                    # must be first
    BandwidthConf *conf
    const uint32_t *stats
    uint64_t started_ns            # 0: no byte yet
    bint on

cdef struct BandwidthState:
    Direction request
    Direction response


cdef BandwidthState *state_of(HttpStream *stream, uint8_t n) noexcept nogil:
    cdef BandwidthState *state = <BandwidthState *>stream.state[n]
    if state == NULL:
        state = <BandwidthState *>arena_take(stream.arena, sizeof(BandwidthState))
        if state != NULL:
            state.request.on = state.response.on = False
            stream.state[n] = state
    return state


cdef bint begin(HttpStream *stream, uint8_t n, bint response) noexcept nogil:
    # False: nothing is limited (or there is no memory).
    cdef BandwidthConf *conf = <BandwidthConf *>filter_settings(stream, n)
    cdef BandwidthState *state
    cdef Direction *way
    if not (conf.response if response else conf.request) or not runtime_boolean(conf.enabled_cell, conf.enabled):
        return False
    state = state_of(stream, n)
    if state == NULL:
        return False
    way = &state.response if response else &state.request
    pacer_init(&way.pacer, stream, n, response, &conf.bucket, conf.interval_ms)
    way.pacer.on_passed = on_passed
    way.conf = conf
    way.stats = &conf.stats[BANDWIDTH_STATS if response else 0]
    way.started_ns = 0
    way.on = True
    stat_inc(stream.stats, way.stats[BANDWIDTH_ENABLED])
    return True


cdef int on_request_head(HttpStream *stream, uint8_t n, bint end) noexcept nogil:
    if not begin(stream, n, False):
        stream.request_bodies &= ~(<uint32_t>1 << n)
    return FILTER_CONTINUE


cdef int on_response_head(HttpStream *stream, uint8_t n, bint end) noexcept nogil:
    if not begin(stream, n, True):
        stream.response_bodies &= ~(<uint32_t>1 << n)
    return FILTER_CONTINUE


cdef int limit(Direction *way, Buffer *data, bint end) noexcept nogil:
    cdef uint64_t *stats = way.pacer.stream.stats
    if not way.on:
        return FILTER_CONTINUE
    if way.started_ns == 0:
        way.started_ns = clock_ns(way.pacer.stream.clock)
        gauge_inc(stats, way.stats[BANDWIDTH_PENDING])
    gauge_set(stats, way.stats[BANDWIDTH_INCOMING], data.len)
    stat_add(stats, way.stats[BANDWIDTH_INCOMING_TOTAL], data.len)
    return pacer_data(&way.pacer, data, end)


cdef void finish(Direction *way) noexcept nogil:
    cdef HttpStream *stream = way.pacer.stream
    if way.started_ns == 0:
        return
    histogram_record(stream.stats, way.conf.durations[way.pacer.response],
                     (clock_ns(stream.clock) - way.started_ns) // NS_PER_MS)
    gauge_dec(stream.stats, way.stats[BANDWIDTH_PENDING])
    way.started_ns = 0


cdef void on_passed(Pacer *pacer, uint64_t bytes, bint last) noexcept nogil:
    cdef Direction *way = <Direction *>pacer
    cdef uint64_t *stats = pacer.stream.stats
    gauge_set(stats, way.stats[BANDWIDTH_ALLOWED], bytes)
    stat_add(stats, way.stats[BANDWIDTH_ALLOWED_TOTAL], bytes)
    if pacer.waiting.len > 0:
        stat_inc(stats, way.stats[BANDWIDTH_ENFORCED])
    if last:
        finish(way)


cdef int on_request_data(HttpStream *stream, uint8_t n, Buffer *data, bint end) noexcept nogil:
    return limit(&(<BandwidthState *>stream.state[n]).request, data, end)


cdef int on_response_data(HttpStream *stream, uint8_t n, Buffer *data, bint end) noexcept nogil:
    return limit(&(<BandwidthState *>stream.state[n]).response, data, end)


cdef int trailers_of(Direction *way) noexcept nogil:
    cdef int answer
    if not way.on:
        return FILTER_CONTINUE
    answer = pacer_trailers(&way.pacer)
    if answer == FILTER_CONTINUE:
        finish(way)
    return answer


cdef int on_request_trailers(HttpStream *stream, uint8_t n, Head *trailers) noexcept nogil:
    return trailers_of(&(<BandwidthState *>stream.state[n]).request) if stream.state[n] != NULL else FILTER_CONTINUE


cdef int on_response_trailers(HttpStream *stream, uint8_t n, Head *trailers) noexcept nogil:
    return trailers_of(&(<BandwidthState *>stream.state[n]).response) if stream.state[n] != NULL else FILTER_CONTINUE


cdef void leave(Direction *way) noexcept nogil:
    if not way.on:
        return
    pacer_fini(&way.pacer)
    if way.started_ns != 0:
        gauge_dec(way.pacer.stream.stats, way.stats[BANDWIDTH_PENDING])


cdef void on_destroy(HttpStream *stream, uint8_t n) noexcept nogil:
    cdef BandwidthState *state = <BandwidthState *>stream.state[n]
    if state != NULL:
        leave(&state.request)
        leave(&state.response)


cdef HttpFilterOps ops
ops.kind = b"envoy.filters.http.bandwidth_limit"
ops.on_request_head = on_request_head
ops.on_request_data = on_request_data
ops.on_request_trailers = on_request_trailers
ops.on_response_head = on_response_head
ops.on_response_data = on_response_data
ops.on_response_trailers = on_response_trailers
ops.on_log = NULL
ops.on_destroy = on_destroy


cdef const HttpFilterOps *bandwidth_limit_filter() noexcept nogil:
    return &ops
