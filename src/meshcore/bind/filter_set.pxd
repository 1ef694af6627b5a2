# FilterSet: the HTTP filters of one connection manager while its tables are built: their order, their names, and what the levels of
# typed_per_filter_config make of them. Main thread, with the GIL; gone when the tables are finished.
from meshcore.base.arena cimport Arena
from meshcore.bind.filter_scope cimport FilterScope
from meshcore.bind.stats cimport StatsRegistry
from meshcore.conf.tables cimport HcmConf
from meshcore.route.regex cimport Regex
from meshcore.route.table cimport RouteFilters

cdef class FilterSet:
    cdef StatsRegistry registry
    cdef str prefix                # "http.<stat_prefix>."
    cdef dict cluster_index
    cdef str node_cluster
    cdef list owned                # prefixes of statistics that the table gives back when it ends
    cdef list links                # spec.HttpFilter, the router left out
    cdef tuple levels              # spec.FilterOverride of each level entered so far, the least specific first

    cdef FilterScope scope(self, Arena *arena, Regex **regexes, object link, bint of_route)
    cdef FilterSet within(self, tuple level)                          # the same set, one level further in
    # What these levels change; NULL: nothing.
    cdef RouteFilters *of_route(self, Arena *arena, Regex **regexes) except? NULL
    # The connection manager's filter table; what must stay alive with it goes into `keep_on`.
    cdef int fill(self, Arena *arena, HcmConf *hcm, list keep_on) except -1

cdef FilterSet filter_set(StatsRegistry registry, object hcm, dict cluster_index, str node_cluster, list owned)      # of a spec.Hcm
