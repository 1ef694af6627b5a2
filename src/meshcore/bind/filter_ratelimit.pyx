"""Settings of the rate limits, local and by a service; see filter_ratelimit.pxd."""
from meshcore.bind.record import replace

from libc.stdint cimport uint32_t, uint64_t

from meshcore.base.bucket_table cimport BUCKET_WAYS, BucketSlot, BucketTable
from meshcore.bind.filter_scope cimport nearest
from meshcore.bind.matchers cimport keep
from meshcore.bind.rate_limits cimport fill_rate_rules, fill_rate_service
from meshcore.bind.routes cimport compile_adds
from meshcore.bind.stats cimport Layout
from meshcore.filter.local_ratelimit cimport *
from meshcore.filter.ratelimit cimport REQUEST_BOTH, REQUEST_EXTERNAL, REQUEST_INTERNAL, RateLimitConf
from meshcore.route.rate_limit cimport RateEntry, rate_hash

from meshcore.bind import filter_stats

KEYS = 16384                       # client keys of a descriptor that have a bucket at one time, unless the configuration says more
HOST_RATES = {"override": HOST_RATES_OVERRIDE, "include": HOST_RATES_INCLUDE, "ignore": HOST_RATES_IGNORE}
REQUEST_TYPES = {"both": REQUEST_BOTH, "internal": REQUEST_INTERNAL, "external": REQUEST_EXTERNAL}

cdef Layout layout = Layout(filter_stats.LOCAL_RATELIMIT)


cdef BucketTable *new_table(FilterScope scope, object bucket, uint64_t keys) except NULL:
    cdef BucketTable *table = <BucketTable *>scope.room(sizeof(BucketTable))
    table.sets = 1
    while table.sets * BUCKET_WAYS < keys:
        table.sets *= 2
    table.slots = <BucketSlot *>scope.room(sizeof(BucketSlot) * BUCKET_WAYS * table.sets)
    table.max = bucket.max_tokens
    table.per_second = bucket.tokens_per_fill * 1000.0 / bucket.fill_interval_ms
    return table


cdef int fill_limit(FilterScope scope, object bucket, uint64_t keys, Limit *out) except -1:
    # `keys` 0: one bucket for all. The word 0 is a full bucket.
    out.max = bucket.max_tokens
    out.per_second = bucket.tokens_per_fill * 1000.0 / max(1, bucket.fill_interval_ms)
    if keys:
        out.keys = new_table(scope, bucket, keys)
    return 0


cdef int fill_descriptor(FilterScope scope, object spec, uint64_t keys, LocalDescriptor *out) except -1:
    out.len = len(spec.entries)
    out.entries = <RateEntry *>scope.room(sizeof(RateEntry) * out.len)
    for i, (key, value) in enumerate(spec.entries):
        out.entries[<int>i].key = keep(scope.arena, key)
        out.entries[<int>i].value = keep(scope.arena, value)
        out.hash = rate_hash(out.hash, out.entries[<int>i].key, out.entries[<int>i].value)
    return fill_limit(scope, spec.token_bucket, keys, &out.limit)


cdef int fill_descriptors(FilterScope scope, object spec, LocalRateLimitConf *conf) except -1:
    cdef LocalDescriptor *descriptor
    cdef uint32_t cap = 1
    wild = [one for one in spec.descriptors if any(not value for _key, value in one.entries)]
    exact = [one for one in spec.descriptors if all(value for _key, value in one.entries)]
    keys = spec.max_dynamic_descriptors or KEYS
    conf.descriptors_len = len(spec.descriptors)
    while cap < 2 * len(exact):
        cap *= 2
    conf.index_mask = cap - 1
    conf.index = <LocalDescriptor **>scope.room(sizeof(LocalDescriptor *) * cap)
    for one in exact:
        descriptor = <LocalDescriptor *>scope.room(sizeof(LocalDescriptor))
        fill_descriptor(scope, one, keys if spec.per_connection else 0, descriptor)
        descriptor.next = conf.index[descriptor.hash & conf.index_mask]
        conf.index[descriptor.hash & conf.index_mask] = descriptor
    conf.wild = <LocalDescriptor *>scope.room(sizeof(LocalDescriptor) * len(wild))
    conf.wild_len = len(wild)
    for i, one in enumerate(wild):
        fill_descriptor(scope, one, keys, &conf.wild[<int>i])
    return 0


def laid_over(own, route):
    """The filter's settings as RateLimitPerRoute changes them."""
    service = replace(own.service, domain=route.domain) if route.domain else own.service
    return replace(own, service=service, rate_limits=route.rate_limits or own.rate_limits)


cdef void *compile_ratelimit(FilterScope scope, tuple specs) except NULL:
    cdef RateLimitConf *conf = <RateLimitConf *>scope.room(sizeof(RateLimitConf))
    spec = nearest(specs)
    if scope.own is not None:
        conf.host_rates = HOST_RATES[spec.vh_rate_limits]
        spec = laid_over(scope.own, spec)
    fill_rate_service(scope.arena, scope.cluster_index, spec.service, &conf.service)
    conf.stage = spec.stage
    conf.request_type = REQUEST_TYPES[spec.request_type]
    scope.fraction(spec.filter_enabled, &conf.enabled)
    scope.fraction(spec.filter_enforced, &conf.enforced)
    scope.fraction(spec.denied, &conf.denied)
    conf.headers = spec.x_ratelimit_headers
    conf.says_limited = spec.x_envoy_ratelimited
    conf.grpc = 1 + 8 if spec.resource_exhausted else 0
    conf.status = spec.status
    conf.error_status = spec.status_on_error
    fill_rate_rules(scope.arena, scope.regexes, scope.registry.runtime, spec.rate_limits, scope.node_cluster, "http", &conf.rules)
    conf.response_add = compile_adds(scope.arena, spec.response_headers_to_add, True)
    conf.response_add_len = len(spec.response_headers_to_add)
    return conf


cdef void *compile_local_ratelimit(FilterScope scope, tuple specs) except NULL:
    cdef LocalRateLimitConf *conf = <LocalRateLimitConf *>scope.room(sizeof(LocalRateLimitConf))
    spec = nearest(specs)
    scope.stats(spec.stat_prefix + ".http_local_rate_limit.", layout, RATE_LIMIT_STATS, conf.stats)
    scope.fraction(spec.filter_enabled, &conf.enabled_part)
    scope.fraction(spec.filter_enforced, &conf.enforced_part)
    if spec.token_bucket is not None:
        conf.limits = True
        fill_limit(scope, spec.token_bucket, (spec.max_dynamic_descriptors or KEYS) if spec.per_connection else 0, &conf.limit)
    conf.always_default = spec.always_consume_default
    conf.per_connection = spec.per_connection
    conf.headers = spec.x_ratelimit_headers
    conf.stage = spec.stage
    conf.host_rates = HOST_RATES[spec.vh_rate_limits]
    conf.grpc = 1 + 8 if spec.resource_exhausted else 0
    conf.status = spec.status
    fill_rate_rules(scope.arena, scope.regexes, scope.registry.runtime, spec.rate_limits, scope.node_cluster, "http", &conf.rules)
    fill_descriptors(scope, spec, conf)
    conf.request_add = compile_adds(scope.arena, spec.request_headers_to_add, False)
    conf.request_add_len = len(spec.request_headers_to_add)
    conf.response_add = compile_adds(scope.arena, spec.response_headers_to_add, True)
    conf.response_add_len = len(spec.response_headers_to_add)
    return conf
