"""Groups of statistics that a table takes; see stat_groups.pxd."""
from libc.stdint cimport uint32_t

from meshcore.bind.stats cimport Group, Layout, StatsRegistry


cdef Group take_stats(StatsRegistry registry, str prefix, Layout layout, list owned, int n, uint32_t *slots):
    # The first n names of the layout are those of an enumeration in conf/stat_ids. `owned`: what the table gives back when it ends.
    cdef Group group = registry.group(prefix, layout)
    cdef int i
    owned.append(prefix)
    for i in range(n):
        slots[i] = group.slot + layout.at[i]
    return group
