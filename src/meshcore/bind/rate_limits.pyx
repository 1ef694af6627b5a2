"""Rate limit rules from their plan; see rate_limits.pxd."""
from meshcore.base.span cimport Span
from meshcore.bind.matchers cimport compile_headers, compile_queries, keep, take
from meshcore.bind.routes cimport compile_adds
from meshcore.route.rate_limit cimport (
    RATE_ADDRESS, RATE_CLUSTER, RATE_HEADER, RATE_HEADERS_MATCH, RATE_LITERAL, RATE_MASKED_ADDRESS, RATE_METADATA, RATE_QUERY,
    RATE_METHOD, RATE_QUERY_MATCH, RateRule, RateStep,
)
from meshcore.route.matcher cimport SOURCE_HEADER

from meshcore.bind.spec import HeaderMatch, RuntimeFraction

ACTIONS = {
    "source_cluster": RATE_LITERAL, "generic_key": RATE_LITERAL, "destination_cluster": RATE_CLUSTER, "request_headers": RATE_HEADER,
    "query_parameters": RATE_QUERY, "remote_address": RATE_ADDRESS, "masked_remote_address": RATE_MASKED_ADDRESS,
    "header_value_match": RATE_HEADERS_MATCH, "query_parameter_value_match": RATE_QUERY_MATCH, "metadata": RATE_METADATA,
}


cdef int fill_step(Arena *arena, Regex **regexes, object spec, str node_cluster, RateStep *out) except -1:
    out.action = ACTIONS[spec.kind]
    out.skip_if_absent = spec.skip_if_absent
    out.expect = spec.expect
    out.bits4, out.bits6 = spec.prefix_lengths
    out.key = keep(arena, spec.key)
    out.value = keep(arena, node_cluster if spec.kind == "source_cluster" else spec.value)
    out.name = keep(arena, spec.name)
    if out.action == RATE_HEADER:
        out.headers = compile_headers(arena, regexes, (HeaderMatch(spec.name, present=True),), False, &out.matchers_len)
    elif spec.headers:
        out.headers = compile_headers(arena, regexes, spec.headers, False, &out.matchers_len)
    elif spec.queries:
        out.queries = compile_queries(arena, regexes, spec.queries, &out.matchers_len)
    out.path = <Span *>take(arena, sizeof(Span) * len(spec.path))
    out.path_len = len(spec.path)
    for i, part in enumerate(spec.path):
        out.path[<int>i] = keep(arena, part)
    return 0


cdef int adapt_to_calls(RateStep *step, object spec) except -1:
    # No name is special here: a call has no path, and ":dest" is a header of the Twitter protocol.
    cdef int i
    if step.action == RATE_HEADER and spec.name == ":method-name":
        step.action = RATE_METHOD
    for i in range(step.matchers_len if step.headers != NULL else 0):
        step.headers[i].source = SOURCE_HEADER
        step.headers[i].joins = False
    return 0


cdef int fill_rate_rules(Arena *arena, Regex **regexes, RuntimeCells cells, object specs, str node_cluster, str kind, RateRules *out) except -1:
    cdef RateRule *rule
    out.len = len(specs)
    out.rules = <RateRule *>take(arena, sizeof(RateRule) * out.len)
    for i, spec in enumerate(specs):
        rule = &out.rules[<int>i]
        rule.stage = spec.stage
        rule.hits = 1 if spec.hits is None else spec.hits
        rule.hits_told = spec.hits is not None
        rule.disable_key = bool(spec.disable_key)
        if spec.disable_key:
            cells.fill(RuntimeFraction(100, 100, f"ratelimit.{spec.disable_key}.{kind}_filter_enabled"), &rule.enabled)
        rule.steps_len = len(spec.actions)
        rule.steps = <RateStep *>take(arena, sizeof(RateStep) * rule.steps_len)
        for k, action in enumerate(spec.actions):
            fill_step(arena, regexes, action, node_cluster, &rule.steps[<int>k])
            if kind == "thrift":
                adapt_to_calls(&rule.steps[<int>k], action)
    return 0


cdef int fill_rate_service(Arena *arena, dict cluster_index, object spec, RateLimitService *out) except -1:
    from meshcore.bind.http_conf import local_address

    out.domain = keep(arena, spec.domain)
    out.timeout_ms = spec.timeout_ms
    out.grpc.cluster = cluster_index.setdefault(spec.cluster, len(cluster_index))
    out.grpc.authority = keep(arena, spec.authority or spec.cluster)
    out.grpc.forwarded_for = keep(arena, "" if spec.skip_envoy_headers else local_address().host)
    out.grpc.metadata = compile_adds(arena, spec.initial_metadata, False)
    out.grpc.metadata_len = len(spec.initial_metadata)
    out.grpc.most = spec.max_answer_bytes
    return 0
