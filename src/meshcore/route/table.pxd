# Route table: virtual hosts and routes, compiled once and immutable; which route serves a request head.
#
# Built on the main thread by bind/routes.pyx into the table's own arena, shared by all workers without locks, freed with the arena.
# `route_find` gives what Envoy's linear first-match walk gives, at a cost that does not grow with the number of routes or hosts.
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from meshcore.base.arena cimport Arena
from meshcore.base.random cimport Random
from meshcore.base.runtime cimport RuntimeCell, RuntimeFraction
from meshcore.base.span cimport Span
from meshcore.codec.head cimport Head
from meshcore.observe.format cimport Format
from meshcore.observe.metadata cimport Metadata
from meshcore.observe.record cimport Record
from meshcore.route.criteria cimport Criteria
from meshcore.route.domain_index cimport Domain
from meshcore.route.hash_policy cimport HashPolicy
from meshcore.route.label cimport Label
from meshcore.route.match_tree cimport MatchTree
from meshcore.route.matcher cimport HeaderMatcher, QueryMatcher
from meshcore.route.mutation cimport Mutation
from meshcore.route.rate_limit cimport RateRules
from meshcore.route.regex cimport Regex
from meshcore.route.stream_matcher cimport StreamMatcher

cdef enum PathKind:
    PATH_PREFIX
    PATH_EXACT
    PATH_REGEX
    PATH_SEPARATED_PREFIX
    PATH_CONNECT

cdef enum RouteKind:
    ROUTE_FORWARD
    ROUTE_REDIRECT
    ROUTE_DIRECT

cdef enum RetryOn:
    RETRY_5XX = 1 << 0
    RETRY_GATEWAY_ERROR = 1 << 1
    RETRY_CONNECT_FAILURE = 1 << 2
    RETRY_RETRIABLE_4XX = 1 << 3
    RETRY_REFUSED_STREAM = 1 << 4
    RETRY_RETRIABLE_STATUS_CODES = 1 << 5
    RETRY_RESET = 1 << 6
    RETRY_RETRIABLE_HEADERS = 1 << 7
    RETRY_ENVOY_RATELIMITED = 1 << 8
    RETRY_RESET_BEFORE_REQUEST = 1 << 9
    RETRY_GRPC_CANCELLED = 1 << 10
    RETRY_GRPC_DEADLINE_EXCEEDED = 1 << 11
    RETRY_GRPC_RESOURCE_EXHAUSTED = 1 << 12
    RETRY_GRPC_UNAVAILABLE = 1 << 13
    RETRY_GRPC_INTERNAL = 1 << 14

cdef struct ResetHeader:
    Span name                      # lower case
    bint is_timestamp              # seconds since 1970; else seconds to wait

cdef enum:                         # HostRefusal: hosts to which another try does not go
    REFUSE_PREVIOUS = 1            # had a try already
    REFUSE_CANARY = 2
    REFUSE_LABELS = 4              # hold all of RetryPolicy.labels

cdef struct RetryPolicy:
    uint32_t on                    # RetryOn bits
    uint32_t num_retries
    uint32_t per_try_timeout_ms    # 0 = off
    uint32_t per_try_idle_timeout_ms
    uint32_t base_ms
    uint32_t max_ms
    const uint16_t *codes          # retriable status codes
    uint16_t codes_len
    uint16_t headers_len
    const HeaderMatcher *headers   # retriable response headers
    const HeaderMatcher *request_headers
    uint16_t request_headers_len
    uint16_t resets_len
    const ResetHeader *resets      # response headers that say how long to wait
    uint64_t reset_max_ms          # ... unless it is longer than this
    bint reselects                 # any of the next four is set
    uint8_t refuse                 # HostRefusal bits
    uint32_t host_attempts         # how often a refused host is replaced by another choice
    const Label *labels
    uint16_t labels_len
    uint32_t priority_frequency    # after so many tries the priorities that had them take no more load; 0 = never

cdef struct HedgePolicy:
    uint32_t initial               # tries that begin at once, at least 1
    uint32_t chance                # of one more: numerator; denominator 0 = none
    uint32_t chance_of
    bint on_try_timeout            # a try that takes too long goes on beside the next

cdef struct MirrorPolicy:
    Span cluster
    int32_t index                  # filled at publication, as ClusterChoice.index
    Span cluster_header            # lower case; set instead of cluster
    RuntimeFraction fraction
    bint keep_host                 # the host gets no "-shadow"
    Span host                      # replaces the host; empty: it does not
    const Mutation **mutations
    uint16_t mutations_len

cdef enum:                         # RedirectPredicate bits
    REDIRECT_PREVIOUS_ROUTES = 1   # never twice from one route to the same other one
    REDIRECT_SAFE_CROSS_SCHEME = 2  # never from plain text to TLS
    REDIRECT_ALLOW_LISTED = 4      # only to the routes in `allowed`

