# Host sets: who can serve a cluster, by priority, health and locality.
#
# A HostSet is immutable and replaced as a whole when membership, weights or health change; the Hosts in it are carried over, so pools
# survive. What can be known in advance is computed when it is built: which hosts are healthy, how the load divides over priorities, who is
# in panic, where zones send what, the rings and tables of the hashing balancers. Built on the main thread without the GIL, read by workers,
# freed with the last reference. A subset is a HostSet of its own, owned by the whole one.
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from meshcore.base.span cimport Span
from meshcore.cluster.host cimport Host

cdef struct HostList:
    # What a policy chooses from.
    Host **hosts
    uint32_t *weights
    uint32_t len
    uint32_t id                    # its number among all lists of the set and its subsets; workers keep their state by it
    bint weighted                  # weights differ
    uint32_t heaviest              # the greatest weight

cdef struct Locality:
    # The hosts of one place in one priority.
    HostList hosts
    HostList healthy
    HostList degraded
    uint32_t excluded_len
    uint32_t weight                # load_balancing_weight of the place; 0 = none
    double healthy_weight          # weight by availability, for locality-weighted balancing
    double degraded_weight

cdef struct Priority:
    HostList hosts
    HostList healthy
    HostList degraded
    uint32_t excluded_len
    uint64_t excluded_weight
    Locality *localities           # the proxy's own place first (if has_local), then by name
    uint32_t localities_len
    bint has_local
    bint localities_weighted       # some place has a weight
    bint panic                     # too few hosts are healthy: all of them share its load
    uint32_t healthy_edf           # numbers of its locality schedules, as HostList.id
    uint32_t degraded_edf
    uint8_t healthy_percent        # availability, capped at 100
    uint8_t degraded_percent
    void *table                    # ring or Maglev table of a hashing balancer; NULL: none

cdef struct PriorityLoad:
    # How 100 % of the load divide; a retry may bring its own.
    uint8_t *healthy               # one entry per priority
    uint8_t *degraded

cdef enum ZoneRoute:
    ZONE_OFF                       # no zone-aware routing
    ZONE_DIRECT                    # everything stays in the proxy's own place
    ZONE_RESIDUAL                  # a share stays, the rest goes where there is room

cdef struct ZoneRouting:
    # Of priority 0; computed against the cluster of the proxies themselves.
    uint8_t route                  # ZoneRoute
    bint too_small                 # off because it has too few healthy hosts
    bint local_panic               # the proxies' own cluster is in panic
    uint32_t local_share           # of 10,000
    uint64_t *residual             # cumulative room of each locality

cdef struct Group:
    # One locality of one priority, as the builder is told; sorted by priority, then own place first, then by name.
    uint32_t priority
    uint32_t weight
    bint local

cdef struct Member:
    # One host of a set, as the builder is told; in configured order.
    Host *host
    uint32_t weight
    uint32_t group                 # index of its Group

cdef struct Shape:
    # The rest of what the builder is told.
    const Group *groups
    uint32_t groups_len
    uint32_t priorities            # at least 1
    uint32_t overprovisioning      # percent, 140 in Envoy
    bint weighted_health           # availability counts weights instead of hosts
    bint plain                     # a subset that does not know the weights of localities

cdef struct HostSet:
    int64_t refs                   # atomic
    Priority *priorities
    uint32_t priorities_len
    uint32_t len                   # all hosts
    uint32_t healthy_len
    uint32_t degraded_len
    uint32_t excluded_len
    uint32_t slots                 # one more than the highest Host.slot
    uint32_t overprovisioning
    bint weighted_health
    bint plain
    uint32_t lists_len             # lists and locality schedules of it and of its subsets
    Host **hosts                   # all, by priority
    PriorityLoad load
    ZoneRouting zones
    void (*free_table)(void *table) noexcept nogil
    uint32_t *by_text              # places in `hosts`, plus one, by the hash of their addresses' texts; NULL: no index
    uint32_t by_text_mask
    void *subsets                  # of the subset balancer (subset.pyx); NULL: none
    void (*free_subsets)(void *subsets) noexcept nogil

# A set of these members with one reference of its own to each host; list numbers begin at `first_id`. NULL: no memory.
cdef HostSet *host_set_new(const Member *members, uint32_t n, const Shape *shape, uint32_t first_id) noexcept nogil
cdef void host_set_unref(HostSet *hosts) noexcept nogil
cdef bint host_set_index(HostSet *hosts) noexcept nogil                # so that host_set_find answers, where many are; False: no memory
cdef Host *host_set_find(const HostSet *hosts, Span text) noexcept nogil   # by "10.0.0.1:80"; NULL: none
