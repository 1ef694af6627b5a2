"""Compiles listener filters and network filters; see listener_filters.pxd for the law.

The connections that a connection_limit counts outlive its table, and so does their number: it is kept by the filter's place for as long as
the process runs.
"""
from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport calloc

from meshcore.base.token_bucket cimport TokenBucket
from meshcore.bind.access_rules cimport compile_access
from meshcore.bind.filter_facts cimport compile_state_values
from meshcore.bind.matchers cimport keep, take
from meshcore.bind.sockets cimport compile_types
from meshcore.bind.stats cimport Group, Layout
from meshcore.conf.stat_ids cimport PROXY_ERROR
from meshcore.conf.tables cimport (
    LISTENER_HTTP_INSPECTOR, LISTENER_LOCAL_RATELIMIT, LISTENER_ORIGINAL_DST, LISTENER_ORIGINAL_SRC, LISTENER_PROXY_PROTOCOL,
    LISTENER_TLS_INSPECTOR, NETWORK_CONNECTION_LIMIT, NETWORK_LOCAL_RATELIMIT, NETWORK_RBAC, NETWORK_SET_FILTER_STATE,
    NETWORK_SNI_CLUSTER, TlvRule,
)
from meshcore.proxy.network_rules cimport RbacConf
from meshcore.route.port_rule cimport *

from meshcore.bind import stat_names

LISTENER_KINDS = {
    "tls_inspector": LISTENER_TLS_INSPECTOR, "http_inspector": LISTENER_HTTP_INSPECTOR, "proxy_protocol": LISTENER_PROXY_PROTOCOL,
    "original_dst": LISTENER_ORIGINAL_DST, "original_src": LISTENER_ORIGINAL_SRC, "local_ratelimit": LISTENER_LOCAL_RATELIMIT,
}
PORT_TESTS = {"any": PORT_ANY, "range": PORT_RANGE, "not": PORT_NOT, "all_of": PORT_ALL_OF, "one_of": PORT_ONE_OF}
NETWORK_KINDS = {
    "connection_limit": NETWORK_CONNECTION_LIMIT, "local_ratelimit": NETWORK_LOCAL_RATELIMIT, "sni_cluster": NETWORK_SNI_CLUSTER,
    "rbac": NETWORK_RBAC, "set_filter_state": NETWORK_SET_FILTER_STATE,
}
LAYOUTS = {
    kind: Layout(stat_names.members(names))
    for kind, names in {
        "tls_inspector": stat_names.TLS_INSPECTOR, "http_inspector": stat_names.HTTP_INSPECTOR, "proxy_protocol": stat_names.PROXY_PROTOCOL,
        "proxy_protocol_root": stat_names.PROXY_PROTOCOL_ROOT,
        "connection_limit": stat_names.CONNECTION_LIMIT, "local_ratelimit": stat_names.NETWORK_RATELIMIT,
    }.items()
}
NETWORK_PREFIXES = {"connection_limit": "connection_limit.", "local_ratelimit": "local_rate_limit."}

_counts = {}                       # place of a connection_limit -> address of its number
_buckets = {}                      # proxy, share_key and settings of a local_ratelimit -> address of the bucket


def listener_prefix(spec):
    """Where the statistics of a listener filter stand."""
    if spec.kind == "proxy_protocol":
        return f"proxy_proto.{spec.stat_prefix}." if spec.stat_prefix else "proxy_proto."
    return f"listener_local_ratelimit.{spec.stat_prefix}." if spec.kind == "local_ratelimit" else f"{spec.kind}."


cdef int name_stats(StatsRegistry registry, str kind, str prefix, list owned, uint32_t *slots) except -1:
    cdef Layout layout = LAYOUTS[kind]
    cdef Group group = registry.group(prefix, layout)
    owned.append(prefix)
    for i in range(len(layout.names)):
        slots[<int>i] = group.slot + layout.at[<int>i]
    return 0


cdef TokenBucket *compile_bucket(Arena *arena, object spec) except NULL:
    cdef TokenBucket *bucket = <TokenBucket *>take(arena, sizeof(TokenBucket))
    fill_bucket(bucket, spec)
    return bucket


cdef int fill_bucket(TokenBucket *bucket, object spec) except -1:
    bucket.max = spec.max_tokens
    bucket.per_second = spec.tokens_per_fill * 1000.0 / spec.fill_interval_ms
    return 0


cdef TokenBucket *shared_bucket(object proxy, object spec) except NULL:
    # Of all filters of a proxy with this key and equal settings, wherever they stand.
    cdef TokenBucket *bucket
    cdef tuple place = (proxy, spec.share_key, spec.token_bucket)
    if place not in _buckets:
        bucket = <TokenBucket *>calloc(1, sizeof(TokenBucket))
        if bucket == NULL:
            raise MemoryError
        fill_bucket(bucket, spec.token_bucket)
        _buckets[place] = <size_t>bucket
    return <TokenBucket *><size_t>_buckets[place]


cdef int fill_port_rule(Arena *arena, object spec, PortRule *out) except -1:
    out.test = PORT_TESTS[spec.test]
    out.first, out.end = spec.ports
    out.parts = <PortRule *>take(arena, max(1, len(spec.parts)) * sizeof(PortRule))
    out.parts_len = len(spec.parts)
    for i, part in enumerate(spec.parts):
        fill_port_rule(arena, part, &out.parts[<int>i])
    return 0


