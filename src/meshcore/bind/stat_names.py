"""Names of the statistics in conf/stat_ids.pxd, in the same order; a test holds the two together.

Names are Envoy's, without the prefix (`http.<stat_prefix>.`, `listener.<address>.`, `cluster.<name>.`). `LAZY` ones appear when they are
first counted, as in Envoy. `SCOPE` is what a virtual cluster or a route with a stat_prefix has (ScopeStat in route/table.pxd).
`*_CODES` are followed by a status code, `*_TIMES` are histograms, `CLUSTER_HOSTS` are set by the publisher; `members` joins them.
`upstream_rq_replayed` is ours: requests sent again after a stale connection, which Envoy answers with 503. So are `upstream_rq_hedge*`
and `upstream_rq_queue*`.
"""

HCM = (
    "downstream_cx_total", "downstream_cx_http1_total", "downstream_cx_http2_total", "downstream_cx_active", "downstream_cx_http1_active",
    "downstream_cx_http2_active",
    "downstream_cx_destroy", "downstream_cx_destroy_local", "downstream_cx_destroy_remote",
    "downstream_cx_destroy_active_rq", "downstream_cx_destroy_local_active_rq",
    "downstream_cx_destroy_remote_active_rq", "downstream_cx_rx_bytes_total", "downstream_cx_tx_bytes_total",
    "downstream_cx_idle_timeout", "downstream_cx_max_duration_reached", "downstream_cx_max_requests_reached",
    "downstream_cx_drain_close", "downstream_cx_delayed_close_timeout", "downstream_cx_protocol_error",
    "downstream_cx_ssl_total", "downstream_cx_ssl_active",
    "downstream_cx_upgrades_total", "downstream_cx_upgrades_active", "downstream_rq_total",
    "downstream_rq_http1_total", "downstream_rq_http2_total", "downstream_rq_too_many_premature_resets",
    "downstream_rq_active", "downstream_rq_completed", "downstream_rq_1xx",
    "downstream_rq_2xx", "downstream_rq_3xx", "downstream_rq_4xx", "downstream_rq_5xx", "downstream_rq_timeout",
    "downstream_rq_header_timeout", "downstream_rq_idle_timeout", "downstream_rq_max_duration_reached",
    "downstream_rq_rx_reset", "downstream_rq_tx_reset", "downstream_rq_too_large",
    "downstream_rq_non_relative_path", "downstream_rq_failed_path_normalization",
    "downstream_rq_redirected_with_normalized_path", "downstream_rq_response_before_rq_complete",
    "downstream_rq_ws_on_non_ws_route", "downstream_rq_rejected_via_ip_detection",
    "rs_too_large", "no_route", "no_cluster", "rq_total", "rq_redirect",
    "rq_direct_response", "rq_reset_after_downstream_response_started",
    "downstream_flow_control_paused_reading_total", "downstream_flow_control_resumed_reading_total",
    "passthrough_internal_redirect_bad_location", "passthrough_internal_redirect_unsafe_scheme",
    "passthrough_internal_redirect_too_many_redirects", "passthrough_internal_redirect_no_route",
    "passthrough_internal_redirect_predicate",
)
LISTENER = ("downstream_cx_total", "downstream_cx_active", "downstream_cx_destroy", "no_filter_chain_match",
            "downstream_pre_cx_active", "downstream_pre_cx_timeout", "downstream_listener_filter_remote_close",
            "downstream_listener_filter_error", "downstream_cx_no_descriptor",
            "downstream_cx_transport_socket_connect_timeout", "downstream_cx_overflow", "downstream_global_cx_overflow")
