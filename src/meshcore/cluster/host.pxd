# Hosts: one address of one cluster.
#
# A Host lives as long as a host set, a pool or a stream refers to it, and is shared by all workers: what changes in it is atomic. Its
# place (priority, weight, locality group) belongs to the host sets that hold it (host_set.pxd). Made on the main thread by bind/, read
# by workers.
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from meshcore.base.atomics cimport atomic_load
from meshcore.base.span cimport Span
from meshcore.cluster.outlier cimport Outlier
from meshcore.observe.metadata cimport Metadata
from meshcore.observe.record cimport IpAddress, Record

cdef enum:
    # Per-host counters, all atomic; names as in /clusters.
    HOST_CX_ACTIVE
    HOST_CX_TOTAL
    HOST_CX_CONNECT_FAIL
    HOST_RQ_ACTIVE
    HOST_RQ_TOTAL
    HOST_RQ_SUCCESS
    HOST_RQ_ERROR
    HOST_RQ_TIMEOUT
    HOST_STATS

cdef enum:
    # Why a host is less than healthy: bits of Host.health, in the order in which /clusters prints them.
    HEALTH_FAILED_ACTIVE = 1 << 0          # active checks: /failed_active_hc
    HEALTH_FAILED_OUTLIER = 1 << 1         # outlier detection: /failed_outlier_check
    HEALTH_FAILED_EDS = 1 << 2             # UNHEALTHY or TIMEOUT in its configuration: /failed_eds_health
    HEALTH_DEGRADED_ACTIVE = 1 << 3        # active checks: /degraded_active_hc
    HEALTH_DEGRADED_EDS = 1 << 4           # DEGRADED in its configuration: /degraded_eds_health
    HEALTH_PENDING_DYNAMIC_REMOVAL = 1 << 5        # left the configuration, still passes checks
    HEALTH_PENDING_ACTIVE = 1 << 6         # no active check has answered yet: excluded from the count of hosts
    HEALTH_EXCLUDED = 1 << 7               # failed a check at once (x-envoy-immediate-health-check-fail): excluded likewise
    HEALTH_ACTIVE_TIMEOUT = 1 << 8         # its last active check timed out; says why, changes nothing
    HEALTH_DRAINING_EDS = 1 << 9           # DRAINING in its configuration: unhealthy and excluded
    HEALTH_DEGRADED_OUTLIER = 1 << 10
    HEALTH_SAID_HEALTHY = 1 << 11          # its configuration says so, where it might say nothing
    HEALTH_SAID_TIMEOUT = 1 << 12          # ... that it is unhealthy for want of answers

    HEALTH_UNHEALTHY_BITS = HEALTH_FAILED_ACTIVE | HEALTH_FAILED_OUTLIER | HEALTH_FAILED_EDS | HEALTH_DRAINING_EDS
    HEALTH_DEGRADED_BITS = HEALTH_DEGRADED_ACTIVE | HEALTH_DEGRADED_EDS | HEALTH_DEGRADED_OUTLIER
    HEALTH_EXCLUDED_BITS = HEALTH_PENDING_ACTIVE | HEALTH_EXCLUDED | HEALTH_DRAINING_EDS
    HEALTH_SAID_BITS = HEALTH_SAID_HEALTHY | HEALTH_SAID_TIMEOUT
    HEALTH_CONFIGURED_BITS = HEALTH_FAILED_EDS | HEALTH_DEGRADED_EDS | HEALTH_DRAINING_EDS | HEALTH_SAID_BITS     # the configuration decides

cdef enum HostHealth:
    # As Envoy's Host::coarseHealth.
    HOST_UNHEALTHY
    HOST_DEGRADED
    HOST_HEALTHY

cdef struct Host:
    int64_t refs                   # atomic
    int64_t health                 # atomic; HEALTH_* bits, 0 = healthy
    int64_t healthy_ns             # atomic; monotonic: since when it is healthy, for slow start; 0 = not known yet
    int64_t latency_ns             # atomic; peak EWMA of its response times, 0 = none seen
    int64_t latency_at_ns          # atomic; when latency_ns was last updated
    IpAddress address
    const IpAddress *dials         # what is dialled, in this order; mostly `address` alone
    uint32_t dials_len
    Span text                      # "10.0.0.1:80", as logs and stats print it
    Span hostname
    Span region
    Span zone
    Span sub_zone
    Span metadata                  # JSON object: filter metadata by filter name; empty: none
    Metadata *facts                # the same as a tree, its own; NULL: none
    Span hash_key                  # envoy.lb's hash_key, for the hashing balancers; empty: its address
    bint canary                    # envoy.lb's canary
    uint32_t priority              # of the newest set that holds it
    uint32_t slot                  # its place in every worker's pool table of this cluster
    uint32_t socket                # how it is reached: 1 + a place among the cluster's transport_socket_matches; 0: as the cluster says
    Outlier *outlier               # NULL: nobody watches how it answers
    int64_t stats[HOST_STATS]      # atomic
    char bytes[128]                # text and path; the other strings follow the struct

cdef struct HostSpec:
    # What a host is made of; spans and addresses are copied.
    IpAddress address
    const IpAddress *dials         # NULL: `address`
    uint32_t dials_len
    Span hostname
    Span region
    Span zone
    Span sub_zone
    Span metadata
    Span hash_key
    bint canary
    uint32_t slot
    uint32_t socket

cdef Host *host_new(const HostSpec *spec) noexcept nogil       # refs = 1; NULL: no memory
cdef void host_unref(Host *host) noexcept nogil

cdef inline int health_of(int64_t bits) noexcept nogil:
    if bits & HEALTH_UNHEALTHY_BITS:
        return HOST_UNHEALTHY
    return HOST_DEGRADED if bits & HEALTH_DEGRADED_BITS else HOST_HEALTHY

cdef inline void host_note(const Host *host, Record *record) noexcept nogil:
    # What logs and headers say of the upstream host, as long as somebody holds it.
    record.upstream_remote = <IpAddress *>&host.address
    record.upstream_hostname = host.hostname
    record.upstream_metadata = host.facts

cdef inline int host_health(const Host *host) noexcept nogil:
    return health_of(atomic_load(&host.health))
