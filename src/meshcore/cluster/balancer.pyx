"""Balancer: from a host set to one list of hosts. See balancer.pxd for the law."""
from libc.stdint cimport int32_t
from libc.stdlib cimport calloc, free, malloc

from meshcore.base.random cimport random_u64
from meshcore.cluster.edf cimport edf_new, edf_put_back, edf_top
from meshcore.cluster.host cimport HOST_UNHEALTHY, host_health
from meshcore.cluster.lb_random cimport lb_random_ops
from meshcore.cluster.lb_round_robin cimport lb_round_robin_ops
from meshcore.cluster.priority_load cimport priority_choose, priority_load_compute
from meshcore.observe.counters cimport stat_inc

cdef enum:
    START_MAX = 1 << 20            # cycles begin at one of so many places


cdef const BalancerOps *ops_of(uint8_t kind) noexcept nogil:
    if kind == LB_RANDOM:
        return lb_random_ops()
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


cdef bint balancer_prepare(HostSet *hosts, const LbConf *conf) noexcept nogil:
    cdef const BalancerOps *ops = ops_of(conf.kind)
    priority_load_compute(hosts, conf.panic_percent)
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


cdef Edf *balancer_schedule(Balancer *balancer, const HostList *list, Lane *lane) noexcept nogil:
    cdef double *weights
    cdef uint32_t i
    if lane.known or not list.weighted:
        return lane.edf
    lane.known = True
    weights = <double *>malloc(list.len * sizeof(double))
    if weights == NULL:
        return NULL                # plain order is a worse share, not an outage
    for i in range(list.len):
        weights[i] = list.weights[i]
    lane.edf = edf_new(weights, list.len, balancer.seed)
    free(weights)
    return lane.edf


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


cdef const HostList *choose_list(Balancer *balancer, Pick *pick) noexcept nogil:
    cdef HostSet *hosts = balancer.hosts
    cdef const PriorityLoad *load = &hosts.load if pick.load == NULL else pick.load
    cdef bint degraded = False
    cdef uint64_t point = 0 if load.healthy[0] == 100 else random_u64(balancer.random)
    cdef Priority *priority = &hosts.priorities[priority_choose(load, hosts.priorities_len, point, &degraded)]
    cdef int32_t locality
    if priority.panic:
        count(balancer, LB_HEALTHY_PANIC)
        return NULL if balancer.conf.fail_on_panic else &priority.hosts
    if balancer.conf.locality_weighted and priority.localities_weighted:
        locality = choose_locality(balancer, priority, degraded)
        if locality >= 0:
            return &priority.localities[locality].degraded if degraded else &priority.localities[locality].healthy
    return &priority.degraded if degraded else &priority.healthy


cdef Host *choose_once(Balancer *balancer, Pick *pick) noexcept nogil:
    cdef const HostList *list = choose_list(balancer, pick)
    cdef Lane *lane
    if list == NULL or list.len == 0:
        return NULL
    lane = lane_of(balancer, list.id)
    return NULL if lane == NULL else balancer.ops.choose(balancer, list, lane, pick)


cdef Host *choose_hashed(Balancer *balancer, Pick *pick) noexcept nogil:
    cdef uint64_t hash = pick.hash if pick.has_hash else random_u64(balancer.random)
    cdef bint degraded = False
    cdef HostSet *hosts = balancer.hosts
    cdef Priority *priority = &hosts.priorities[priority_choose(&hosts.load, hosts.priorities_len, hash, &degraded)]
    cdef Host *host
    cdef uint32_t attempt = 0
    if priority.panic:
        count(balancer, LB_HEALTHY_PANIC)
    while True:
        host = balancer.ops.choose_from(balancer, priority, hash, attempt)
        if host == NULL or pick.refuses == NULL or attempt >= pick.retries or not pick.refuses(pick, host):
            return host
        attempt += 1


cdef Host *balancer_pick(Balancer *balancer, Pick *pick) noexcept nogil:
    cdef Host *host
    cdef uint32_t attempt = 0
    if balancer.hosts == NULL:
        return NULL
    if pick.preferred != NULL:
        if host_health(pick.preferred) != HOST_UNHEALTHY:
            return pick.preferred
        if pick.preferred_only:
            return NULL
    if balancer.ops.choose_from != NULL:
        return choose_hashed(balancer, pick)
    while True:
        host = choose_once(balancer, pick)
        if host == NULL or pick.refuses == NULL or attempt >= pick.retries or not pick.refuses(pick, host):
            return host
        attempt += 1
