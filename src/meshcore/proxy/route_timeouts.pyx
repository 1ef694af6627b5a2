"""Timeouts of a request, by Envoy's FilterUtility::finalTimeout and refreshDurationTimeout. See route_timeouts.pxd for the law.

Request headers may set the timeouts (an edge has dropped them from external requests before). A route with `max_stream_duration` has no
`timeout`; where it says so, the client's grpc-timeout takes its place, capped and shortened.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from meshcore.base.clock cimport clock_ms, clock_ns
from meshcore.base.span cimport parse_u64, span, span_next_token, write_u64
from meshcore.base.wheel cimport timer_cancel, wheel_arm
from meshcore.codec.head cimport *
from meshcore.conf.tables cimport STRICT_MAX_RETRIES, STRICT_RETRY_GRPC_ON, STRICT_RETRY_ON, STRICT_TIMEOUT, STRICT_TRY_TIMEOUT
from meshcore.proxy.objects cimport *
from meshcore.proxy.retry cimport parse_retry_grpc_on, parse_retry_on
from meshcore.route.table cimport request_is_grpc

cdef enum:
    NS_PER_MS = 1000000
    GRPC_TIMEOUT_MOST = 99999999   # eight digits (gRPC over HTTP/2, Timeout)


cdef bint number_of(Head *head, uint8_t id, uint32_t *out) noexcept nogil:
    cdef uint64_t value
    if not head_has(head, id) or not parse_u64(head_value(head, id), &value):
        return False
    out[0] = <uint32_t>value
    return True


cdef void route_timeouts_set(Stream *stream, Route *route) noexcept nogil:
    cdef Head *head = &stream.request
    stream.timeout_ms = 0 if route.new_timeouts else <uint32_t>route.timeout_ms
    stream.try_timeout_ms = 0 if route.retry == NULL else route.retry.per_try_timeout_ms
    # What an egress proxy before us has already decided stands.
    if stream.hcm.router.respect_expected_timeout and head_has(head, H_ENVOY_EXPECTED_RQ_TIMEOUT_MS):
        number_of(head, H_ENVOY_EXPECTED_RQ_TIMEOUT_MS, &stream.timeout_ms)
    else:
        number_of(head, H_ENVOY_UPSTREAM_RQ_TIMEOUT_MS, &stream.timeout_ms)
        head_drop(head, H_ENVOY_UPSTREAM_RQ_TIMEOUT_MS)
    number_of(head, H_ENVOY_UPSTREAM_RQ_PER_TRY_TIMEOUT_MS, &stream.try_timeout_ms)
    head_drop(head, H_ENVOY_UPSTREAM_RQ_PER_TRY_TIMEOUT_MS)
    if stream.timeout_ms and stream.try_timeout_ms >= stream.timeout_ms:
        stream.try_timeout_ms = 0
    stream.alt_response = head_has(head, H_ENVOY_UPSTREAM_RQ_TIMEOUT_ALT_RESPONSE)
    head_drop(head, H_ENVOY_UPSTREAM_RQ_TIMEOUT_ALT_RESPONSE)
    head_drop(head, H_ENVOY_UPSTREAM_STREAM_DURATION_MS)
    route_timeouts_expect(stream)


cdef void route_timeouts_expect(Stream *stream) noexcept nogil:
    # What the upstream of the next try has left, counted from the end of the request.
    cdef uint64_t expected = stream.try_timeout_ms if stream.try_timeout_ms and not stream.hedges else stream.timeout_ms
    cdef uint64_t spent = 0
    cdef char text[20]
    cdef size_t n
    if expected == 0 or stream.hcm.router.suppress_envoy_headers:
        return
    if stream.tries > 0 and stream.record.request_end_ns != 0:
        spent = (clock_ns(&stream.engine.loop.clock) - stream.record.request_end_ns) // NS_PER_MS
    if stream.timeout_ms and spent >= stream.timeout_ms:
        expected = 1               # 0 would say that there is no limit
    elif stream.timeout_ms and expected > stream.timeout_ms - spent:
        expected = stream.timeout_ms - spent
    n = write_u64(text, expected)
    head_set_copy(&stream.request, H_ENVOY_EXPECTED_RQ_TIMEOUT_MS, span(text, n))


# --- max_stream_duration --------------------------------------------------------------------------------------------


cdef bint parse_grpc_timeout(Span text, uint64_t *ms) noexcept nogil:
    # Digits and a unit; what is finer than a millisecond is rounded up.
    cdef uint64_t value
    cdef char unit
    if text.len < 2 or text.len > 9:
        return False
    unit = text.at[text.len - 1]
    if not parse_u64(span(text.at, text.len - 1), &value):
        return False
    if unit == 72:                 # H
        ms[0] = value * 3600000
    elif unit == 77:               # M
        ms[0] = value * 60000
    elif unit == 83:               # S
        ms[0] = value * 1000
    elif unit == 109:              # m
        ms[0] = value
    elif unit == 117:              # u
        ms[0] = (value + 999) // 1000
    elif unit == 110:              # n
        ms[0] = (value + 999999) // 1000000
    else:
        return False
    return True


cdef void route_timeouts_deadline(Head *head, uint64_t ms) noexcept nogil:
    cdef char text[24]
    cdef char unit = 109
    cdef size_t n
    if ms > GRPC_TIMEOUT_MOST:
        ms //= 1000
        unit = 83
    if ms > GRPC_TIMEOUT_MOST:
        ms = ms // 60
        unit = 77
    n = write_u64(text, ms)
    text[n] = unit
    head_set_copy(head, H_GRPC_TIMEOUT, span(text, n + 1))


cdef void route_duration_use(Stream *stream, Route *route) noexcept nogil:
    cdef Head *head = &stream.request
    cdef uint64_t ms
    cdef bint limited = True
    if route.grpc_timeout_max_ms >= 0 and parse_grpc_timeout(head_value(head, H_GRPC_TIMEOUT), &ms):
        if route.grpc_timeout_max_ms > 0 and ms > <uint64_t>route.grpc_timeout_max_ms:
            ms = <uint64_t>route.grpc_timeout_max_ms
        if route.grpc_timeout_offset_ms > 0:
            ms = ms - <uint64_t>route.grpc_timeout_offset_ms if ms > <uint64_t>route.grpc_timeout_offset_ms else 0
    else:
        ms = <uint64_t>route.max_duration_ms if route.max_duration_ms >= 0 else stream.hcm.max_stream_ms
        limited = ms > 0
    timer_cancel(&stream.engine.loop.wheel, &stream.duration)
    if limited:
        wheel_arm(&stream.engine.loop.wheel, &stream.duration, clock_ms(&stream.engine.loop.clock) + ms)
    if limited and request_is_grpc(head):
        route_timeouts_deadline(head, ms)


# --- strict_check_headers -------------------------------------------------------------------------------------------


cdef bint blame(Head *head, uint8_t id, Span *name, Span *value) noexcept nogil:
    name[0] = head_name(id)
    value[0] = head_value(head, id)
    return False


cdef bint is_number(Head *head, uint8_t id) noexcept nogil:
    cdef uint64_t value
    return not head_has(head, id) or parse_u64(head_value(head, id), &value)


cdef bint all_known(Span list, bint grpc) noexcept nogil:
    cdef Span word
    while span_next_token(&list, &word):
        if (parse_retry_grpc_on(word) if grpc else parse_retry_on(word)) == 0:
            return False
    return True


cdef bint strict_headers_hold(Stream *stream, Span *name, Span *value) noexcept nogil:
    cdef Head *head = &stream.request
    cdef uint8_t strict = stream.hcm.router.strict
    if strict & STRICT_TIMEOUT and not is_number(head, H_ENVOY_UPSTREAM_RQ_TIMEOUT_MS):
        return blame(head, H_ENVOY_UPSTREAM_RQ_TIMEOUT_MS, name, value)
    if strict & STRICT_TRY_TIMEOUT and not is_number(head, H_ENVOY_UPSTREAM_RQ_PER_TRY_TIMEOUT_MS):
        return blame(head, H_ENVOY_UPSTREAM_RQ_PER_TRY_TIMEOUT_MS, name, value)
    if strict & STRICT_MAX_RETRIES and not is_number(head, H_ENVOY_MAX_RETRIES):
        return blame(head, H_ENVOY_MAX_RETRIES, name, value)
    if strict & STRICT_RETRY_ON and not all_known(head_value(head, H_ENVOY_RETRY_ON), False):
        return blame(head, H_ENVOY_RETRY_ON, name, value)
    if strict & STRICT_RETRY_GRPC_ON and not all_known(head_value(head, H_ENVOY_RETRY_GRPC_ON), True):
        return blame(head, H_ENVOY_RETRY_GRPC_ON, name, value)
    return True
