"""Builds the engine's immutable tables from a plan (spec.py). Main thread, with the GIL; publication is bind/worker.pyx.

Every table is one arena: strings are copied into it, so nothing points back into Python. A listener's route table is apart, because it can
be replaced alone; so is a cluster's host set. Statistics get their slots here, by the names in stat_names.py.
"""
import socket

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc

from meshcore.base.arena cimport Arena, arena_init
from meshcore.base.atomics cimport atomic_load, atomic_ref, atomic_store
from meshcore.base.span cimport Span, span
from meshcore.bind.address cimport address_fill
from meshcore.bind.chain_index cimport compile_chains
from meshcore.bind.cluster_hosts cimport ClusterHosts
from meshcore.bind.cluster_routing cimport fill_routing, resolve_mirrors
from meshcore.bind.filter_set cimport FilterSet, filter_set
from meshcore.bind.format cimport compile_json, compile_text
from meshcore.bind.listener_filters cimport compile_listener_filters, compile_network_filters
from meshcore.bind.load_balancer cimport compile_balancer, compile_criteria, compile_hash_policy, keep_all
from meshcore.bind.match_trees cimport compile_tree
from meshcore.bind.matchers cimport compile_headers, compile_string, keep, keep_lower, take
from meshcore.bind.metadata cimport metadata_fill
from meshcore.bind.outlier cimport OutlierInbox, outlier_conf
from meshcore.bind.pyfilter cimport keep_alive
from meshcore.bind.routes cimport compile_adds, compile_mutation, routes_compile
from meshcore.bind.runtime cimport RuntimeCells
from meshcore.bind.sockets cimport compile_dial, compile_proxy_out, tally_of
from meshcore.bind.stats cimport Group, Layout, StatsRegistry
from meshcore.bind.stream_matchers cimport compile_cidrs
from meshcore.bind.tcp cimport compile_tunnel
from meshcore.bind.thrift_filters cimport compile_thrift_filters, compile_thrift_retry
from meshcore.bind.thrift_routes cimport thrift_routes_compile
from meshcore.bind.tls_slot cimport cluster_tls_fill, tls_slot_fill, tls_slot_replace, tls_stats_of
from meshcore.cluster.breaker cimport *
from meshcore.codec.http1 cimport UNDERSCORES_ALLOW, UNDERSCORES_DROP, UNDERSCORES_REJECT, Http1Options
from meshcore.codec.http2 cimport HTTP2_COUNTS, Http2Options
from meshcore.codec.thrift cimport *
from meshcore.conf.stat_ids cimport CLUSTER_LB_HEALTHY_PANIC, LISTENER_CX_TLS_TIMEOUT
from meshcore.conf.tables cimport *
from meshcore.conf.tls cimport TlsSlot
from meshcore.route.criteria cimport Criteria
from meshcore.route.mutation cimport Mutation
from meshcore.observe.format cimport Format
from meshcore.observe.record cimport *
from meshcore.route.matcher cimport StringMatcher
from meshcore.route.regex cimport Regex
from meshcore.route.table cimport (
    SCOPE_RQ_COMPLETED, SCOPE_STATS, Route, RouteTable, Scope, UpgradeRule, VirtualHost,
)

from meshcore.bind import stat_names
from meshcore.bind.listener_spec import ChainMatch

UNDERSCORES = {"allow": UNDERSCORES_ALLOW, "reject": UNDERSCORES_REJECT, "drop": UNDERSCORES_DROP}
PROTOCOLS = {"http1": UPSTREAM_HTTP1, "http2": UPSTREAM_HTTP2, "downstream": UPSTREAM_AS_DOWNSTREAM, "auto": UPSTREAM_AUTO}
CODECS = {"auto": CODEC_AUTO, "http1": CODEC_HTTP1, "http2": CODEC_HTTP2}
SERVER_HEADERS = {"overwrite": SERVER_OVERWRITE, "append_if_absent": SERVER_APPEND_IF_ABSENT, "pass_through": SERVER_PASS_THROUGH}
SLASHES = {"keep": SLASHES_KEEP, "reject": SLASHES_REJECT, "redirect": SLASHES_REDIRECT, "forward": SLASHES_FORWARD}
LOG_TESTS = {
    "status": LOG_STATUS, "duration": LOG_DURATION, "not_health_check": LOG_NOT_HEALTH_CHECK, "flags": LOG_FLAGS, "header": LOG_HEADER,
    "fraction": LOG_FRACTION, "grpc_status": LOG_GRPC_STATUS, "log_type": LOG_TYPE, "and": LOG_AND, "or": LOG_OR,
}
COMPARISONS = {"eq": COMPARE_EQ, "ge": COMPARE_GE, "le": COMPARE_LE, "ne": COMPARE_NE}
FORWARD_CERTS = {
    "sanitize": FORWARD_SANITIZE, "forward_only": FORWARD_ONLY, "append_forward": FORWARD_APPEND, "sanitize_set": FORWARD_SANITIZE_SET,
    "always_forward_only": FORWARD_ALWAYS,
}
CERT_DETAILS = {"subject": CERT_SUBJECT, "cert": CERT_WHOLE, "chain": CERT_CHAIN, "dns": CERT_DNS, "uri": CERT_URI}
STRICT_HEADERS = {
    "x-envoy-upstream-rq-timeout-ms": STRICT_TIMEOUT, "x-envoy-upstream-rq-per-try-timeout-ms": STRICT_TRY_TIMEOUT,
    "x-envoy-max-retries": STRICT_MAX_RETRIES, "x-envoy-retry-on": STRICT_RETRY_ON, "x-envoy-retry-grpc-on": STRICT_RETRY_GRPC_ON,
}
RESET_BURST, RESET_RATE = 1000, 33        # resets of a client at once, and then per second: Envoy's
ANY_CONNECTION = ChainMatch()
THRIFT_WAYS = {
    "auto": THRIFT_TRANSPORT_AUTO, "framed": THRIFT_FRAMED, "unframed": THRIFT_UNFRAMED, "header": THRIFT_HEADER,
}
THRIFT_PROTOCOLS = {
    "auto": THRIFT_PROTOCOL_AUTO, "binary": THRIFT_BINARY, "binary/non-strict": THRIFT_BINARY_LAX, "compact": THRIFT_COMPACT,
    "twitter": THRIFT_TWITTER,
}
OWN_REFS = 2                       # of a ClusterConf: its table's, and that of its ClusterHosts
NO_LIMIT = 2**32 - 1               # of connection pools, and of connections to one host


