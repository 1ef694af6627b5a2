# Balancer: the one interface behind which every load-balancing policy stands.
#
# One value per worker and cluster, no locks. A pick goes from the set to a priority (by load), from there to a list of hosts (panic, place,
# zone, health), and the policy chooses from that list. The hashing policies choose from a table that the host set carries. A policy is one
# file with one BalancerOps; what it remembers of a list is in that list's Lane. `balancer_reset` is called with each new host set, before the
# next pick. Worker thread; `balancer_prepare` belongs to the main thread.
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from meshcore.base.clock cimport Clock
from meshcore.base.random cimport Random
from meshcore.cluster.breaker cimport Breaker
from meshcore.base.runtime cimport RuntimeCell, runtime_integer
from meshcore.base.span cimport Span
from meshcore.cluster.edf cimport Edf
from meshcore.cluster.host cimport Host
from meshcore.cluster.host_set cimport HostList, HostSet, Priority, PriorityLoad
from meshcore.observe.record cimport IpAddress
from meshcore.route.criteria cimport Criteria
from meshcore.route.hash_policy cimport HashPolicy

cdef enum BalancerKind:
    LB_ROUND_ROBIN
    LB_LEAST_REQUEST
    LB_RANDOM
    LB_RING_HASH
    LB_MAGLEV
    LB_PEAK_EWMA
    LB_LEAST_LATENCY

cdef enum:                         # LbStat: cluster.<name>.*, slots in LbConf.stats; the same order as in conf/stat_ids
    LB_HEALTHY_PANIC
    LB_LOCAL_CLUSTER_NOT_OK
    LB_ZONE_NO_CAPACITY_LEFT
    LB_ZONE_ROUTING_ALL_DIRECTLY
    LB_ZONE_ROUTING_CROSS_ZONE
    LB_ZONE_ROUTING_SAMPLED
    LB_SUBSETS_SELECTED
    LB_SUBSETS_FALLBACK
    LB_SUBSETS_FALLBACK_PANIC
    LB_STATS

cdef enum WantedHealth:
    WANTED_HEALTHY = 1
    WANTED_DEGRADED = 2
    WANTED_UNHEALTHY = 4
    WANTED_DRAINING = 8
    WANTED_UNKNOWN = 16            # nobody has said anything of its health
    WANTED_TIMEOUT = 32

cdef struct OverrideSource:
    # Where a request names the hosts that it wants: a header, or dynamic metadata.
    Span header                    # lower case; empty: metadata
    Span namespace
    Span *path
    uint16_t path_len

cdef struct LbConf:
    # What a cluster says of its balancing; defaults are Envoy's.
    uint8_t kind                   # BalancerKind
    const uint32_t *stats          # LB_STATS slots in every worker's counters
    const Breaker *breakers        # two, of the cluster: how many requests are active
    const RuntimeCell *panic_cell  # percent, when a set is made
    const RuntimeCell *zone_cell   # percent of the picks
    const RuntimeCell *zone_size_cell      # when a set is made
    uint32_t panic_percent         # below this share of healthy hosts all are used; 0 = never
    bint fail_on_panic             # ... or none
    bint locality_weighted
    # zone-aware routing
    double zone_percent            # of the picks; 0 = none
    uint64_t min_cluster_size
    uint32_t force_local_zone      # so many healthy hosts in the proxy's own place get everything; 0 = off
    bint zone_by_weight
    # slow start
    uint64_t slow_start_ms         # 0 = off
    double aggression
    const RuntimeCell *aggression_cell
    double slow_start_least        # share of the weight that a host has at once
    # least request, least latency
    uint32_t choice_count
    double active_request_bias
    const RuntimeCell *bias_cell
    bint full_scan
    # ring hash, Maglev
    uint64_t min_ring
    uint64_t max_ring
    bint murmur
    bint use_hostname
    uint32_t hash_balance_factor   # percent of the average load that a host may have; 0 = any
    uint64_t table_size
    HashPolicy *hash_policy        # instead of the route's; NULL: the route's
    # peak EWMA, least latency
    uint32_t decay_ms
    uint32_t default_latency_ms
    uint32_t queue_size
    # subsets
    uint8_t wanted_health          # WantedHealth bits of the hosts that a request may name itself (override_host_status)
    OverrideSource *overrides      # asked before the policy is
    uint16_t overrides_len         # 0: none
    const void *subsets            # SubsetConf (subset.pxd); NULL: none

