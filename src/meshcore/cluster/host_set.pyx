"""Host sets: construction and reference counts. See host_set.pxd for the law.

A set is one block of memory. Lists that hold the same hosts share their arrays: in a set of one locality whose hosts are all healthy there
is one array.
"""
from libc.stdlib cimport calloc, free

from meshcore.base.atomics cimport atomic_ref, atomic_unref
from meshcore.base.hash cimport xxhash64
from meshcore.base.span cimport span_equal
from meshcore.cluster.host cimport HEALTH_EXCLUDED_BITS, HOST_DEGRADED, HOST_HEALTHY, atomic_load, health_of, host_unref

cdef enum:
    FEW_HOSTS = 16                 # found without an index

cdef enum Wanted:
    ALL
    HEALTHY
    DEGRADED

cdef struct Builder:
    const Member *members
    uint8_t *health                # of each member, read once: it may change while the set is built
    uint8_t *excluded
    const Shape *shape
    Host **hosts                   # free room
    uint32_t *weights
    uint32_t next_id


cdef inline size_t aligned(size_t n) noexcept nogil:
    return (n + 7) & ~<size_t>7


cdef inline bint belongs(Builder *b, uint32_t i, uint32_t priority, int group, int wanted) noexcept nogil:
    cdef const Member *member = &b.members[i]
    if group >= 0:
        if member.group != <uint32_t>group:
            return False
    elif b.shape.groups[member.group].priority != priority:
        return False
    return wanted == ALL or (wanted == HEALTHY and b.health[i] == HOST_HEALTHY) or (wanted == DEGRADED and b.health[i] == HOST_DEGRADED)


cdef void fill(Builder *b, HostList *out, uint32_t n, uint32_t priority, int group, int wanted, const HostList *same) noexcept nogil:
    # `same`: a list that may turn out to hold the same hosts.
    cdef uint32_t i
    out.hosts = b.hosts
    out.weights = b.weights
    out.id = b.next_id
    b.next_id += 1
    for i in range(n):
        if belongs(b, i, priority, group, wanted):
            out.hosts[out.len] = b.members[i].host
            out.weights[out.len] = b.members[i].weight
            if out.weights[out.len] != out.weights[0]:
                out.weighted = True
            out.heaviest = max(out.heaviest, out.weights[out.len])
            out.len += 1
    if same != NULL and same.len == out.len:
        out.hosts = same.hosts
        out.weights = same.weights
        return
    b.hosts += out.len
    b.weights += out.len


cdef double availability(const Locality *locality, uint32_t eligible, uint32_t overprovisioning) noexcept nogil:
    # Envoy's effective locality weight.
    cdef uint32_t counted = locality.hosts.len - locality.excluded_len
    cdef double share
    if counted == 0:
        return 0
    share = overprovisioning / 100.0 * (1.0 * eligible / counted)
    return locality.weight * (share if share < 1.0 else 1.0)


cdef uint32_t count_excluded(Builder *b, uint32_t n, uint32_t priority, int group, uint64_t *weight) noexcept nogil:
    cdef uint32_t found = 0
    cdef uint32_t i
    for i in range(n):
        if b.excluded[i] and belongs(b, i, priority, group, ALL):
            found += 1
            weight[0] += b.members[i].weight
    return found


cdef void fill_locality(Builder *b, Priority *priority, Locality *out, uint32_t n, int group) noexcept nogil:
    cdef const Group *place = &b.shape.groups[group]
    cdef uint64_t unused = 0
    cdef bint alone = priority.localities_len == 1
    fill(b, &out.hosts, n, place.priority, group, ALL, &priority.hosts if alone else NULL)
    fill(b, &out.healthy, n, place.priority, group, HEALTHY, &priority.healthy if alone else &out.hosts)
    fill(b, &out.degraded, n, place.priority, group, DEGRADED, &priority.degraded if alone else NULL)
    out.excluded_len = count_excluded(b, n, place.priority, group, &unused)
    out.weight = place.weight
    if place.weight > 0:
        priority.localities_weighted = True
    if place.local:
        priority.has_local = True
    out.healthy_weight = availability(out, out.healthy.len, b.shape.overprovisioning)
    out.degraded_weight = availability(out, out.degraded.len, b.shape.overprovisioning)


cdef void fill_priority(Builder *b, HostSet *hosts, uint32_t n, uint32_t number, Locality *localities) noexcept nogil:
    cdef Priority *out = &hosts.priorities[number]
    cdef uint32_t group
    fill(b, &out.healthy, n, number, -1, HEALTHY, &out.hosts)
    fill(b, &out.degraded, n, number, -1, DEGRADED, NULL)
    out.healthy_edf = b.next_id
    out.degraded_edf = b.next_id + 1
    b.next_id += 2
    out.excluded_len = count_excluded(b, n, number, -1, &out.excluded_weight)
    out.localities = localities
    for group in range(b.shape.groups_len):
        if b.shape.groups[group].priority == number:
            out.localities_len += 1
    for group in range(b.shape.groups_len):
        if b.shape.groups[group].priority == number:
            fill_locality(b, out, localities, n, <int>group)
            localities += 1
    hosts.healthy_len += out.healthy.len
    hosts.degraded_len += out.degraded.len
    hosts.excluded_len += out.excluded_len


