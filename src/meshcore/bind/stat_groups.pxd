# Statistics of a table: it takes a group of them while it is built, and `owned` says what the group's owner gives back when the table has ended.
# Called by whatever in bind/ compiles a table, on the main thread with the GIL.
from libc.stdint cimport uint32_t

from meshcore.bind.stats cimport Group, Layout, StatsRegistry

cdef Group take_stats(StatsRegistry registry, str prefix, Layout layout, list owned, int n, uint32_t *slots)
