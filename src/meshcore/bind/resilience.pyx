"""Compiles what a route does when its upstream fails or is slow; see resilience.pxd for the law."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from meshcore.base.arena cimport Arena
from meshcore.base.span cimport Span
from meshcore.bind.matchers cimport compile_headers, keep, keep_lower, take
from meshcore.bind.routes cimport compile_mutation
from meshcore.bind.runtime cimport RuntimeCells
from meshcore.route.label cimport Label
from meshcore.route.mutation cimport Mutation
from meshcore.route.regex cimport Regex
from meshcore.route.table cimport *

REFUSAL_BITS = {"previous_hosts": REFUSE_PREVIOUS, "omit_canary_hosts": REFUSE_CANARY, "omit_host_metadata": REFUSE_LABELS}
REDIRECT_BITS = {
    "previous_routes": REDIRECT_PREVIOUS_ROUTES, "safe_cross_scheme": REDIRECT_SAFE_CROSS_SCHEME, "allow_listed_routes": REDIRECT_ALLOW_LISTED,
}
RETRY_BITS = {
    "5xx": RETRY_5XX,
    "gateway-error": RETRY_GATEWAY_ERROR,
    "connect-failure": RETRY_CONNECT_FAILURE,
    "retriable-4xx": RETRY_RETRIABLE_4XX,
    "refused-stream": RETRY_REFUSED_STREAM,
    "retriable-status-codes": RETRY_RETRIABLE_STATUS_CODES,
    "reset": RETRY_RESET,
    "retriable-headers": RETRY_RETRIABLE_HEADERS,
    "envoy-ratelimited": RETRY_ENVOY_RATELIMITED,
    "reset-before-request": RETRY_RESET_BEFORE_REQUEST,
    "cancelled": RETRY_GRPC_CANCELLED,
    "deadline-exceeded": RETRY_GRPC_DEADLINE_EXCEEDED,
    "resource-exhausted": RETRY_GRPC_RESOURCE_EXHAUSTED,
    "unavailable": RETRY_GRPC_UNAVAILABLE,
    "internal": RETRY_GRPC_INTERNAL,
}


cdef RetryPolicy *compile_retry(Arena *arena, Regex **regexes, object spec) except? NULL:
    cdef RetryPolicy *retry
    cdef uint16_t *codes
    cdef ResetHeader *resets
    cdef Label *labels
    if spec is None:
        return NULL
    retry = <RetryPolicy *>take(arena, sizeof(RetryPolicy))
    for name in spec.retry_on:
        retry.on |= <uint32_t>RETRY_BITS.get(name, 0)
    retry.num_retries = spec.num_retries
    retry.per_try_timeout_ms = spec.per_try_timeout_ms
    retry.per_try_idle_timeout_ms = spec.per_try_idle_timeout_ms
    retry.base_ms = spec.base_ms
    retry.max_ms = spec.max_ms
    codes = <uint16_t *>take(arena, len(spec.retriable_status_codes) * sizeof(uint16_t))
    for i, code in enumerate(spec.retriable_status_codes):
        codes[<int>i] = code
    retry.codes = codes
    retry.codes_len = len(spec.retriable_status_codes)
    retry.headers = compile_headers(arena, regexes, spec.retriable_headers, True, &retry.headers_len)
    retry.request_headers = compile_headers(
        arena, regexes, spec.retriable_request_headers, False, &retry.request_headers_len)
    resets = <ResetHeader *>take(arena, len(spec.reset_headers) * sizeof(ResetHeader))
    for i, (name, is_timestamp) in enumerate(spec.reset_headers):
        resets[<int>i].name = keep_lower(arena, name)
        resets[<int>i].is_timestamp = is_timestamp
    retry.resets = resets
    retry.resets_len = len(spec.reset_headers)
    retry.reset_max_ms = spec.reset_max_ms
    retry.host_attempts = spec.host_attempts
    retry.priority_frequency = spec.previous_priorities
    for name in spec.refused_hosts:
        retry.refuse |= <uint8_t>REFUSAL_BITS[name]
    labels = <Label *>take(arena, len(spec.refused_labels) * sizeof(Label))
    for i, (key, value) in enumerate(spec.refused_labels):
        labels[<int>i].key = keep(arena, key)
        labels[<int>i].value = keep(arena, value)
    retry.labels = labels
    retry.labels_len = len(spec.refused_labels)
    retry.reselects = retry.refuse != 0 or retry.priority_frequency != 0
    return retry


cdef HedgePolicy *compile_hedge(RouteTable *table, object spec) except? NULL:
    cdef HedgePolicy *hedge
    if spec is None:
        return NULL
    hedge = <HedgePolicy *>take(&table.arena, sizeof(HedgePolicy))
    hedge.initial = spec.initial_requests
    hedge.chance, hedge.chance_of = spec.additional_request_chance
    hedge.on_try_timeout = spec.on_per_try_timeout
    return hedge


cdef InternalRedirect *compile_internal_redirect(RouteTable *table, object spec) except? NULL:
    cdef InternalRedirect *redirect
    cdef Span *names
    if spec is None:
        return NULL
    redirect = <InternalRedirect *>take(&table.arena, sizeof(InternalRedirect))
    redirect.most = spec.most
    redirect.cross_scheme = spec.cross_scheme
    redirect.codes_len = len(spec.codes)
    for i, code in enumerate(spec.codes):
        redirect.codes[<int>i] = code
    for name in spec.predicates:
        redirect.predicates |= <uint8_t>REDIRECT_BITS[name]
    names = <Span *>take(&table.arena, len(spec.allowed_routes) * sizeof(Span))
    for i, name in enumerate(spec.allowed_routes):
        names[<int>i] = keep(&table.arena, name)
    redirect.allowed = names
    redirect.allowed_len = len(spec.allowed_routes)
    names = <Span *>take(&table.arena, len(spec.headers_to_copy) * sizeof(Span))
    for i, name in enumerate(spec.headers_to_copy):
        names[<int>i] = keep_lower(&table.arena, name)
    redirect.headers = names
    redirect.headers_len = len(spec.headers_to_copy)
    return redirect


cdef int compile_mirror(Arena *arena, object spec, RuntimeCells cells, MirrorPolicy *mirror) except -1:
    mirror.cluster = keep(arena, spec.cluster)
    mirror.index = -1
    mirror.cluster_header = keep_lower(arena, spec.cluster_header)
    cells.fill(spec.fraction, &mirror.fraction)
    mirror.keep_host = spec.keep_host
    mirror.host = keep(arena, spec.host_rewrite_literal)
    mirror.mutations = <const Mutation **>take(arena, len(spec.mutations) * sizeof(Mutation *))
    mirror.mutations_len = len(spec.mutations)
    for i, one in enumerate(spec.mutations):
        mirror.mutations[<int>i] = compile_mutation(arena, one)
    return 0


cdef MirrorPolicy *compile_mirrors(Arena *arena, object specs, RuntimeCells cells) except NULL:
    cdef MirrorPolicy *mirrors = <MirrorPolicy *>take(arena, len(specs) * sizeof(MirrorPolicy))
    for i, one in enumerate(specs):
        compile_mirror(arena, one, cells, &mirrors[<int>i])
    return mirrors


cdef int compile_resilience(RouteTable *table, object host, object spec, RuntimeCells cells, Route *route) except -1:
    route.retry = compile_retry(&table.arena, &table.regexes, spec.retry if spec.retry is not None else host.retry)
    route.hedge = compile_hedge(table, spec.hedge if spec.hedge is not None else host.hedge)
    route.internal_redirect = compile_internal_redirect(table, spec.internal_redirect)
    mirrors = spec.mirrors or host.mirrors
    route.mirrors = compile_mirrors(&table.arena, mirrors, cells)
    route.mirrors_len = len(mirrors)
    return 0
