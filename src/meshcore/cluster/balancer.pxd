# Balancer: the one interface behind which every load-balancing policy stands.
#
# One value per worker and cluster, no locks. A pick goes from the set to a priority (by load), from there to a list of hosts (panic, place,
# zone, health), and the policy chooses from that list. The hashing policies choose from a table that the host set carries. A policy is one
# file with one BalancerOps; what it remembers of a list is in that list's Lane. `balancer_reset` is called with each new host set, before the
# next pick. Worker thread; `balancer_prepare` belongs to the main thread.
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from meshcore.base.clock cimport Clock
from meshcore.base.random cimport Random
from meshcore.cluster.edf cimport Edf
from meshcore.cluster.host cimport Host
from meshcore.cluster.host_set cimport HostList, HostSet, Priority, PriorityLoad
from meshcore.observe.record cimport IpAddress

cdef enum BalancerKind:
    LB_ROUND_ROBIN
    LB_RANDOM

cdef enum:                         # LbStat: cluster.<name>.*, slots in LbConf.stats
    LB_HEALTHY_PANIC
    LB_STATS

cdef struct LbConf:
    # What a cluster says of its balancing; defaults are Envoy's.
    uint8_t kind                   # BalancerKind
    const uint32_t *stats          # LB_STATS slots in every worker's counters
    uint32_t panic_percent         # below this share of healthy hosts all are used; 0 = never
    bint fail_on_panic             # ... or none
    bint locality_weighted

cdef struct Pick:
    # What one choice knows of its request. Zeroed is a plain choice.
    uint64_t hash
    bint has_hash
    const void *criteria           # subset wanted (subset.pxd); NULL: none
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
    Lane *lanes                    # by HostList.id; NULL until the first pick
    uint32_t lanes_len

cdef struct BalancerOps:
    # Exactly one of the two chooses. NULL answers: no host.
    Host *(*choose)(Balancer *balancer, const HostList *list, Lane *lane, Pick *pick) noexcept nogil
    Host *(*choose_from)(Balancer *balancer, const Priority *priority, uint64_t hash, uint32_t attempt) noexcept nogil
    # Builds Priority.table, on the main thread; NULL: it has none.
    bint (*prepare)(HostSet *hosts, const LbConf *conf) noexcept nogil

cdef void balancer_init(Balancer *balancer, const LbConf *conf, Random *random, Clock *clock, uint64_t *stats) noexcept nogil
cdef void balancer_reset(Balancer *balancer, HostSet *hosts) noexcept nogil
cdef void balancer_fini(Balancer *balancer) noexcept nogil

# A new set's loads and tables, before it is published. False: no memory for a table.
cdef bint balancer_prepare(HostSet *hosts, const LbConf *conf) noexcept nogil

# NULL: no host. Counts lb_healthy_panic and its like.
cdef Host *balancer_pick(Balancer *balancer, Pick *pick) noexcept nogil

# For policies that go by weight: the schedule of a list, NULL when plain order serves.
cdef Edf *balancer_schedule(Balancer *balancer, const HostList *list, Lane *lane) noexcept nogil
