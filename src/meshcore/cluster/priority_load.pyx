"""Priority load: availability, panic and percentages. See priority_load.pxd for the law.

Availability of a priority is its share of healthy (or degraded) hosts times the overprovisioning factor, capped at 100 %. Load fills the
first priorities as far as they are available. When all of them together reach no 100 %, those with too few healthy hosts panic: they use
every host; when all panic, load divides by the number of hosts alone.
"""
from libc.stdint cimport int32_t, uint8_t

from meshcore.cluster.host_set cimport HostList


cdef inline uint32_t at_most_100(uint64_t n) noexcept nogil:
    return 100 if n > 100 else <uint32_t>n


cdef uint64_t weight_of(const HostList *list) noexcept nogil:
    cdef uint64_t sum = 0
    cdef uint32_t i
    for i in range(list.len):
        sum += list.weights[i]
    return sum


cdef void measure(HostSet *hosts, Priority *priority) noexcept nogil:
    cdef uint64_t healthy = priority.healthy.len
    cdef uint64_t degraded = priority.degraded.len
    cdef uint64_t total = priority.hosts.len - priority.excluded_len
    if total == 0:
        return
    if hosts.weighted_health:
        healthy = weight_of(&priority.healthy)
        degraded = weight_of(&priority.degraded)
        total = weight_of(&priority.hosts) - priority.excluded_weight
    priority.healthy_percent = <uint8_t>at_most_100(hosts.overprovisioning * healthy // total)
    priority.degraded_percent = <uint8_t>at_most_100(hosts.overprovisioning * degraded // total)


cdef bint priority_panics(const Priority *priority, uint32_t panic_percent) noexcept nogil:
    cdef uint32_t counted = priority.hosts.len - priority.excluded_len
    if counted == 0:
        return panic_percent > 0
    return 100.0 * priority.healthy.len / counted + 100.0 * priority.degraded.len / counted < panic_percent


cdef uint32_t give(uint8_t *load, uint32_t percent, uint32_t left, uint32_t available) noexcept nogil:
    cdef uint32_t share = percent * 100 // available
    load[0] = <uint8_t>(share if share < left else left)
    return left - load[0]


cdef void divide(HostSet *hosts, uint32_t available) noexcept nogil:
    cdef uint32_t left = 100
    cdef int32_t first_healthy = -1
    cdef int32_t first_degraded = -1
    cdef uint32_t i
    for i in range(hosts.priorities_len):
        if first_healthy < 0 and hosts.priorities[i].healthy_percent > 0:
            first_healthy = i
        left = give(&hosts.load.healthy[i], hosts.priorities[i].healthy_percent, left, available)
    for i in range(hosts.priorities_len):
        if first_degraded < 0 and hosts.priorities[i].degraded_percent > 0:
            first_degraded = i
        left = give(&hosts.load.degraded[i], hosts.priorities[i].degraded_percent, left, available)
    # What rounding left over.
    if first_healthy >= 0:
        hosts.load.healthy[first_healthy] += <uint8_t>left
    elif first_degraded >= 0:
        hosts.load.degraded[first_degraded] += <uint8_t>left


cdef void divide_by_number(HostSet *hosts) noexcept nogil:
    cdef uint32_t left = 100
    cdef int32_t first = -1
    cdef uint32_t i
    if hosts.len == 0:
        hosts.load.healthy[0] = 100
        return
    for i in range(hosts.priorities_len):
        if first < 0 and hosts.priorities[i].hosts.len > 0:
            first = i
        hosts.load.healthy[i] = <uint8_t>(<uint64_t>100 * hosts.priorities[i].hosts.len // hosts.len)
        hosts.load.degraded[i] = 0
        left -= hosts.load.healthy[i]
    hosts.load.healthy[first] += <uint8_t>left


cdef void priority_load_compute(HostSet *hosts, uint32_t panic_percent) noexcept nogil:
    cdef uint32_t i
    for i in range(hosts.priorities_len):
        measure(hosts, &hosts.priorities[i])
    priority_load_divide(hosts, panic_percent)


cdef void priority_load_divide(HostSet *hosts, uint32_t panic_percent) noexcept nogil:
    cdef uint32_t available = 0
    cdef bint all_panic = True
    cdef uint32_t i
    for i in range(hosts.priorities_len):
        available += hosts.priorities[i].healthy_percent + hosts.priorities[i].degraded_percent
    available = at_most_100(available)
    if available > 0:
        divide(hosts, available)
    if panic_percent == 0 and available == 0:
        hosts.load.healthy[0] = 100        # nobody will be found there, and somebody has to be asked
        return
    for i in range(hosts.priorities_len):
        hosts.priorities[i].panic = available < 100 and priority_panics(&hosts.priorities[i], panic_percent)
        all_panic = all_panic and hosts.priorities[i].panic
    if all_panic:
        divide_by_number(hosts)
