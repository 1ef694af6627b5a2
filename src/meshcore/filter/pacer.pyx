"""Pacer; see pacer.pxd for the law. Data goes on from the timer alone, so a hook never runs the filters behind it."""
from libc.string cimport memset

from meshcore.base.buffer cimport *
from meshcore.base.clock cimport clock_ms, clock_ns
from meshcore.base.token_bucket cimport bucket_take
from meshcore.base.wheel cimport timer_armed, timer_cancel, timer_init, wheel_arm
from meshcore.filter.http cimport FILTER_CONTINUE, FILTER_STOP, FILTER_TAKEN


cdef void pacer_init(Pacer *pacer, HttpStream *stream, uint8_t n, bint response, TokenBucket *bucket, uint32_t interval_ms) noexcept nogil:
    memset(pacer, 0, sizeof(Pacer))
    pacer.stream = stream
    pacer.bucket = bucket
    pacer.interval_ms = interval_ms
    pacer.n = n
    pacer.response = response
    timer_init(&pacer.timer, on_timer, pacer)


cdef void set_full(Pacer *pacer) noexcept nogil:
    cdef HttpStream *stream = pacer.stream
    cdef uint64_t limit = stream.response_limit if pacer.response else stream.request_limit
    cdef bint full = pacer.waiting.len > (limit // 2 if pacer.full else limit)
    if full != pacer.full:
        pacer.full = full
        stream.ops.hold_back(stream, pacer.n, pacer.response, full)


cdef int pacer_data(Pacer *pacer, Buffer *data, bint end) noexcept nogil:
    cdef HttpStream *stream = pacer.stream
    if not buffer_own(stream.buffers, data):
        return FILTER_CONTINUE     # no memory to wait in
    buffer_move(&pacer.waiting, data)
    pacer.end = end
    if not timer_armed(&pacer.timer):
        wheel_arm(stream.wheel, &pacer.timer, clock_ms(stream.clock))
    set_full(pacer)
    return FILTER_TAKEN


cdef int pacer_trailers(Pacer *pacer) noexcept nogil:
    if pacer.waiting.len == 0:
        return FILTER_CONTINUE
    pacer.trailers = True
    return FILTER_STOP


cdef void on_timer(Timer *timer) noexcept nogil:
    cdef Pacer *pacer = <Pacer *>timer.owner
    cdef HttpStream *stream = pacer.stream
    cdef uint64_t n = bucket_take(pacer.bucket, pacer.waiting.len, True, clock_ns(stream.clock))
    cdef Buffer passing
    cdef bint last
    buffer_init(&passing)
    if not buffer_split(stream.buffers, &pacer.waiting, &passing, n):
        buffer_move(&passing, &pacer.waiting)      # no memory to keep it apart
    last = pacer.waiting.len == 0
    if not last:
        wheel_arm(stream.wheel, &pacer.timer, clock_ms(stream.clock) + pacer.interval_ms)
    if pacer.on_passed != NULL:
        pacer.on_passed(pacer, n, last and (pacer.end or pacer.trailers))
    set_full(pacer)
    pass_on(pacer, &passing, last and pacer.end)
    # The stream may have ended in there; its memory stays until the end of the iteration, and so do `trailers` and `n`.
    if last and pacer.trailers:
        if pacer.response:
            stream.ops.resume_response(stream, pacer.n)
        else:
            stream.ops.resume_request(stream, pacer.n)


cdef void pass_on(Pacer *pacer, Buffer *data, bint end) noexcept nogil:
    cdef HttpStream *stream = pacer.stream
    if data.len == 0 and not end:
        return
    if pacer.response:
        stream.ops.inject_response(stream, pacer.n, data, end)
    else:
        stream.ops.inject_request(stream, pacer.n, data, end)


cdef void pacer_fini(Pacer *pacer) noexcept nogil:
    timer_cancel(pacer.stream.wheel, &pacer.timer)
    buffer_fini(pacer.stream.buffers, &pacer.waiting)
