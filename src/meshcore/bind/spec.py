"""The plan: what the engine can be told to do, as plain Python values.

`mesh.config` lowers an Envoy bootstrap to one `Plan`; `meshcore.bind.tables` and `cluster_table` compile a `Plan` to the engine's
immutable tables. Nothing here knows protobuf or YAML, and nothing here validates: a `Plan` that reaches the engine is right, because the
config layer refused everything else by its field path. Field names are Envoy's. Times are milliseconds (0 = off unless said), sizes are
bytes, fractions are (numerator, denominator). Two specs that compare equal compile to the same behaviour: `apply` compares them to find
out what changed, so order matters wherever the engine's behaviour depends on it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from meshcore.bind.dial_spec import HappyEyeballs
from meshcore.bind.health_spec import EndpointCheck, HealthCheck, OutlierDetection
from meshcore.bind.http2_spec import Http2Options
from meshcore.bind.lb_spec import HashRule, LoadBalancer, OriginalDst, OverrideSource, SlowStart, Subsets, SubsetSelector, ZoneAware
from meshcore.bind.listener_spec import (
    AccessRule,
    AccessRules,
    ChainMatch,
    FilterChain,
    Listener,
    ListenerFilter,
    NetworkFilter,
    PortRule,
    TcpProxy,
    TcpTunnel,
)
from meshcore.bind.match_spec import (
    FilterStateMatch,
    HeaderMatch,
    MatchTree,
    MetadataMatch,
    OnMatch,
    Predicate,
    QueryMatch,
    RouteMatch,
    StringMatch,
    TreeInput,
    ValueMatch,
)
from meshcore.bind.record import field, record
from meshcore.bind.resilience_spec import ENVOYS_THRESHOLDS, HedgePolicy, InternalRedirect, RequestQueue, Thresholds
from meshcore.bind.runtime_spec import RuntimeFraction, RuntimeLayer, RuntimeValue
from meshcore.bind.scope_spec import KeyPart, RouteScope, Scopes, ScopeSource
from meshcore.bind.socket_spec import Dial, ProxyOut, SocketOption
from meshcore.bind.tls_spec import KeyLog, SanMatch, SecretRef, TlsCertificate, TlsContext, TlsParameters, TlsRules, TlsTrust

__all__ = [
    "AccessRule", "AccessRules", "ChainMatch", "Dial", "FilterChain", "FilterStateMatch", "HappyEyeballs", "HashRule", "HeaderMatch",
    "HedgePolicy", "Http2Options", "InternalRedirect", "KeyLog", "KeyPart", "Listener", "ListenerFilter", "LoadBalancer", "MatchTree",
    "MetadataMatch", "NetworkFilter", "OnMatch", "OriginalDst", "OverrideSource", "PortRule", "Predicate", "ProxyOut", "QueryMatch",
    "RequestQueue", "RouteMatch", "RouteScope", "RuntimeFraction", "RuntimeLayer", "RuntimeValue", "SanMatch", "ScopeSource", "Scopes",
    "SecretRef", "SlowStart", "SocketOption", "StringMatch", "SubsetSelector", "Subsets", "TcpProxy", "TcpTunnel", "Thresholds",
    "TlsCertificate", "TlsContext", "TlsParameters", "TlsRules", "TlsTrust", "TreeInput", "ValueMatch", "ZoneAware",
]  # fmt: skip


class Address(NamedTuple):
    """A socket address: `host` is an IP literal (v4 or v6), or a file path when `port` is -1 (Unix socket)."""

    host: str
    port: int


# --- sources of resources -------------------------------------------------------------------------------------------


@record
class FileSource:
    """A file of resources, read again when it is replaced; `watched`: or when something is moved into this directory ("": its own)."""

    path: str
    watched: str = ""


@record
class RouteSource:
    """Where a connection manager's routes come from; `name` of the route configuration."""

    name: str
    source: FileSource


# --- header mutation ------------------------------------------------------------------------------------------------


@record
class HeaderAdd:
    """HeaderValueOption: `action` is append | add_if_absent | overwrite | overwrite_if_exists. `value` may hold %OPERATORS%."""

    name: str
    value: str
    action: str = "append"
    keep_empty: bool = False


