"""Failure: what follows when a try breaks off or takes too long. See failure.pxd for the law."""
from libc.stdint cimport uint8_t, uint16_t

from meshcore.base.atomics cimport atomic_add
from meshcore.base.clock cimport clock_ms
from meshcore.base.span cimport Span, span
from meshcore.base.wheel cimport Timer, timer_armed, wheel_arm
from meshcore.cluster.breaker cimport *
from meshcore.cluster.host cimport HOST_RQ_ERROR, HOST_RQ_TIMEOUT
from meshcore.codec.head cimport *
from meshcore.conf.stat_ids cimport *
from meshcore.observe.counters cimport stat_inc
from meshcore.observe.record cimport *
from meshcore.proxy.attempt cimport *
from meshcore.proxy.blame cimport *
from meshcore.proxy.charge cimport *
from meshcore.proxy.hedge cimport hedge_slow
from meshcore.proxy.objects cimport *
from meshcore.proxy.reset_reply cimport reason_flag, reason_text, reply_reset, reset_details
from meshcore.proxy.retry cimport *
from meshcore.proxy.route_timeouts cimport route_timeouts_expect
from meshcore.proxy.stream cimport stream_reply_simple, stream_reset
from meshcore.proxy.tcp_tunnel cimport tunnel_failed
from meshcore.proxy.track cimport track_request
from meshcore.route.table cimport SCOPE_RQ_RETRY, SCOPE_RQ_RETRY_LIMIT_EXCEEDED, SCOPE_RQ_RETRY_OVERFLOW, request_is_grpc


# --- another try --------------------------------------------------------------------------------------------------------


cdef bint try_again(Stream *stream) noexcept nogil:
    # Takes one of the retries left, if the request can be sent again and the breaker agrees. One back-off serves all tries that failed.
    if timer_armed(&stream.backoff):
        return True
    if stream.retries_left == 0 or stream.bits & STREAM_REPLAY_LOST:
        return False
    if not breaker_allows_retry(breaker_of(stream)):
        count(stream, CLUSTER_RQ_RETRY_OVERFLOW, 1)
        count_scoped(stream, SCOPE_RQ_RETRY_OVERFLOW)
        stream.record.flags |= FLAG_UO
        return False
    stream.retries_left -= 1
    if not retries_allowed(stream):
        return False
    breaker_take(breaker_of(stream), RESOURCE_RETRIES)
    stream.bits |= STREAM_RETRY_HELD
    if stream.host.timeout_retry_header:
        head_set(&stream.request, H_ENVOY_IS_TIMEOUT_RETRY, span(b"false", 5))
    stream.backoff.fire = on_backoff
    wheel_arm(&stream.engine.loop.wheel, &stream.backoff, clock_ms(&stream.engine.loop.clock) + retry_backoff_ms(stream))
    return True


cdef void on_backoff(Timer *timer) noexcept nogil:
    cdef Stream *stream = <Stream *>timer.owner
    stream.bits |= STREAM_RETRIED
    count(stream, CLUSTER_RQ_RETRY, 1)
    count_scoped(stream, SCOPE_RQ_RETRY)
    count(stream, CLUSTER_RQ_RETRY_BACKOFF_RATELIMITED if stream.retry_wait_ms > 1 else CLUSTER_RQ_RETRY_BACKOFF, 1)
    stream.retry_wait_ms = 0
    route_timeouts_expect(stream)
    start_try(stream, False, False)


cdef void give_retry(Stream *stream) noexcept nogil:
    if stream.bits & STREAM_RETRY_HELD:
        stream.bits &= ~<uint32_t>STREAM_RETRY_HELD
        breaker_give(breaker_of(stream), RESOURCE_RETRIES)


cdef void limit_exceeded(Stream *stream) noexcept nogil:
    stream.record.flags |= FLAG_URX
    count(stream, CLUSTER_RQ_RETRY_LIMIT_EXCEEDED, 1)
    count_scoped(stream, SCOPE_RQ_RETRY_LIMIT_EXCEEDED)


# --- broken off ---------------------------------------------------------------------------------------------------------


cdef bint replay_stale(Stream *stream, Attempt *attempt, uint8_t reason) noexcept nogil:
    # An idle connection that the upstream closed while our request was on its way: nothing was answered, so an idempotent request goes out
    # once more, on a new connection (RFC 9110, 9.2.2).
    return attempt.reused and reason == RESET_TERMINATION and not attempt.response_started and \
        stream.bits & (STREAM_REPLAYED | STREAM_REPLAY_LOST) == 0 and method_idempotent(stream)


cdef void attempt_failed(Attempt *attempt, uint8_t reason, Span failure) noexcept nogil:
    cdef Stream *stream = attempt.stream
    cdef bint head_sent = attempt.head_sent
    cdef bint stale = replay_stale(stream, attempt, reason)
    cdef bint started = attempt.response_started
    cdef bint interim = attempt.interim
    cdef bint retried = attempt.retried
    cdef bint wants
    if head_sent and reason == RESET_TERMINATION:
        count(stream, CLUSTER_RQ_RX_RESET, 0)
    atomic_add(&attempt.host.stats[HOST_RQ_ERROR], 1)
    if reason != RESET_OVERFLOW and not stale:
        blame_failed(attempt, STATUS_RESET)
    attempt.upstream = NULL
    drop_attempt(attempt)
    if stream.bits & STREAM_TCP:
        tunnel_failed(stream, reason, failure)
        return
    if not retried:
        give_retry(stream)
    if stale:
        stream.bits |= STREAM_REPLAYED
        count(stream, CLUSTER_RQ_REPLAYED, 1)
        stream.tries -= 1
        start_try(stream, True, False)
        return
    if started:
        cut_response(stream, reason)
        return
    wants = not retried and retry_wants_reset(stream, reason, head_sent)
    if wants and try_again(stream):
        return
    if wants and stream.retries_left == 0:
        limit_exceeded(stream)
    if another_may_answer(stream):
        charge(stream, 502 if reason == RESET_PROTOCOL or reason == RESET_HEADERS_TOO_LARGE else 503, stream.used_host)
        return
    reply_reset(stream, reason, failure, interim)


