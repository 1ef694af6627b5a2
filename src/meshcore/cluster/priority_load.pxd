# Priority load: how 100 % of a cluster's load divide over its priorities, and which of them are in panic. Envoy's arithmetic, to the
# rounding. Computed once per host set, on the main thread; picking a priority is on the workers.
from libc.stdint cimport uint32_t, uint64_t

from meshcore.cluster.host_set cimport HostSet, Priority, PriorityLoad

cdef void priority_load_compute(HostSet *hosts, uint32_t panic_percent) noexcept nogil
cdef void priority_load_divide(HostSet *hosts, uint32_t panic_percent) noexcept nogil      # of priorities whose availability is known
cdef bint priority_panics(const Priority *priority, uint32_t panic_percent) noexcept nogil

# The priority that a number falls into; `degraded`: its degraded hosts are meant.
cdef inline uint32_t priority_choose(const PriorityLoad *load, uint32_t priorities, uint64_t hash, bint *degraded) noexcept nogil:
    cdef uint32_t point
    cdef uint32_t sum = 0
    cdef uint32_t i
    degraded[0] = False
    if load.healthy[0] == 100:
        return 0
    point = <uint32_t>(hash % 100) + 1
    for i in range(priorities):
        sum += load.healthy[i]
        if point <= sum:
            return i
    degraded[0] = True
    for i in range(priorities):
        sum += load.degraded[i]
        if point <= sum:
            return i
    degraded[0] = False
    return 0