@record
class HeaderMutation:
    """The four header lists of a route, virtual host, route configuration or weighted cluster."""

    request_add: tuple[HeaderAdd, ...] = ()
    request_remove: tuple[str, ...] = ()
    response_add: tuple[HeaderAdd, ...] = ()
    response_remove: tuple[str, ...] = ()


# --- routes ---------------------------------------------------------------------------------------------------------


@record
class RetryPolicy:
    """`retry_on` and `retriable_status_codes` as in RetryPolicy; back-off fully jittered between `base_ms` (0 = what runtime says, or 25)
    and `max_ms` (0 = ten times that). `reset_headers`: (name, whether it holds a Unix time) of the response headers that say how long to
    wait, if that is at most `reset_max_ms`.
    `refused_hosts`: previous_hosts | omit_canary_hosts | omit_host_metadata; `refused_labels`: (key, value) of the last, as JSON.
    `previous_priorities`: its update_frequency, 0 = without it."""

    retry_on: tuple[str, ...]
    num_retries: int = 1
    per_try_timeout_ms: int = 0
    per_try_idle_timeout_ms: int = 0
    retriable_status_codes: tuple[int, ...] = ()
    base_ms: int = 0
    max_ms: int = 0
    retriable_headers: tuple[HeaderMatch, ...] = ()
    retriable_request_headers: tuple[HeaderMatch, ...] = ()
    reset_headers: tuple[tuple[str, bool], ...] = ()
    reset_max_ms: int = 300_000
    refused_hosts: tuple[str, ...] = ()
    refused_labels: tuple[tuple[str, str], ...] = ()
    host_attempts: int = 1
    previous_priorities: int = 0


@record
class MirrorPolicy:
    """RequestMirrorPolicy; one of `cluster` and `cluster_header` is set. `fraction` None: every request."""

    cluster: str = ""
    cluster_header: str = ""
    fraction: RuntimeFraction | None = None
    keep_host: bool = False  # disable_shadow_host_suffix_append
    host_rewrite_literal: str = ""
    mutations: tuple[HeaderMutation, ...] = ()  # of the mirrored request, one after the other


@record
class FilterOverride:
    """One entry of typed_per_filter_config: `settings` (None: the filter's own) for the HTTP filter of that name. `kind` as in HttpFilter.
    One that is not `disabled` switches a filter on that is off in the connection manager."""

    name: str
    kind: str = ""
    settings: Any = None
    disabled: bool = False


@record
class WeightedCluster:
    """`cluster` is "" where the header `cluster_header` names it. `runtime_key`: may say another weight ("" = none does)."""

    cluster: str
    weight: int
    mutation: HeaderMutation = HeaderMutation()
    host_rewrite_literal: str = ""
    cluster_header: str = ""
    metadata_match: str = ""  # laid over the route's
    filters: tuple[FilterOverride, ...] = ()
    runtime_key: str = ""


@record
class RateLimitAction:
    """`kind` is the name of the field in RateLimit.Action (dynamic_metadata: `metadata`). `name`: of the header, the query parameter or the
    metadata namespace; `value`: what a literal or a match gives, the default of metadata."""

    kind: str
    key: str
    value: str = ""
    name: str = ""
    path: tuple[str, ...] = ()
    skip_if_absent: bool = False
    expect: bool = True
    prefix_lengths: tuple[int, int] = (32, 128)
    headers: tuple[HeaderMatch, ...] = ()
    queries: tuple[QueryMatch, ...] = ()


@record
class RateLimit:
    """envoy.config.route.v3.RateLimit. `hits`: how many tokens a request costs, None: one. `disable_key`: the runtime key
    ratelimit.<disable_key>.<kind>_filter_enabled says which share of requests it counts for; local limits leave it out."""

    actions: tuple[RateLimitAction, ...]
    stage: int = 0
    hits: int | None = None
    disable_key: str = ""


