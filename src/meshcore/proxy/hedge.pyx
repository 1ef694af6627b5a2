"""Hedging. See hedge.pxd for the law."""
from libc.stdint cimport uint32_t

from meshcore.base.random cimport random_u64
from meshcore.base.span cimport Span, span, span_is
from meshcore.base.wheel cimport timer_cancel
from meshcore.cluster.breaker cimport RESOURCE_RETRIES, breaker_allows_retry, breaker_take
from meshcore.codec.head cimport *
from meshcore.conf.stat_ids cimport *
from meshcore.proxy.attempt cimport breaker_of, give_up, give_up_others, start_try
from meshcore.proxy.charge cimport count
from meshcore.proxy.failure cimport give_retry, limit_exceeded, try_again
from meshcore.proxy.objects cimport *


cdef void hedge_prepare(Stream *stream, Route *route) noexcept nogil:
    cdef Span wanted
    stream.hedges = route.hedge != NULL and route.hedge.on_try_timeout
    if not head_has(&stream.request, H_ENVOY_HEDGE_ON_PER_TRY_TIMEOUT):
        return
    wanted = head_value(&stream.request, H_ENVOY_HEDGE_ON_PER_TRY_TIMEOUT)
    if span_is(wanted, b"true", 4):
        stream.hedges = True
    elif span_is(wanted, b"false", 5):
        stream.hedges = False
    head_drop(&stream.request, H_ENVOY_HEDGE_ON_PER_TRY_TIMEOUT)


cdef void hedge_start(Stream *stream, const HedgePolicy *policy) noexcept nogil:
    cdef uint32_t n = policy.initial - 1
    if policy.chance_of != 0 and random_u64(&stream.engine.loop.random) % policy.chance_of < policy.chance:
        n += 1
    # A try may fail before start_try returns, and its reply ends all this.
    while n > 0 and stream.attempt != NULL and stream.bits & (STREAM_ENDED | STREAM_LOCAL_REPLY) == 0:
        n -= 1
        if not breaker_allows_retry(breaker_of(stream)):
            count(stream, CLUSTER_RQ_HEDGE_OVERFLOW, 1)
            return
        breaker_take(breaker_of(stream), RESOURCE_RETRIES)
        count(stream, CLUSTER_RQ_HEDGE, 1)
        start_try(stream, False, True)


cdef void hedge_slow(Attempt *attempt) noexcept nogil:
    cdef Stream *stream = attempt.stream
    if attempt.retried or stream.retry_on == 0:
        return
    give_retry(stream)
    if try_again(stream):
        attempt.retried = True
        if stream.host.timeout_retry_header:
            head_set(&stream.request, H_ENVOY_IS_TIMEOUT_RETRY, span(b"true", 4))
    elif stream.retries_left == 0:
        limit_exceeded(stream)


cdef void hedge_won(Stream *stream, Attempt *attempt) noexcept nogil:
    cdef Attempt *other = stream.others
    while other != NULL:
        count(stream, CLUSTER_RQ_HEDGE_ABANDONED, 1)
        other = other.next_other
    if attempt.extra:
        count(stream, CLUSTER_RQ_HEDGE_SUCCESS, 1)
    timer_cancel(&stream.engine.loop.wheel, &stream.backoff)
    give_retry(stream)
    give_up_others(stream, attempt)


cdef bint give_up_one(Stream *stream, bint sent_stay) noexcept nogil:
    # One try that must go; False: none is left.
    cdef Attempt *attempt = stream.others
    if sent_stay and not stream.attempt.head_sent:
        give_up(stream.attempt)
        return True
    while attempt != NULL and sent_stay and attempt.head_sent:
        attempt = attempt.next_other
    if attempt == NULL:
        return False
    give_up(attempt)
    return True


cdef void hedge_end(Stream *stream) noexcept nogil:
    cdef Attempt *attempt = stream.others
    cdef bint sent = stream.attempt.head_sent
    while attempt != NULL:
        sent = sent or attempt.head_sent
        attempt = attempt.next_other
    timer_cancel(&stream.engine.loop.wheel, &stream.backoff)
    while give_up_one(stream, sent):
        pass