cdef struct Pick:
    # What one choice knows of its request. Zeroed is a plain choice.
    uint64_t hash
    bint has_hash
    const Criteria *criteria       # subset wanted; NULL: none
    bint (*refuses)(Pick *pick, Host *host) noexcept nogil     # a host that is not wanted is chosen anew; NULL: all are
    void *owner                    # for `refuses`
    uint32_t retries               # how often `refuses` may say so (host_selection_retry_max_attempts)
    const PriorityLoad *load       # instead of the set's own (retry_priority); NULL: none
    const IpAddress *original      # where the client meant to go; NULL: not known
    Host *preferred                # of this set; taken unless it is unhealthy (override_host); NULL: none
    bint preferred_only            # ... and no other one

cdef struct Lane:
    # What a balancer remembers of one list.
    uint64_t index                 # next position
    Edf *edf                       # weighted order; NULL: none
    bint known                     # it was looked at: `edf` is made if it is needed

cdef struct Balancer:
    const BalancerOps *ops
    const LbConf *conf             # of the cluster's table
    HostSet *hosts                 # borrowed from the cluster; NULL: none known yet
    Random *random
    Clock *clock
    uint64_t *stats                # the worker's counters; NULL: none are kept
    uint64_t seed                  # where cycles begin, so that workers are not in step
    void *scratch                  # of bounded load
    Lane *lanes                    # by HostList.id; NULL until the first pick
    uint32_t lanes_len

cdef struct BalancerOps:
    # Exactly one of the two chooses. NULL answers: no host.
    Host *(*choose)(Balancer *balancer, const HostList *list, Lane *lane, Pick *pick) noexcept nogil
    Host *(*choose_from)(Balancer *balancer, const Priority *priority, uint64_t hash, uint32_t attempt) noexcept nogil
    # Builds Priority.table, on the main thread; NULL: it has none.
    bint (*prepare)(HostSet *hosts, const LbConf *conf) noexcept nogil
    # The weight of a host at this moment, for `balancer_schedule`; NULL: that of the list.
    double (*weight)(Balancer *balancer, const HostList *list, uint32_t i) noexcept nogil
    # A host has answered after so long; NULL: of no interest.
    void (*observe)(Balancer *balancer, Host *host, uint64_t took_ns) noexcept nogil

cdef void balancer_init(Balancer *balancer, const LbConf *conf, Random *random, Clock *clock, uint64_t *stats) noexcept nogil
cdef void balancer_reset(Balancer *balancer, HostSet *hosts) noexcept nogil
cdef void balancer_fini(Balancer *balancer) noexcept nogil

# A new set's loads and tables, before it is published. `local`: hosts of the proxies' own cluster; NULL: none. False: no memory for a table.
cdef bint balancer_prepare(HostSet *hosts, const LbConf *conf, const HostSet *local) noexcept nogil

# NULL: no host. Counts lb_healthy_panic and its like.
cdef Host *balancer_pick(Balancer *balancer, Pick *pick) noexcept nogil
cdef Host *balancer_pick_from(Balancer *balancer, HostSet *hosts, Pick *pick) noexcept nogil        # from the set or one of its subsets

# For policies that go by weight: the schedule of a list, NULL when plain order serves.
cdef Edf *balancer_schedule(Balancer *balancer, const HostList *list, Lane *lane) noexcept nogil
cdef double balancer_slow(Balancer *balancer, double weight, const Host *host) noexcept nogil        # less, while the host is in slow start

cdef inline uint32_t balancer_panic(const LbConf *conf) noexcept nogil:
    # Percent of healthy hosts below which all are used.
    cdef int64_t percent = runtime_integer(conf.panic_cell, conf.panic_percent)
    return 100 if percent > 100 else <uint32_t>percent

cdef inline bint balancer_hashes(const Balancer *balancer) noexcept nogil:
    # Whether a pick wants a hash.
    return balancer.ops.choose_from != NULL
