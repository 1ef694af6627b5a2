# Compiles the conditions of a listener's filter chains (spec.ChainMatch) to the engine's chain index. Main thread, with the GIL.
from meshcore.base.arena cimport Arena
from meshcore.route.chain_index cimport ChainIndex

cdef ChainIndex *compile_chains(Arena *arena, object chains) except NULL
