"""Balancer: from a host set to one list of hosts. See balancer.pxd for the law."""
from libc.math cimport pow
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport calloc, free, malloc

from meshcore.base.atomics cimport atomic_load
from meshcore.base.clock cimport clock_ns
from meshcore.base.random cimport random_u64
from meshcore.base.runtime cimport runtime_number
from meshcore.cluster.edf cimport edf_new, edf_put_back, edf_top
from meshcore.cluster.host cimport HOST_UNHEALTHY, host_health
from meshcore.cluster.host_set cimport ZONE_OFF
from meshcore.cluster.lb_least_latency cimport lb_least_latency_ops
from meshcore.cluster.lb_least_request cimport lb_least_request_ops
from meshcore.cluster.lb_maglev cimport lb_maglev_ops
from meshcore.cluster.lb_peak_ewma cimport lb_peak_ewma_ops
from meshcore.cluster.lb_random cimport lb_random_ops
from meshcore.cluster.lb_ring_hash cimport lb_ring_hash_ops
from meshcore.cluster.lb_round_robin cimport lb_round_robin_ops
from meshcore.cluster.priority_load cimport priority_choose, priority_load_compute
from meshcore.cluster.subset cimport subset_pick
from meshcore.cluster.zone_routing cimport zone_routing_choose, zone_routing_compute
from meshcore.observe.counters cimport stat_inc

cdef enum:
    START_MAX = 1 << 20            # cycles begin at one of so many places
    NS_PER_MS = 1000000
    FRACTION = 1 << 20             # of draws against a percentage


cdef const BalancerOps *ops_of(uint8_t kind) noexcept nogil:
    if kind == LB_LEAST_REQUEST:
        return lb_least_request_ops()
    if kind == LB_RANDOM:
        return lb_random_ops()
    if kind == LB_RING_HASH:
        return lb_ring_hash_ops()
    if kind == LB_MAGLEV:
        return lb_maglev_ops()
    if kind == LB_PEAK_EWMA:
        return lb_peak_ewma_ops()
    if kind == LB_LEAST_LATENCY:
        return lb_least_latency_ops()
    return lb_round_robin_ops()


cdef inline void count(Balancer *balancer, int stat) noexcept nogil:
    if balancer.stats != NULL:
        stat_inc(balancer.stats, balancer.conf.stats[stat])


# --- life -----------------------------------------------------------------------------------------------------------


cdef void balancer_init(Balancer *balancer, const LbConf *conf, Random *random, Clock *clock, uint64_t *stats) noexcept nogil:
    balancer.ops = ops_of(conf.kind)
    balancer.conf = conf
    balancer.hosts = NULL
    balancer.random = random
    balancer.clock = clock
    balancer.stats = stats
    balancer.seed = random_u64(random) % START_MAX
    balancer.scratch = NULL
    balancer.lanes = NULL
    balancer.lanes_len = 0


cdef void drop_lanes(Balancer *balancer) noexcept nogil:
    cdef uint32_t i
    for i in range(balancer.lanes_len):
        free(balancer.lanes[i].edf)
    free(balancer.lanes)
    balancer.lanes = NULL
    balancer.lanes_len = 0


cdef void balancer_reset(Balancer *balancer, HostSet *hosts) noexcept nogil:
    # A set of the same shape goes on where the old one was, otherwise frequent updates would favour the first hosts.
    cdef uint32_t i
    if hosts == NULL or hosts.lists_len != balancer.lanes_len:
        drop_lanes(balancer)
    for i in range(balancer.lanes_len):
        free(balancer.lanes[i].edf)
        balancer.lanes[i].edf = NULL
        balancer.lanes[i].known = False
    balancer.hosts = hosts


cdef void balancer_fini(Balancer *balancer) noexcept nogil:
    drop_lanes(balancer)
    free(balancer.scratch)
    balancer.scratch = NULL


