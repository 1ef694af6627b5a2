"""Settings of native HTTP filters, as plain values: what `HttpFilter.settings` and `FilterOverride.settings` of spec.py hold.

One class per filter; the same rules as in spec.py: names are Envoy's, times are milliseconds, sizes are bytes, nothing is validated here.
"""

from __future__ import annotations

from typing import Any

from meshcore.bind.record import record
from meshcore.bind.spec import AccessRules, HeaderAdd, HeaderMatch, HeaderMutation, RateLimit, RuntimeFraction, StringMatch

NEVER = RuntimeFraction(0)
ALWAYS = RuntimeFraction(100)
NO_MUTATION = HeaderMutation()


@record
class Buffer:
    """envoy.extensions.filters.http.buffer.v3.Buffer and BufferPerRoute (`disabled`)."""

    max_request_bytes: int = 0
    disabled: bool = False


@record
class FaultDelay:
    """`by_header`: x-envoy-fault-delay-request says how long."""

    percentage: RuntimeFraction
    ms: int = 0
    ms_key: str = ""
    by_header: bool = False


@record
class FaultAbort:
    """`http_status` 0: `grpc_status`. `by_header`: x-envoy-fault-abort-request, or -abort-grpc-request, says which."""

    percentage: RuntimeFraction
    http_status: int = 0
    grpc_status: int = 0
    http_key: str = ""
    grpc_key: str = ""
    by_header: bool = False


@record
class FaultRateLimit:
    """Of responses, in KiB/s. `by_header`: x-envoy-fault-throughput-response says how much."""

    percentage: RuntimeFraction
    kbps: int = 0
    by_header: bool = False


@record
class Fault:
    """envoy.extensions.filters.http.fault.v3.HTTPFault."""

    delay: FaultDelay | None = None
    abort: FaultAbort | None = None
    rate_limit: FaultRateLimit | None = None
    upstream_cluster: str = ""
    headers: tuple[HeaderMatch, ...] = ()
    downstream_nodes: tuple[str, ...] = ()
    max_active_faults: int | None = None
    max_active_key: str = ""
    metadata: dict[str, Any] | None = None  # filter_metadata, left under the filter's name when something is injected


@record
class RuntimeFlag:
    """RuntimeFeatureFlag: `key` may say otherwise while the proxy runs ("" = none does)."""

    value: bool = True
    key: str = ""


ON = RuntimeFlag()


@record
class BandwidthLimit:
    """envoy.extensions.filters.http.bandwidth_limit.v3.BandwidthLimit; `request` and `response` are enable_mode."""

    stat_prefix: str
    enabled: RuntimeFlag = ON
    limit_kbps: int = 0
    request: bool = False
    response: bool = False
    fill_interval_ms: int = 50


@record
class TokenBucket:
    max_tokens: int
    tokens_per_fill: int = 1
    fill_interval_ms: int = 0


@record
class LocalDescriptor:
    """LocalRateLimitDescriptor: an entry with an empty value stands for every value, each with a bucket of its own."""

    entries: tuple[tuple[str, str], ...]
    token_bucket: TokenBucket


@record
class LocalRateLimit:
    """envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit. `vh_rate_limits`: override | include | ignore. `token_bucket` None:
    only descriptors limit."""

    stat_prefix: str
    status: int = 429
    token_bucket: TokenBucket | None = None
    filter_enabled: RuntimeFraction = NEVER
    filter_enforced: RuntimeFraction = NEVER
    request_headers_to_add: tuple[HeaderAdd, ...] = ()
    response_headers_to_add: tuple[HeaderAdd, ...] = ()
    descriptors: tuple[LocalDescriptor, ...] = ()
    stage: int = 0
    per_connection: bool = False
    x_ratelimit_headers: bool = False
    vh_rate_limits: str = "override"
    always_consume_default: bool = True
    resource_exhausted: bool = False
    rate_limits: tuple[RateLimit, ...] = ()
    max_dynamic_descriptors: int = 0