@record
class Forward:
    """RouteAction. At most one of `cluster`, `cluster_header`, `weighted` is set (none: no cluster will be found), at most one of the path
    rewrites, one of the host rewrites. `path_rewrite`, `host_rewrite`: formats. `timeout_ms` 0 = off (default 15 s in Envoy)."""

    cluster: str = ""
    cluster_header: str = ""
    weighted: tuple[WeightedCluster, ...] = ()
    weight_header: str = ""  # weighted_clusters.header_name: the number that chooses
    weight_by_hash: bool = False  # ... or what `hash_policy` says
    cluster_not_found_code: int = 503
    prefix_rewrite: str = ""
    regex_rewrite: tuple[str, str] | None = None
    host_rewrite_literal: str = ""
    auto_host_rewrite: bool = False
    host_rewrite_header: str = ""
    host_rewrite_path_regex: tuple[str, str] | None = None
    host_rewrite: str = ""
    path_rewrite: str = ""
    append_x_forwarded_host: bool = False
    timeout_ms: int = 15000
    idle_timeout_ms: int | None = None
    max_stream_duration_ms: int | None = None
    grpc_timeout_header_max_ms: int | None = None  # None: grpc-timeout says nothing; 0: it is not capped
    grpc_timeout_header_offset_ms: int = 0
    new_timeouts: bool = False  # max_stream_duration is there, whatever it holds: `timeout` does not count
    retry: RetryPolicy | None = None
    hedge: HedgePolicy | None = None
    mirrors: tuple[MirrorPolicy, ...] = ()
    internal_redirect: InternalRedirect | None = None
    upgrades: tuple[tuple[str, bool], ...] = ()  # (type, enabled); overrides those of the HCM
    connect_terminate: bool = False  # upgrade_configs CONNECT with connect_config: payload is forwarded as raw TCP
    connect_allow_post: bool = False
    rate_limits: tuple[RateLimit, ...] = ()
    include_vh_rate_limits: bool = False
    priority_high: bool = False
    hash_policy: tuple[HashRule, ...] = ()
    metadata_match: str = ""  # subset wanted: envoy.lb of metadata_match as a JSON object with sorted keys


@record
class Redirect:
    """RedirectAction. At most one of `path_redirect`, `prefix_rewrite`, `regex_rewrite` is set; `scheme` "" keeps the request's."""

    scheme: str = ""
    host: str = ""
    port: int = 0
    path_redirect: str = ""
    prefix_rewrite: str = ""
    regex_rewrite: tuple[str, str] | None = None
    response_code: int = 301
    strip_query: bool = False


@record
class DirectResponse:
    status: int
    body: bytes = b""
    content_type: str = "text/plain"
    format: str | None = None  # of body_format, or `json` (see AccessLog)
    json: Any = None
    omit_empty: bool = False


@record
class Route:
    match: RouteMatch
    action: Forward | Redirect | DirectResponse
    name: str = ""
    mutation: HeaderMutation = HeaderMutation()
    stat_prefix: str = ""
    retry_buffer_limit: int | None = None  # per_request_buffer_limit_bytes
    body_buffer_limit: int | None = None  # request_body_buffer_limit: may also be more than the connection's limit
    filters: tuple[FilterOverride, ...] = ()
    metadata: dict[str, Any] | None = None  # {namespace: {key: value}}


@record
class VirtualCluster:
    """Requests that are counted apart, under vhost.<virtual host>.vcluster.<name>."""

    name: str
    headers: tuple[HeaderMatch, ...]


@record
class VirtualHost:
    """`require_tls`: none | external_only | all. With a `matcher`, whose actions are positions in `route_lists`, only the
    routes of the list that it chooses are looked at; a list is (position in `routes`, how many)."""

    name: str
    domains: tuple[str, ...]
    routes: tuple[Route, ...]
    mutation: HeaderMutation = HeaderMutation()
    require_tls: str = "none"
    matcher: MatchTree | None = None
    route_lists: tuple[tuple[int, int], ...] = ()
    retry: RetryPolicy | None = None
    hedge: HedgePolicy | None = None
    mirrors: tuple[MirrorPolicy, ...] = ()  # those of the table, if it has none of its own
    include_request_attempt_count: bool = False
    include_attempt_count_in_response: bool = False
    include_is_timeout_retry_header: bool = False
    virtual_clusters: tuple[VirtualCluster, ...] = ()
    retry_buffer_limit: int | None = None
    body_buffer_limit: int | None = None
    rate_limits: tuple[RateLimit, ...] = ()
    filters: tuple[FilterOverride, ...] = ()
    metadata: dict[str, Any] | None = None  # {namespace: {key: value}}


