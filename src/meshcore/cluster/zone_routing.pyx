"""Zone-aware routing. See zone_routing.pxd for the law.

The proxies of a place bring a share of the load, its hosts are a share of the capacity. When a place has at least the capacity that its
proxies need, all of their requests stay. Otherwise as much stays as there is capacity, and the rest goes to places that have some left, in
proportion to it. Shares are of 10,000.
"""
from libc.stdint cimport uint64_t

from meshcore.base.random cimport random_u64
from meshcore.base.runtime cimport runtime_integer
from meshcore.base.span cimport span_equal
from meshcore.cluster.balancer cimport *
from meshcore.cluster.host cimport Host
from meshcore.cluster.host_set cimport HostList, Locality, Priority, ZONE_DIRECT, ZONE_OFF, ZONE_RESIDUAL
from meshcore.cluster.priority_load cimport priority_panics
from meshcore.observe.counters cimport stat_inc

cdef enum:
    WHOLE = 10000


cdef inline void count(Balancer *balancer, int stat) noexcept nogil:
    if balancer.stats != NULL:
        stat_inc(balancer.stats, balancer.conf.stats[stat])


cdef bint same_place(const Host *a, const Host *b) noexcept nogil:
    return span_equal(a.region, b.region) and span_equal(a.zone, b.zone) and span_equal(a.sub_zone, b.sub_zone)


cdef uint64_t size_of(const HostList *list, bint by_weight) noexcept nogil:
    cdef uint64_t sum = 0
    cdef uint32_t i
    if not by_weight:
        return list.len
    for i in range(list.len):
        sum += list.weights[i]
    return sum


cdef uint64_t total(const Priority *priority, bint by_weight) noexcept nogil:
    cdef uint64_t sum = 0
    cdef uint32_t i
    for i in range(priority.localities_len):
        sum += size_of(&priority.localities[i].healthy, by_weight)
    return sum


cdef uint64_t local_share(const Priority *local, const Locality *place, uint64_t whole, bint by_weight) noexcept nogil:
    # What part of the proxies is where the hosts of `place` are.
    cdef uint32_t i
    cdef const HostList *healthy
    if whole == 0 or place.healthy.len == 0:
        return 0
    for i in range(local.localities_len):
        healthy = &local.localities[i].healthy
        if healthy.len > 0 and same_place(healthy.hosts[0], place.healthy.hosts[0]):
            return WHOLE * size_of(healthy, by_weight) // whole
    return 0


cdef bint applies(HostSet *hosts, const Priority *local, const LbConf *conf) noexcept nogil:
    cdef const Priority *priority = &hosts.priorities[0]
    if priority.localities_len < 2 or (local.localities_len < 2 and conf.force_local_zone == 0) or not local.has_local or \
            local.localities[0].hosts.len == 0:
        return False
    hosts.zones.too_small = priority.healthy.len < <uint64_t>runtime_integer(conf.zone_size_cell, <int64_t>conf.min_cluster_size)
    return not hosts.zones.too_small


cdef void zone_routing_compute(HostSet *hosts, const HostSet *local, const LbConf *conf) noexcept nogil:
    cdef const Priority *priority = &hosts.priorities[0]
    cdef const Locality *place
    cdef uint64_t upstream_whole
    cdef uint64_t local_whole
    cdef uint64_t upstream
    cdef uint64_t proxies
    cdef uint64_t room = 0
    cdef uint32_t i
    hosts.zones.route = ZONE_OFF
    if local == NULL or conf.zone_percent <= 0 or not applies(hosts, &local.priorities[0], conf):
        return
    hosts.zones.local_panic = priority_panics(&local.priorities[0], balancer_panic(conf))
    upstream_whole = total(priority, conf.zone_by_weight)
    local_whole = total(&local.priorities[0], conf.zone_by_weight)
    hosts.zones.route = ZONE_RESIDUAL
    hosts.zones.local_share = 0
    for i in range(priority.localities_len):
        place = &priority.localities[i]
        upstream = WHOLE * size_of(&place.healthy, conf.zone_by_weight) // upstream_whole if upstream_whole > 0 else 0
        proxies = local_share(&local.priorities[0], place, local_whole, conf.zone_by_weight)
        if i == 0 and priority.has_local:
            if (upstream > 0 and upstream >= proxies) or (conf.force_local_zone > 0 and place.healthy.len >= conf.force_local_zone):
                hosts.zones.route = ZONE_DIRECT
                return
            hosts.zones.local_share = <uint32_t>(upstream * WHOLE // proxies) if proxies > 0 else 0
        elif upstream > proxies:
            room += upstream - proxies
        hosts.zones.residual[i] = room


cdef uint32_t zone_routing_choose(Balancer *balancer, const HostSet *hosts) noexcept nogil:
    cdef uint32_t places = hosts.priorities[0].localities_len
    cdef uint64_t point
    cdef uint32_t i = 0
    if hosts.zones.route == ZONE_DIRECT:
        count(balancer, LB_ZONE_ROUTING_ALL_DIRECTLY)
        return 0
    if random_u64(balancer.random) % WHOLE < hosts.zones.local_share:
        count(balancer, LB_ZONE_ROUTING_SAMPLED)
        return 0
    count(balancer, LB_ZONE_ROUTING_CROSS_ZONE)
    if hosts.zones.residual[places - 1] == 0:
        count(balancer, LB_ZONE_NO_CAPACITY_LEFT)
        return <uint32_t>(random_u64(balancer.random) % places)
    point = random_u64(balancer.random) % hosts.zones.residual[places - 1]
    while point >= hosts.zones.residual[i]:
        i += 1
    return i