def flag_bits(names):
    """The bits of response flags given by their short names."""
    cdef uint64_t bits = 0
    cdef int i
    for i in range(30):
        short = flag_short(<uint64_t>1 << i)
        if short.at[:short.len].decode() in names:
            bits |= <uint64_t>1 << i
    return bits


# --- statistics -----------------------------------------------------------------------------------------------------


cdef Layout cluster_layout = Layout(
    stat_names.members(stat_names.CLUSTER, stat_names.LAZY, stat_names.CLUSTER_CODES, stat_names.CLUSTER_TIMES, stat_names.CLUSTER_HOSTS))
cdef Layout listener_layout = Layout(stat_names.members(stat_names.LISTENER, times=stat_names.LISTENER_TIMES))
cdef Layout thrift_layout = Layout(stat_names.members(stat_names.THRIFT, times=stat_names.THRIFT_TIMES))
cdef Layout http2_layout = Layout(stat_names.members(stat_names.HTTP2))
cdef Layout tcp_layout = Layout(stat_names.members(stat_names.TCP))
cdef Layout listener_http_layout = Layout(stat_names.members(stat_names.LISTENER_HTTP))
cdef Layout hcm_layout = Layout(stat_names.members(stat_names.HCM, times=stat_names.HCM_TIMES))
cdef Layout scope_layout = Layout(
    stat_names.members(stat_names.SCOPE, stat_names.SCOPE[SCOPE_RQ_COMPLETED:], stat_names.SCOPE_CODES, stat_names.SCOPE_TIMES))


cdef Group take_stats(StatsRegistry registry, str prefix, Layout layout, list owned, int n, uint32_t *slots):
    # The first n names of the layout are those of an enumeration in conf/stat_ids. `owned`: what the table gives back when it ends.
    cdef Group group = registry.group(prefix, layout)
    cdef int i
    owned.append(prefix)
    for i in range(n):
        slots[i] = group.slot + layout.at[i]
    return group


def name_cluster(StatsRegistry registry, str prefix):
    """The statistics below `cluster.<name>.` are there, before the cluster is; the caller owns them until it releases `prefix`."""
    registry.group(prefix, cluster_layout)


# --- small parts ----------------------------------------------------------------------------------------------------


cdef int fill_http1(object spec, object options, Http1Options *out) except -1:
    out.allow_chunked_length = options.allow_chunked_length
    out.allow_custom_methods = options.allow_custom_methods
    out.allow_absolute_url = options.allow_absolute_url
    out.enable_trailers = options.enable_trailers
    out.proper_case = options.proper_case_words
    out.preserve_case = options.preserve_case
    out.proper_case_added = options.proper_case_added
    out.forward_reason = options.forward_reason_phrase
    out.underscores = UNDERSCORES[spec.underscores]
    return 0


cdef int fill_http2(object spec, object options, const Http1Options *limits, Http2Options *out) except -1:
    out.hpack_table = options.hpack_table_size
    out.max_streams = options.max_concurrent_streams
    out.stream_window = options.initial_stream_window
    out.connection_window = options.initial_connection_window
    out.max_outbound = options.max_outbound_frames
    out.max_outbound_control = options.max_outbound_control_frames
    out.max_empty = options.max_empty_frames
    out.max_priority = options.max_priority_frames
    out.max_window_updates = options.max_window_updates
    out.reset_burst = RESET_BURST
    out.reset_rate = RESET_RATE
    out.max_head_bytes = limits.max_head_bytes
    out.max_headers = limits.max_headers
    out.underscores = limits.underscores
    out.stream_errors = options.stream_errors
    out.allow_connect = options.allow_connect
    out.keepalive_ms = options.keepalive_interval_ms
    out.keepalive_timeout_ms = options.keepalive_timeout_ms
    out.keepalive_jitter = int(options.keepalive_jitter)
    out.keepalive_idle_ms = options.keepalive_idle_ms
    return 0


cdef Format *log_format(Arena *arena, object log) except NULL:
    if log.json is not None:
        return compile_json(arena, log.json, log.json_omit_empty)
    return compile_text(arena, log.format, log.json_omit_empty)


cdef LogConf *compile_logs(Arena *arena, object logs, dict files, RuntimeCells cells, Regex **regexes) except NULL:
    # `files`: path -> index of the worker's log file, grown as paths are met.
    cdef LogConf *found = <LogConf *>take(arena, sizeof(LogConf) * max(1, len(logs)))
    cdef LogConf *log
    for i, spec in enumerate(logs):
        log = &found[<int>i]
        log.file = files.setdefault(spec.path, len(files))
        log.format = log_format(arena, spec)
        if spec.filter is not None:
            log.filter = <LogFilter *>take(arena, sizeof(LogFilter))
            fill_log_filter(arena, spec.filter, cells, regexes, log.filter)
    return found