TLS_INSPECTOR = (
    "tls_found", "tls_not_found", "alpn_found", "alpn_not_found", "sni_found", "sni_not_found", "client_hello_too_large",
)
HTTP_INSPECTOR = ("http10_found", "http11_found", "http2_found", "http_not_found", "read_error")
PROXY_PROTOCOL = (
    "not_found_allowed", "not_found_disallowed", "versions.v1.found", "versions.v1.disallowed", "versions.v1.error", "versions.v2.found",
    "versions.v2.disallowed", "versions.v2.error",
)
PROXY_PROTOCOL_ROOT = ("downstream_cx_proxy_proto_error",)
CONNECTION_LIMIT = ("active_connections", "limited_connections")
NETWORK_RATELIMIT = ("rate_limited",)
RBAC = ("allowed", "denied", "shadow_allowed", "shadow_denied")
LISTENER_HTTP = (
    "downstream_rq_1xx", "downstream_rq_2xx", "downstream_rq_3xx", "downstream_rq_4xx", "downstream_rq_5xx",
    "downstream_rq_completed",
)
TCP = (
    "downstream_cx_total", "downstream_cx_no_route", "downstream_cx_rx_bytes_total", "downstream_cx_tx_bytes_total", "idle_timeout",
    "max_downstream_connection_duration", "downstream_flow_control_paused_reading_total",
    "downstream_flow_control_resumed_reading_total", "downstream_cx_drain_close", "early_data_received_count_total",
)
THRIFT = (
    "cx_destroy_local_with_active_rq", "cx_destroy_remote_with_active_rq", "downstream_cx_max_requests",
    "downstream_response_drain_close", "request", "request_active", "request_call", "request_oneway", "request_invalid_type",
    "request_passthrough", "request_decoding_error", "request_internal_error", "response", "response_reply", "response_success",
    "response_error", "response_exception", "response_invalid_type", "response_passthrough", "response_decoding_error",
    "route_missing", "unknown_cluster", "upstream_rq_maintenance_mode", "no_healthy_upstream", "shadow_request_submit_failure",
)
CLUSTER = (
    "upstream_cx_total", "upstream_cx_http1_total", "upstream_cx_http2_total", "upstream_cx_active", "upstream_cx_connect_fail",
    "upstream_cx_connect_timeout", "upstream_cx_overflow", "upstream_cx_pool_overflow", "upstream_cx_idle_timeout",
    "upstream_cx_max_duration_reached", "upstream_cx_max_requests", "upstream_cx_none_healthy", "upstream_cx_connect_attempts_exceeded",
    "upstream_cx_protocol_error", "upstream_cx_close_notify", "upstream_cx_destroy", "upstream_cx_destroy_local",
    "upstream_cx_destroy_remote", "upstream_cx_destroy_with_active_rq", "upstream_cx_destroy_local_with_active_rq",
    "upstream_cx_destroy_remote_with_active_rq", "upstream_cx_rx_bytes_total", "upstream_cx_tx_bytes_total",
    "upstream_rq_total", "upstream_rq_active", "upstream_rq_pending_total", "upstream_rq_pending_active",
    "upstream_rq_pending_overflow", "upstream_rq_pending_failure_eject", "upstream_rq_completed",
    "upstream_rq_cancelled", "upstream_rq_timeout", "upstream_rq_per_try_timeout",
    "upstream_rq_per_try_idle_timeout", "upstream_rq_max_duration_reached", "upstream_rq_maintenance_mode",
    "original_dst_host_invalid",
    "upstream_rq_rx_reset", "upstream_rq_tx_reset", "upstream_rq_retry", "upstream_rq_retry_success", "upstream_rq_retry_overflow",
    "upstream_rq_retry_limit_exceeded", "upstream_rq_retry_backoff_exponential",
    "upstream_rq_retry_backoff_ratelimited", "retry_or_shadow_abandoned", "upstream_internal_redirect_failed_total",
    "upstream_internal_redirect_succeeded_total", "upstream_rq_queued", "upstream_rq_queue_timeout",
    "upstream_rq_queue_overflow", "upstream_rq_hedge", "upstream_rq_hedge_success",
    "upstream_rq_hedge_overflow", "upstream_rq_hedge_abandoned",
    "upstream_rq_active_overflow", "upstream_rq_unknown", "external.upstream_rq_unknown",
    "internal.upstream_rq_unknown", "upstream_rq_replayed", "thrift.upstream_rq_call", "thrift.upstream_rq_oneway",
    "thrift.upstream_rq_invalid_type", "thrift.upstream_resp_reply", "thrift.upstream_resp_success", "thrift.upstream_resp_error",
    "thrift.upstream_resp_exception", "thrift.upstream_resp_exception_remote", "thrift.upstream_resp_exception_local",
    "thrift.upstream_resp_exception_local.overflow", "thrift.upstream_resp_exception_local.local_connection_failure",
    "thrift.upstream_resp_exception_local.remote_connection_failure", "thrift.upstream_resp_exception_local.timeout",
    "thrift.upstream_resp_invalid_type", "thrift.upstream_resp_decoding_error", "thrift.upstream_cx_drain_close",
    "thrift.downstream_cx_partial_response_close", "ratelimit.ok", "ratelimit.error", "ratelimit.over_limit",
    "ratelimit.failure_mode_allowed", "upstream_flow_control_paused_reading_total",
    "upstream_flow_control_resumed_reading_total", "upstream_flow_control_backed_up_total",
    "upstream_flow_control_drained_total", "lb_healthy_panic", "lb_local_cluster_not_ok",
    "lb_zone_no_capacity_left", "lb_zone_routing_all_directly", "lb_zone_routing_cross_zone", "lb_zone_routing_sampled",
    "lb_subsets_selected", "lb_subsets_fallback", "lb_subsets_fallback_panic",
    "lb_subsets_active", "lb_subsets_created", "lb_subsets_removed", "lb_recalculate_zone_structures",
    "lb_zone_cluster_too_small", "upstream_rq_1xx", "upstream_rq_2xx",
    "upstream_rq_3xx", "upstream_rq_4xx", "upstream_rq_5xx", "external.upstream_rq_completed",
    "external.upstream_rq_1xx", "external.upstream_rq_2xx", "external.upstream_rq_3xx", "external.upstream_rq_4xx",
    "external.upstream_rq_5xx", "internal.upstream_rq_completed", "internal.upstream_rq_1xx",
    "internal.upstream_rq_2xx", "internal.upstream_rq_3xx", "internal.upstream_rq_4xx", "internal.upstream_rq_5xx",
    "retry.upstream_rq_completed", "retry.upstream_rq_1xx", "retry.upstream_rq_2xx", "retry.upstream_rq_3xx",
    "retry.upstream_rq_4xx", "retry.upstream_rq_5xx", "canary.upstream_rq_completed", "canary.upstream_rq_1xx",
    "canary.upstream_rq_2xx", "canary.upstream_rq_3xx", "canary.upstream_rq_4xx", "canary.upstream_rq_5xx",
)
SCOPE = (
    "upstream_rq_total", "upstream_rq_timeout", "upstream_rq_retry", "upstream_rq_retry_success",
    "upstream_rq_retry_overflow", "upstream_rq_retry_limit_exceeded", "upstream_rq_completed", "upstream_rq_1xx",
    "upstream_rq_2xx", "upstream_rq_3xx", "upstream_rq_4xx", "upstream_rq_5xx",
)
# Below `ssl.` of a listener or cluster; the names with a dot appear when they are first counted.
TLS = (
    "connection_error", "handshake", "session_reused", "no_certificate", "fail_verify_no_cert", "fail_verify_error", "fail_verify_san",
    "fail_verify_cert_hash", "ocsp_staple_failed", "ocsp_staple_omitted", "ocsp_staple_responses", "ocsp_staple_requests",
    "was_key_usage_invalid",
    "versions.TLSv1", "versions.TLSv1.1", "versions.TLSv1.2", "versions.TLSv1.3",
    "ciphers.TLS_AES_128_GCM_SHA256", "ciphers.TLS_AES_256_GCM_SHA384", "ciphers.TLS_CHACHA20_POLY1305_SHA256",
    "ciphers.ECDHE-ECDSA-AES128-GCM-SHA256", "ciphers.ECDHE-ECDSA-AES256-GCM-SHA384", "ciphers.ECDHE-RSA-AES128-GCM-SHA256",
    "ciphers.ECDHE-RSA-AES256-GCM-SHA384", "ciphers.ECDHE-RSA-CHACHA20-POLY1305", "ciphers.ECDHE-ECDSA-CHACHA20-POLY1305",
    "ciphers.ECDHE-ECDSA-AES128-SHA", "ciphers.ECDHE-ECDSA-AES256-SHA", "ciphers.ECDHE-RSA-AES128-SHA", "ciphers.ECDHE-RSA-AES256-SHA",
    "ciphers.ECDHE-RSA-AES128-SHA256", "ciphers.AES128-GCM-SHA256", "ciphers.AES256-GCM-SHA384", "ciphers.AES128-SHA", "ciphers.AES256-SHA",
    "ciphers.unknown_ssl_cipher",
    "curves.X25519", "curves.P-256", "curves.P-384", "curves.P-521", "curves.unknown_ssl_curve",
    "sigalgs.rsa_pkcs1_sha1", "sigalgs.rsa_pkcs1_sha256", "sigalgs.rsa_pkcs1_sha384", "sigalgs.rsa_pkcs1_sha512", "sigalgs.ecdsa_sha1",
    "sigalgs.ecdsa_secp256r1_sha256", "sigalgs.ecdsa_secp384r1_sha384", "sigalgs.ecdsa_secp521r1_sha512", "sigalgs.rsa_pss_rsae_sha256",
    "sigalgs.rsa_pss_rsae_sha384", "sigalgs.rsa_pss_rsae_sha512", "sigalgs.ed25519", "sigalgs.unknown_ssl_algorithm",
)
TLS_LAZY = frozenset(name for name in TLS if "." in name)
# In the order of Http2Count in codec/http2: below `http2.` for all clients, below `cluster.<name>.http2.` for hosts.
HTTP2 = (
    "rx_reset", "tx_reset", "rx_messaging_error", "header_overflow", "dropped_headers_with_underscores",
    "requests_rejected_with_underscores_in_headers", "stream_refused_errors", "trailers", "goaway_sent", "keepalive_timeout",
    "inbound_empty_frames_flood", "inbound_priority_frames_flood", "inbound_window_update_frames_flood", "outbound_flood",
    "outbound_control_flood", "streams_active",
)
# Open and remaining, as in cluster/breaker.
BREAKERS = (("cx", "cx"), ("rq_pending", "pending"), ("rq", "rq"), ("rq_retry", "retries"), ("cx_pool", "cx_pools"))
GAUGES = frozenset({
    "active_connections",
    "downstream_pre_cx_active",
    "downstream_cx_active",
    "lb_subsets_active",
    "downstream_cx_http1_active",
    "downstream_cx_http2_active",
    "downstream_cx_ssl_active",
    "downstream_cx_upgrades_active",
    "downstream_rq_active",
    "request_active",
    "streams_active",
    "upstream_cx_active",
    "upstream_rq_active",
    "upstream_rq_pending_active",
    "membership_total",
    "membership_healthy",
    "membership_degraded",
    "membership_excluded",
    "max_host_weight",
    "version",
    "warming_state",
})
LAZY = frozenset(
    name
    for name in CLUSTER
    if name.endswith(("xx", "completed", "unknown")) or "_hedge" in name or "_queue" in name or name.startswith(("thrift.", "ratelimit."))
)
CLUSTER_CODES = tuple(f"{group}upstream_rq_" for group in ("", "external.", "internal.", "retry.", "canary."))
CLUSTER_TIMES = (
    "upstream_rq_time", "external.upstream_rq_time", "internal.upstream_rq_time", "upstream_cx_connect_ms", "upstream_cx_length_ms",
    "thrift.upstream_rq_time", "thrift.upstream_rq_size", "thrift.upstream_resp_size",
)
CLUSTER_HOSTS = (
    "membership_total", "membership_healthy", "membership_degraded", "membership_excluded", "membership_change",
    "assignment_stale", "assignment_timeout_received",
    "assignment_use_cached", "update_attempt", "update_success", "update_failure", "update_empty", "update_no_rebuild", "version",
    "warming_state", "max_host_weight",
)
# What stands below a name that only requests know: the kinds of observe/late_stats.pxd, in its order.
LATE = (
    (("", "counter", True),),
    (
        *(
            (name, "counter", True)
            for name in (
                "request_message_count", "response_message_count", "success", "failure", "total", *map(str, range(17)),
            )
        ),
        ("upstream_rq_time", "histogram", True),
    ),
    (
        *((f"upstream_rq_{name}", "counter", True) for name in ("completed", "1xx", "2xx", "3xx", "4xx", "5xx", "unknown")),
        ("upstream_rq_", "code family", True),
        ("upstream_rq_time", "histogram", True),
    ),
)
HCM_TIMES = ("downstream_rq_time", "downstream_cx_length_ms")
THRIFT_TIMES = ("request_time_ms",)
LISTENER_TIMES = ("downstream_cx_length_ms", "connections_accepted_per_socket_event")
SCOPE_CODES = ("upstream_rq_",)
SCOPE_TIMES = ("upstream_rq_time",)


def members(names, lazy=(), codes=(), times=(), hosts=()):
    """[(name, kind, whether it is lazy)] of statistics with a common prefix, `names` first."""
    scalars = [(name, "gauge" if name in GAUGES else "counter", name in lazy) for name in (*names, *hosts)]
    histograms = ((name, "histogram", name.startswith("thrift.")) for name in times)
    return (*scalars, *((name, "code family", True) for name in codes), *histograms)