@record
class RouteTable:
    """RouteConfiguration."""

    name: str
    virtual_hosts: tuple[VirtualHost, ...]
    mutation: HeaderMutation = HeaderMutation()
    internal_only_headers: tuple[str, ...] = ()
    most_specific_mutations_win: bool = False
    ignore_port_in_host: bool = False
    ignore_path_parameters: bool = False
    vhost_header: str = ""
    filters: tuple[FilterOverride, ...] = ()
    scopes: Scopes | None = None  # it has no hosts of its own: the table of the request's scope counts


# --- access logs ----------------------------------------------------------------------------------------------------


@record
class LogFilter:
    """One node of an access log's filter. `test`: status | duration (`op` is eq | ge | le | ne, against `value`) | not_health_check |
    flags (`flags`, () = any) | header | fraction (`independent` of the request id) | grpc_status (`numbers`; `exclude` turns it round) |
    log_type (the same) | and | or (of `parts`). `key`: runtime key that may say another `value`."""

    test: str
    op: str = ""
    value: int = 0
    key: str = ""
    fraction: RuntimeFraction | None = None
    flags: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()
    exclude: bool = False
    independent: bool = False
    header: HeaderMatch | None = None
    parts: tuple[LogFilter, ...] = ()


@record
class AccessLog:
    """One access log. `path`: a file, or /dev/stdout, /dev/stderr. `format`: a text format with %OPERATORS% (newline included), or,
    when `json` is set, None. `json`: nested dict/list/str/number whose strings are formats; typed as Envoy types them."""

    path: str
    format: str | None = None
    json: Any = None
    json_omit_empty: bool = False
    filter: LogFilter | None = None  # None: every stream
    content_type: str = ""  # of a local reply's body_format alone; "" = text/plain, or application/json with `json`


# --- HTTP connection manager ----------------------------------------------------------------------------------------


@record
class HttpFilter:
    """`kind`: router | python | buffer | ... `settings` is what that kind needs, in a tuple or frozen dataclass (router: `Router`, None
    when it says nothing)."""

    name: str
    kind: str
    settings: Any = None
    disabled: bool = False


@record
class Router:
    """The router's settings; `strict_check_headers` are names in lower case."""

    suppress_envoy_headers: bool = False
    dynamic_stats: bool = True
    respect_expected_rq_timeout: bool = False
    strict_check_headers: tuple[str, ...] = ()


@record
class IpSource:
    """One of original_ip_detection_extensions: `header` (custom_header), or x-forwarded-for behind `hops` trusted proxies (xff)."""

    header: str = ""
    hops: int = 0
    append: bool = False  # xff: the peer is appended
    trusted: bool = False  # custom_header: what it says may count as internal
    reject_status: int = 0  # custom_header: the answer when it says nothing; 0 = the next one is asked


@record
class Http1Options:
    """Http1ProtocolOptions."""

    allow_absolute_url: bool = True
    accept_http_10: bool = False
    default_host_for_http_10: str = ""
    proper_case_words: bool = False
    preserve_case: bool = False  # names go on in the case in which they came from this side
    proper_case_added: bool = False  # with preserve_case: and those that are added in proper case
    forward_reason_phrase: bool = False  # with preserve_case: and the reason phrase too
    enable_trailers: bool = False
    allow_chunked_length: bool = False
    send_fully_qualified_url: bool = False
    allow_custom_methods: bool = False
    ignore_upgrade: tuple[StringMatch, ...] = ()