cdef int fill_log_filter(Arena *arena, object spec, RuntimeCells cells, Regex **regexes, LogFilter *out) except -1:
    cdef uint16_t n
    out.test = LOG_TESTS[spec.test]
    out.op = COMPARISONS.get(spec.op, COMPARE_EQ)
    out.value = spec.value
    out.cell = cells.cell(spec.key)
    cells.fill(spec.fraction, &out.fraction)
    out.exclude = spec.exclude
    out.independent = spec.independent
    out.bits = flag_bits(spec.flags)
    for number in spec.numbers:
        out.bits |= <uint64_t>1 << <int>number
    if spec.header is not None:
        out.header = compile_headers(arena, regexes, (spec.header,), False, &n)
    out.parts = <LogFilter *>take(arena, sizeof(LogFilter) * max(1, len(spec.parts)))
    out.parts_len = len(spec.parts)
    for i, part in enumerate(spec.parts):
        fill_log_filter(arena, part, cells, regexes, &out.parts[<int>i])
    return 0


cdef int fill_replies(Arena *arena, object spec, RuntimeCells cells, HcmConf *hcm) except -1:
    cdef ReplyMapper *mapper
    cdef uint16_t n
    if spec.local_reply_body_format is not None:
        hcm.reply_format = log_format(arena, spec.local_reply_body_format)
        hcm.reply_content_type = keep(arena, reply_type(spec.local_reply_body_format))
    hcm.mappers = <ReplyMapper *>take(arena, sizeof(ReplyMapper) * max(1, len(spec.local_reply_mappers)))
    hcm.mappers_len = len(spec.local_reply_mappers)
    for i, rule in enumerate(spec.local_reply_mappers):
        mapper = &hcm.mappers[i]
        if rule.filter is not None:
            mapper.filter = <LogFilter *>take(arena, sizeof(LogFilter))
            fill_log_filter(arena, rule.filter, cells, &hcm.regexes, mapper.filter)
        mapper.new_status = rule.new_status
        if rule.body is not None:
            mapper.has_body = True
            mapper.body = keep(arena, rule.body)
        if rule.body_format is not None:
            mapper.body_format = log_format(arena, rule.body_format)
            mapper.content_type = keep(arena, reply_type(rule.body_format))
        if rule.headers_to_add:
            mapper.mutation = <Mutation *>take(arena, sizeof(Mutation))
            mapper.mutation.response_add = compile_adds(arena, rule.headers_to_add, True)
            n = len(rule.headers_to_add)
            mapper.mutation.response_add_len = n
    return 0


def reply_type(body_format):
    """The content type of a formatted local reply."""
    if body_format.content_type:
        return body_format.content_type
    return "application/json" if body_format.json is not None else "text/plain"


_local = []


def local_address():
    """The machine's own address as Envoy finds it: the first IPv4 address of an interface that is not the loopback; 127.0.0.1 without one."""
    from meshcore.bind.spec import Address

    if not _local:
        _local.append(Address(first_address(), 0))
    return _local[0]


def first_address():
    import fcntl
    import struct

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _index, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(probe, 0x8915, struct.pack("256s", name.encode()[:15]))    # SIOCGIFADDR
            except OSError:
                continue
            found = socket.inet_ntoa(answer[20:24])
            if not found.startswith("127."):
                return found
    return "127.0.0.1"


cdef int fill_router(object spec, HcmConf *hcm) except -1:
    settings = next((f.settings for f in spec.filters if f.kind == "router"), None)
    if settings is None:
        return 0
    hcm.router.suppress_envoy_headers = settings.suppress_envoy_headers
    hcm.router.static_stats_only = not settings.dynamic_stats
    hcm.router.respect_expected_timeout = settings.respect_expected_rq_timeout
    for name in settings.strict_check_headers:
        hcm.router.strict |= <uint8_t>STRICT_HEADERS[name]
    return 0


cdef int fill_early(Arena *arena, object spec, HcmConf *hcm) except -1:
    # What happens to a request head before it is routed: header mutations, and where the client's address is found.
    cdef Mutation *mutation
    cdef IpSource *source
    hcm.early = <Mutation *>take(arena, sizeof(Mutation) * max(1, len(spec.early_mutations)))
    hcm.early_len = len(spec.early_mutations)
    for i, one in enumerate(spec.early_mutations):
        mutation = compile_mutation(arena, one)
        if mutation != NULL:
            hcm.early[<int>i] = mutation[0]
    hcm.ip_sources = <IpSource *>take(arena, sizeof(IpSource) * max(1, len(spec.ip_sources)))
    hcm.ip_sources_len = len(spec.ip_sources)
    for i, one in enumerate(spec.ip_sources):
        source = &hcm.ip_sources[<int>i]
        source.header = keep_lower(arena, one.header)
        source.hops = one.hops
        source.append = one.append
        source.trusted = one.trusted
        source.reject_status = one.reject_status
    return 0


