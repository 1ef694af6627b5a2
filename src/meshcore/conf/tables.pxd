# Tables: the running configuration as immutable C structs. Built on the main thread by bind/, published to workers through their
# mailboxes, read without locks, freed when the last worker and the last stream have let go (refs).
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from meshcore.base.arena cimport Arena
from meshcore.base.runtime cimport RuntimeCell, RuntimeFraction
from meshcore.base.span cimport Span
from meshcore.base.token_bucket cimport TokenBucket
from meshcore.cluster.balancer cimport LbConf
from meshcore.cluster.breaker cimport Breaker
from meshcore.cluster.outlier cimport OutlierConf
from meshcore.cluster.host cimport Host
from meshcore.codec.http1 cimport Http1Options
from meshcore.codec.http2 cimport HTTP2_COUNTS, Http2Options
from meshcore.conf.dial cimport Dial, Tally
from meshcore.conf.preconnect cimport Preconnect
from meshcore.conf.proxy_out cimport ProxyOut
from meshcore.conf.shares cimport Shares
from meshcore.conf.stat_ids cimport (
    CLUSTER_STATS, HCM_STATS, LISTENER_FILTER_STATS, LISTENER_HTTP_STATS, LISTENER_STATS, NETWORK_FILTER_STATS, TCP_STATS, THRIFT_STATS,
)
from meshcore.conf.tls cimport TlsSlot
from meshcore.conf.tracking cimport Tracking
from meshcore.conf.tunnel cimport TunnelConf
from meshcore.filter.http cimport FILTERS_MAX, HttpFilterOps
from meshcore.filter.thrift_metadata cimport ThriftFilter
from meshcore.observe.format cimport Format
from meshcore.observe.ip cimport Cidr
from meshcore.observe.metadata cimport Metadata
from meshcore.observe.record cimport IpAddress
from meshcore.route.chain_index cimport ChainIndex
from meshcore.route.criteria cimport Criteria
from meshcore.route.hash_policy cimport HashPolicy
from meshcore.route.match_tree cimport MatchTree
from meshcore.route.matcher cimport HeaderMatcher, Regex, StringMatcher
from meshcore.route.mutation cimport HeaderAdd, Mutation
from meshcore.route.port_rule cimport PortRule
from meshcore.route.table cimport MirrorPolicy, RetryPolicy, RouteTable, UpgradeRule
from meshcore.route.thrift_retry cimport ThriftRetry
from meshcore.route.thrift_table cimport ThriftRouteTable

cdef enum ServerHeader:
    SERVER_OVERWRITE
    SERVER_APPEND_IF_ABSENT
    SERVER_PASS_THROUGH

cdef enum EscapedSlashes:
    SLASHES_KEEP
    SLASHES_REJECT
    SLASHES_REDIRECT
    SLASHES_FORWARD

cdef enum LogTest:
    # What one node of an access log's filter asks.
    LOG_STATUS                     # `op` against `value`
    LOG_DURATION                   # ms; `op` against `value`
    LOG_NOT_HEALTH_CHECK
    LOG_FLAGS                      # any of `bits`; 0 = any flag at all
    LOG_HEADER                     # of the request
    LOG_FRACTION                   # `fraction` of them
    LOG_GRPC_STATUS                # 1 << status in `bits`
    LOG_TYPE                       # 1 << LogType in `bits`
    LOG_AND
    LOG_OR

cdef enum Comparison:
    COMPARE_EQ
    COMPARE_GE
    COMPARE_LE
    COMPARE_NE

cdef struct LogFilter:
    uint8_t test                   # LogTest
    uint8_t op                     # Comparison
    bint exclude                   # the other way round
    bint independent               # LOG_FRACTION: not by request id
    uint64_t value
    const RuntimeCell *cell        # may say another value
    RuntimeFraction fraction
    uint64_t bits
    HeaderMatcher *header
    LogFilter *parts               # LOG_AND, LOG_OR
    uint16_t parts_len

cdef struct LogConf:
    # One access log: which file, which format, which streams.
    uint32_t file                  # index into every worker's log files
    Format *format
    LogFilter *filter              # NULL: every stream

cdef struct FilterConf:
    Span name
    const HttpFilterOps *ops
    void *settings

cdef struct ReplyMapper:
    LogFilter *filter              # NULL: every local reply
    uint16_t new_status            # 0 = keep
    bint has_body
    Span body
    Format *body_format            # NULL: the connection manager's
    Span content_type
    Mutation *mutation             # headers_to_add, or NULL

