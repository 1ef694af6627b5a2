"""Aggregate clusters; see aggregate.pxd for the law."""
from libc.stdint cimport uint8_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memset

from meshcore.base.random cimport random_u64
from meshcore.cluster.balancer cimport balancer_panic
from meshcore.cluster.host_set cimport Priority, PriorityLoad
from meshcore.cluster.priority_load cimport priority_choose, priority_load_divide
from meshcore.proxy.objects cimport *


cdef bint aggregate_init(ClusterLocal *cluster) noexcept nogil:
    cluster.aggregate = <Aggregate *>calloc(1, sizeof(Aggregate))
    return cluster.aggregate != NULL


cdef void aggregate_fini(ClusterLocal *cluster) noexcept nogil:
    cdef Aggregate *line = cluster.aggregate
    if line == NULL:
        return
    free(line.all.priorities)
    free(line.all.load.healthy)
    free(line.places)
    free(line.only.healthy)
    free(line)
    cluster.aggregate = NULL


# --- the line -----------------------------------------------------------------------------------------------------------


cdef bint load_room(PriorityLoad *load, uint32_t cap) noexcept nogil:
    # Both halves of a load in one block, all zero.
    cdef uint8_t *room = <uint8_t *>realloc(load.healthy, 2 * cap)
    if room == NULL:
        return False
    memset(room, 0, 2 * cap)
    load.healthy = room
    load.degraded = room + cap
    return True


cdef bint make_room(Aggregate *line, uint32_t cap, uint32_t widest) noexcept nogil:
    cdef Priority *priorities
    cdef AggregatePlace *places
    if cap > line.cap:
        priorities = <Priority *>realloc(line.all.priorities, cap * sizeof(Priority))
        if priorities == NULL:
            return False
        line.all.priorities = priorities
        places = <AggregatePlace *>realloc(line.places, cap * sizeof(AggregatePlace))
        if places == NULL:
            return False
        line.places = places
        if not load_room(&line.all.load, cap):
            return False
        line.cap = cap
    if widest > line.only_cap:
        if not load_room(&line.only, widest):
            return False
        line.only_cap = widest
    return True


cdef ClusterLocal *member(ClusterLocal *cluster, uint32_t i) noexcept nogil:
    # NULL: it does not run, or knows no hosts.
    cdef Engine *engine = cluster.engine
    cdef uint32_t index = cluster.conf.aggregate.members[i]
    cdef ClusterLocal *found = engine.clusters[index] if index < engine.clusters_cap else NULL
    return NULL if found == NULL or found.hosts == NULL else found


cdef bint line_up(ClusterLocal *cluster) noexcept nogil:
    cdef Aggregate *line = cluster.aggregate
    cdef ClusterLocal *of
    cdef uint32_t cap = 0
    cdef uint32_t widest = 0
    cdef uint32_t i
    cdef uint32_t k
    for i in range(cluster.conf.aggregate.members_len):
        of = member(cluster, i)
        if of != NULL:
            cap += of.hosts.priorities_len
            widest = max(widest, of.hosts.priorities_len)
    if not make_room(line, cap, widest):
        return False
    line.all.priorities_len = 0
    line.all.len = 0
    for i in range(cluster.conf.aggregate.members_len):
        of = member(cluster, i)
        if of == NULL:
            continue
        for k in range(of.hosts.priorities_len):
            if of.hosts.priorities[k].hosts.len == 0:
                continue
            line.all.priorities[line.all.priorities_len] = of.hosts.priorities[k]
            line.places[line.all.priorities_len].cluster = of
            line.places[line.all.priorities_len].priority = k
            line.all.priorities_len += 1
            line.all.len += of.hosts.priorities[k].hosts.len
    if line.all.priorities_len > 0:
        memset(line.all.load.healthy, 0, line.all.priorities_len)
        memset(line.all.load.degraded, 0, line.all.priorities_len)
        priority_load_divide(&line.all, balancer_panic(&cluster.conf.lb))
    line.epoch = cluster.engine.hosts_epoch
    return True


cdef HostSet *aggregate_hosts(ClusterLocal *cluster) noexcept nogil:
    cdef Aggregate *line = cluster.aggregate
    if line.epoch != cluster.engine.hosts_epoch and not line_up(cluster):
        return NULL
    return &line.all if line.all.priorities_len > 0 else NULL


cdef ClusterLocal *aggregate_choose(ClusterLocal *cluster, Pick *pick, uint32_t *number) noexcept nogil:
    cdef HostSet *hosts = aggregate_hosts(cluster)
    cdef PriorityLoad *only = &cluster.aggregate.only
    cdef const PriorityLoad *load
    cdef AggregatePlace *place
    cdef bint degraded = False
    if hosts == NULL:
        return NULL
    load = &hosts.load if pick.load == NULL else pick.load
    number[0] = priority_choose(load, hosts.priorities_len, random_u64(&cluster.engine.loop.random), &degraded)
    place = &cluster.aggregate.places[number[0]]
    memset(only.healthy, 0, 2 * cluster.aggregate.only_cap)
    (only.degraded if degraded else only.healthy)[place.priority] = 100
    pick.load = only
    return place.cluster