cdef int fill_hcm(Arena *arena, object spec, HcmConf *hcm, StatsRegistry registry, dict files, tuple node, list owned) except -1:
    cdef Group group
    group = take_stats(registry, f"http.{spec.stat_prefix}.", hcm_layout, owned, HCM_STATS, hcm.stats)
    hcm.rq_time = group.slot_of("downstream_rq_time")
    hcm.cx_length = group.slot_of("downstream_cx_length_ms")
    fill_http1(spec, spec.http1, &hcm.http1)
    hcm.http1.max_head_bytes = spec.max_request_headers_bytes
    hcm.http1.max_headers = min(spec.max_headers_count, 1024)
    fill_http2(spec, spec.http2, &hcm.http1, &hcm.http2)
    hcm.codec = CODECS[spec.codec]
    take_stats(registry, "http2.", http2_layout, owned, HTTP2_COUNTS, hcm.http2_stats)
    hcm.accept_http_10 = spec.http1.accept_http_10
    hcm.default_host = keep(arena, spec.http1.default_host_for_http_10)
    if not spec.http1.default_host_for_http_10:
        hcm.default_host = span(NULL, 0)
    hcm.stream_error_on_invalid = spec.stream_error_on_invalid
    hcm.server_name = keep(arena, spec.server_name)
    hcm.server_header = SERVER_HEADERS[spec.server_header]
    hcm.scheme = keep(arena, spec.scheme_overwrite)
    hcm.via = keep(arena, spec.via)
    hcm.add_user_agent = spec.add_user_agent
    hcm.user_agent = keep(arena, node[0])
    hcm.service_node = keep(arena, node[1])
    hcm.stream_idle_ms = spec.stream_idle_timeout_ms
    hcm.request_ms = spec.request_timeout_ms
    hcm.request_headers_ms = spec.request_headers_timeout_ms
    hcm.drain_ms = spec.drain_timeout_ms
    hcm.delayed_close_ms = spec.delayed_close_timeout_ms
    hcm.idle_ms = spec.idle_timeout_ms
    hcm.max_connection_ms = spec.max_connection_duration_ms
    hcm.max_stream_ms = spec.max_stream_duration_ms
    hcm.max_requests = spec.max_requests_per_connection
    hcm.early_streams = registry.runtime.cell("overload.premature_reset_total_stream_count")
    hcm.early_s = registry.runtime.cell("overload.premature_reset_min_stream_lifetime_seconds")
    hcm.use_remote_address = spec.use_remote_address
    hcm.trusted_hops = spec.xff_num_trusted_hops
    hcm.skip_xff_append = spec.skip_xff_append
    address_fill(local_address(), &hcm.local_address)
    hcm.append_x_forwarded_port = spec.append_x_forwarded_port
    hcm.forward_cert = FORWARD_CERTS[spec.forward_client_cert]
    for detail in spec.cert_details:
        hcm.cert_details |= <uint8_t>CERT_DETAILS[detail]
    hcm.internal_unix = spec.internal_unix_sockets
    hcm.generate_request_id = spec.generate_request_id
    hcm.preserve_request_id = spec.preserve_external_request_id
    hcm.request_id_in_response = spec.always_set_request_id_in_response
    hcm.pack_trace_reason = spec.pack_trace_reason
    hcm.proxy_100_continue = spec.proxy_100_continue
    hcm.normalize_path = spec.normalize_path
    hcm.merge_slashes = spec.merge_slashes
    hcm.escaped_slashes = SLASHES[spec.escaped_slashes]
    hcm.strip_matching_port = spec.strip_matching_host_port
    hcm.strip_any_port = spec.strip_any_host_port
    hcm.strip_trailing_dot = spec.strip_trailing_host_dot
    hcm.upgrades = <UpgradeRule *>take(arena, sizeof(UpgradeRule) * max(1, len(spec.upgrades)))
    hcm.upgrades_len = len(spec.upgrades)
    for i, (kind, enabled) in enumerate(spec.upgrades):
        hcm.upgrades[i].type = keep_lower(arena, kind)
        hcm.upgrades[i].enabled = enabled
    hcm.ignored_upgrades = <StringMatcher *>take(arena, sizeof(StringMatcher) * max(1, len(spec.http1.ignore_upgrade)))
    hcm.ignored_upgrades_len = len(spec.http1.ignore_upgrade)
    for i, rule in enumerate(spec.http1.ignore_upgrade):
        compile_string(arena, &hcm.regexes, rule, &hcm.ignored_upgrades[i])
    # Envoy 1.40 treats no address as internal unless internal_address_config says so.
    hcm.internal = compile_cidrs(arena, spec.internal_cidrs or (), &hcm.internal_len)
    fill_router(spec, hcm)
    fill_early(arena, spec, hcm)
    hcm.logs = compile_logs(arena, spec.access_logs, files, registry.runtime, &hcm.regexes)
    hcm.logs_len = len(spec.access_logs)
    fill_replies(arena, spec, registry.runtime, hcm)
    return 0


# --- listeners ------------------------------------------------------------------------------------------------------


cdef int fill_scope(StatsRegistry registry, str prefix, list owned, Scope *scope) except -1:
    cdef Group group = take_stats(registry, prefix, scope_layout, owned, SCOPE_STATS, scope.stats)
    scope.codes = group.slot_of("upstream_rq_")
    scope.rq_time = group.slot_of("upstream_rq_time")
    return 0


cdef int resolve_scopes(VirtualHost *host, StatsRegistry registry, list owned) except -1:
    # What virtual clusters and routes with a stat_prefix count.
    cdef uint32_t i
    prefix = f"vhost.{text_of(host.name)}."
    for i in range(host.clusters_len):
        fill_scope(registry, f"{prefix}vcluster.{text_of(host.clusters[i].name)}.", owned, &host.clusters[i].scope)
    for i in range(host.routes_len):
        if host.routes[i].scope != NULL:
            fill_scope(registry, f"{prefix}route.{text_of(host.routes[i].stat_prefix)}.", owned, host.routes[i].scope)
    return 0


cdef str text_of(Span name):
    return name.at[:name.len].decode()