cdef enum StrictHeader:
    # Request headers that the router checks (strict_check_headers), one bit each.
    STRICT_TIMEOUT = 1
    STRICT_TRY_TIMEOUT = 2
    STRICT_MAX_RETRIES = 4
    STRICT_RETRY_ON = 8
    STRICT_RETRY_GRPC_ON = 16

cdef struct RouterConf:
    bint suppress_envoy_headers
    bint static_stats_only         # dynamic_stats: false
    bint respect_expected_timeout
    uint8_t strict                 # StrictHeader bits

cdef struct IpSource:
    # One extension that finds the client's address, in place of x-forwarded-for's usual reading.
    Span header                    # lower case; empty: x-forwarded-for
    uint32_t hops                  # x-forwarded-for: how many proxies are trusted
    bint append                    # x-forwarded-for: the peer is appended
    bint trusted                   # header: what it says may count as internal
    uint16_t reject_status         # header missing or no address: the answer; 0 = the next source

cdef enum Codec:
    CODEC_AUTO                     # by what TLS has agreed on, else by the first bytes
    CODEC_HTTP1
    CODEC_HTTP2

cdef enum ForwardCert:
    # forward_client_cert_details: what happens to x-forwarded-client-cert.
    FORWARD_SANITIZE
    FORWARD_ONLY                   # kept, on a connection with a client certificate
    FORWARD_APPEND
    FORWARD_SANITIZE_SET
    FORWARD_ALWAYS

cdef enum CertDetail:
    CERT_SUBJECT = 1
    CERT_WHOLE = 2
    CERT_CHAIN = 4
    CERT_DNS = 8
    CERT_URI = 16

cdef struct HcmConf:
    # HttpConnectionManager; names and defaults are Envoy's, times in ms, 0 = off.
    uint32_t stats[HCM_STATS]
    uint32_t listener_stats[LISTENER_HTTP_STATS]
    uint32_t rq_time               # histograms: first slots
    uint32_t cx_length
    Http1Options http1
    Http2Options http2
    uint32_t http2_stats[HTTP2_COUNTS]
    uint8_t codec                  # Codec
    bint accept_http_10
    StringMatcher *ignored_upgrades
    uint16_t ignored_upgrades_len
    bint send_full_url
    bint stream_error_on_invalid
    Span default_host
    Span server_name
    uint8_t server_header
    Span scheme
    Span via
    bint add_user_agent
    Span user_agent                # service cluster, for add_user_agent
    Span service_node              # likewise; empty: it has no id
    uint32_t stream_idle_ms
    uint32_t request_ms
    uint32_t request_headers_ms
    uint32_t drain_ms
    uint32_t delayed_close_ms
    uint64_t idle_ms
    uint64_t max_connection_ms
    uint32_t max_stream_ms
    uint32_t max_requests
    const RuntimeCell *early_streams     # premature resets of HTTP/2 streams: how many streams decide; NULL: Envoy's default
    const RuntimeCell *early_s           # ... and how long a stream lives at least that is not premature
    bint use_remote_address
    uint32_t trusted_hops
    bint skip_xff_append
    IpAddress local_address        # what a loopback peer is called in x-forwarded-for
    bint append_x_forwarded_port
    uint8_t forward_cert           # ForwardCert
    uint8_t cert_details           # CertDetail bits
    IpSource *ip_sources
    uint8_t ip_sources_len         # 0: none, x-forwarded-for is read in the usual way
    Mutation *early                # early_header_mutation_extensions, one after the other
    uint16_t early_len
    RouterConf router
    Cidr *internal
    uint16_t internal_len
    bint internal_unix
    bint generate_request_id
    bint preserve_request_id
    bint request_id_in_response
    bint pack_trace_reason
    bint proxy_100_continue
    bint normalize_path
    bint merge_slashes
    uint8_t escaped_slashes
    bint strip_matching_port
    bint strip_any_port
    bint strip_trailing_dot
    UpgradeRule *upgrades
    uint16_t upgrades_len
    Regex *regexes                 # of its matchers, to be freed with it
    FilterConf *filters
    void **filter_settings         # of each filter
    uint8_t filters_len
    uint32_t filters_on            # bit n: the n-th filter runs unless a route says otherwise
    uint32_t request_bodies        # bit n: the n-th filter has a data hook
    uint32_t response_bodies
    LogConf *logs
    uint8_t logs_len
    Format *reply_format           # local_reply_config.body_format; NULL: the body as it is
    Span reply_content_type
    ReplyMapper *mappers
    uint16_t mappers_len

