"""Compiles the filters and retries of Thrift proxies. See thrift_filters.pxd for the law."""
from libc.stdint cimport uint8_t

from meshcore.bind.matchers cimport compile_regex, keep, keep_lower, take
from meshcore.bind.rate_limits cimport fill_rate_service
from meshcore.codec.thrift cimport *
from meshcore.filter.rate_limit_service cimport ThriftRateLimit
from meshcore.filter.thrift_metadata cimport *

from meshcore.bind.spec import RuntimeFraction

TRANSPORTS = {
    "auto": THRIFT_TRANSPORT_AUTO, "framed": THRIFT_FRAMED, "unframed": THRIFT_UNFRAMED, "header": THRIFT_HEADER,
}
PROTOCOLS = {
    "auto": THRIFT_PROTOCOL_AUTO, "binary": THRIFT_BINARY, "binary/non-strict": THRIFT_BINARY_LAX, "compact": THRIFT_COMPACT,
    "twitter": THRIFT_TWITTER,
}


cdef uint8_t thrift_transport_of(str name) except? 255:
    return TRANSPORTS[name]


cdef uint8_t thrift_protocol_of(str name) except? 255:
    return PROTOCOLS[name]


cdef ThriftFact *compile_fact(Arena *arena, Regex **regexes, object spec) except? NULL:
    cdef ThriftFact *fact
    if spec is None:
        return NULL
    fact = <ThriftFact *>take(arena, sizeof(ThriftFact))
    fact.namespace = keep(arena, spec.namespace)
    fact.key = keep(arena, spec.key)
    fact.value = keep(arena, spec.value)
    if spec.regex is not None:
        fact.regex = compile_regex(arena, regexes, spec.regex[0])
        fact.substitution = keep(arena, spec.regex[1])
    fact.number = spec.number
    fact.protobuf = spec.protobuf
    fact.base64 = spec.base64
    return fact


cdef int compile_rule(Arena *arena, Regex **regexes, object spec, ThriftRule *rule) except -1:
    rule.present = compile_fact(arena, regexes, spec.present)
    rule.missing = compile_fact(arena, regexes, spec.missing)
    return 0


cdef int compile_fields(Arena *arena, list paths, ThriftField *out) except -1:
    # paths: (ids that are left, rule).
    cdef ThriftField *fields
    out.rule = -1
    inside = {}
    for ids, rule in paths:
        if ids:
            inside.setdefault(ids[0], []).append((ids[1:], rule))
        else:
            out.rule = rule
    fields = <ThriftField *>take(arena, sizeof(ThriftField) * max(1, len(inside)))
    for i, id in enumerate(sorted(inside)):
        fields[<int>i].id = id
        compile_fields(arena, inside[id], &fields[<int>i])
    out.fields = fields
    out.fields_len = len(inside)
    return 0


cdef int compile_filter(Arena *arena, Regex **regexes, object spec, ThriftFilter *out) except -1:
    cdef ThriftField *root
    rules = spec.payload or spec.headers
    out.rules_len = len(rules)
    out.rules = <ThriftRule *>take(arena, sizeof(ThriftRule) * max(1, len(rules)))
    for i, rule in enumerate(rules):
        compile_rule(arena, regexes, rule, &out.rules[<int>i])
        if spec.payload:
            out.rules[<int>i].name = keep(arena, rule.name)
            out.rules[<int>i].service = rule.service
        else:
            out.rules[<int>i].name = keep_lower(arena, rule.header)
            out.rules[<int>i].remove = rule.remove
    if spec.payload:
        root = <ThriftField *>take(arena, sizeof(ThriftField))
        compile_fields(arena, [(rule.path, i) for i, rule in enumerate(rules)], root)
        out.payload = root
    return 0


cdef ThriftRateLimit *compile_limit(Arena *arena, RuntimeCells cells, dict cluster_index, object spec) except NULL:
    cdef ThriftRateLimit *limit = <ThriftRateLimit *>take(arena, sizeof(ThriftRateLimit))
    fill_rate_service(arena, cluster_index, spec.service, &limit.service)
    limit.stage = spec.stage
    limit.deny = spec.deny
    cells.fill(RuntimeFraction(100, 100, "ratelimit.thrift_filter_enabled"), &limit.enabled)
    cells.fill(RuntimeFraction(100, 100, "ratelimit.thrift_filter_enforcing"), &limit.enforced)
    return limit


cdef ThriftFilter *compile_thrift_filters(Arena *arena, Regex **regexes, RuntimeCells cells, dict cluster_index, object specs,
                                          uint32_t *n) except? NULL:
    cdef ThriftFilter *filters = NULL
    n[0] = len(specs)
    if specs:
        filters = <ThriftFilter *>take(arena, sizeof(ThriftFilter) * len(specs))
        for i, spec in enumerate(specs):
            compile_filter(arena, regexes, spec, &filters[<int>i])
            if spec.limit is not None:
                filters[<int>i].limit = compile_limit(arena, cells, cluster_index, spec.limit)
    return filters


cdef const ThriftRetry *compile_thrift_retry(Arena *arena, object spec) except? NULL:
    cdef ThriftRetry *retry
    if spec is None:
        return NULL
    retry = <ThriftRetry *>take(arena, sizeof(ThriftRetry))
    retry.most = spec.num_retries
    names = sorted({name.encode() for name in spec.methods})
    retry.names = <Span *>take(arena, sizeof(Span) * max(1, len(names)))
    retry.names_len = len(names)
    for i, name in enumerate(names):
        retry.names[<int>i] = keep(arena, name)
    return retry
