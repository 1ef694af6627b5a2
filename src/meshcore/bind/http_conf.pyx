"""Settings of HTTP; see http_conf.pxd for the law."""
import socket

from libc.stdint cimport uint8_t, uint16_t, uint32_t

from meshcore.base.arena cimport Arena
from meshcore.base.span cimport span
from meshcore.bind.address cimport address_fill
from meshcore.bind.logs cimport compile_logs, fill_log_filter, log_format
from meshcore.bind.matchers cimport compile_string, keep, keep_lower, take
from meshcore.bind.routes cimport compile_adds, compile_mutation
from meshcore.bind.runtime cimport RuntimeCells
from meshcore.bind.stat_groups cimport take_stats
from meshcore.bind.stats cimport Group, Layout, StatsRegistry
from meshcore.bind.stream_matchers cimport compile_cidrs
from meshcore.codec.http1 cimport UNDERSCORES_ALLOW, UNDERSCORES_DROP, UNDERSCORES_REJECT, Http1Options
from meshcore.codec.http2 cimport HTTP2_COUNTS, Http2Options
from meshcore.conf.tables cimport *
from meshcore.route.matcher cimport StringMatcher
from meshcore.route.mutation cimport Mutation
from meshcore.route.table cimport UpgradeRule

from meshcore.bind import stat_names

UNDERSCORES = {"allow": UNDERSCORES_ALLOW, "reject": UNDERSCORES_REJECT, "drop": UNDERSCORES_DROP}
CODECS = {"auto": CODEC_AUTO, "http1": CODEC_HTTP1, "http2": CODEC_HTTP2}
SERVER_HEADERS = {"overwrite": SERVER_OVERWRITE, "append_if_absent": SERVER_APPEND_IF_ABSENT, "pass_through": SERVER_PASS_THROUGH}
SLASHES = {"keep": SLASHES_KEEP, "reject": SLASHES_REJECT, "redirect": SLASHES_REDIRECT, "forward": SLASHES_FORWARD}
SLASHES_BY_NUMBER = ("", "keep", "reject", "redirect", "forward")  # PathWithEscapedSlashesAction
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

cdef Layout http2_layout = Layout(stat_names.members(stat_names.HTTP2))
cdef Layout hcm_layout = Layout(stat_names.members(stat_names.HCM, times=stat_names.HCM_TIMES))


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
    out.settings_len = len(options.custom_settings)
    for i, (setting, value) in enumerate(options.custom_settings):
        out.settings[<int>i] = setting
        out.setting_values[<int>i] = value
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


cdef int take_http2_stats(StatsRegistry registry, str prefix, list owned, uint32_t *slots) except -1:
    take_stats(registry, prefix, http2_layout, owned, HTTP2_COUNTS, slots)
    return 0


cdef str escaped_slashes(str said, RuntimeCells runtime):
    # `keep` where runtime forbids all else.
    if not runtime.enabled("http_connection_manager.path_with_escaped_slashes_action_enabled", 100):
        return "keep"
    number = 0 if said else runtime.integer("http_connection_manager.path_with_escaped_slashes_action", 0)
    return said or (SLASHES_BY_NUMBER[number] if 0 < number < len(SLASHES_BY_NUMBER) else "keep")


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
    take_http2_stats(registry, "http2.", owned, hcm.http2_stats)
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
    if spec.normalize_path is None:
        hcm.normalize_path = registry.runtime.enabled("http_connection_manager.normalize_path", 0)
    hcm.merge_slashes = spec.merge_slashes
    hcm.escaped_slashes = SLASHES[escaped_slashes(spec.escaped_slashes, registry.runtime)]
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
