"""Where another try may go. See reselect.pxd for the law.

The priorities are Envoy's PreviousPrioritiesRetryPriority: after each `update_frequency` tries the priorities used so far take no more load,
until none is left; then all of them are back.
"""
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memset

from meshcore.base.arena cimport arena_take
from meshcore.cluster.balancer cimport Pick
from meshcore.cluster.host cimport Host
from meshcore.cluster.host_set cimport HostSet, PriorityLoad
from meshcore.route.label cimport labels_hold
from meshcore.proxy.aggregate cimport aggregate_hosts
from meshcore.proxy.objects cimport *
from meshcore.route.table cimport REFUSE_CANARY, REFUSE_LABELS, REFUSE_PREVIOUS, RetryPolicy

cdef enum:
    HEDGE_LOOKS = 16               # how often a hedged try is moved away from a host that has one already


cdef bint was_tried(Stream *stream, Host *host) noexcept nogil:
    cdef Tried *tried = stream.tried
    while tried != NULL:
        if tried.host == host:
            return True
        tried = tried.next
    return False


cdef bint refuses(Pick *pick, Host *host) noexcept nogil:
    cdef Stream *stream = <Stream *>pick.owner
    cdef const RetryPolicy *policy = stream.retry
    if policy.refuse & REFUSE_PREVIOUS and was_tried(stream, host):
        return True
    if policy.refuse & REFUSE_CANARY and host.canary:
        return True
    return policy.refuse & REFUSE_LABELS and labels_hold(host.metadata, policy.labels, policy.labels_len)


cdef bint refuses_tried(Pick *pick, Host *host) noexcept nogil:
    return was_tried(<Stream *>pick.owner, host)


cdef bint used_up(Stream *stream, uint32_t priority) noexcept nogil:
    # In the last whole round of tries, or before it.
    cdef uint32_t skip = stream.tried_len % stream.retry.priority_frequency
    cdef Tried *tried = stream.tried
    while tried != NULL:
        if skip > 0:
            skip -= 1
        elif tried.priority == priority:
            return True
        tried = tried.next
    return False


cdef uint32_t availability(HostSet *hosts, uint32_t i) noexcept nogil:
    return hosts.priorities[i].healthy_percent + hosts.priorities[i].degraded_percent


cdef void choose_priorities(Stream *stream, HostSet *hosts, Pick *pick) noexcept nogil:
    cdef PriorityLoad *load = <PriorityLoad *>arena_take(&stream.arena, sizeof(PriorityLoad) + 2 * hosts.priorities_len)
    cdef uint32_t total = 0
    cdef uint32_t left = 100
    cdef uint32_t share
    cdef uint32_t i
    if load == NULL:
        return
    load.healthy = <uint8_t *>(load + 1)
    load.degraded = load.healthy + hosts.priorities_len
    memset(load.healthy, 0, 2 * hosts.priorities_len)
    for i in range(hosts.priorities_len):
        if not used_up(stream, i):
            total += availability(hosts, i)
    if total == 0:
        return                     # none is left: the set's own load
    if total > 100:
        total = 100
    # What rounding leaves goes to the first ones again.
    while left > 0:
        for i in range(hosts.priorities_len):
            if used_up(stream, i):
                continue
            share = availability(hosts, i) * 100 // total
            if share > left:
                share = left
            if hosts.priorities[i].healthy_percent > 0:
                load.healthy[i] += <uint8_t>share
            else:
                load.degraded[i] += <uint8_t>share
            left -= share
    pick.load = load


cdef void reselect_prepare(Stream *stream, Pick *pick, bint extra) noexcept nogil:
    cdef HostSet *hosts
    pick.owner = stream
    if stream.retry != NULL and stream.retry.refuse != 0:
        pick.refuses = refuses
        pick.retries = stream.retry.host_attempts
    elif extra:
        pick.refuses = refuses_tried
        pick.retries = HEDGE_LOOKS
    if stream.retry != NULL and stream.retry.priority_frequency > 0 and stream.tried_len >= stream.retry.priority_frequency:
        hosts = stream.cluster.hosts if stream.cluster.aggregate == NULL else aggregate_hosts(stream.cluster)
        if hosts != NULL:
            choose_priorities(stream, hosts, pick)


cdef void reselect_note(Stream *stream, Host *host, uint32_t priority) noexcept nogil:
    cdef Tried *tried = <Tried *>arena_take(&stream.arena, sizeof(Tried))
    if tried == NULL:
        return
    tried.host = host
    tried.priority = priority
    tried.next = stream.tried
    stream.tried = tried
    stream.tried_len += 1