cdef struct InternalRedirect:
    uint32_t most                  # redirects of one request
    uint16_t codes[5]              # statuses that are followed
    uint8_t codes_len
    uint8_t predicates             # RedirectPredicate bits
    bint cross_scheme
    const Span *allowed            # route names
    uint16_t allowed_len
    const Span *headers            # lower case; copied from the response to the new request
    uint16_t headers_len

cdef struct Rewrite:
    # At most one of the four is set; the query string is never touched.
    Span prefix                    # prefix rewrite: replaces what the route's path matched
    const Regex *regex             # regex rewrite: all non-overlapping matches
    Span substitution              # with \1 .. \9
    Span path                      # the whole path (redirects)
    const Format *format           # the whole path (path_rewrite)

cdef struct RouteFilters:
    # What typed_per_filter_config changes in the connection manager's HTTP filters, all levels folded in; bit n is the n-th filter.
    uint32_t off
    uint32_t on                    # filters that the connection manager has switched off
    void **settings                # of each filter, NULL: its own

cdef struct ClusterChoice:
    int32_t index                  # filled at publication: the cluster's slot in every worker, -1 = not known by that name
    uint32_t until                 # cumulative weight: chosen when random % total < until
    Span name
    const Mutation *mutation       # NULL: none
    const Criteria *criteria       # subset wanted; NULL: none
    const RouteFilters *filters    # NULL: those of the route
    Span host_rewrite
    Span cluster_header            # lower case: names the cluster; `name` is empty
    uint32_t weight
    const RuntimeCell *weight_now  # NULL: `weight`

cdef inline ClusterChoice *choice_at(ClusterChoice *choices, uint16_t n, uint32_t total, uint64_t random) noexcept nogil:
    # By weight; there is at least one choice.
    cdef uint32_t at
    cdef uint16_t i
    if n > 1 and total > 0:
        at = <uint32_t>(random % total)
        for i in range(n):
            if at < choices[i].until:
                return &choices[i]
    return choices

cdef struct UpgradeRule:
    Span type                      # lower case
    bint enabled

cdef enum:                         # ScopeStat
    # What a virtual cluster, or a route with a stat_prefix, counts of its requests.
    SCOPE_RQ_TOTAL
    SCOPE_RQ_TIMEOUT
    SCOPE_RQ_RETRY
    SCOPE_RQ_RETRY_SUCCESS
    SCOPE_RQ_RETRY_OVERFLOW
    SCOPE_RQ_RETRY_LIMIT_EXCEEDED
    SCOPE_RQ_COMPLETED
    SCOPE_RQ_1XX                   # the five classes
    SCOPE_RQ_2XX
    SCOPE_RQ_3XX
    SCOPE_RQ_4XX
    SCOPE_RQ_5XX
    SCOPE_STATS

cdef struct Scope:
    # Slots in every worker's counters, given at publication.
    uint32_t stats[SCOPE_STATS]
    uint32_t codes                 # first of CODE_BLOCKS: upstream_rq_100 ... upstream_rq_599
    uint32_t rq_time               # histogram

cdef struct VirtualCluster:
    Span name
    const HeaderMatcher *headers
    uint16_t headers_len           # 0: "other", what no virtual cluster takes
    Scope scope

cdef struct Route:
    # What every request reads stands first, in two lines of the cache: with many routes each of them is a miss.
    VirtualHost *host
    const RouteFilters *filters    # NULL: the connection manager's filters as they are
    ClusterChoice *choices         # one for `cluster`
    const RetryPolicy *retry       # NULL: none (the virtual host's is already folded in)
    const HedgePolicy *hedge       # NULL: none (the virtual host's is already folded in)
    const InternalRedirect *internal_redirect      # NULL: redirects go to the client
    int64_t timeout_ms             # 0 = off
    int64_t idle_timeout_ms        # -1 = not set
    const HashPolicy *hash         # for hashing balancers; NULL: none
    Span name
    int64_t body_limit             # of the request body kept for another try; -1 = not set
    uint32_t total_weight
    uint16_t choices_len
    uint16_t mirrors_len
    uint16_t upgrades_len
    uint8_t mutations_len
    uint8_t kind                   # RouteKind
    uint8_t path_kind              # PathKind
    # These are booleans.
    uint8_t scoped                 # it has a scope, or its host has virtual clusters
    uint8_t new_timeouts           # max_stream_duration stands there: `timeout` does not count
    uint8_t weight_by_hash         # ... chooses, not a random number
    uint8_t rewrites               # host or path; route_table_index knows
    uint8_t auto_host_rewrite
    uint8_t connect_terminate
    uint8_t connect_allow_post
    # what matches
    uint32_t order                 # position in the virtual host, first = 0
    bint case_sensitive
    bint grpc
    Span path                      # as configured (lower case when not case-sensitive)
    const Regex *regex
    Span guard                     # PATH_REGEX: what every path that matches begins with
    bint whole_path                # PATH_REGEX: path parameters count here
    const HeaderMatcher *headers
    const QueryMatcher *query
    uint16_t headers_len
    uint16_t query_len
    RuntimeFraction fraction
    const StreamMatcher *stream    # NULL: no condition upon the stream
    # any kind
    Metadata metadata              # as configured, for formats
    Span stat_prefix
    Scope *scope                   # NULL: no stat_prefix
    # most specific first (weighted cluster apart): route, virtual host, table; route/finalize applies them in Envoy's order
    const Mutation *mutations[3]
    const RateRules *rate_rules    # NULL: none
    bint include_host_rates        # those of the virtual host count as well
    # forward
    bint priority_high
    bint runtime_weights           # some choice has a weight_now
    Span cluster_header            # lower case; set instead of choices
    Span weight_header             # lower case: the number that chooses; empty: a random one
    uint16_t cluster_not_found_code
    Rewrite rewrite                # forward and redirect
    Span host_rewrite
    Span host_rewrite_header
    const Regex *host_regex        # host_rewrite_path_regex: the path becomes the host
    Span host_substitution
    const Format *host_format      # host_rewrite
    bint append_x_forwarded_host
    int64_t max_duration_ms        # -1 = not set
    int64_t grpc_timeout_max_ms    # grpc-timeout decides instead, at most this (0 = no limit); -1 = it does not
    int64_t grpc_timeout_offset_ms
    bint body_limit_widens         # it may be more than the connection's limit
    const Criteria *criteria       # subset wanted with `cluster_header`; NULL: none
    MirrorPolicy *mirrors          # of the route, or else of its virtual host, or else of the table
    const UpgradeRule *upgrades
    # redirect
    Span scheme
    Span redirect_host
    uint16_t redirect_port
    bint strip_query
    # redirect and direct response
    uint16_t status
    Span body
    Span content_type
    const Format *body_format      # NULL: the body as it is

