"""What an attempt's upstream answers: kept from the client when another try follows, else handed to the stream. See attempt_response.pxd."""
from libc.stdint cimport uint16_t, uint64_t

from meshcore.base.atomics cimport atomic_add
from meshcore.base.clock cimport clock_ns
from meshcore.base.span cimport Span, span, write_u64
from meshcore.base.wheel cimport timer_armed, timer_cancel
from meshcore.cluster.host cimport HOST_RQ_ERROR, HOST_RQ_SUCCESS
from meshcore.codec.head cimport *
from meshcore.conf.stat_ids cimport *
from meshcore.filter.http cimport LocalReply
from meshcore.proxy.attempt cimport drop_attempt, give_up, touch_try
from meshcore.proxy.blame cimport blame_response
from meshcore.proxy.charge cimport *
from meshcore.proxy.failure cimport give_retry, limit_exceeded, try_again
from meshcore.proxy.hedge cimport hedge_others, hedge_won
from meshcore.proxy.internal_redirect cimport internal_redirect
from meshcore.proxy.objects cimport *
from meshcore.proxy.own_stream cimport own_stream_data, own_stream_head, own_stream_trailers
from meshcore.proxy.route_hash cimport route_hash_cookies
from meshcore.proxy.retry cimport retry_wants_response
from meshcore.proxy.stream cimport *
from meshcore.proxy.tcp_tunnel cimport tunnel_answered, tunnel_data, tunnel_trailers
from meshcore.proxy.track cimport track_head, track_request
from meshcore.route.finalize cimport route_mutate_response
from meshcore.route.table cimport SCOPE_RQ_RETRY_SUCCESS

cdef enum:
    NS_PER_MS = 1000000
    LAST_INTERIM = 104             # 100, 102, 103 (RFC 8297) and 104; 101 is no interim answer


cdef void attempt_interim(Attempt *attempt, Head *head) noexcept nogil:
    cdef Stream *stream = attempt.stream
    if stream.bits & STREAM_TCP:
        return
    if stream.cluster.conf.tracking != NULL:
        track_head(attempt, head)
    if attempt.interim or head.status < 100 or head.status > LAST_INTERIM:
        return                     # Envoy takes one per response, of those that are registered
    charge(stream, head.status, attempt.host)
    attempt.interim = True
    stream.retry_on = 0            # a part of this try's answer was taken: there is no other try
    if stream.hcm.proxy_100_continue:
        stream_interim(stream, head)


cdef void refuse_handshake(Stream *stream, Attempt *attempt, bint end) noexcept nogil:
    # A WebSocket handshake ends with 101 or an error. Of any other answer Envoy passes the head on and nothing behind it.
    cdef Head head = stream.response
    cdef LocalReply reply
    if end:
        drop_attempt(attempt)
    else:
        give_up(attempt)
    head_drop(&head, H_CONTENT_LENGTH)
    head_drop(&head, H_CONTENT_TYPE)
    reply.status = head.status
    reply.flag = 0
    reply.body = span(b"", 0)
    reply.content_type = span(b"", 0)
    reply.details = span(b"websocket_handshake_unsuccessful", 32)
    reply.head = &head
    stream_reply(stream, &reply)


cdef bint good_enough(Stream *stream, Attempt *attempt, uint16_t status) noexcept nogil:
    # False: another try follows, or others are under way that may have a better answer.
    cdef bint bad = retry_wants_response(stream)
    if attempt.retried:
        return not bad or not hedge_others(stream)
    give_retry(stream)
    if bad:
        if try_again(stream):
            charge_retried(stream, status)
            return False
        if stream.retries_left == 0:
            limit_exceeded(stream)
    elif stream.bits & STREAM_RETRIED:
        count(stream, CLUSTER_RQ_RETRY_SUCCESS, 1)
        count_scoped(stream, SCOPE_RQ_RETRY_SUCCESS)
    if stream.others == NULL:
        return True
    return not (bad or status >= 500) or not hedge_others(stream)


