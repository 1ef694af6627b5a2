# Compiles spec.RouteTable to the engine's route table: one pass over the plan, everything in the table's own arena.
#
# Main thread, with the GIL. Cluster names stay unresolved (ClusterChoice.index is -1): they depend on what else is published and
# are filled by whoever publishes the table. `filters` knows the connection manager's HTTP filters.
from meshcore.base.arena cimport Arena
from meshcore.bind.filter_set cimport FilterSet
from meshcore.bind.runtime cimport RuntimeCells
from meshcore.route.mutation cimport HeaderAdd, Mutation
from meshcore.route.table cimport RouteTable

# Indexed, with one reference. Raises ValueError for what the configuration layer should have refused, MemoryError.
cdef RouteTable *routes_compile(object spec, RuntimeCells cells, FilterSet filters) except NULL
# An add list by itself (local replies have one); NULL for an empty list.
cdef HeaderAdd *compile_adds(Arena *arena, object specs, bint response) except? NULL
cdef int compile_value(Arena *arena, object value, HeaderAdd *out) except -1    # the value of one addition
cdef Mutation *compile_mutation(Arena *arena, object spec) except? NULL    # spec.HeaderMutation; NULL: nothing to do