@record
class RateLimitService:
    """RateLimitServiceConfig with an envoy_grpc, and what a filter asks it. `timeout_ms` 0: none; `max_answer_bytes` 0: no limit."""

    domain: str
    cluster: str
    authority: str = ""
    timeout_ms: int = 20
    skip_envoy_headers: bool = False
    initial_metadata: tuple[HeaderAdd, ...] = ()
    max_answer_bytes: int = 0


@record
class RateLimitFilter:
    """envoy.extensions.filters.http.ratelimit.v3.RateLimit. `request_type`: both | internal | external. `denied`: the share of requests
    that a failure of the service refuses. `rate_limits` stand in place of those of routes."""

    service: RateLimitService
    stage: int = 0
    request_type: str = "both"
    filter_enabled: RuntimeFraction = ALWAYS
    filter_enforced: RuntimeFraction = ALWAYS
    denied: RuntimeFraction = NEVER
    x_ratelimit_headers: bool = False
    x_envoy_ratelimited: bool = True
    resource_exhausted: bool = False
    status: int = 429
    status_on_error: int = 500
    response_headers_to_add: tuple[HeaderAdd, ...] = ()
    rate_limits: tuple[RateLimit, ...] = ()


@record
class RateLimitPerRoute:
    """envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute. `vh_rate_limits`: override | include | ignore."""

    vh_rate_limits: str = "override"
    rate_limits: tuple[RateLimit, ...] = ()
    domain: str = ""


@record
class HeaderChange:
    """One HeaderMutation of mutation_rules: `mutation` holds a single addition or removal, `remove_on_match` names what goes."""

    mutation: HeaderMutation = NO_MUTATION
    remove_on_match: StringMatch | None = None


@record
class QueryChange:
    """One KeyValueMutation: `action` is one of HeaderAdd's, or "remove" for every parameter of that name. `value` is a format."""

    name: str
    value: str = ""
    action: str = "append"


@record
class HeaderMutations:
    """envoy.extensions.filters.http.header_mutation.v3.HeaderMutation and HeaderMutationPerRoute."""

    request: tuple[HeaderChange, ...] = ()
    response: tuple[HeaderChange, ...] = ()
    request_trailers: tuple[HeaderChange, ...] = ()
    response_trailers: tuple[HeaderChange, ...] = ()
    query: tuple[QueryChange, ...] = ()  # of the request's path
    most_specific_wins: bool = False


@record
class CorsPolicy:
    """envoy.extensions.filters.http.cors.v3.CorsPolicy. What is None, "" or () is asked of the next level."""

    allow_origin: tuple[StringMatch, ...] = ()
    allow_methods: str = ""
    allow_headers: str = ""
    expose_headers: str = ""
    max_age: str = ""
    allow_credentials: bool | None = None
    filter_enabled: RuntimeFraction | None = None
    shadow_enabled: RuntimeFraction | None = None
    allow_private_network_access: bool | None = None
    forward_not_matching_preflights: bool | None = None


@record
class CsrfPolicy:
    """envoy.extensions.filters.http.csrf.v3.CsrfPolicy."""

    filter_enabled: RuntimeFraction
    shadow_enabled: RuntimeFraction | None = None
    additional_origins: tuple[StringMatch, ...] = ()


@record
class HealthCheck:
    """envoy.extensions.filters.http.health_check.v3.HealthCheck. `clusters`: (name, percent of hosts that must be available)."""

    pass_through: bool = False
    cache_ms: int = 0
    headers: tuple[HeaderMatch, ...] = ()
    clusters: tuple[tuple[str, float], ...] = ()


@record
class MetadataValue:
    """envoy.extensions.filters.http.set_metadata.v3.Metadata; `value` is a JSON object."""

    namespace: str
    value: dict[str, Any]
    allow_overwrite: bool = False