cdef int resolve_routes(RouteTable *routes, dict cluster_index, StatsRegistry registry, list owned) except -1:
    # Names become indexes: of clusters in every worker, of statistics.
    cdef Route *route
    cdef uint32_t i
    cdef uint32_t n
    cdef uint32_t c
    for i in range(routes.hosts_len):
        resolve_scopes(&routes.hosts[i], registry, owned)
        for n in range(routes.hosts[i].routes_len):
            route = &routes.hosts[i].routes[n]
            for c in range(route.choices_len):
                if route.choices[c].name.len == 0:
                    continue
                name = route.choices[c].name.at[:route.choices[c].name.len].decode()
                route.choices[c].index = cluster_index.setdefault(name, len(cluster_index))
            resolve_mirrors(route.mirrors, route.mirrors_len, cluster_index)
    return 0


cdef class ListenerTable:
    """A listener's settings and its route table, compiled.

    `index`: the listener's slot in every worker. `cluster_index` (name -> slot) and `files` (log path -> slot) grow as names are met.
    `node`: (cluster, id) of the process. `kept`: for each chain its place in the table that this one replaces, None where connections
    would notice a difference.
    """

    def __cinit__(self, spec, uint32_t index, StatsRegistry registry, dict cluster_index, dict files, tuple node, str stat_name,
                  kept=()):
        cdef ListenerConf *conf = <ListenerConf *>calloc(1, sizeof(ListenerConf))
        cdef Group group
        if conf == NULL:
            raise MemoryError
        arena_init(&conf.arena, NULL)
        conf.refs = 1
        self.conf = conf
        conf.index = index
        conf.name = keep(&conf.arena, spec.name)
        address_fill(spec.address, &conf.address)
        conf.more = <IpAddress *>take(&conf.arena, len(spec.additional_addresses) * sizeof(IpAddress))
        conf.more_len = len(spec.additional_addresses)
        for i, address in enumerate(spec.additional_addresses):
            address_fill(address, &conf.more[<int>i])
        conf.hand_over = spec.use_original_dst
        conf.open = tally_of(spec.name)
        conf.most = registry.runtime.cell(f"envoy.resource_limits.listener.{spec.name}.connection_limit")
        if not spec.ignore_global_limit:
            conf.most_of_all = registry.runtime.cell("overload.global_downstream_max_connections")
        conf.buffer_limit = spec.buffer_limit
        conf.modify_only = spec.drain_modify_only
        metadata_fill(&conf.arena, spec.metadata or {}, &conf.metadata)
        self.prefix = f"listener.{stat_name}."
        self.owned = []
        group = take_stats(registry, self.prefix, listener_layout, self.owned, LISTENER_STATS, conf.stats)
        conf.cx_length = group.slot_of("downstream_cx_length_ms")
        self.routes = route_set_new(len(spec.chains))
        if self.routes == NULL:
            raise MemoryError
        conf.chains = <ChainConf *>take(&conf.arena, len(spec.chains) * sizeof(ChainConf))
        conf.chains_len = len(spec.chains)
        conf.filters = compile_listener_filters(&conf.arena, spec.filters, registry, self.owned)
        conf.filters_len = len(spec.filters)
        conf.filters_ms = spec.filters_timeout_ms
        conf.filters_continue = spec.filters_continue
        keep_on = []
        for i, chain in enumerate(spec.chains):
            conf.chains[<int>i].name = keep(&conf.arena, chain.name)
            metadata_fill(&conf.arena, chain.metadata or {}, &conf.chains[<int>i].metadata)
            if chain.tls is not None:
                conf.chains[<int>i].tls = self.tls_slot(chain, registry)
            conf.chains[<int>i].filters = compile_network_filters(
                &conf.arena, chain.filters, (spec.name, chain.name, chain.match), registry, self.owned, &conf.regexes,
                &conf.chains[<int>i].filters_len)
            conf.chains[<int>i].guarded = any(one.kind == "rbac" for one in chain.filters)
            conf.chains[<int>i].by_server_name = any(one.kind == "sni_cluster" for one in chain.filters)
            if chain.echo or chain.text is not None:
                conf.chains[<int>i].kind = CHAIN_ECHO if chain.echo else CHAIN_DIRECT
                conf.chains[<int>i].text = keep(&conf.arena, chain.text or b"")
            elif chain.thrift is not None:
                self.fill_thrift(chain.thrift, &conf.chains[<int>i], registry, cluster_index, files, node)
            elif chain.tcp is not None:
                self.fill_tcp(chain.tcp, &conf.chains[<int>i], registry, cluster_index, files)
            else:
                self.fill_http(chain.hcm, i, registry, cluster_index, files, node, keep_on)
        keep_alive(conf, keep_on)
        for i, place in enumerate(kept):
            conf.chains[<int>i].was = 0 if place is None else 1 + place
        conf.fallback = next((i + 1 for i, chain in enumerate(spec.chains) if chain.fallback), 0)
        if spec.matcher is not None:
            conf.matcher = compile_tree(&conf.arena, &conf.regexes, spec.matcher)
        elif len(spec.chains) > 1 or spec.chains[0].match != ANY_CONNECTION:
            conf.choose = compile_chains(&conf.arena, spec.chains)

    cdef TlsSlot *tls_slot(self, chain, StatsRegistry registry) except NULL:
        # All chains of a listener count TLS together.
        cdef TlsSlot *slot = <TlsSlot *>take(&self.conf.arena, sizeof(TlsSlot))
        if self.tls_stats == NULL:
            self.tls_stats = tls_stats_of(&self.conf.arena, registry, self.prefix, self.owned)
        slot.stats = self.tls_stats
        slot.handshake_ms = chain.handshake_timeout_ms
        slot.timeout_stat = self.conf.stats[LISTENER_CX_TLS_TIMEOUT]
        tls_slot_fill(slot, chain.tls, registry, self.prefix, self.owned)
        return slot

    def swap_tls(self, uint32_t chain, spec, StatsRegistry registry):
        """New connections of the chain use this TLS context; what comes back may go when every worker has passed between two events."""
        return tls_slot_replace(self.conf.chains[chain].tls, spec, registry, self.prefix, self.owned)

    cdef int fill_tcp(self, spec, ChainConf *chain, StatsRegistry registry, dict cluster_index, dict files) except -1:
        cdef Arena *arena = &self.conf.arena
        cdef TcpConf *tcp = <TcpConf *>take(arena, sizeof(TcpConf))
        chain.kind = CHAIN_TCP
        chain.tcp = tcp
        take_stats(registry, f"tcp.{spec.stat_prefix}.", tcp_layout, self.owned, TCP_STATS, tcp.stats)
        tcp.choices = <uint32_t *>take(arena, len(spec.clusters) * sizeof(uint32_t))
        tcp.weights = <uint32_t *>take(arena, len(spec.clusters) * sizeof(uint32_t))
        tcp.criteria = <const Criteria **>take(arena, len(spec.clusters) * sizeof(Criteria *))
        tcp.choices_len = len(spec.clusters)
        for i, (name, weight) in enumerate(spec.clusters):
            tcp.criteria[<int>i] = compile_criteria(arena, spec.wanted[i] if spec.wanted else "")
            tcp.choices[<int>i] = cluster_index.setdefault(name, len(cluster_index))
            tcp.weights[<int>i] = weight
            tcp.total_weight += weight
        tcp.connect_attempts = spec.max_connect_attempts
        tcp.backoff_ms = spec.backoff_base_ms
        tcp.backoff_max_ms = spec.backoff_max_ms
        tcp.waits_for_bytes = spec.waits_for_bytes
        tcp.early_bytes = spec.max_early_data_bytes
        tcp.duration_jitter = spec.duration_jitter
        tcp.tunnel = compile_tunnel(arena, spec.tunnel)
        tcp.idle_ms = spec.idle_timeout_ms
        tcp.duration_ms = spec.max_duration_ms
        tcp.log_connected = spec.log_connected
        tcp.log_every_ms = spec.log_every_ms
        tcp.hash = compile_hash_policy(arena, &tcp.regexes, spec.hash_policy)
        tcp.logs = compile_logs(arena, spec.access_logs, files, registry.runtime, &tcp.regexes)
        tcp.logs_len = len(spec.access_logs)
        return 0

    cdef int fill_thrift(self, spec, ChainConf *chain, StatsRegistry registry, dict cluster_index, dict files, tuple node) except -1:
        cdef Arena *arena = &self.conf.arena
        cdef ThriftConf *thrift = <ThriftConf *>take(arena, sizeof(ThriftConf))
        cdef Group group
        chain.kind = CHAIN_THRIFT
        chain.thrift = thrift
        group = take_stats(registry, f"thrift.{spec.stat_prefix}.", thrift_layout, self.owned, THRIFT_STATS, thrift.stats)
        thrift.rq_time = group.slot_of("request_time_ms")
        thrift.transport = THRIFT_WAYS[spec.transport]
        thrift.protocol = THRIFT_PROTOCOLS[spec.protocol]
        thrift.count_passing = spec.payload_passthrough
        thrift.max_requests = spec.max_requests_per_connection
        thrift.stays_open = not spec.close_on_upstream_error
        thrift.keeps_case = spec.header_keys_preserve_case
        thrift.filters = compile_thrift_filters(arena, &thrift.regexes, registry.runtime, cluster_index, spec.filters, &thrift.filters_len)
        thrift.retry = compile_thrift_retry(arena, spec.retry)
        thrift.routes = thrift_routes_compile(spec.routes, cluster_index, registry.runtime, node[0])
        thrift.logs = compile_logs(arena, spec.access_logs, files, registry.runtime, &thrift.regexes)
        thrift.logs_len = len(spec.access_logs)
        return 0

    cdef int fill_http(self, spec, int chain, StatsRegistry registry, dict cluster_index, dict files, tuple node,
                       list keep_on) except -1:
        cdef HcmConf *hcm = <HcmConf *>take(&self.conf.arena, sizeof(HcmConf))
        cdef FilterSet filters = filter_set(registry, spec, cluster_index, node[0], self.owned)
        self.conf.chains[chain].hcm = hcm
        fill_hcm(&self.conf.arena, spec, hcm, registry, files, node, self.owned)
        filters.fill(&self.conf.arena, hcm, keep_on)
        take_stats(
            registry, f"{self.prefix}http.{spec.stat_prefix}.", listener_http_layout, self.owned, LISTENER_HTTP_STATS, hcm.listener_stats)
        self.routes.tables[chain] = routes_compile(spec.routes, registry.runtime, filters)
        resolve_routes(self.routes.tables[chain], cluster_index, registry, self.owned)
        return 0

    def __dealloc__(self):
        listener_conf_unref(self.conf)
        route_set_unref(self.routes)

    def in_use(self):
        """Whether a worker, a connection or a stream still has it."""
        cdef uint32_t i
        for i in range(self.routes.len):
            if self.routes.tables[i] != NULL and atomic_load(&self.routes.tables[i].refs) > 1:
                return True
        return atomic_load(&self.conf.refs) > 1 or atomic_load(&self.routes.refs) > 1

    def set_port(self, uint16_t port):
        """The port that was bound when the plan said 0."""
        self.conf.address.port = port