cdef enum ListenerFilterKind:
    LISTENER_TLS_INSPECTOR
    LISTENER_HTTP_INSPECTOR
    LISTENER_PROXY_PROTOCOL
    LISTENER_ORIGINAL_DST
    LISTENER_ORIGINAL_SRC
    LISTENER_LOCAL_RATELIMIT

cdef struct TlvRule:
    # A TLV's value becomes dynamic metadata, or a member of one map in filter state.
    Span namespace
    Span key

cdef struct ListenerFilter:
    # What looks at a connection before a filter chain has it.
    uint8_t kind                   # ListenerFilterKind
    uint32_t stats[LISTENER_FILTER_STATS]
    bint optional                  # proxy_protocol: a connection without a header is taken too
    uint8_t refused                # proxy_protocol: 1 << version of those that are not taken
    const uint8_t *passes          # proxy_protocol: a bit for each type of TLV that is kept for hosts; NULL: none is
    const TlvRule **tlv_rules      # proxy_protocol: of each of 256 types, NULL: none; NULL: no type has one
    bint tlvs_to_state             # ... in filter state
    uint32_t hello_max             # tls_inspector: bytes of a ClientHello with its records
    bint closes_others             # tls_inspector: what is no ClientHello is closed
    bint keeps_port                # original_src: hosts see the client's port too
    uint32_t mark                  # original_src: of the sockets towards hosts, 0 = none
    TokenBucket *bucket            # local_ratelimit: of all workers
    bint enabled                   # local_ratelimit
    const RuntimeCell *enabled_cell        # ... may say otherwise; NULL: no key
    const PortRule *disabled       # connections that pass it by; NULL: none does

cdef enum NetworkFilterKind:
    NETWORK_CONNECTION_LIMIT
    NETWORK_LOCAL_RATELIMIT
    NETWORK_SNI_CLUSTER
    NETWORK_RBAC
    NETWORK_SET_FILTER_STATE

cdef struct NetworkFilter:
    # What sees a new connection before the one that ends its filter chain.
    uint8_t kind                   # NetworkFilterKind
    uint32_t stats[NETWORK_FILTER_STATS]
    uint64_t most                  # connection_limit
    uint64_t delay_ms              # connection_limit: a refused connection is kept so long
    int64_t *used                  # connection_limit: atomic; of all workers and tables that have this filter, never freed
    TokenBucket *bucket            # local_ratelimit: of all workers
    bint enabled                   # of these two
    const RuntimeCell *enabled_cell        # ... may say otherwise; NULL: no key
    void *settings                 # of the other kinds, private to them

cdef enum ChainKind:
    # What ends a filter chain: who speaks with the client.
    CHAIN_HTTP                     # an HTTP connection manager
    CHAIN_TCP                      # a TCP proxy
    CHAIN_THRIFT                   # a Thrift proxy
    CHAIN_ECHO                     # sends back what comes
    CHAIN_DIRECT                   # says `text` and ends

cdef struct TcpConf:
    # TcpProxy; times in ms, 0 = off.
    uint32_t stats[TCP_STATS]
    uint32_t *choices              # clusters' slots
    uint32_t *weights              # of `choices`
    const Criteria **criteria      # of `choices`: which subset of the hosts is wanted; NULL: any
    uint32_t choices_len           # at least one
    uint64_t total_weight
    uint32_t connect_attempts
    uint64_t backoff_ms            # before another try; 0 = at once
    uint64_t backoff_max_ms
    bint waits_for_bytes           # a host is dialled when the client has said something
    uint32_t early_bytes           # ... of which so much is read before the host is there
    bint waits_for_tls             # ... when the client's handshake is over
    bint drain_close               # sessions end with the next bytes once the listener drains
    bint log_started               # one line more, at once
    Span tlvs                      # for PROXY headers of hosts, when the client's connection began with none
    const TunnelConf *tunnel       # NULL: hosts get the bytes as they are
    uint64_t idle_ms
    uint64_t duration_ms
    double duration_jitter         # a share of it, by which it may be longer
    HashPolicy *hash               # NULL: none
    uint64_t log_every_ms          # a line so often while it lives, 0 = none
    bint log_connected             # one line more, when the upstream is connected
    LogConf *logs
    uint8_t logs_len
    Regex *regexes                 # of its matchers, to be freed with it