@record
class SetMetadata:
    """envoy.extensions.filters.http.set_metadata.v3.Config."""

    entries: tuple[MetadataValue, ...] = ()


@record
class FilterStateValue:
    """envoy.extensions.filters.common.set_filter_state.v3.FilterStateValue: a text, made of `format` or of `json` (see AccessLog)."""

    key: str
    format: str | None = None
    json: Any = None
    omit_empty: bool = False
    read_only: bool = False
    skip_if_empty: bool = False


@record
class SetFilterState:
    """envoy.extensions.filters.http.set_filter_state.v3.Config."""

    on_request_headers: tuple[FilterStateValue, ...] = ()


@record
class RuntimeNumber:
    """RuntimeDouble, RuntimePercent or RuntimeUInt32: `key` may say another number while the proxy runs ("" = none does)."""

    value: float
    key: str = ""


@record
class AdmissionControl:
    """envoy.extensions.filters.http.admission_control.v3.AdmissionControl; 1.0 is one percent. `http_successes` are ranges [start, end)
    of statuses, `grpc_successes` are codes."""

    enabled: RuntimeFlag = ON
    http_successes: tuple[tuple[int, int], ...] = ((100, 500),)
    grpc_successes: tuple[int, ...] = (0, 1, 2, 3, 5, 6, 9, 11, 12, 16)
    sampling_window_ms: int = 30_000
    aggression: RuntimeNumber = RuntimeNumber(1.0)
    sr_threshold: RuntimeNumber = RuntimeNumber(95.0)
    rps_threshold: RuntimeNumber = RuntimeNumber(0)
    max_rejection_probability: RuntimeNumber = RuntimeNumber(80.0)


@record
class AdaptiveConcurrency:
    """envoy.extensions.filters.http.adaptive_concurrency.v3.AdaptiveConcurrency; 1.0 is one percent. `fixed_value_ms` 0: the ideal
    round trip is measured every `interval_ms`."""

    enabled: RuntimeFlag = ON
    status: int = 503
    percentile: float = 50.0
    max_concurrency_limit: int = 1000
    update_interval_ms: int = 100
    interval_ms: int = 0
    fixed_value_ms: int = 0
    request_count: int = 50
    jitter: float = 15.0
    min_concurrency: int = 3
    buffer: float = 25.0


@record
class GrpcWeb:
    """envoy.extensions.filters.http.grpc_web.v3.GrpcWeb."""


@record
class GrpcBridge:
    """envoy.extensions.filters.http.grpc_http1_bridge.v3.Config."""

    upgrade_protobuf: bool = False
    ignore_query: bool = False


@record
class GrpcReverseBridge:
    """envoy.extensions.filters.http.grpc_http1_reverse_bridge.v3.FilterConfig; `size_header` in lower case. `disabled`: on a route, where
    nothing else is said."""

    content_type: str = ""
    withhold_frames: bool = False
    size_header: str = ""
    disabled: bool = False


@record
class StatefulSession:
    """envoy.extensions.filters.http.stateful_session.v3.StatefulSession, of a cookie or a header. `attributes`: of the cookie, (name,
    value). `disabled`: on a route."""

    cookie: str = ""
    header: str = ""
    path: str = ""
    ttl_s: int = 0
    attributes: tuple[tuple[str, str], ...] = ()
    strict: bool = False
    stat_prefix: str = ""
    disabled: bool = False


@record
class HeaderFact:
    """What header_to_metadata writes. `value` "": that of the header, after `regex_rewrite` (pattern, substitution)."""

    key: str
    namespace: str = "envoy.filters.http.header_to_metadata"
    value: str = ""
    number: bool = False  # else a text
    base64: bool = False
    protobuf: bool = False  # the bytes of a google.protobuf.Value
    regex_rewrite: tuple[str, str] | None = None


