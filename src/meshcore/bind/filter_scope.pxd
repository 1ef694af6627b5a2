# FilterScope: what the compilation of a filter's settings needs: where they live, who owns regular expressions, where statistics get their
# slots. One per arena: the listener's for a filter's own settings, the route table's for those of routes. Main thread, with the GIL.
#
# What a route says is laid over the filter's own settings here, when a table is made, never while a request waits: a filter that merges
# makes one struct of `own` and the levels, one that does not takes the `nearest`, and filter_settings (filter/http) finds either.
from libc.stdint cimport uint32_t

from meshcore.base.arena cimport Arena
from meshcore.base.runtime cimport RuntimeCell, RuntimeFraction
from meshcore.bind.stats cimport Group, Layout, StatsRegistry
from meshcore.route.regex cimport Regex

cdef class FilterScope:
    cdef Arena *arena
    cdef Regex **regexes
    cdef StatsRegistry registry
    cdef list owned                # prefixes that the table gives back when it ends
    cdef str prefix                # "http.<stat_prefix>."
    cdef str filter_name           # of the filter in its chain
    cdef object own                # what the filter itself is set to, where a route is compiled; None: that is what is compiled
    cdef str node_cluster          # node.cluster of the bootstrap
    cdef dict cluster_index        # cluster name -> slot in every worker, grown as names are met

    cdef int fraction(self, object spec, RuntimeFraction *out) except -1
    cdef RuntimeCell *cell(self, str key) except? NULL                # NULL for ""
    cdef void *room(self, size_t n) except NULL                       # cleared
    # The slots of the first n names of the layout below `prefix`; whoever asks for the same prefix gets the same ones.
    cdef Group stats(self, str prefix, Layout layout, int n, uint32_t *slots)
    cdef uint32_t cluster(self, str name) except? 0xffffffff


cdef inline object nearest(tuple specs):
    # The settings of the most specific level.
    return specs[len(specs) - 1]