cdef bint balancer_prepare(HostSet *hosts, const LbConf *conf, const HostSet *local) noexcept nogil:
    cdef const BalancerOps *ops = ops_of(conf.kind)
    priority_load_compute(hosts, balancer_panic(conf))
    zone_routing_compute(hosts, local, conf)
    return ops.prepare == NULL or ops.prepare(hosts, conf)


cdef Lane *lane_of(Balancer *balancer, uint32_t id) noexcept nogil:
    cdef uint32_t i
    if balancer.lanes == NULL:
        balancer.lanes = <Lane *>calloc(balancer.hosts.lists_len, sizeof(Lane))
        if balancer.lanes == NULL:
            return NULL
        balancer.lanes_len = balancer.hosts.lists_len
        for i in range(balancer.lanes_len):
            balancer.lanes[i].index = balancer.seed
    return &balancer.lanes[id]


# --- weighted order -------------------------------------------------------------------------------------------------


cdef bint any_slow(Balancer *balancer, const HostList *list) noexcept nogil:
    cdef uint32_t i
    for i in range(list.len):
        if balancer_slow(balancer, 1.0, list.hosts[i]) < 1.0:
            return True
    return False


cdef Edf *balancer_schedule(Balancer *balancer, const HostList *list, Lane *lane) noexcept nogil:
    cdef double *weights
    cdef uint32_t i
    if lane.known or not (list.weighted or balancer.conf.slow_start_ms):
        return lane.edf
    lane.known = True
    if list.len == 1 or not (list.weighted or any_slow(balancer, list)):
        return NULL
    weights = <double *>malloc(list.len * sizeof(double))
    if weights == NULL:
        return NULL                # plain order is a worse share, not an outage
    for i in range(list.len):
        weights[i] = list.weights[i] if balancer.ops.weight == NULL else balancer.ops.weight(balancer, list, i)
    lane.edf = edf_new(weights, list.len, balancer.seed)
    free(weights)
    return lane.edf


cdef double balancer_slow(Balancer *balancer, double weight, const Host *host) noexcept nogil:
    # weight x max(least, (time / window) ^ (1 / aggression))
    cdef int64_t since = atomic_load(&host.healthy_ns) if balancer.conf.slow_start_ms else 0
    cdef int64_t age_ms
    cdef double factor
    cdef double aggression
    if since == 0:
        return weight
    age_ms = (<int64_t>clock_ns(balancer.clock) - since) // NS_PER_MS
    if age_ms >= <int64_t>balancer.conf.slow_start_ms:
        return weight
    factor = <double>(age_ms if age_ms > 1 else 1) / balancer.conf.slow_start_ms
    aggression = runtime_number(balancer.conf.aggression_cell, balancer.conf.aggression)
    if aggression > 0.0 and aggression != 1.0:
        factor = pow(factor, 1.0 / aggression)
    return weight * max(factor, balancer.conf.slow_start_least)


cdef int32_t choose_locality(Balancer *balancer, const Priority *priority, bint degraded) noexcept nogil:
    # By weight and availability; -1: no locality has any.
    cdef Lane *lane = lane_of(balancer, priority.degraded_edf if degraded else priority.healthy_edf)
    cdef double *weights
    cdef uint32_t i
    if lane == NULL or (lane.known and lane.edf == NULL):
        return -1
    if not lane.known:
        lane.known = True
        weights = <double *>malloc((priority.localities_len + 1) * sizeof(double))
        if weights == NULL:
            return -1
        for i in range(priority.localities_len):
            weights[i] = priority.localities[i].degraded_weight if degraded else priority.localities[i].healthy_weight
        lane.edf = edf_new(weights, priority.localities_len, balancer.seed)
        free(weights)
        if lane.edf == NULL:
            return -1
    i = edf_top(lane.edf)
    edf_put_back(lane.edf, priority.localities[i].degraded_weight if degraded else priority.localities[i].healthy_weight)
    return <int32_t>i


# --- choosing -------------------------------------------------------------------------------------------------------