cdef TlvRule **compile_tlv_rules(Arena *arena, object rules) except? NULL:
    # Of several rules for a type the last one counts.
    cdef TlvRule **found
    cdef TlvRule *rule
    if not rules:
        return NULL
    found = <TlvRule **>take(arena, 256 * sizeof(TlvRule *))
    for kind, namespace, key in rules:
        rule = <TlvRule *>take(arena, sizeof(TlvRule))
        rule.namespace = keep(arena, namespace)
        rule.key = keep(arena, key)
        found[<int>kind] = rule
    return found


cdef ListenerFilter *compile_listener_filters(Arena *arena, object specs, StatsRegistry registry, list owned) except NULL:
    cdef ListenerFilter *filters = <ListenerFilter *>take(arena, len(specs) * sizeof(ListenerFilter))
    for i, spec in enumerate(specs):
        filters[<int>i].kind = LISTENER_KINDS[spec.kind]
        filters[<int>i].optional = spec.optional
        for version in spec.disallowed_versions:
            filters[<int>i].refused |= 1 << <int>version
        filters[<int>i].passes = compile_types(arena, spec.passes)
        filters[<int>i].tlv_rules = <const TlvRule **>compile_tlv_rules(arena, spec.tlv_rules)
        filters[<int>i].tlvs_to_state = spec.tlvs_to_state
        filters[<int>i].hello_max = spec.hello_max
        filters[<int>i].closes_others = spec.closes_others
        filters[<int>i].keeps_port = spec.keeps_port
        filters[<int>i].mark = spec.mark
        if spec.disabled is not None:
            filters[<int>i].disabled = <PortRule *>take(arena, sizeof(PortRule))
            fill_port_rule(arena, spec.disabled, <PortRule *>filters[<int>i].disabled)
        if spec.token_bucket is not None:
            filters[<int>i].bucket = compile_bucket(arena, spec.token_bucket)
        if spec.enabled is not None:
            filters[<int>i].enabled = spec.enabled.value
            filters[<int>i].enabled_cell = registry.runtime.cell(spec.enabled.key)
        if spec.kind in LAYOUTS:
            name_stats(registry, spec.kind, listener_prefix(spec), owned, filters[<int>i].stats)
        if spec.kind == "proxy_protocol":
            name_stats(registry, "proxy_protocol_root", "", owned, &filters[<int>i].stats[PROXY_ERROR])
    return filters


cdef int64_t *count_of(object place) except NULL:
    cdef int64_t *word
    if place not in _counts:
        word = <int64_t *>calloc(1, sizeof(int64_t))
        if word == NULL:
            raise MemoryError
        _counts[place] = <size_t>word
    return <int64_t *><size_t>_counts[place]


cdef int name_rbac_stats(StatsRegistry registry, object spec, list owned, uint32_t *slots) except -1:
    # Shadow rules may have a prefix of their own below the filter's.
    cdef str below = f"{spec.shadow_prefix.rstrip('.')}." if spec.shadow_prefix else ""
    cdef Layout layout = Layout(stat_names.members(tuple(
        f"{below}{name}" if name.startswith("shadow_") else name for name in stat_names.RBAC)))
    cdef str prefix = f"{spec.stat_prefix.removesuffix('.')}.rbac."
    cdef Group group = registry.group(prefix, layout)
    owned.append(prefix)
    for i in range(len(layout.names)):
        slots[<int>i] = group.slot + layout.at[<int>i]
    return 0


def asks_record(rules):
    """Whether rules ask for what only a Record has: metadata, or what a matcher takes in."""
    parts = [one for _, permission, principal in rules.policies for one in (permission, principal)]
    for part in parts:
        parts.extend(part.parts)
    return rules.tree is not None or any(part.metadata is not None for part in parts)


cdef RbacConf *compile_rbac(Arena *arena, Regex **regexes, object spec) except NULL:
    cdef RbacConf *conf = <RbacConf *>take(arena, sizeof(RbacConf))
    conf.rules = compile_access(arena, regexes, spec.rules)
    conf.shadow = compile_access(arena, regexes, spec.shadow_rules)
    conf.continuous = spec.continuous
    conf.delay_ms = spec.delay_deny_ms
    conf.asks_record = any(asks_record(rules) for rules in (spec.rules, spec.shadow_rules) if rules is not None)
    return conf


cdef NetworkFilter *compile_network_filters(Arena *arena, object specs, object place, StatsRegistry registry, list owned,
                                            Regex **regexes, uint32_t *n) except NULL:
    cdef NetworkFilter *filters = <NetworkFilter *>take(arena, len(specs) * sizeof(NetworkFilter))
    n[0] = len(specs)
    for i, spec in enumerate(specs):
        filters[<int>i].kind = NETWORK_KINDS[spec.kind]
        if spec.kind in LAYOUTS:
            name_stats(registry, spec.kind, f"{NETWORK_PREFIXES[spec.kind]}{spec.stat_prefix}.", owned, filters[<int>i].stats)
        if spec.kind == "rbac":
            name_rbac_stats(registry, spec, owned, filters[<int>i].stats)
            filters[<int>i].settings = compile_rbac(arena, regexes, spec)
        elif spec.kind == "set_filter_state":
            filters[<int>i].settings = compile_state_values(arena, spec.values)
        filters[<int>i].most = spec.max_connections
        filters[<int>i].delay_ms = spec.delay_ms
        filters[<int>i].enabled = spec.enabled is None or spec.enabled.value
        filters[<int>i].enabled_cell = registry.runtime.cell("" if spec.enabled is None else spec.enabled.key)
        if spec.kind == "connection_limit":
            filters[<int>i].used = count_of((*place, i, spec.stat_prefix))
        if spec.share_key:
            filters[<int>i].bucket = shared_bucket(id(registry), spec)
        elif spec.token_bucket is not None:
            filters[<int>i].bucket = compile_bucket(arena, spec.token_bucket)
    return filters