# --- clusters -------------------------------------------------------------------------------------------------------


cdef int fill_breakers(object spec, Breaker *breakers) except -1:
    for i, limits in enumerate((spec.default, spec.high)):
        breakers[i].limit[RESOURCE_CONNECTIONS] = limits.max_connections
        breakers[i].limit[RESOURCE_PENDING] = limits.max_pending_requests
        breakers[i].limit[RESOURCE_REQUESTS] = limits.max_requests
        breakers[i].limit[RESOURCE_RETRIES] = limits.max_retries
        breakers[i].limit[RESOURCE_POOLS] = NO_LIMIT if limits.max_connection_pools is None else limits.max_connection_pools
        breakers[i].limit_per_host = NO_LIMIT if limits.max_connections_per_host is None else limits.max_connections_per_host
        breakers[i].budget = -1 if limits.retry_budget is None else limits.retry_budget[0] / 100
        breakers[i].budget_least = 0 if limits.retry_budget is None else limits.retry_budget[1]
    return 0


BREAKER_KEYS = ("max_connections", "max_pending_requests", "max_requests", "max_retries", "max_connection_pools")


cdef int breakers_follow(Breaker *breaker, object limits, RuntimeCells runtime, str prefix) except -1:
    for resource, key in enumerate(BREAKER_KEYS):
        value = runtime.said(prefix + key)
        configured = getattr(limits, key)
        number = (NO_LIMIT if configured is None else configured) if value is None or value.integer is None else value.integer
        atomic_store(&breaker.limit[<int>resource], number)
    percent, least = runtime.said(prefix + "retry_budget.budget_percent"), runtime.said(prefix + "retry_budget.min_retry_concurrency")
    if limits.retry_budget is not None:
        breaker.budget = (limits.retry_budget[0] if percent is None or percent.number is None else percent.number) / 100
        breaker.budget_least = limits.retry_budget[1] if least is None or least.integer is None else least.integer
    return 0