@record
class HeaderRule:
    """Of `header`, in lower case, or `cookie`."""

    header: str = ""
    cookie: str = ""
    present: HeaderFact | None = None
    missing: HeaderFact | None = None
    remove: bool = False


@record
class HeaderToMetadata:
    """envoy.extensions.filters.http.header_to_metadata.v3.Config."""

    request_rules: tuple[HeaderRule, ...] = ()
    response_rules: tuple[HeaderRule, ...] = ()


@record
class Rbac:
    """envoy.extensions.filters.http.rbac.v3.RBAC, and RBACPerRoute."""

    rules: AccessRules | None = None
    shadow_rules: AccessRules | None = None
    rules_stat_prefix: str = ""
    shadow_rules_stat_prefix: str = ""
    track_per_rule_stats: bool = False


@record
class GrpcStats:
    """envoy.extensions.filters.http.grpc_stats.v3.FilterConfig. `methods`: (service, method) of those with their own names, each once."""

    every_method: bool = False
    methods: tuple[tuple[str, str], ...] = ()
    upstream_times: bool = False
    replace_dots: bool = False
    emit_state: bool = False


@record
class CompressedBodies:
    """CommonDirectionConfig of the compressor."""

    enabled: RuntimeFlag = ON
    min_content_length: int = 30
    content_types: tuple[str, ...] = ()


@record
class Compressor:
    """envoy.extensions.filters.http.compressor.v3.Compressor with gzip. A route says `disabled` and `remove_accept_encoding` alone.
    `level` -1: zlib's choice; `strategy` as zlib counts them."""

    library: str = ""
    stats_of_response: bool = False  # below `response.`
    disabled: bool = False
    remove_accept_encoding: bool | None = None
    request: CompressedBodies = CompressedBodies(RuntimeFlag(False))
    response: CompressedBodies = CompressedBodies()
    disable_on_etag: bool = False
    uncompressible_codes: tuple[int, ...] = ()
    level: int = -1
    strategy: int = 0
    window_bits: int = 12
    memory_level: int = 5


@record
class Decompressed:
    """CommonDirectionConfig of the decompressor."""

    enabled: RuntimeFlag = ON
    ignore_no_transform: bool = False


@record
class Decompressor:
    """envoy.extensions.filters.http.decompressor.v3.Decompressor with gzip."""

    library: str
    request: Decompressed = Decompressed()
    response: Decompressed = Decompressed()
    advertise_accept_encoding: bool = True
    window_bits: int = 15
    chunk_size: int = 4096
    max_inflate_ratio: int = 100


ALWAYS_TAGGING = RuntimeFraction(100, key="ip_tagging.http_filter_enabled")


@record
class IpTagging:
    """envoy.extensions.filters.http.ip_tagging.v3.IPTagging. `request_type`: both | internal | external. `tags`: names, and the ranges of
    each. `header` "": x-envoy-ip-tags."""

    request_type: str = "both"
    tags: tuple[tuple[str, tuple[tuple[str, int], ...]], ...] = ()
    header: str = ""
    append: bool = False


@record
class JsonFact:
    """KeyValuePair of json_to_metadata. `type`: value | string | number. `fixed`: a value in place of the body's, in a tuple of one."""

    key: str
    namespace: str
    type: str = "value"
    preserve: bool = False
    fixed: tuple[Any] | None = None


@record
class JsonRule:
    """`path`: names of members, from the outermost in."""

    path: tuple[str, ...]
    present: JsonFact | None = None
    missing: JsonFact | None = None
    error: JsonFact | None = None


@record
class JsonRules:
    rules: tuple[JsonRule, ...] = ()
    content_types: tuple[str, ...] = ()
    allow_empty_type: bool = False
    content_types_regex: str | None = None


@record
class JsonToMetadata:
    """envoy.extensions.filters.http.json_to_metadata.v3.JsonToMetadata."""

    request: JsonRules = JsonRules()
    response: JsonRules = JsonRules()
