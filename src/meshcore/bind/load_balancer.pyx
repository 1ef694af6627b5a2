"""Compiles balancers, hash policies and subset criteria of a plan (lb_spec.py) into the arena of a cluster or route table.

Main thread, with the GIL. Values of subset keys become canonical JSON (`canonical_value`), here and in cluster_hosts.pyx alike, so that the
engine compares bytes.
"""
import json

from libc.stdint cimport uint32_t

from meshcore.base.span cimport Span
from meshcore.bind.matchers cimport compile_regex, keep, keep_lower, take
from meshcore.bind.runtime cimport RuntimeCells
from meshcore.cluster.balancer cimport *
from meshcore.cluster.subset cimport *
from meshcore.route.criteria cimport CRITERIA_MAX, Criterion, criterion_hash
from meshcore.route.hash_policy cimport (
    HASH_COOKIE, HASH_FILTER_STATE, HASH_HEADER, HASH_QUERY, HASH_SOURCE_IP, HashRule,
)

KINDS = {
    "round_robin": LB_ROUND_ROBIN, "least_request": LB_LEAST_REQUEST, "random": LB_RANDOM, "ring_hash": LB_RING_HASH, "maglev": LB_MAGLEV,
    "peak_ewma": LB_PEAK_EWMA, "least_latency": LB_LEAST_LATENCY,
}
RULES = {
    "header": HASH_HEADER, "cookie": HASH_COOKIE, "source_ip": HASH_SOURCE_IP, "query_parameter": HASH_QUERY,
    "filter_state": HASH_FILTER_STATE,
}
FALLBACKS = {
    "not_defined": SUBSET_NOT_DEFINED, "no_fallback": SUBSET_NO_FALLBACK, "any_endpoint": SUBSET_ANY_ENDPOINT,
    "default_subset": SUBSET_DEFAULT, "keys_subset": SUBSET_KEYS,
}
WANTED = {
    "unknown": WANTED_UNKNOWN, "healthy": WANTED_HEALTHY, "degraded": WANTED_DEGRADED, "unhealthy": WANTED_UNHEALTHY,
    "draining": WANTED_DRAINING, "timeout": WANTED_TIMEOUT,
}
FALLBACK_LIST = "fallback_list"


def canonical_value(value):
    """One text per value: numbers are doubles as in google.protobuf.Value, members of objects are sorted."""
    return json.dumps(as_doubles(value), sort_keys=True, separators=(",", ":"))


def as_doubles(value):
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, list):
        return [as_doubles(item) for item in value]
    if isinstance(value, dict):
        return {key: as_doubles(item) for key, item in value.items()}
    return value


# --- the balancer ---------------------------------------------------------------------------------------------------


cdef int compile_balancer(
    Arena *arena, Regex **regexes, object spec, double panic_percent, RuntimeCells cells, LbConf *out,
) except -1:
    zone, slow = spec.zone_aware, spec.slow_start
    out.kind = KINDS[spec.policy]
    out.panic_percent = min(100, int(panic_percent + 0.5))
    out.panic_cell = cells.cell("upstream.healthy_panic_threshold")
    out.zone_cell = cells.cell("upstream.zone_routing.enabled")
    out.zone_size_cell = cells.cell("upstream.zone_routing.min_cluster_size")
    out.locality_weighted = spec.locality_weighted
    out.fail_on_panic = zone.fail_traffic_on_panic
    out.zone_percent = zone.routing_enabled
    out.min_cluster_size = zone.min_cluster_size
    out.force_local_zone = zone.force_local_zone
    out.zone_by_weight = zone.by_weight
    out.slow_start_ms = slow.window_ms
    out.aggression = slow.aggression
    out.aggression_cell = cells.cell(slow.aggression_key)
    out.slow_start_least = slow.min_weight_percent / 100.0
    out.choice_count = spec.choice_count
    out.active_request_bias = spec.active_request_bias
    out.bias_cell = cells.cell(spec.active_request_bias_key)
    out.full_scan = spec.full_scan
    out.min_ring = spec.minimum_ring_size
    out.max_ring = spec.maximum_ring_size
    out.murmur = spec.murmur_hash
    out.use_hostname = spec.use_hostname_for_hashing
    out.hash_balance_factor = spec.hash_balance_factor
    out.table_size = spec.table_size
    out.hash_policy = compile_hash_policy(arena, regexes, spec.hash_policy)
    out.decay_ms = spec.decay_ms
    out.default_latency_ms = spec.default_latency_ms
    out.queue_size = spec.queue_size
    if spec.subsets is not None:
        out.subsets = compile_subsets(arena, spec.subsets)
    for status in spec.override_host_status:
        out.wanted_health |= <uint8_t>WANTED[status]
    out.overrides_len = len(spec.override_hosts)
    out.overrides = <OverrideSource *>take(arena, sizeof(OverrideSource) * max(1, len(spec.override_hosts)))
    for i, source in enumerate(spec.override_hosts):
        out.overrides[<int>i].header = keep_lower(arena, source.header)
        out.overrides[<int>i].namespace = keep(arena, source.namespace)
        out.overrides[<int>i].path = keep_all(arena, source.path)
        out.overrides[<int>i].path_len = len(source.path)
    return 0