cdef QueueConf *queue_of(Arena *arena, object spec) except NULL:
    cdef QueueConf *queue = <QueueConf *>take(arena, sizeof(QueueConf))
    queue.most = spec.max_waiting
    queue.deadline_ms = spec.deadline_ms
    queue.adaptive = spec.adaptive
    queue.target_ms = spec.target_ms
    queue.interval_ms = spec.interval_ms
    return queue


cdef OriginalDstConf *original_dst_of(Arena *arena, object spec, Group group) except NULL:
    cdef OriginalDstConf *conf = <OriginalDstConf *>take(arena, sizeof(OriginalDstConf))
    conf.header = keep_lower(arena, spec.header)
    conf.namespace = keep(arena, spec.namespace)
    conf.path = keep_all(arena, spec.path)
    conf.path_len = len(spec.path)
    conf.port = spec.port
    conf.cleanup_ms = max(1, spec.cleanup_ms)
    for i, name in enumerate(("membership_total", "membership_healthy")):
        conf.members[<int>i] = group.slot_of(name)
    return conf


cdef AggregateConf *aggregate_of(Arena *arena, tuple names, dict cluster_index) except NULL:
    cdef AggregateConf *conf = <AggregateConf *>take(arena, sizeof(AggregateConf))
    conf.members = <uint32_t *>take(arena, len(names) * sizeof(uint32_t))
    conf.members_len = <uint32_t>len(names)
    for i, name in enumerate(names):
        conf.members[<int>i] = cluster_index.setdefault(name, len(cluster_index))
    return conf