cdef bint zone_drawn(Balancer *balancer) noexcept nogil:
    cdef double percent = <double>runtime_integer(balancer.conf.zone_cell, <int64_t>balancer.conf.zone_percent)
    if percent >= 100.0:
        return True
    return random_u64(balancer.random) % FRACTION < percent / 100.0 * FRACTION


cdef const HostList *choose_list(Balancer *balancer, HostSet *hosts, Pick *pick) noexcept nogil:
    cdef const PriorityLoad *load = &hosts.load if pick.load == NULL else pick.load
    cdef bint degraded = False
    cdef uint64_t point = 0 if load.healthy[0] == 100 else random_u64(balancer.random)
    cdef uint32_t number = priority_choose(load, hosts.priorities_len, point, &degraded)
    cdef Priority *priority = &hosts.priorities[number]
    cdef int32_t locality = -1
    if priority.panic:
        count(balancer, LB_HEALTHY_PANIC)
        return NULL if balancer.conf.fail_on_panic else &priority.hosts
    if balancer.conf.locality_weighted and priority.localities_weighted:
        locality = choose_locality(balancer, priority, degraded)
    elif number == 0 and hosts.zones.route != ZONE_OFF and zone_drawn(balancer):
        if hosts.zones.local_panic:
            count(balancer, LB_LOCAL_CLUSTER_NOT_OK)
            if balancer.conf.fail_on_panic:
                return NULL
        else:
            locality = <int32_t>zone_routing_choose(balancer, hosts)
    if locality >= 0:
        return &priority.localities[locality].degraded if degraded else &priority.localities[locality].healthy
    return &priority.degraded if degraded else &priority.healthy


cdef inline bint wants_other(Pick *pick, Host *host, uint32_t attempt) noexcept nogil:
    return host != NULL and pick.refuses != NULL and attempt < pick.retries and pick.refuses(pick, host)


cdef Host *choose_from_list(Balancer *balancer, HostSet *hosts, Pick *pick) noexcept nogil:
    cdef const HostList *list
    cdef Lane *lane
    cdef Host *host
    cdef uint32_t attempt = 0
    while True:
        list = choose_list(balancer, hosts, pick)
        if list == NULL or list.len == 0:
            return NULL
        lane = lane_of(balancer, list.id)
        host = NULL if lane == NULL else balancer.ops.choose(balancer, list, lane, pick)
        if not wants_other(pick, host, attempt):
            return host
        attempt += 1


cdef Host *choose_hashed(Balancer *balancer, HostSet *hosts, Pick *pick) noexcept nogil:
    cdef uint64_t hash = pick.hash if pick.has_hash else random_u64(balancer.random)
    cdef bint degraded = False
    cdef Priority *priority = &hosts.priorities[priority_choose(&hosts.load, hosts.priorities_len, hash, &degraded)]
    cdef Host *host
    cdef uint32_t attempt = 0
    if priority.panic:
        count(balancer, LB_HEALTHY_PANIC)
    while True:
        host = balancer.ops.choose_from(balancer, priority, hash, attempt)
        if not wants_other(pick, host, attempt):
            return host
        attempt += 1


cdef Host *balancer_pick_from(Balancer *balancer, HostSet *hosts, Pick *pick) noexcept nogil:
    if balancer.ops.choose_from != NULL:
        return choose_hashed(balancer, hosts, pick)
    return choose_from_list(balancer, hosts, pick)


cdef Host *balancer_pick(Balancer *balancer, Pick *pick) noexcept nogil:
    if balancer.hosts == NULL:
        return NULL
    if pick.preferred != NULL:
        if host_health(pick.preferred) != HOST_UNHEALTHY:
            return pick.preferred
        if pick.preferred_only:
            return NULL
    if balancer.hosts.subsets != NULL:
        return subset_pick(balancer, pick)
    return balancer_pick_from(balancer, balancer.hosts, pick)