cdef HostSet *allocate(uint32_t n, const Shape *shape, Builder *b, Locality **localities) noexcept nogil:
    # A host has at most four places: among all and among the healthy or degraded ones, of its priority and of its locality.
    cdef size_t places = n * 4
    cdef size_t room = aligned(sizeof(HostSet)) + shape.priorities * sizeof(Priority) + shape.groups_len * sizeof(Locality) + \
        places * (sizeof(Host *) + sizeof(uint32_t)) + 2 * aligned(shape.priorities) + shape.groups_len * sizeof(uint64_t) + \
        2 * aligned(n)
    cdef char *at = <char *>calloc(1, room)
    cdef HostSet *hosts = <HostSet *>at
    if at == NULL:
        return NULL
    at += aligned(sizeof(HostSet))
    hosts.refs = 1
    hosts.priorities = <Priority *>at
    hosts.priorities_len = shape.priorities
    at += shape.priorities * sizeof(Priority)
    localities[0] = <Locality *>at
    at += shape.groups_len * sizeof(Locality)
    hosts.zones.residual = <uint64_t *>at
    at += shape.groups_len * sizeof(uint64_t)
    hosts.load.healthy = <uint8_t *>at
    at += aligned(shape.priorities)
    hosts.load.degraded = <uint8_t *>at
    at += aligned(shape.priorities)
    b.hosts = <Host **>at
    at += places * sizeof(Host *)
    b.weights = <uint32_t *>at
    at += places * sizeof(uint32_t)
    b.health = <uint8_t *>at
    b.excluded = b.health + aligned(n)
    return hosts


cdef HostSet *host_set_new(const Member *members, uint32_t n, const Shape *shape, uint32_t first_id) noexcept nogil:
    cdef Builder b
    cdef Locality *localities = NULL
    cdef HostSet *hosts = allocate(n, shape, &b, &localities)
    cdef int64_t bits
    cdef uint32_t i
    if hosts == NULL:
        return NULL
    b.members = members
    b.shape = shape
    b.next_id = first_id
    hosts.len = n
    hosts.hosts = b.hosts
    hosts.overprovisioning = shape.overprovisioning
    hosts.weighted_health = shape.weighted_health
    hosts.plain = shape.plain
    for i in range(n):
        bits = atomic_load(&members[i].host.health)
        b.health[i] = <uint8_t>health_of(bits)
        b.excluded[i] = bits & HEALTH_EXCLUDED_BITS != 0
        if members[i].host.slot >= hosts.slots:
            hosts.slots = members[i].host.slot + 1
        atomic_ref(&members[i].host.refs)
    for i in range(shape.priorities):
        fill(&b, &hosts.priorities[i].hosts, n, i, -1, ALL, NULL)
    for i in range(shape.priorities):
        fill_priority(&b, hosts, n, i, localities)
        localities += hosts.priorities[i].localities_len
    hosts.lists_len = b.next_id
    return hosts


cdef void host_set_unref(HostSet *hosts) noexcept nogil:
    cdef uint32_t i
    if hosts == NULL or atomic_unref(&hosts.refs) > 0:
        return
    if hosts.subsets != NULL:
        hosts.free_subsets(hosts.subsets)
    free(hosts.by_text)
    for i in range(hosts.priorities_len):
        if hosts.priorities[i].table != NULL:
            hosts.free_table(hosts.priorities[i].table)
    for i in range(hosts.len):
        host_unref(hosts.hosts[i])
    free(hosts)


# --- by address -----------------------------------------------------------------------------------------------------------


cdef bint host_set_index(HostSet *hosts) noexcept nogil:
    cdef uint32_t cap = 2
    cdef uint32_t at
    cdef uint32_t i
    if hosts.len <= FEW_HOSTS:
        return True
    while cap < 2 * hosts.len:
        cap *= 2
    hosts.by_text = <uint32_t *>calloc(cap, sizeof(uint32_t))
    if hosts.by_text == NULL:
        return False
    hosts.by_text_mask = cap - 1
    for i in range(hosts.len):
        at = <uint32_t>xxhash64(hosts.hosts[i].text.at, hosts.hosts[i].text.len, 0) & hosts.by_text_mask
        while hosts.by_text[at] != 0:
            at = (at + 1) & hosts.by_text_mask
        hosts.by_text[at] = i + 1
    return True


cdef Host *host_set_find(const HostSet *hosts, Span text) noexcept nogil:
    cdef uint32_t at
    if hosts.by_text == NULL:
        for at in range(hosts.len if hosts.len <= FEW_HOSTS else 0):
            if span_equal(hosts.hosts[at].text, text):
                return hosts.hosts[at]
        return NULL
    at = <uint32_t>xxhash64(text.at, text.len, 0) & hosts.by_text_mask
    while hosts.by_text[at] != 0:
        if span_equal(hosts.hosts[hosts.by_text[at] - 1].text, text):
            return hosts.hosts[hosts.by_text[at] - 1]
        at = (at + 1) & hosts.by_text_mask
    return NULL