cdef struct ThriftConf:
    # ThriftProxy.
    uint32_t stats[THRIFT_STATS]
    uint32_t rq_time               # a histogram
    uint8_t transport              # ThriftTransport and ThriftProtocol; AUTO: as the first message says
    uint8_t protocol
    bint count_passing             # payload_passthrough: what passes unread is counted
    uint32_t max_requests          # per connection, 0 = no limit
    bint stays_open                # a failure of the upstream is answered, and the connection goes on
    bint keeps_case                # header_keys_preserve_case
    ThriftFilter *filters          # before the router, in order
    uint32_t filters_len
    const ThriftRetry *retry       # NULL: no call is tried again
    ThriftRouteTable *routes       # a reference
    LogConf *logs
    uint8_t logs_len
    Regex *regexes                 # of its filters and those of its logs, to be freed with it

cdef struct ChainConf:
    # One filter chain: what is done with the connections that it matches.
    Span name
    Metadata metadata
    uint8_t kind                   # ChainKind
    HcmConf *hcm                   # CHAIN_HTTP
    TcpConf *tcp                   # CHAIN_TCP
    ThriftConf *thrift             # CHAIN_THRIFT
    TlsSlot *tls                   # NULL: plain bytes
    Span text                      # CHAIN_DIRECT
    NetworkFilter *filters         # before it, in order
    uint32_t filters_len
    bint guarded                   # some of them have rules
    bint by_server_name            # sni_cluster: the name that the client asked for is the cluster's
    uint32_t was                   # 1 + its place in the table before this one, when connections cannot tell the two apart; 0: it is new

cdef struct ListenerConf:
    Arena arena
    int64_t refs                   # atomic
    uint32_t index                 # its slot in every worker
    Span name
    IpAddress address              # as bound
    uint32_t stats[LISTENER_STATS]
    uint32_t cx_length
    IpAddress *more                # further addresses as bound
    uint32_t more_len
    Tally *open                    # connections of all workers; outlives the table
    Shares *shares                 # the same of each worker, who have equally many; NULL: they have what the kernel gives them
    int accepts                    # connections that are accepted at once
    uint32_t accepted_at_once      # a histogram
    LogConf *logs                  # a line for each connection, and for those that no chain takes
    uint8_t logs_len
    const RuntimeCell *most        # of them; unset: no limit
    const RuntimeCell *most_of_all        # of all listeners; NULL: this one does not care
    bint hand_over                 # use_original_dst: a redirected connection is that of the listener it was meant for
    Metadata metadata
    uint32_t buffer_limit
    bint modify_only               # drain_type: a failing health check does not drain it
    void *kept                     # what bind/ keeps alive with this table, NULL: nothing
    void (*let_go)(void *kept) noexcept nogil
    ChainConf *chains
    uint32_t chains_len            # at least one
    ChainIndex *choose             # which chain takes a connection; NULL: the one there is, or `matcher` says it
    ListenerFilter *filters        # in order
    uint32_t filters_len
    uint64_t filters_ms            # how long they may take; 0: as long as they like
    bint filters_continue          # ... and then the connection goes on
    MatchTree *matcher             # the same by a tree, whose actions are places in `chains`; NULL: none
    uint32_t fallback              # 1 + the default chain's place; 0: there is none
    Regex *regexes                 # of `matcher` and of rules, to be freed with it

cdef struct RouteSet:
    # The route tables of a listener's chains; they are replaced together, and alone.
    int64_t refs                   # atomic
    uint32_t len
    RouteTable **tables            # a reference each; NULL: a chain that does not speak HTTP

cdef struct QueueConf:
    # Requests above max_requests wait here; an extension of ours.
    uint32_t most                  # per worker and priority
    uint32_t deadline_ms
    bint adaptive                  # newest first and `target_ms` at most, while it has not been empty for `interval_ms`
    uint32_t target_ms
    uint32_t interval_ms

cdef enum UpstreamProtocol:
    UPSTREAM_HTTP1
    UPSTREAM_HTTP2
    UPSTREAM_AS_DOWNSTREAM         # what the client speaks
    UPSTREAM_AUTO                  # what each connection's TLS handshake settles

cdef struct OriginalDstConf:
    # Where a request names its host; the first that says something counts.
    Span header                    # lower case; empty: none
    Span namespace                 # of dynamic metadata; empty: none
    Span *path
    uint16_t path_len
    uint16_t port                  # in place of the one that was named; 0 = none
    uint64_t cleanup_ms            # hosts that nobody asked for in so long go
    uint32_t members[2]            # gauges: membership_total, membership_healthy; each worker adds its hosts

cdef struct AggregateConf:
    # A cluster made of others, in the order of their priority.
    uint32_t *members              # their slots in every worker
    uint32_t members_len