@record
class LocalReplyMapper:
    """local_reply_config.mappers: `filter` says for which local replies; the other fields replace what they name."""

    filter: LogFilter | None = None
    new_status: int = 0
    body: bytes | None = None
    body_format: AccessLog | None = None
    headers_to_add: tuple[HeaderAdd, ...] = ()


@record
class Hcm:
    """HttpConnectionManager; defaults are Envoy's."""

    stat_prefix: str
    routes: RouteTable
    filters: tuple[HttpFilter, ...]
    http1: Http1Options = Http1Options()
    http2: Http2Options = field(default_factory=Http2Options)
    codec: str = "auto"  # auto | http1 | http2
    access_logs: tuple[AccessLog, ...] = ()
    server_name: str = "envoy"
    server_header: str = "overwrite"  # overwrite | append_if_absent | pass_through
    scheme_overwrite: str = ""
    add_user_agent: bool = False
    max_request_headers_bytes: int = 60 * 1024
    max_headers_count: int = 100
    stream_idle_timeout_ms: int = 300_000
    request_timeout_ms: int = 0
    request_headers_timeout_ms: int = 0
    drain_timeout_ms: int = 5000
    delayed_close_timeout_ms: int = 1000
    idle_timeout_ms: int = 3_600_000
    max_connection_duration_ms: int = 0
    max_stream_duration_ms: int = 0
    max_requests_per_connection: int = 0
    underscores: str = "allow"  # allow | reject | drop
    use_remote_address: bool = False
    xff_num_trusted_hops: int = 0
    skip_xff_append: bool = False
    append_x_forwarded_port: bool = False
    forward_client_cert: str = "sanitize"  # sanitize | forward_only | append_forward | sanitize_set | always_forward_only
    cert_details: tuple[str, ...] = ()  # of the client's certificate: subject, cert, chain, dns, uri
    ip_sources: tuple[IpSource, ...] = ()
    early_mutations: tuple[HeaderMutation, ...] = ()  # of requests, one after the other
    internal_cidrs: tuple[tuple[str, int], ...] | None = None  # None: Envoy's default (RFC 1918 and friends)
    internal_unix_sockets: bool = False
    via: str = ""
    generate_request_id: bool = True
    preserve_external_request_id: bool = False
    always_set_request_id_in_response: bool = False
    pack_trace_reason: bool = True
    proxy_100_continue: bool = False
    upgrades: tuple[tuple[str, bool], ...] = ()  # (type in lower case, enabled)
    normalize_path: bool | None = None  # None: as runtime says when the listener is made, else no
    merge_slashes: bool = False
    escaped_slashes: str = ""  # keep | reject | redirect | forward; empty: as runtime says when the listener is made, else keep
    strip_matching_host_port: bool = False
    strip_any_host_port: bool = False
    strip_trailing_host_dot: bool = False
    stream_error_on_invalid: bool = False
    local_reply_body_format: AccessLog | None = None
    local_reply_mappers: tuple[LocalReplyMapper, ...] = ()
    rds: RouteSource | None = None  # `routes` is empty, and comes from there
    srds: ScopeSource | None = None  # ... the same of its scopes


# --- clusters ---------------------------------------------------------------------------------------------------------


class Locality(NamedTuple):
    """Where a host is."""

    region: str = ""
    zone: str = ""
    sub_zone: str = ""


NOWHERE = Locality()


Labels = tuple[tuple[str, str], ...]  # (key, value as JSON), by key


@record
class Endpoint:
    """One host. `hostname` is what auto_host_rewrite and logs use ("" for static). `health` as configured: healthy (or unknown) |
    said_healthy | unhealthy | draining | timeout | degraded. `metadata`: filter metadata by filter name, as a JSON object with sorted keys;
    `canary` and `hash_key` are read from its envoy.lb. `locality_weight` is that of all hosts of this place and priority; 0 = none.
    `socket_labels`: its own and its locality's metadata `envoy.transport_socket_match`."""

    address: Address
    weight: int = 1
    hostname: str = ""
    health: str = "healthy"
    priority: int = 0
    locality: Locality = NOWHERE
    locality_weight: int = 0
    metadata: str = ""
    canary: bool = False
    hash_key: str = ""
    check: EndpointCheck | None = None
    additional: tuple[Address, ...] = ()  # dialled as well, where `address` does not answer at once
    socket_labels: Labels = ()
    locality_socket_labels: Labels = ()


