# Compiles what stands before the end of a filter chain: listener filters and network filters. Main thread, with the GIL.
from libc.stdint cimport uint32_t

from meshcore.base.arena cimport Arena
from meshcore.bind.stats cimport StatsRegistry
from meshcore.conf.tables cimport ListenerFilter, NetworkFilter
from meshcore.route.regex cimport Regex

# `owned`: the prefixes of statistics that end with the table.
cdef ListenerFilter *compile_listener_filters(Arena *arena, object specs, StatsRegistry registry, list owned) except NULL
cdef NetworkFilter *compile_network_filters(Arena *arena, object specs, object place, StatsRegistry registry, list owned,
                                            Regex **regexes, uint32_t *n) except NULL