cdef struct RouteRange:
    # Some routes of a host, side by side: what a match tree chooses.
    uint32_t first
    uint32_t len
    void *index                    # HostIndex

cdef struct VirtualHost:
    void *index                    # HostIndex of all routes; NULL with a tree
    const MatchTree *tree          # chooses one of `lists`, in which the first match wins; NULL: none
    Route *routes                  # in configured order
    Span name
    const RouteTable *table
    uint8_t require_tls            # 0 none, 1 external only, 2 all
    uint8_t attempt_count_request  # a boolean, like the next two
    uint8_t attempt_count_response
    uint8_t timeout_retry_header
    uint16_t clusters_len
    uint32_t routes_len
    VirtualCluster *clusters       # in configured order, then "other"; NULL: none
    RouteRange *lists
    uint32_t lists_len
    const RateRules *rate_rules    # NULL: none
    Metadata metadata

cdef struct RouteTable:
    Arena arena
    Span name
    VirtualHost *hosts
    uint32_t hosts_len
    const Domain *names            # what the builder was told; route_table_index compiles it
    uint32_t names_len
    void *domains                  # compiled domain index (private to table.pyx)
    void *scopes                   # ScopeIndex: the request's key chooses a table that has hosts; NULL: this one has them
    Regex *regexes                 # all that the table owns
    bint ignore_port
    bint ignore_path_parameters
    bint most_specific_wins
    Span vhost_header              # lower case: stands for the host; empty: none
    const Span *internal_only      # lower-case header names to strip from external requests
    uint16_t internal_only_len
    int64_t refs                   # atomic: whoever may still read it

cdef RouteTable *route_table_new() noexcept nogil                             # refs = 1; NULL: no memory
cdef bint route_table_index(RouteTable *table) noexcept nogil                 # builds the indexes after hosts and routes were filled
cdef void route_table_unref(RouteTable *table) noexcept nogil                 # any thread
cdef int64_t route_tables_live() noexcept nogil                               # tables of the process that are not freed yet

cdef const RouteTable *route_table_of(const RouteTable *table, Head *request) noexcept nogil     # of the request's scope; NULL: none
cdef VirtualHost *host_find(const RouteTable *table, Span authority) noexcept nogil              # NULL: none, not even "*"
cdef VirtualHost *host_of(const RouteTable *table, Head *request) noexcept nogil                 # the same, by vhost_header where there is one
cdef VirtualCluster *virtual_cluster(const VirtualHost *host, Head *request) noexcept nogil      # the first that matches; NULL: it has none
# `random`: for runtime fractions; same number for the whole walk. NULL: no route.
# `record`: what else is known of the stream, for conditions upon it.
cdef Route *route_find(const VirtualHost *host, Head *request, const Record *record, uint64_t random) noexcept nogil
cdef ClusterChoice *route_choose(const Route *route, uint64_t random) noexcept nogil             # weighted choice; NULL with cluster_header
cdef ClusterChoice *route_choose_for(const Route *route, Head *request, uint64_t random) noexcept nogil      # ... by weight_header where there is one
cdef bint request_is_grpc(Head *request) noexcept nogil                       # by its content-type
# The path that goes upstream (query kept), in `arena`; returns path itself when nothing is to be rewritten.
cdef Span route_rewrite_path(const Route *route, Span path, Arena *arena) noexcept nogil
# The Location of a redirect, in `arena`.
cdef Span route_redirect_location(const Route *route, Head *request, Arena *arena) noexcept nogil