cdef struct NameRule:
    # UpstreamHttpProtocolOptions: what a request's host decides about TLS towards hosts.
    bint ask                       # auto_sni
    bint check                     # auto_san_validation
    Span header                    # override_auto_sni_header, lower case; empty: the request's host alone

cdef struct ClusterConf:
    const QueueConf *queue         # NULL: none
    Arena arena
    int64_t refs                   # atomic
    uint32_t index                 # its slot in every worker
    Span name
    Span stat_name
    Span from_zone                 # of the node: answers count by zone too; empty: none
    Metadata metadata
    uint32_t stats[CLUSTER_STATS]
    uint32_t codes                 # first of CODE_BLOCKS: upstream_rq_100 ... upstream_rq_599
    uint32_t external_codes
    uint32_t internal_codes
    uint32_t retried_codes
    uint32_t canary_codes
    uint32_t rq_time               # histograms
    uint32_t external_rq_time
    uint32_t internal_rq_time
    uint32_t cx_connect_ms
    uint32_t cx_length_ms
    uint32_t thrift_rq_time
    uint32_t thrift_rq_size
    uint32_t thrift_rs_size
    const Tracking *tracking       # histograms that somebody asked for; NULL: none
    const Preconnect *preconnect   # NULL: a connection per request that waits
    uint8_t thrift_transport       # of its hosts; AUTO: as the client speaks
    uint8_t thrift_protocol
    LbConf lb
    Regex *regexes                 # of its hash policies, to be freed with it
    uint32_t connect_ms
    uint64_t idle_ms
    uint64_t tcp_idle_ms           # of pooled connections that carry no HTTP
    uint64_t max_connection_ms
    uint32_t max_stream_ms
    uint32_t max_requests          # per connection, 0 = no limit
    uint32_t buffer_limit
    Http1Options http1
    Http2Options http2
    uint32_t http2_stats[HTTP2_COUNTS]      # unless it speaks HTTP/1 alone
    uint8_t protocol               # UpstreamProtocol
    bint send_full_url
    bint keepalive
    uint32_t keepalive_probes
    uint32_t keepalive_time_s
    uint32_t keepalive_interval_s
    Dial dial
    const ProxyOut *says           # PROXY header for its hosts; NULL: none
    OutlierConf *outlier           # NULL: nobody watches its hosts
    TlsSlot *tls                   # NULL: plain bytes
    TlsSlot **sockets              # transport_socket_matches, see Host.socket; NULL: plain bytes
    uint32_t sockets_len
    const ProxyOut **socket_says   # ... and the PROXY header of each; NULL: none
    const NameRule *names          # NULL: requests bring no names of servers
    const RuntimeCell *use_retry   # share of the retries that are made
    const RuntimeCell *base_backoff_ms     # in place of 25, where the policy says nothing
    int64_t maintenance            # atomic; percent of the requests that are refused
    double drop_share              # of the requests (drop_overloads), 0 to 1
    const RuntimeCell *drop_most   # percent, above which it does not count
    const RetryPolicy *retry       # of routes that say nothing; NULL: none
    const HashPolicy *hash         # in place of the route's; NULL: none
    MirrorPolicy *mirrors          # in place of the route's
    uint16_t mirrors_len           # 0: the route's
    bint own_pools                 # a client's connection has connections to hosts of its own
    bint drains_on_change          # pools begin anew when a host comes or goes
    bint cuts_on_failure           # a host that fails loses the TCP connections that were proxied to it
    const OriginalDstConf *original_dst    # NULL: hosts come from a host set
    const AggregateConf *aggregate         # NULL: it has hosts of its own
    Breaker *breakers              # two: default and high; they outlive a change of the rest

cdef inline const TlsSlot *cluster_tls(const ClusterConf *conf, const Host *host) noexcept nogil:
    # How this host is reached; NULL: by plain bytes.
    return conf.tls if host.socket == 0 else conf.sockets[host.socket - 1]

cdef inline const ProxyOut *cluster_says(const ClusterConf *conf, const Host *host) noexcept nogil:
    # The PROXY header that this host is sent first; NULL: none.
    return conf.says if host.socket == 0 else conf.socket_says[host.socket - 1]

cdef void listener_conf_unref(ListenerConf *conf) noexcept nogil
cdef RouteSet *route_set_new(uint32_t len) noexcept nogil             # refs = 1, no tables; NULL: no memory
cdef void route_set_unref(RouteSet *routes) noexcept nogil
cdef void cluster_conf_unref(ClusterConf *conf) noexcept nogil