cdef class ClusterTable:
    """A cluster's settings, compiled, and the identity of its hosts over all its host sets."""

    def __cinit__(self, spec, uint32_t index, StatsRegistry registry, OutlierInbox inbox=None, dict cluster_index=None):
        cdef ClusterConf *conf = <ClusterConf *>calloc(1, sizeof(ClusterConf))
        cdef Group group
        if conf == NULL:
            raise MemoryError
        arena_init(&conf.arena, NULL)
        conf.refs = 1
        self.conf = conf
        conf.index = index
        conf.name = keep(&conf.arena, spec.name)
        conf.stat_name = keep(&conf.arena, spec.alt_stat_name or spec.name)
        if spec.metadata is not None:
            metadata_fill(&conf.arena, spec.metadata, &conf.metadata)
        prefix = f"cluster.{spec.alt_stat_name or spec.name}."
        self.owned = []
        group = take_stats(registry, prefix, cluster_layout, self.owned, CLUSTER_STATS, conf.stats)
        conf.codes = group.slot_of("upstream_rq_")
        conf.external_codes = group.slot_of("external.upstream_rq_")
        conf.internal_codes = group.slot_of("internal.upstream_rq_")
        conf.retried_codes = group.slot_of("retry.upstream_rq_")
        conf.canary_codes = group.slot_of("canary.upstream_rq_")
        conf.rq_time = group.slot_of("upstream_rq_time")
        conf.external_rq_time = group.slot_of("external.upstream_rq_time")
        conf.internal_rq_time = group.slot_of("internal.upstream_rq_time")
        conf.cx_connect_ms = group.slot_of("upstream_cx_connect_ms")
        conf.cx_length_ms = group.slot_of("upstream_cx_length_ms")
        compile_balancer(&conf.arena, &conf.regexes, spec.lb, spec.healthy_panic_threshold, registry.runtime, &conf.lb)
        conf.lb.stats = &conf.stats[CLUSTER_LB_HEALTHY_PANIC]
        conf.thrift_rq_time = group.slot_of("thrift.upstream_rq_time")
        conf.thrift_rq_size = group.slot_of("thrift.upstream_rq_size")
        conf.thrift_rs_size = group.slot_of("thrift.upstream_resp_size")
        conf.thrift_transport = THRIFT_WAYS[spec.thrift_transport]
        conf.thrift_protocol = THRIFT_PROTOCOLS[spec.thrift_protocol]
        conf.tcp_idle_ms = spec.tcp_idle_timeout_ms
        conf.connect_ms = spec.connect_timeout_ms
        conf.idle_ms = spec.idle_timeout_ms
        conf.max_connection_ms = spec.max_connection_duration_ms
        conf.max_stream_ms = spec.max_stream_duration_ms
        conf.max_requests = spec.max_requests_per_connection
        conf.buffer_limit = spec.buffer_limit
        fill_http1(spec, spec.http1, &conf.http1)
        conf.http1.max_head_bytes = spec.max_response_headers_bytes
        conf.http1.max_headers = min(spec.max_response_headers_count, 1024)
        fill_http2(spec, spec.http2, &conf.http1, &conf.http2)
        conf.protocol = PROTOCOLS[spec.protocol]
        if conf.protocol != UPSTREAM_HTTP1:
            take_stats(registry, f"{prefix}http2.", http2_layout, self.owned, HTTP2_COUNTS, conf.http2_stats)
        conf.send_full_url = spec.http1.send_fully_qualified_url
        if spec.tcp_keepalive is not None:
            conf.keepalive = True
            conf.keepalive_probes, conf.keepalive_time_s, conf.keepalive_interval_s = spec.tcp_keepalive
        compile_dial(&conf.arena, spec.dial, &conf.dial)
        if spec.proxy_out is not None:
            conf.says = compile_proxy_out(&conf.arena, spec.proxy_out)
        cluster_tls_fill(conf, spec, registry, prefix, self.owned)
        if spec.queue is not None:
            conf.queue = queue_of(&conf.arena, spec.queue)
        if spec.original_dst is not None:
            conf.original_dst = original_dst_of(&conf.arena, spec.original_dst, group)
        if spec.kind == "aggregate":
            conf.aggregate = aggregate_of(&conf.arena, spec.aggregate, cluster_index)
        conf.breakers = <Breaker *>take(&conf.arena, 2 * sizeof(Breaker))
        fill_breakers(spec, conf.breakers)
        conf.lb.breakers = conf.breakers
        self.hosts = ClusterHosts(spec)
        self.hosts.conf = conf
        atomic_ref(&conf.refs)
        self.hosts.lb = &conf.lb
        self.hosts.cells = registry.runtime
        if inbox is not None:
            conf.outlier = outlier_conf(&conf.arena, spec, registry.runtime)
            self.hosts.outlier = conf.outlier
            self.hosts.inbox = inbox
        self.track_remaining = (spec.default.track_remaining, spec.high.track_remaining)
        self.limits = (spec.default, spec.high)
        fill_routing(conf, spec, registry.runtime, cluster_index)
        conf.use_retry = registry.runtime.cell("upstream.use_retry")
        conf.base_backoff_ms = registry.runtime.cell("upstream.base_retry_backoff_ms")
        if registry.runtime.values:
            self.follow_runtime(registry.runtime)
        registry.computed(prefix, self)

    def __dealloc__(self):
        cluster_conf_unref(self.conf)

    def follow_runtime(self, RuntimeCells runtime):
        """Takes what runtime keys say of this cluster: its circuit breakers, and whether it is under maintenance."""
        name = text_of(self.conf.name)
        share = runtime.said(f"upstream.maintenance_mode.{name}")
        atomic_store(&self.conf.maintenance, min(100, share.integer) if share is not None and share.integer is not None else 0)
        for i, priority in enumerate(("default", "high")):
            breakers_follow(&self.conf.breakers[<int>i], self.limits[i], runtime, f"circuit_breakers.{name}.{priority}.")

    def swap_tls(self, spec, StatsRegistry registry, int match=-1):
        """New connections use this TLS context, of the cluster or of one of its transport_socket_matches; what comes back may go when every
        worker has passed between two events."""
        cdef TlsSlot *slot = self.conf.tls if match < 0 else self.conf.sockets[match]
        prefix = f"cluster.{self.conf.stat_name.at[:self.conf.stat_name.len].decode()}."
        return tls_slot_replace(slot, spec, registry, prefix, self.owned)

    def in_use(self):
        """Whether a worker or a request still has it."""
        return atomic_load(&self.conf.refs) > OWN_REFS

    def gauges(self):
        """What StatsRegistry.computed asks for."""
        return self.breaker_gauges()

    def breaker_gauges(self):
        """{stat: value} of the circuit breakers of both priorities, below the cluster's name."""
        cdef Breaker *breaker
        cdef int64_t used
        found = {}
        for i, priority in enumerate(("default", "high")):
            breaker = &self.conf.breakers[<int>i]
            for resource, (kind, remaining) in enumerate(stat_names.BREAKERS):
                used = atomic_load(&breaker.used[<int>resource])
                most = breaker_most(breaker, resource)
                found[f"circuit_breakers.{priority}.{kind}_open"] = int(used > 0 and used >= most)
                tracked = self.track_remaining[i] and (resource != RESOURCE_RETRIES or breaker.budget < 0)
                left = max(0, most - used) if tracked else 0
                found[f"circuit_breakers.{priority}.remaining_{remaining}"] = left
        return found