cdef void attempt_response_head(Attempt *attempt, bint end) noexcept nogil:
    cdef Stream *stream = attempt.stream
    cdef Head *head = &stream.response
    cdef uint16_t status = head.status
    cdef char text[20]
    cdef size_t n
    cdef uint64_t now = clock_ns(&stream.engine.loop.clock)
    timer_cancel(&stream.engine.loop.wheel, &attempt.timer)
    if stream.cluster.conf.tracking != NULL:
        track_head(attempt, head)
    if status != 101 and status < 400 and stream.record.upstream_protocol < HTTP_2 and stream_wants_websocket(stream):
        refuse_handshake(stream, attempt, end)
        return
    blame_response(attempt, head)
    atomic_add(&attempt.host.stats[HOST_RQ_ERROR if status >= 500 else HOST_RQ_SUCCESS], 1)
    if attempt.cluster.balancer.ops.observe != NULL:
        attempt.cluster.balancer.ops.observe(&attempt.cluster.balancer, attempt.host, now - attempt.started_ns)
    if stream.bits & STREAM_TCP:
        tunnel_answered(attempt, end)
        return
    if not good_enough(stream, attempt, status):
        if end:
            drop_attempt(attempt)
        else:
            give_up(attempt)
        return
    if stream.others != NULL or timer_armed(&stream.backoff):
        hedge_won(stream, attempt)
    if stream.http.route.internal_redirect != NULL and internal_redirect(stream, attempt, end):
        return
    charge_note_canary(stream, attempt.host)
    charge(stream, status, attempt.host)
    attempt.response_started = True
    if stream.bits & STREAM_OWN:
        if end:
            response_over(stream, attempt)
        own_stream_head(stream, end)
        return
    stream.record.details = span(b"via_upstream", 12)
    if stream.record.request_end_ns:
        n = write_u64(text, (now - stream.record.request_end_ns) // NS_PER_MS)
    else:
        n = write_u64(text, 0)
    if not stream.hcm.router.suppress_envoy_headers:
        head_drop(head, H_ENVOY_UPSTREAM_SERVICE_TIME)
    if stream.record.request_end_ns and not stream.hcm.router.suppress_envoy_headers:
        head_set_copy(head, H_ENVOY_UPSTREAM_SERVICE_TIME, span(text, n))
    if stream.host.attempt_count_response:
        n = write_u64(text, stream.tries)
        head_set_copy(head, H_ENVOY_ATTEMPT_COUNT, span(text, n))
    stream.record.response = head
    stream.record.status = status
    if stream.hash != NULL and stream.hash.cookies != NULL:
        route_hash_cookies(stream, head)
    route_mutate_response(stream.http.route, stream.choice, head, &stream.record)
    if end:
        response_over(stream, attempt)
    stream_response_head(stream, end)


cdef void response_over(Stream *stream, Attempt *attempt) noexcept nogil:
    # Charged before the last byte goes downstream, because that ends the stream.
    stream.bits |= STREAM_UPSTREAM_DONE
    charge_time(stream, attempt.host)
    if stream.cluster.conf.tracking != NULL:
        track_request(stream)
    drop_attempt(attempt)


cdef void attempt_response_data(Attempt *attempt, Span data, bint end) noexcept nogil:
    cdef Stream *stream = attempt.stream
    if stream.bits & STREAM_TCP:
        tunnel_data(attempt, data, end)
        return
    touch_try(attempt)
    attempt.received_bytes += data.len
    if end:
        response_over(stream, attempt)
    if stream.bits & STREAM_OWN:
        own_stream_data(stream, data, end)
        return
    stream_response_data(stream, data, end)


cdef void attempt_response_trailers(Attempt *attempt) noexcept nogil:
    cdef Stream *stream = attempt.stream
    if stream.bits & STREAM_TCP:
        tunnel_trailers(attempt)
        return
    response_over(stream, attempt)
    if stream.bits & STREAM_OWN:
        own_stream_trailers(stream)
        return
    stream_response_trailers(stream)