@record
class NameServers:
    """Who is asked about names, and how: no `addresses` = those of the system. `fallback`: after the system's. 0 = c-ares' own."""

    addresses: tuple[Address, ...] = ()
    fallback: bool = False
    tcp: bool = False
    no_search: bool = False  # names are asked as they are, without the search list
    timeout_s: int = 0
    tries: int = 0
    rotate: bool = False


@record
class DnsTarget:
    """A name to resolve for a strict_dns or logical_dns cluster; the resolver turns it into `Endpoint`s with the same traits."""

    hostname: str
    port: int
    weight: int = 1
    priority: int = 0
    endpoint_hostname: str = ""  # Endpoint.hostname of the hosts found; "" = `hostname`
    health: str = "healthy"
    locality: Locality = NOWHERE
    locality_weight: int = 0
    metadata: str = ""
    canary: bool = False
    hash_key: str = ""
    check: EndpointCheck | None = None
    socket_labels: Labels = ()
    locality_socket_labels: Labels = ()

    def endpoint(self, address: Address, additional: tuple[Address, ...] = ()) -> Endpoint:
        """The host that this name stands for at an address."""
        return Endpoint(
            address, self.weight, self.endpoint_hostname or self.hostname, self.health, self.priority, self.locality,
            self.locality_weight, self.metadata, self.canary, self.hash_key, self.check, additional,
            self.socket_labels, self.locality_socket_labels,
        )  # fmt: skip


@record
class SocketMatch:
    """One of a cluster's transport_socket_matches, for hosts that have all these labels. `tls` None: plain bytes; `proxy_out` None: no
    PROXY header."""

    name: str
    labels: Labels
    tls: TlsContext | None
    proxy_out: ProxyOut | None = None


