"""Retry decisions, by Envoy's RetryStateImpl: retry_on of the route (or its virtual host), widened by x-envoy-retry-on and x-envoy-max-retries."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from meshcore.base.clock cimport clock_wall_us
from meshcore.base.random cimport random_u64
from meshcore.base.runtime cimport runtime_integer
from meshcore.base.span cimport Span, list_has, parse_u64, span_equal_nocase, span_is, span_next_token
from meshcore.codec.head cimport *
from meshcore.proxy.objects cimport *
from meshcore.proxy.attempt cimport RESET_CONNECT_REFUSED, RESET_CONNECT_TIMEOUT, RESET_OVERFLOW, RESET_REFUSED
from meshcore.route.matcher cimport headers_match_any
from meshcore.route.table cimport *


cdef enum:
    MOST_RETRIES = 1000            # x-envoy-max-retries is cut to it
    MS_PER_S = 1000
    US_PER_S = 1000000
    ALL = 100                      # percent
    BASE_BACKOFF_MS = 25
    MOST_BACKOFF = 10              # times the base
    GRPC_CONDITIONS = RETRY_GRPC_CANCELLED | RETRY_GRPC_DEADLINE_EXCEEDED | RETRY_GRPC_RESOURCE_EXHAUSTED | \
        RETRY_GRPC_UNAVAILABLE | RETRY_GRPC_INTERNAL


cdef uint32_t parse_retry_on(Span list) noexcept nogil:
    # Unknown words are ignored, as Envoy does.
    cdef uint32_t on = 0
    if list_has(list, b"5xx", 3):
        on |= RETRY_5XX
    if list_has(list, b"gateway-error", 13):
        on |= RETRY_GATEWAY_ERROR
    if list_has(list, b"connect-failure", 15):
        on |= RETRY_CONNECT_FAILURE
    if list_has(list, b"retriable-4xx", 13):
        on |= RETRY_RETRIABLE_4XX
    if list_has(list, b"refused-stream", 14):
        on |= RETRY_REFUSED_STREAM
    if list_has(list, b"retriable-status-codes", 22):
        on |= RETRY_RETRIABLE_STATUS_CODES
    if list_has(list, b"reset", 5):
        on |= RETRY_RESET
    if list_has(list, b"reset-before-request", 20):
        on |= RETRY_RESET_BEFORE_REQUEST
    if list_has(list, b"envoy-ratelimited", 17):
        on |= RETRY_ENVOY_RATELIMITED
    return on


cdef uint32_t parse_retry_grpc_on(Span list) noexcept nogil:
    cdef uint32_t on = 0
    if list_has(list, b"cancelled", 9):
        on |= RETRY_GRPC_CANCELLED
    if list_has(list, b"deadline-exceeded", 17):
        on |= RETRY_GRPC_DEADLINE_EXCEEDED
    if list_has(list, b"resource-exhausted", 18):
        on |= RETRY_GRPC_RESOURCE_EXHAUSTED
    if list_has(list, b"unavailable", 11):
        on |= RETRY_GRPC_UNAVAILABLE
    if list_has(list, b"internal", 8):
        on |= RETRY_GRPC_INTERNAL
    return on


cdef uint32_t grpc_condition(Head *response) noexcept nogil:
    # The condition that the response's grpc-status fulfils.
    cdef uint64_t status
    if not parse_u64(head_value(response, H_GRPC_STATUS), &status):
        return 0
    if status == 1:
        return RETRY_GRPC_CANCELLED
    if status == 4:
        return RETRY_GRPC_DEADLINE_EXCEEDED
    if status == 8:
        return RETRY_GRPC_RESOURCE_EXHAUSTED
    if status == 13:
        return RETRY_GRPC_INTERNAL
    return RETRY_GRPC_UNAVAILABLE if status == 14 else 0


cdef void retry_prepare(Stream *stream) noexcept nogil:
    cdef const RetryPolicy *policy = stream.cluster.conf.retry
    cdef Head *head = &stream.request
    cdef uint64_t wanted
    if policy == NULL:
        policy = stream.http.route.retry
    stream.retry = policy
    stream.retry_on = 0
    stream.retries_left = 1
    if policy != NULL:
        stream.retry_on = policy.on
        stream.retries_left = policy.num_retries
    if head_has(head, H_ENVOY_RETRY_ON):
        stream.retry_on |= parse_retry_on(head_value(head, H_ENVOY_RETRY_ON))
        head_drop(head, H_ENVOY_RETRY_ON)
    if head_has(head, H_ENVOY_RETRY_GRPC_ON):
        stream.retry_on |= parse_retry_grpc_on(head_value(head, H_ENVOY_RETRY_GRPC_ON))
        head_drop(head, H_ENVOY_RETRY_GRPC_ON)
    if policy != NULL and policy.request_headers_len > 0 and not headers_match_any(policy.request_headers, policy.request_headers_len, head):
        stream.retry_on = 0
    stream.retry_codes = head_value(head, H_ENVOY_RETRIABLE_STATUS_CODES)
    stream.retry_headers = head_value(head, H_ENVOY_RETRIABLE_HEADER_NAMES)
    head_drop(head, H_ENVOY_RETRIABLE_STATUS_CODES)
    head_drop(head, H_ENVOY_RETRIABLE_HEADER_NAMES)
    if head_has(head, H_ENVOY_MAX_RETRIES):
        if parse_u64(head_value(head, H_ENVOY_MAX_RETRIES), &wanted):
            stream.retries_left = <uint32_t>wanted if wanted < MOST_RETRIES else MOST_RETRIES
        head_drop(head, H_ENVOY_MAX_RETRIES)
    if stream.retry_on == 0:
        stream.retries_left = 0


cdef bint code_listed(Stream *stream, uint16_t status) noexcept nogil:
    # By the policy, or by x-envoy-retriable-status-codes.
    cdef Span list = stream.retry_codes
    cdef Span word
    cdef uint64_t code
    cdef uint16_t i
    if stream.retry != NULL:
        for i in range(stream.retry.codes_len):
            if stream.retry.codes[i] == status:
                return True
    while span_next_token(&list, &word):
        if parse_u64(word, &code) and code == status:
            return True
    return False


cdef bint header_listed(Stream *stream) noexcept nogil:
    # By the policy, or by x-envoy-retriable-header-names, which holds names alone.
    cdef Span list = stream.retry_headers
    cdef Span word
    cdef uint16_t i
    if stream.retry != NULL and headers_match_any(stream.retry.headers, stream.retry.headers_len, &stream.response):
        return True
    while span_next_token(&list, &word):
        for i in range(stream.response.len):
            if not stream.response.headers[i].dropped and span_equal_nocase(word, header_name(&stream.response.headers[i])):
                return True
    return False


cdef uint64_t wanted_wait_ms(Stream *stream) noexcept nogil:
    # How long the response's reset headers ask to wait; 0: they say nothing that counts.
    cdef const ResetHeader *reset
    cdef Header *header
    cdef uint64_t seconds
    cdef uint64_t now
    cdef uint16_t i
    if stream.retry == NULL:
        return 0
    for i in range(stream.retry.resets_len):
        reset = &stream.retry.resets[i]
        header = head_find_name(&stream.response, reset.name)
        if header == NULL or not parse_u64(header_value(header), &seconds):
            continue
        if reset.is_timestamp:
            now = <uint64_t>clock_wall_us(&stream.engine.loop.clock) // US_PER_S
            if seconds <= now:
                continue
            seconds -= now
        if seconds <= stream.retry.reset_max_ms // MS_PER_S:
            return seconds * MS_PER_S
    return 0


cdef bint retry_wants_response(Stream *stream) noexcept nogil:
    cdef uint32_t on = stream.retry_on
    if on == 0 or not worth_it(stream, on):
        return False
    stream.retry_wait_ms = wanted_wait_ms(stream)
    return True


cdef bint worth_it(Stream *stream, uint32_t on) noexcept nogil:
    cdef uint16_t status = stream.response.status
    if head_has(&stream.response, H_ENVOY_RATELIMITED):
        return on & RETRY_ENVOY_RATELIMITED != 0       # Envoy: a rate-limited answer is retried for that reason alone
    if on & RETRY_5XX and status >= 500 and status < 600:
        return True
    if on & RETRY_GATEWAY_ERROR and status >= 502 and status <= 504:
        return True
    if on & RETRY_RETRIABLE_4XX and status == 409:
        return True
    if on & RETRY_RETRIABLE_STATUS_CODES and code_listed(stream, status):
        return True
    if on & GRPC_CONDITIONS and on & grpc_condition(&stream.response):
        return True
    return on & RETRY_RETRIABLE_HEADERS and header_listed(stream)


cdef bint retry_wants_reset(Stream *stream, uint8_t reason, bint head_sent) noexcept nogil:
    cdef uint32_t on = stream.retry_on
    if reason == RESET_OVERFLOW:
        return False
    if on & (RETRY_RESET | RETRY_5XX | RETRY_GATEWAY_ERROR):
        return True
    if on & RETRY_RESET_BEFORE_REQUEST and not head_sent:
        return True
    if on & RETRY_REFUSED_STREAM and reason == RESET_REFUSED:
        return True
    return on & RETRY_CONNECT_FAILURE and (reason == RESET_CONNECT_REFUSED or reason == RESET_CONNECT_TIMEOUT)


cdef bint retries_allowed(Stream *stream) noexcept nogil:
    cdef int64_t percent = runtime_integer(stream.cluster.conf.use_retry, ALL)
    return percent >= ALL or <int64_t>(random_u64(&stream.engine.loop.random) % ALL) < percent


cdef uint64_t retry_backoff_ms(Stream *stream) noexcept nogil:
    # Fully jittered: uniform in [0, base * (2^n - 1)), at most max (Envoy's JitteredExponentialBackOffStrategy). What the upstream asked to
    # wait is never cut short: it is stretched by up to a half (JitteredLowerBoundBackOffStrategy).
    cdef uint64_t base = <uint64_t>max(runtime_integer(stream.cluster.conf.base_backoff_ms, BASE_BACKOFF_MS), 1)
    cdef uint64_t most
    cdef uint32_t n = stream.tries
    cdef uint64_t window
    if stream.retry_wait_ms > 1:
        base = stream.retry_wait_ms
        return base + random_u64(&stream.engine.loop.random) % (base >> 1)
    if stream.retry != NULL and stream.retry.base_ms > 0:
        base = stream.retry.base_ms
    most = base * MOST_BACKOFF
    if stream.retry != NULL and stream.retry.max_ms > 0:
        most = stream.retry.max_ms
    if n > 20:
        n = 20
    window = base * ((<uint64_t>1 << n) - 1)
    if window > most:
        window = most
    return 0 if window == 0 else random_u64(&stream.engine.loop.random) % window


cdef bint method_idempotent(Stream *stream) noexcept nogil:
    cdef Span method = stream.request.method
    return span_is(method, b"GET", 3) or span_is(method, b"HEAD", 4) or span_is(method, b"PUT", 3) or \
        span_is(method, b"DELETE", 6) or span_is(method, b"OPTIONS", 7) or span_is(method, b"TRACE", 5)