cdef void attempt_refused(Attempt *attempt) noexcept nogil:
    cdef Stream *stream = attempt.stream
    stream.record.upstream_remote = NULL
    drop_attempt(attempt)
    if another_may_answer(stream):
        return
    give_retry(stream)
    no_host(stream)


cdef void cut_response(Stream *stream, uint8_t reason) noexcept nogil:
    # The upstream left in the middle of its response. A client that has heard nothing of it, as filters hold it, is answered.
    stream.record.flags |= reason_flag(reason)
    stream.record.details = reset_details(stream, span(b"upstream_reset_after_response_started{", 38), reason_text(reason), span(b"", 0))
    if request_is_grpc(&stream.request) and stream.response.status < 500 and stream.bits & STREAM_OWN == 0:
        stat_inc(stream.engine.stats, stream.hcm.stats[HCM_RQ_RESET_AFTER_RESPONSE])       # of calls alone, whose success trailers would say
    if stream.bits & (STREAM_RESPONSE_HEAD | STREAM_OWN) == 0:
        reply_reset(stream, reason, span(b"", 0), True)
        return
    stream_reset(stream)


# --- too slow -----------------------------------------------------------------------------------------------------------


cdef uint16_t timeout_status(Stream *stream) noexcept nogil:
    # x-envoy-upstream-rq-timeout-alt-response.
    return 204 if stream.alt_response else 504


cdef void timed_out(Stream *stream, Span details) noexcept nogil:
    if stream.cluster.conf.tracking != NULL:
        track_request(stream)
    stream_reply_simple(stream, timeout_status(stream), FLAG_UT, details,
                        span(b"", 0) if stream.alt_response else span(b"upstream request timeout", 24))


cdef void on_try_timeout(Timer *timer) noexcept nogil:
    cdef Attempt *attempt = <Attempt *>timer.owner
    cdef Stream *stream = attempt.stream
    if attempt.response_started:
        return
    if stream.hedges:
        blame_slow(attempt, timeout_status(stream))
        hedge_slow(attempt)
        return
    count(stream, CLUSTER_RQ_PER_TRY_TIMEOUT, 1)
    atomic_add(&attempt.host.stats[HOST_RQ_TIMEOUT], 1)
    end_try(attempt, span(b"upstream_per_try_timeout", 24))


cdef void on_try_idle(Timer *timer) noexcept nogil:
    cdef Attempt *attempt = <Attempt *>timer.owner
    if attempt.stream.hedges:
        if not attempt.response_started:
            blame_slow(attempt, timeout_status(attempt.stream))
            hedge_slow(attempt)
        return
    count(attempt.stream, CLUSTER_RQ_PER_TRY_IDLE_TIMEOUT, 1)
    if attempt.response_started:
        attempt.stream.record.flags |= FLAG_UT
        attempt.stream.record.details = span(b"upstream_per_try_idle_timeout", 29)
        stream_reset(attempt.stream)
        return
    end_try(attempt, span(b"upstream_per_try_idle_timeout", 29))


cdef void end_try(Attempt *attempt, Span details) noexcept nogil:
    # Too slow: another try, or the timeout becomes the answer.
    cdef Stream *stream = attempt.stream
    cdef bint wants = retry_wants_reset(stream, RESET_LOCAL, True)
    blame_slow(attempt, timeout_status(stream))
    give_up(attempt)
    give_retry(stream)
    if wants and try_again(stream):
        if stream.host.timeout_retry_header:
            head_set(&stream.request, H_ENVOY_IS_TIMEOUT_RETRY, span(b"true", 4))
        return
    stream.record.flags |= FLAG_UT
    if wants and stream.retries_left == 0:
        limit_exceeded(stream)
    charge(stream, timeout_status(stream), stream.used_host)
    if not another_may_answer(stream):
        timed_out(stream, details)


cdef void on_try_duration(Timer *timer) noexcept nogil:
    cdef Attempt *attempt = <Attempt *>timer.owner
    cdef Stream *stream = attempt.stream
    count(stream, CLUSTER_RQ_MAX_DURATION_REACHED, 1)
    stream.record.flags |= FLAG_UMSDR
    if attempt.response_started:
        stream.record.details = span(b"upstream_max_stream_duration_reached", 36)
        stream_reset(stream)
        return
    give_up(attempt)
    give_retry(stream)
    if retry_wants_reset(stream, RESET_LOCAL, True) and try_again(stream) or another_may_answer(stream):
        return
    stream_reply_simple(stream, 504, FLAG_UMSDR, span(b"upstream_max_stream_duration_reached", 36),
                        span(b"upstream max stream duration reached", 36))