@record
class Cluster:
    """`kind`: static | strict_dns | logical_dns | eds | original_dst | aggregate. `endpoints` is the first host set: for a static
    cluster the only one, for DNS what is known at load (empty until resolved; the host set is replaced alone, the cluster stays)."""

    name: str
    kind: str = "static"
    lb: LoadBalancer = field(default_factory=LoadBalancer)
    endpoints: tuple[Endpoint, ...] = ()
    dns: tuple[DnsTarget, ...] = ()
    dns_refresh_ms: int = 5000
    dns_failure_base_ms: int = 5000
    dns_failure_max_ms: int = 50_000
    dns_jitter_ms: int = 0
    dns_lookup_family: str = "auto"  # auto | v4_only | v6_only | v4_preferred | all
    respect_dns_ttl: bool = False
    name_servers: NameServers | None = None  # None: the system's resolver asks, unless TTLs are wanted
    alt_stat_name: str = ""
    connect_timeout_ms: int = 5000
    buffer_limit: int = 1024 * 1024
    default: Thresholds = ENVOYS_THRESHOLDS
    high: Thresholds = ENVOYS_THRESHOLDS
    queue: RequestQueue | None = None
    max_requests_per_connection: int = 0
    idle_timeout_ms: int = 3_600_000
    max_connection_duration_ms: int = 0
    max_response_headers_bytes: int = 80 * 1024
    max_response_headers_count: int = 100
    max_stream_duration_ms: int = 0
    underscores: str = "allow"
    http1: Http1Options = Http1Options()
    http2: Http2Options = field(default_factory=Http2Options)
    protocol: str = "http1"  # http1 | http2 | downstream (what the client speaks) | auto (what ALPN settles)
    thrift_transport: str = "auto"  # of its hosts, as in ThriftProxy; auto: as the client speaks
    thrift_protocol: str = "auto"
    tcp_idle_timeout_ms: int = 600_000  # of pooled connections that carry no HTTP
    tcp_keepalive: tuple[int, int, int] | None = None  # probes, time_s, interval_s (0 = system default)
    dial: Dial = Dial()
    proxy_out: ProxyOut | None = None  # None: no PROXY header
    healthy_panic_threshold: float = 50.0
    overprovisioning_factor: int = 140
    weighted_priority_health: bool = False
    drop_share: float = 0.0  # of its requests, which are refused (drop_overloads)
    retry: RetryPolicy | None = None  # in place of the route's, as are the next two
    hash_policy: tuple[HashRule, ...] = ()
    mirrors: tuple[MirrorPolicy, ...] = ()
    pool_per_connection: bool = False  # each client's connection has connections of its own
    drains_on_change: bool = False  # close_connections_on_host_set_change
    cuts_on_failure: bool = False  # close_connections_on_host_health_failure
    track_endpoints: bool = False  # each host's counters are statistics
    preconnect_per_host: float = 1.0  # connections per request of a host
    track_timeout_budgets: bool = False  # histograms: how much of their timeouts requests use
    track_sizes: bool = False  # ... how large requests and responses are
    own_locality: Locality = NOWHERE  # of the node: its hosts come first
    eds: FileSource | None = None  # where the hosts of kind eds come from, under the name `eds_name`
    eds_name: str = ""
    original_dst: OriginalDst | None = None  # of kind original_dst: hosts are what requests name
    aggregate: tuple[str, ...] = ()  # of kind aggregate: the clusters that it is made of, the most wanted one first
    happy_eyeballs: HappyEyeballs = field(default_factory=HappyEyeballs)
    local_cluster: str = ""  # name of the cluster of the proxies themselves, for zone-aware routing
    health_check: HealthCheck | None = None
    outlier_detection: OutlierDetection | None = None
    wait_for_warm_on_init: bool = True
    ignore_health_on_host_removal: bool = False
    ignore_new_hosts_until_first_hc: bool = False
    tls: TlsContext | None = None  # None: plain bytes
    socket_matches: tuple[SocketMatch, ...] = ()  # hosts that are reached otherwise; the first that fits counts
    auto_sni: bool = False  # hosts are asked for the name of the request's host
    auto_san_validation: bool = False  # ... and their certificates must be for it
    auto_sni_header: str = ""  # in place of the host, where the request has it
    metadata: dict[str, Any] | None = None  # {namespace: {key: value}}

    @property
    def bind_address(self) -> Address | None:
        """The own address of which its hosts are dialled first of all; None: the kernel's choice."""
        return self.dial.sources[0] if self.dial.sources else None

    @property
    def tls_contexts(self) -> tuple[TlsContext, ...]:
        """Its own and those of its socket matches."""
        return tuple(one for one in (self.tls, *(match.tls for match in self.socket_matches)) if one is not None)

    def socket_of(self, endpoint: Endpoint, criteria: Labels | None = None) -> int:
        """How a host is reached: 1 + a place among `socket_matches`; 0: as the cluster says. `criteria`: in place of its labels."""
        own, locality = (endpoint.socket_labels, endpoint.locality_socket_labels) if criteria is None else (criteria, ())
        for labels in map(set, (own, locality)):
            for number, match in enumerate(self.socket_matches, 1):
                if labels.issuperset(match.labels):
                    return number
        return 0


@record
class Plan:
    """Everything the engine runs, as one value. `cds` and `lds`: where further clusters and listeners come from."""

    listeners: tuple[Listener, ...] = ()
    clusters: tuple[Cluster, ...] = ()
    admin: Address | None = None
    admin_access_logs: tuple[AccessLog, ...] = ()
    node: dict[str, Any] = field(default_factory=dict)
    runtime: tuple[RuntimeLayer, ...] = ()  # later ones win
    stats_flush_interval_ms: int = 5000
    cds: FileSource | None = None
    lds: FileSource | None = None
    secrets: tuple[tuple[str, bytes], ...] = field(default=(), repr=False)  # of the configuration: (name, the message)

    @property
    def dynamic(self) -> bool:
        """Whether some of it comes from files that change."""
        managers = (manager for one in self.listeners for manager in one.managers)
        sources = (self.cds, self.lds, *(one.eds for one in self.clusters), *(manager.rds or manager.srds for manager in managers))
        return any(source is not None for source in sources)