cdef Span *keep_all(Arena *arena, object texts) except NULL:
    cdef Span *out = <Span *>take(arena, sizeof(Span) * max(1, len(texts)))
    for i, text in enumerate(texts):
        out[<uint32_t>i] = keep(arena, text)
    return out


def effective_fallbacks(selectors):
    """The fallback of each selector; one whose keys begin an earlier selector has none, which is how Envoy files them."""
    known = set()
    found = []
    for selector in selectors:
        found.append("not_defined" if selector.keys in known else selector.fallback)
        known |= {selector.keys[:n] for n in range(1, len(selector.keys) + 1)}
    return found


cdef SubsetConf *compile_subsets(Arena *arena, object spec) except NULL:
    cdef SubsetConf *conf = <SubsetConf *>take(arena, sizeof(SubsetConf))
    cdef SubsetSelector *selector
    ordered = list(zip(spec.selectors, effective_fallbacks(spec.selectors)))
    if spec.allow_redundant_keys:
        ordered.sort(key=lambda one: -len(one[0].keys))
    conf.selectors = <SubsetSelector *>take(arena, sizeof(SubsetSelector) * max(1, len(ordered)))
    conf.selectors_len = <uint32_t>len(ordered)
    for i, (one, fallback) in enumerate(ordered):
        selector = &conf.selectors[<uint32_t>i]
        selector.keys = keep_all(arena, one.keys)
        selector.keys_len = <uint32_t>len(one.keys)
        selector.fallback = FALLBACKS[fallback]
        selector.fallback_keys = keep_all(arena, one.fallback_keys)
        selector.fallback_keys_len = <uint32_t>len(one.fallback_keys)
    conf.fallback = FALLBACKS[spec.fallback]
    conf.allow_redundant_keys = spec.allow_redundant_keys
    conf.panic_any = spec.panic_mode_any
    conf.fallback_list = spec.fallback_list
    return conf


# --- hash policies --------------------------------------------------------------------------------------------------


def cookie_tail(rule):
    """What stands after the value of a cookie, as Envoy writes it."""
    parts = [f"; Max-Age={rule.ttl_s}"] if rule.ttl_s else []
    parts += [f"; Path={rule.path}"] if rule.path else []
    parts += [f"; {name}={value}" if value else f"; {name}" for name, value in rule.attributes]
    return "".join(parts) + "; HttpOnly"


cdef HashPolicy *compile_hash_policy(Arena *arena, Regex **regexes, object rules) except? NULL:
    cdef HashPolicy *policy
    cdef HashRule *out
    if not rules:
        return NULL
    policy = <HashPolicy *>take(arena, sizeof(HashPolicy))
    policy.rules = <HashRule *>take(arena, sizeof(HashRule) * len(rules))
    policy.len = len(rules)
    for i, rule in enumerate(rules):
        out = &policy.rules[<uint32_t>i]
        out.kind = RULES[rule.kind]
        out.terminal = rule.terminal
        out.name = keep_lower(arena, rule.name) if rule.kind == "header" else keep(arena, rule.name)
        if rule.regex_rewrite is not None:
            out.regex = compile_regex(arena, regexes, rule.regex_rewrite[0])
            out.substitution = keep(arena, rule.regex_rewrite[1])
        if rule.kind == "cookie" and rule.ttl_s is not None:
            out.makes_cookie = True
            out.cookie_tail = keep(arena, cookie_tail(rule))
    return policy


# --- criteria -------------------------------------------------------------------------------------------------------


cdef int fill_criteria(Arena *arena, dict wanted, Criteria *out) except -1:
    if len(wanted) > CRITERIA_MAX:
        raise ValueError(f"at most {CRITERIA_MAX} keys of metadata_match, {len(wanted)} were given")
    out.pairs = <Criterion *>take(arena, sizeof(Criterion) * max(1, len(wanted)))
    out.len = <uint32_t>len(wanted)
    for i, (key, value) in enumerate(sorted(wanted.items())):
        out.pairs[<uint32_t>i].key = keep(arena, key)
        out.pairs[<uint32_t>i].value = keep(arena, canonical_value(value))
        out.pairs[<uint32_t>i].hash = criterion_hash(out.pairs[<uint32_t>i].key, out.pairs[<uint32_t>i].value)
    return 0


cdef Criteria *compile_criteria(Arena *arena, str wanted) except? NULL:
    cdef Criteria *out
    tree = json.loads(wanted or "{}")
    if not tree:
        return NULL
    out = <Criteria *>take(arena, sizeof(Criteria))
    fill_criteria(arena, tree, out)
    if FALLBACK_LIST in tree:
        plain = {key: value for key, value in tree.items() if key != FALLBACK_LIST}
        listed = tree[FALLBACK_LIST] if isinstance(tree[FALLBACK_LIST], list) else []
        out.plain = <Criteria *>take(arena, sizeof(Criteria))
        fill_criteria(arena, plain, out.plain)
        out.alternatives = <Criteria *>take(arena, sizeof(Criteria) * max(1, len(listed)))
        out.alternatives_len = <uint32_t>len(listed)
        for i, one in enumerate(listed):
            fill_criteria(arena, {**plain, **(one if isinstance(one, dict) else {})}, &out.alternatives[<uint32_t>i])
    return out
